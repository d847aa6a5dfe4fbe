"""From the files of a manifest to finished dataset files in scratch. Decides nothing, writes nothing to lake or ledger.

Each file is opened once and read front to back; a dataset is written as soon as no further file can belong to it.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow as pa

from libs.column_names import GEOMETRY
from libs.compute.engine import DatasetBuilder, Processed, Source, Target, Workspace, default_threads
from libs.compute.writing import write_result
from libs.models import (
    Changes,
    ColumnNotes,
    Field,
    FileRole,
    FileSpec,
    FileType,
    Growth,
    InputLayer,
    InputVersion,
    Manifest,
    Policies,
    Problem,
    RasterSummary,
    Rejected,
    RuleResult,
    TableSummary,
    VectorSummary,
    rules_of,
    shortened,
)
from libs.models.policies import effective
from libs.models.quality import QualityRule
from libs.pipeline.batch_files import BatchFiles
from libs.pipeline.column_notes import SourceNotes, file_metadata
from libs.pipeline.named_inputs import NamedInputs
from libs.pipeline.naming import dataset_id, lake_columns, slug, title
from libs.pipeline.progress import Event, Progress
from libs.pipeline.rejects import Rejects
from libs.pipeline.rejects import warning as set_aside_warning
from libs.pipeline.stack import Stack
from libs.pipeline.staging import StagedFile, stage
from libs.pipeline.step_rejects import LoadedLayer, add_rejects
from libs.spatial_utils.crs import require_crs
from libs.spatial_utils.datums import inexact_shift
from libs.spatial_utils.geoparquet import WrittenFile
from libs.spatial_utils.reading import LayerStream, SourceFile, read_source
from libs.transformations import INGEST_RASTER, Recipe


@dataclass(frozen=True)
class MadeFile:
    """A finished file in scratch, and what it is going to be in the lake.

    Attributes:
        role: A :class:`~libs.models.FileRole`.
        name: In the folder of its version; no two of a dataset have the same.
        features: Rows; None for a file without rows.
    """

    role: FileRole
    name: str
    path: Path
    sha256: str
    bytes: int
    features: int | None

    @classmethod
    def of(cls, file: WrittenFile) -> "MadeFile":
        """A file that was written and checked."""
        return cls(file.role, file.name, file.path, file.sha256, file.bytes, file.features)


@dataclass(frozen=True)
class MadeDataset:
    """A dataset of the batch, written and checked, not yet in the lake.

    Attributes:
        files: In the order of the record: the data first, in parts or in one.
        recipe: What it was made by.
        growth: What it did to the version that it grew; None where it replaces it.
        grown: That version; None where there was none.
        told: Warnings of that.
        rules: The quality rules that hold for it.
        rule_results: What those of them that were judged have found.
    """

    dataset_id: str
    title: str | None
    files: tuple[MadeFile, ...]
    summary: RasterSummary | TableSummary | VectorSummary
    changes: Changes
    warnings: tuple[Problem, ...]
    inputs: tuple[InputLayer, ...]
    seconds: dict[str, float]
    recipe: Recipe
    growth: Growth | None = None
    grown: InputVersion | None = None
    told: tuple[Problem, ...] = ()
    rules: tuple[QualityRule, ...] = ()
    rule_results: tuple[RuleResult, ...] = ()


@dataclass
class _OpenDataset:
    table: DatasetBuilder
    recipe: Recipe
    rejects: Rejects
    policies: Policies
    rows: int = 0
    loaded: list[LoadedLayer] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    inputs: list[InputLayer] = field(default_factory=list)
    read_changes: list[Changes] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    notes: SourceNotes = field(default_factory=SourceNotes)
    columns: frozenset[str] = frozenset()

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        started = perf_counter()
        yield
        self.seconds[phase] = self.seconds.get(phase, 0) + perf_counter() - started


class DatasetMaker:
    """Makes the datasets of one batch.

    Args:
        manifest: What to read.
        recipe: With its parameters bound.
        files: The files of the manifest in the landing zone.
        run_id: Names the engine's workspace.
        scratch: A folder of the run's own.
        progress: Told of every step.

    Attributes:
        made: The datasets, in the order in which they were finished.
        warnings: What the uploader should know although nothing is wrong.
    """

    def __init__(
        self,
        stack: Stack,
        manifest: Manifest,
        recipe: Recipe,
        files: BatchFiles,
        run_id: str,
        scratch: Path,
        progress: Progress,
    ) -> None:
        self._stack, self._manifest, self._recipe, self._files = stack, manifest, recipe, files
        self._run_id, self._scratch, self._progress = run_id, scratch, progress
        self._files_of: dict[str, list[FileSpec]] = {}
        for spec in manifest.main_files.values():
            if spec.dataset_id:
                self._files_of.setdefault(spec.dataset_id, []).append(spec)
        self._ruled: dict[tuple[QualityRule, ...], Recipe] = {}
        self._open: dict[str, _OpenDataset] = {}
        self._inputs = NamedInputs(manifest, recipe, files, scratch, stack.limits, progress)
        self._finished: set[str] = set()
        self._doubted: set[tuple[int, str]] = set()
        self._problems: list[Problem] = []
        self.made: list[MadeDataset] = []
        self.warnings: list[Problem] = []

    def make(self) -> list[MadeDataset]:
        """Read every file and write every dataset.

        Raises:
            Rejected: when a file or the recipe does not allow it, with the problems of all files; what was made is of no use.
        """
        main = self._manifest.main_files
        last_use = {spec.dataset_id: index for index, spec in main.items() if spec.dataset_id}
        with self._stack.engine.workspace(self._run_id, self._scratch) as workspace:
            try:
                self._inputs.load(workspace)
            finally:
                self.warnings += self._inputs.warnings
            for index, spec in main.items():
                open_before = {*self._open}
                try:
                    self._read_file(index, spec, workspace)
                    if spec.dataset_id in self._open and last_use[spec.dataset_id] == index:
                        self._finish(spec.dataset_id)
                except Rejected as rejected:  # the other files are checked all the same, so that one pass finds all problems
                    self._problems += rejected.problems
                    self._abandon((self._open.keys() - open_before) | {spec.dataset_id})
        if self._problems:
            raise Rejected(shortened(self._problems))
        self.warnings += [warning for dataset in self.made for warning in dataset.warnings]
        named = self._manifest.metadata.get("dataset_id")
        if named is not None and named not in self._finished:
            self.warnings.append(_name_not_used(named))
        project = self._manifest.metadata.get("project")
        if project is not None and not slug(str(project)):
            self.warnings.append(_project_not_used(project))
        return self.made

    def _read_file(self, index: int, spec: FileSpec, workspace: Workspace) -> None:
        where, folder = f"files[{index}]", self._scratch / f"in-{index}"
        try:
            spec = spec.model_copy(update=dict(self._policies(spec)))
            staged = stage(self._files, spec, where, folder, batch_id=self._manifest.batch_id, progress=self._progress)
            self._progress(Event(self._manifest.batch_id, "read", spec.path))
            if spec.type is FileType.RASTER:
                self._make_rasters(index, spec, staged)
            else:
                self._read_staged(index, spec, staged, workspace)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _read_staged(self, index: int, spec: FileSpec, staged: StagedFile, workspace: Workspace) -> None:
        """Load the layers of a file, and finish the datasets to which no other file can belong."""
        where, appended = f"files[{index}]", self._open.get(spec.dataset_id or "")
        open_before, finished_before, warned_before = {*self._open}, {*self._finished}, len(self.warnings)

        def load_layers(source: SourceFile) -> None:
            self._load_layers(index, spec, staged, source, workspace)

        def roll_back() -> None:
            self._take_back(open_before, finished_before)
            del self.warnings[warned_before:]
            self._doubted = {doubted for doubted in self._doubted if doubted[0] != index}

        read_source(
            staged.path,
            spec,
            where,
            self._stack.limits,
            load_layers,
            None if appended else roll_back,  # rows that were appended to those of another file cannot be taken back
            named=self._with_rules(spec).named | (appended.columns if appended else frozenset()),
            appended=appended is not None,
        )

    def _make_rasters(self, index: int, spec: FileSpec, staged: StagedFile) -> None:
        """Each raster of a file is a dataset: what it is made to needs no engine."""
        from libs.pipeline.rasters import NAME, make_raster
        from libs.spatial_utils.reading.rasters import open_rasters

        stack, where, settings = self._stack, f"files[{index}]", self._stack.settings
        threads = settings.spatial_etl_threads or default_threads(settings.spatial_etl_memory_mb)
        recipe = self._recipe if self._recipe.for_rasters else INGEST_RASTER
        steps = [step.gdal for step in recipe.raster_steps]
        with open_rasters(staged.path, spec, where, stack.limits, steps) as source:
            names = [raster.name for raster in source.rasters]
            only_one = len(names) == 1 and spec.layer is None
            ids = self._dataset_ids(spec, names, only_layer=only_one)
            for raster in source.rasters:
                identifier, place, started = ids[raster.name], f"{where}: raster {raster.name}", perf_counter()
                if identifier in self._finished or identifier in self._open or len(self._files_of.get(identifier, ())) > 1:
                    raise _raster_id_taken(identifier, place)
                self._finished.add(identifier)
                folder = self._scratch / "results" / identifier
                folder.mkdir(parents=True, exist_ok=True)
                self._progress(Event(self._manifest.batch_id, "write", identifier))
                made = make_raster(source, raster, spec, place, folder, stack.limits, threads)
                crs = raster.crs.name if raster.crs else None
                layer = InputLayer(
                    file=index, path=spec.path, format=spec.format, layer=raster.name, crs=crs, features=None,
                    objects=staged.objects(), crs_source=raster.crs_source,
                )  # fmt: skip
                self.made.append(
                    MadeDataset(
                        dataset_id=identifier,
                        title=title(spec, raster.name, only_layer=only_one),
                        files=(MadeFile(FileRole.DATA, NAME, made.path, made.result.sha256, made.result.bytes, None),),
                        summary=made.summary,
                        changes=Changes(counts={"metadata_not_kept": made.lost} if made.lost else {}),
                        warnings=made.warnings,
                        inputs=(layer,),
                        seconds={"read and write": round(perf_counter() - started, 3)},
                        recipe=recipe,
                    )
                )
            self.warnings += source.warnings

    def _load_layers(self, index: int, spec: FileSpec, staged: StagedFile, source: SourceFile, workspace: Workspace) -> None:
        layers = [layer.name for layer in source.layers]
        only_layer = len(layers) == 1 and spec.layer is None
        ids = self._dataset_ids(spec, layers, only_layer=only_layer)
        for stream in source.streams():
            identifier = ids[stream.layer.name]
            self._load(identifier, index, spec, staged, stream, workspace)
            self._open[identifier].titles.append(title(spec, stream.layer.name, only_layer=only_layer))
            if spec.dataset_id is None:
                self._finish(identifier)
        self.warnings += source.warnings

    def _take_back(self, open_before: set[str], finished_before: set[str]) -> None:
        """Forget all datasets but those that were there before."""
        self._abandon(self._open.keys() - open_before)
        for dataset in [made for made in self.made if made.dataset_id not in finished_before]:
            for file in dataset.files:
                file.path.unlink()
            self.made.remove(dataset)
        self._finished = finished_before

    def _abandon(self, identifiers: Iterable[str | None]) -> None:
        """Forget open datasets; of those that are not open there is nothing to forget."""
        for identifier in identifiers:
            if identifier in self._open:
                dataset = self._open.pop(identifier)
                dataset.table.close()
                dataset.rejects.close()

    def _dataset_ids(self, spec: FileSpec, layers: list[str], *, only_layer: bool) -> dict[str, str]:
        if spec.dataset_id:
            return dict.fromkeys(layers, spec.dataset_id)
        single = len(self._manifest.main_files) == len(layers) == 1
        named = self._manifest.metadata.get("dataset_id")
        if single and isinstance(named, str):
            return {layers[0]: named}
        return {layer: dataset_id(self._manifest, spec, layer, only_layer=only_layer) for layer in layers}

    def _load(
        self, identifier: str, index: int, spec: FileSpec, staged: StagedFile, stream: LayerStream, workspace: Workspace
    ) -> None:
        where = f"files[{index}]: layer {stream.layer.name}"
        if identifier in self._finished or (spec.dataset_id is None and identifier in self._open):
            alone = json.dumps({"layer": stream.layer.name, "dataset_id": f"{identifier}_2"}, ensure_ascii=False)[1:-1]
            raise Rejected.because(
                "dataset_id_taken", where, f"It would become the dataset {identifier!r}, as another layer of this batch does.",
                "Give each a 'dataset_id' of its own (a file with several layers: an entry for each 'layer'), or both the same, "
                f"to append them. Or deliver it by itself: write {alone}.",
            )  # fmt: skip
        dataset = self._open.get(identifier)
        if dataset is None:
            ruled = self._with_rules(spec)
            dataset = self._open[identifier] = _OpenDataset(
                workspace.dataset(ruled, self._step_policies(spec)),
                ruled,
                Rejects(self._scratch / "rejects" / identifier),
                self._policies(spec),
            )
        names, renamed = lake_columns(stream.schema.names[:-1] if stream.layer.has_geometry else stream.schema.names)
        fields = zip(stream.schema, [*names, GEOMETRY], strict=False)
        schema = pa.schema([item.with_name(name).remove_metadata() for item, name in fields])
        dataset.columns |= {*names}
        disputed = dataset.notes.add(dict(zip(names, stream.notes, strict=False)), where)
        self.warnings += [warning for warning in disputed if warning not in self.warnings]  # a file may be read twice
        crs = stream.layer.crs.name if stream.layer.crs else None
        loaded = LoadedLayer(dataset.rows, spec.path, stream.layer.name, crs)
        dataset.loaded.append(loaded)
        stream.set_aside = partial(_set_aside, dataset.rejects, loaded, names)
        with dataset.timed("read and transform"):
            batches = _renamed(self._counted(stream, spec.path), schema)
            dataset.rows += dataset.table.load(
                Source(schema, crs, batches, where, stream.layer.crs_assumed, feature_of=loaded.feature)
            )
        dataset.read_changes.append(_read_changes(stream.counts, renamed))
        dataset.inputs.append(
            InputLayer(
                file=index, path=spec.path, format=spec.format, layer=stream.layer.name, crs=crs, features=stream.features,
                objects=staged.objects(), crs_source=stream.layer.crs_source,
            )
        )  # fmt: skip

    def _with_rules(self, spec: FileSpec) -> Recipe:
        """The recipe with the rules that hold for a file's dataset: its own, the batch's, and those of all of its files."""
        files = self._files_of[spec.dataset_id] if spec.dataset_id else [spec]
        rules = rules_of(*files, self._manifest, self._recipe)
        return self._ruled.setdefault(rules, self._recipe.model_copy(update={"rules": rules}) if rules else self._recipe)

    def _policies(self, spec: FileSpec) -> Policies:
        return effective(spec, self._manifest, self._recipe)

    def _step_policies(self, spec: FileSpec) -> Policies:
        """For what the recipe's steps find in a dataset: of files that are appended to each other, what all of them say."""
        files = self._files_of[spec.dataset_id] if spec.dataset_id else [spec]
        first, *others = [self._policies(each) for each in files]
        kinds = ("on_bad_value", "on_bad_geometry")
        return Policies(
            **{
                kind: getattr(first, kind)
                for kind in kinds
                if all(getattr(first, kind) == getattr(each, kind) for each in others)
            }
        )

    def _counted(self, batches: Iterable[pa.RecordBatch], path: str) -> Iterator[pa.RecordBatch]:
        features = 0
        for batch in batches:
            yield batch
            features += batch.num_rows
            self._progress(Event(self._manifest.batch_id, "read", path, features))

    def _finish(self, identifier: str) -> None:
        """Apply what is left of the recipe, write the file, and let go of the engine's table."""
        dataset = self._open[identifier]
        del self._open[identifier]
        self._finished.add(identifier)
        try:
            with dataset.timed("read and transform"):
                processed = dataset.table.finish()
                add_rejects(processed, dataset.loaded, dataset.rejects)
            features = sum(layer.features or 0 for layer in dataset.inputs)
            dataset.rejects.require_few(features, dataset.policies, f"dataset {identifier}")
        except Rejected:
            dataset.table.close()
            dataset.rejects.close()
            raise
        if self._problems:  # the batch is rejected: nobody wants the file
            dataset.table.close()
            dataset.rejects.close()
            return
        self._doubt(dataset.inputs[0], processed)
        self._progress(Event(self._manifest.batch_id, "write", identifier, processed.features))
        notes = dataset.notes.of_result(processed)
        with dataset.timed("write"):
            files = self._write(identifier, processed, notes)
            aside = dataset.rejects.write()
        dataset.table.close()
        set_aside, warned = Changes(), [*processed.warnings]
        if aside is not None:
            files, set_aside = (*files, aside), Changes(counts={"set_aside": aside.features})
            warned.append(set_aside_warning(aside.features, aside.name, f"dataset {identifier}"))
        self.made.append(
            MadeDataset(
                dataset_id=identifier,
                title=dataset.titles[0] if len(dataset.titles) == 1 else None,
                files=tuple(map(MadeFile.of, files)),
                summary=summary_of(
                    [file for file in files if file.role == FileRole.DATA],
                    processed,
                    {name: each.summary for name, each in notes.items()},
                ),
                changes=_sum([*dataset.read_changes, set_aside, processed.changes]),
                warnings=tuple(warned),
                inputs=(*dataset.inputs, *self._inputs.layers),
                seconds={phase: round(seconds, 3) for phase, seconds in dataset.seconds.items()},
                recipe=self._recipe,
                rules=dataset.recipe.rules,
                rule_results=_results(dataset.recipe, processed),
            )
        )

    def _doubt(self, layer: InputLayer, processed: Processed) -> None:
        """Say where a change of datum was not exact, once for a file."""
        if layer.crs is None or processed.crs is None or (layer.file, layer.crs) in self._doubted:
            return
        where = f"files[{layer.file}]: layer {layer.layer}"
        if (warning := inexact_shift(layer.crs, processed.crs, processed.bbox, where)) is not None:
            self._doubted.add((layer.file, layer.crs))
            self.warnings.append(warning)

    def _write(self, identifier: str, processed: Processed, notes: Mapping[str, ColumnNotes]) -> tuple[WrittenFile, ...]:
        crs = require_crs(processed.crs, "recipe").projjson if processed.crs else None
        folder = self._scratch / "results" / identifier
        folder.mkdir(parents=True, exist_ok=True)
        return write_result(processed, Target(folder, crs, file_metadata(notes)))


