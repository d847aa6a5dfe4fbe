"""Growing a dataset: what was delivered is merged into the version before, which stays as it is.

The result is a new version. Which version it grew is pinned, with the hashes of its files, and stands in the lineage.
"""

import shutil
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pyarrow as pa
import pyarrow.parquet as pq

from libs.column_names import RESERVED_NAMES
from libs.compute.engine import Target
from libs.compute.merging import Counts, Merge, Side, require_key, wider
from libs.compute.writing import write_result
from libs.models import Asset, FileRole, Growth, InputVersion, Manifest, Problem, RasterSummary, Rejected, Rule, rule_of
from libs.pipeline.column_notes import SourceNotes, file_metadata, notes_of
from libs.pipeline.datasets import MadeDataset, MadeFile, summary_of
from libs.pipeline.lake_files import fetched
from libs.spatial_utils.crs import require_crs
from libs.storage import DataLake

DELIVERY = "the delivery"
"""What problems call it."""


class Growing:
    """Grows the datasets of one batch.

    Args:
        manifest: Says how.
        lake: Where the versions before lie.
        scratch: A folder of the run's own.
        memory_mb: Of the run, in MiB.
    """

    def __init__(self, manifest: Manifest, lake: DataLake, scratch: Path, memory_mb: int) -> None:
        self._manifest, self._lake, self._memory_mb = manifest, lake, memory_mb
        self._folder = scratch / "growing"
        self._made = 0

    def rule(self, dataset: MadeDataset) -> Rule | None:
        """What holds for a dataset; None where it is replaced."""
        return rule_of(self._manifest.files[dataset.inputs[0].file], self._manifest)

    def grow(self, dataset: MadeDataset, base: Asset | None) -> MadeDataset:
        """The next version of a dataset: the one before with what was delivered. Both stay as they are.

        Args:
            dataset: What was delivered.
            base: The version to grow; None when there is none.

        Raises:
            Rejected: when the delivery does not fit the version, or a key is not one.
        """
        rule = self.rule(dataset)
        if rule is None:
            return dataset
        started = perf_counter()
        where = f"dataset {dataset.dataset_id}"
        if isinstance(dataset.summary, RasterSummary):
            raise Rejected.because(
                "schema_differs", where, f"The delivery is a raster, which has no features: mode {rule.mode!r} is not for it.",
                'Write "mode": "replace" in the manifest.',
            )  # fmt: skip
        if base is None and rule.mode == "delete":
            raise Rejected.because(
                "no_version", where, "There is no such dataset, of which features could be deleted.",
                "Correct 'dataset_id': 'spatial-etl datasets' lists them.",
            )  # fmt: skip
        self._made += 1
        folder = self._folder / f"{self._made}"
        folder.mkdir(parents=True)
        try:
            made = self._first(rule, dataset, where, folder) if base is None else self._next(rule, dataset, base, where, folder)
        finally:
            shutil.rmtree(folder / "base", ignore_errors=True)
        seconds = dataset.seconds | {"merge": round(perf_counter() - started, 3)}
        return replace(made, seconds=seconds)

    def _first(self, rule: Rule, dataset: MadeDataset, where: str, folder: Path) -> MadeDataset:
        new = _delivered(dataset)
        require_key(rule, None, new, where)
        counts = Merge(rule, None, new, new.schema, where, folder, self._memory_mb).match()
        told = Problem(
            code="no_version", where=where, message=f"There was no such dataset to {rule.mode} to: this is its first version.",
            remedy="If another dataset was meant, deliver to that one: 'spatial-etl datasets' lists them.",
        )  # fmt: skip
        return replace(dataset, growth=_growth(rule, None, counts), told=(told,))

    def _next(self, rule: Rule, dataset: MadeDataset, base: Asset, where: str, folder: Path) -> MadeDataset:
        new = _delivered(dataset)
        _require_kind(rule, dataset, base, where)
        paths = fetched(self._lake, base, folder / "base")
        old = Side(base.id, paths, pq.read_schema(paths[0]), base.features or 0)
        require_key(rule, old, new, where)
        schema, told = (old.schema, []) if rule.mode == "delete" else _fitted(rule, old, new, where)
        merge = Merge(rule, old, new, schema, where, folder, self._memory_mb)
        counts = merge.match()
        if counts.unknown:
            told.append(_unknown(counts.unknown, base, where))
        merged = merge.merged(base.crs)
        try:
            notes = SourceNotes()
            for side in (old,) if rule.mode == "delete" else (old, new):
                told += notes.add(notes_of(side.schema), f"{where}, {side.name}")
            known = notes.of_columns(schema)
            crs = require_crs(base.crs, "recipe").projjson if base.crs else None
            (folder / "result").mkdir()
            files = write_result(merged, Target(folder / "result", crs, file_metadata(known)))
        finally:
            merged.close()
        aside = [file for file in dataset.files if file.role != FileRole.DATA]
        return replace(
            dataset,
            title=base.title,
            files=(*map(MadeFile.of, files), *aside),
            summary=summary_of(files, merged, {name: each.summary for name, each in known.items()}),
            told=tuple(told),
            growth=_growth(rule, base, counts),
            grown=pinned(base),
        )