def summary_of(files: Sequence[WrittenFile], processed: Processed, meanings: dict[str, str]) -> TableSummary | VectorSummary:
    """What is in a result.

    Args:
        files: Its data files.
        processed: The result.
        meanings: What is known of its columns.
    """
    columns = tuple(Field(name=item.name, type=str(item.type)) for item in files[0].schema)
    if GEOMETRY not in files[0].schema.names:
        return TableSummary(features=processed.features, table_schema=columns, meanings=meanings)
    return VectorSummary(
        features=processed.features,
        crs=processed.crs,
        bbox=processed.bbox,
        geometry_types=tuple(sorted({kind for file in files for kind in file.geometry_types})),
        table_schema=columns,
        meanings=meanings,
    )


def _results(recipe: Recipe, processed: Processed) -> tuple[RuleResult, ...]:
    """What the rules of single features have found."""
    results = []
    for number, rule in enumerate(recipe.rules):
        if rule.of_rows:
            count, first = processed.broken_rules.get(number, (0, ""))
            said = f"{count:,} {'feature breaks' if count == 1 else 'features break'} it, the first: {first}." if count else ""
            results.append(RuleResult.of(rule, count, said))
    return tuple(results)


def _name_not_used(dataset_id: str) -> Problem:
    return Problem(
        code="dataset_id_not_used",
        where="metadata.dataset_id",
        message=f"No dataset was named {dataset_id!r}: the batch makes more than one, or its files name theirs.",
        remedy="Give each file a 'dataset_id' of its own, or all of them this one, to append them.",
    )


def _raster_id_taken(identifier: str, where: str) -> Rejected:
    return Rejected.because(
        "dataset_id_taken", where, f"It would become the dataset {identifier!r}, as another file of this batch does; rasters "
        "are not appended.",
        f'Give each a \'dataset_id\' of its own: write "dataset_id": "{identifier}_2" for this file.',
    )  # fmt: skip


def _project_not_used(project: Any) -> Problem:
    return Problem(
        code="project_not_used",
        where="metadata.project",
        message=f"The project {project!r} begins no dataset's name: it has no letter or digit.",
        remedy="Write it with letters or digits, or leave it out.",
    )


def _set_aside(rejects: Rejects, layer: LoadedLayer, names: Sequence[str], batch: pa.RecordBatch, rows: pa.Array) -> None:
    layer.pass_over(rows)
    own = [*names, *batch.schema.names[len(names) :]]
    rejects.add(batch.rename_columns(own), rows, path=layer.path, layer=layer.name, crs=layer.crs)


def _renamed(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    return (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in batches)


def _read_changes(counts: Mapping[str, int], renamed: dict[str, str]) -> Changes:
    rest = {name: count for name, count in counts.items() if count and name != "linearized"}
    return Changes(linearized=counts.get("linearized", 0), renamed=renamed, counts=rest)


def _sum(changes: Sequence[Changes]) -> Changes:
    dropped: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    renamed: dict[str, str] = {}
    for each in changes:
        dropped.update(each.dropped)
        counts.update(each.counts)
        renamed |= each.renamed
    return Changes(
        repaired=sum(each.repaired for each in changes),
        linearized=sum(each.linearized for each in changes),
        dropped=dict(dropped),
        renamed=renamed,
        counts=dict(counts),
    )