def pinned(asset: Asset) -> InputVersion:
    """A version as an input of another one."""
    return InputVersion(dataset_id=asset.dataset_id, version=asset.version, sha256=tuple(file.sha256 for file in asset.data))


def _delivered(dataset: MadeDataset) -> Side:
    paths = [file.path for file in dataset.files if file.role == FileRole.DATA]
    return Side(DELIVERY, paths, pq.read_schema(paths[0]), sum(file.features or 0 for file in dataset.files))


def _growth(rule: Rule, base: Asset | None, counts: Counts) -> Growth:
    return Growth(
        mode=rule.mode, key=rule.key, base=base.version if base else None, added=counts.added, updated=counts.updated,
        unchanged=counts.unchanged, deleted=counts.deleted,
    )  # fmt: skip


def _unknown(count: int, base: Asset, where: str) -> Problem:
    return Problem(
        code="key_unknown", where=where, message=f"{count:,} of the keys are not in {base.id}: nothing was deleted for them.",
        remedy="If they should be there, compare the keys: a blank, or a zero in front, makes another text.",
    )  # fmt: skip


def _require_kind(rule: Rule, dataset: MadeDataset, base: Asset, where: str) -> None:
    """Make sure that what was delivered can be in one file with the version."""
    if base.kind not in {"vector", "table"}:
        raise Rejected.because(
            "schema_differs", where, f"{base.id} is of the kind {base.kind!r}, which has no features that could be merged.",
            'Write "mode": "replace" in the manifest to replace it.',
        )  # fmt: skip
    if rule.mode == "delete":
        return
    now, then = (("a layer" if kind == "vector" else "a table") for kind in (dataset.summary.kind, base.kind))
    if now != then:
        raise Rejected.because(
            "schema_differs", where, f"The delivery is {now}, and {base.id} is {then}.",
            "Deliver it as what the dataset is, or give it a 'dataset_id' of its own.",
        )  # fmt: skip
    crs = getattr(dataset.summary, "crs", None)
    if crs != base.crs:
        raise Rejected.because(
            "schema_differs", where, f"The delivery has the CRS {crs or 'none'}, and {base.id} has {base.crs or 'none'}.",
            "Use the recipe that the dataset was made with: 'spatial-etl lineage' shows it.",
        )  # fmt: skip


def _fitted(rule: Rule, old: Side, new: Side, where: str) -> tuple[pa.Schema, list[Problem]]:
    """The schema of the result: the version's, widened as far as that is allowed; and what is to be told of it.

    Raises:
        Rejected: with everything that does not fit, of both.
    """
    then, now = _attributes(old.schema), _attributes(new.schema)
    more = {name: type_ for name, type_ in now.items() if name not in then}
    gone = [name for name in then if name not in now]
    other = {name: (then[name], type_) for name, type_ in now.items() if then.get(name, type_) != type_}
    larger = {name: wider(*types) for name, types in other.items()}
    differing = [
        *(f"{name} ({type_}) is in {new.name} only" for name, type_ in more.items()),
        *(f"{name} ({then[name]}) is in {old.name} only" for name in gone),
        *(f"{name} is {now} in {new.name}, {before} in {old.name}" for name, (before, now) in other.items()),
    ]
    if not differing:
        return old.schema.remove_metadata(), []
    can_be_widened = None not in larger.values() and not (gone and rule.mode == "upsert")
    if not (rule.widen and can_be_widened):
        raise Rejected.because(
            "schema_differs", where, f"Its columns are not those of {old.name}: {'; '.join(differing)}.",
            'To take it as it is: write "schema": "widen" in the manifest. Columns without values get nulls.' if can_be_widened
            else "Deliver the columns of the dataset, in its types: a recipe's steps 'cast' and 'rename' can do it.",
        )  # fmt: skip
    fields = [pa.field(name, larger.get(name) or type_) for name, type_ in (then | more).items()]
    rest = [field for field in old.schema if field.name in RESERVED_NAMES]
    told = Problem(
        code="schema_widened", where=where, message=f"Its columns were not those of {old.name}: {'; '.join(differing)}.",
        remedy="Nothing has to be done: the version has the columns of both, in the larger type. Missing values are nulls.",
    )  # fmt: skip
    return pa.schema([*fields, *rest]), [told]


def _attributes(schema: pa.Schema) -> dict[str, pa.DataType]:
    return {field.name: field.type for field in schema if field.name not in RESERVED_NAMES}


def refuse_again(batch_id: str) -> Rejected:
    """Why a batch that has grown datasets is not made again."""
    return Rejected.because(
        "not_made_again", "batch_id", f"The batch {batch_id!r} has grown a dataset, which would grow once more.",
        "To look whether the same comes out: `spatial-etl replay DATASET@N`. Corrected features are a delivery of their own.",
    )  # fmt: skip
