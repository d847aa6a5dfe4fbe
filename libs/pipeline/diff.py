"""What is different between two versions of a dataset. Writes to no lake and no ledger."""

import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from libs.column_names import BBOX, GEOMETRY
from libs.compute.difference import CHANGE, COLUMNS, Side, VersionPair
from libs.compute.duckdb import DuckDBEngine
from libs.models import Asset, Model, Rejected
from libs.pipeline.lake_files import fetched
from libs.pipeline.new_file import beside, put, require_room, synced
from libs.pipeline.scratch import run_folder
from libs.pipeline.stack import Stack
from libs.spatial_utils import geoparquet
from libs.spatial_utils.crs import Crs

SAMPLE = 20
"""Features that are shown one by one."""


class ChangedFeature(Model):
    """A feature that differs.

    Attributes:
        change: ``added``, ``removed`` or ``changed``.
        key: Its value in the column of the key, as text.
        columns: Which columns changed; ``geom`` is the geometry.
    """

    change: str
    key: str
    columns: tuple[str, ...]


class Differences(Model):
    """How two versions of a dataset differ.

    Attributes:
        old: Number of the one version.
        new: Number of the other.
        key: Column that tells which feature is which; None: whole features were compared.
        added: Features that only the new one has.
        removed: Features that only the old one has.
        changed: Features that both have, with other values. None by whole features, where such a one is removed and added.
        unchanged: Features that are the same in both.
        changed_columns: In how many features each column changed.
        new_columns: Columns that only the new one has. They are not compared.
        gone_columns: Columns that only the old one has.
        other_types: Columns that both have in different types, then and now. They are not compared.
        not_compared: Columns of a type whose values cannot be compared.
        crs: Then and now, where they differ. The coordinates are compared as they are.
        features: Some of those that differ, by key.
        file: GeoParquet with all of them, if one was wanted.
    """

    dataset_id: str
    old: int
    new: int
    key: str | None
    added: int
    removed: int
    changed: int
    unchanged: int
    changed_columns: dict[str, int]
    new_columns: tuple[str, ...]
    gone_columns: tuple[str, ...]
    other_types: dict[str, tuple[str, str]]
    not_compared: tuple[str, ...]
    crs: tuple[str | None, str | None] | None
    features: tuple[ChangedFeature, ...]
    file: str | None


def diff(
    stack: Stack, old: Asset, new: Asset, *, key: str | None = None, target: Path | None = None, overwrite: bool = False
) -> Differences:
    """Compare two versions of a dataset, feature by feature. The order of rows does not matter.

    Args:
        stack: What to work with.
        old: The one version.
        new: The other.
        key: Column that tells which feature is which; None: whole features are compared.
        target: GeoParquet to be made of the features that differ.
        overwrite: Whether a file that has the name may be replaced.

    Raises:
        Rejected: when a version has no features, the key does not tell features apart, a file of the lake is not as recorded, or
            the target cannot be made.
    """
    stack.require_own_lake(bind=False)
    for asset in (old, new):
        if asset.features is None or not asset.data:
            raise Rejected.because("export_not_possible", asset.id, f"A version of the kind {asset.kind!r} has no features.",
                                   "Compare the hashes of its files: 'spatial-etl show' names them.")  # fmt: skip
    if target is not None:
        require_room(target, overwrite=overwrite)
        if target.suffix != ".parquet":
            raise Rejected.because("export_format_unknown", str(target), "Differences are written as GeoParquet.",
                                   f"Write {target.with_suffix('.parquet').name}.")  # fmt: skip
    with run_folder(stack.scratch, f"export-{secrets.token_hex(6)}") as scratch:
        sides = [Side(each.id, fetched(stack.lake, each, scratch / name)) for each, name in ((old, "old"), (new, "new"))]
        difference = VersionPair(sides[0], sides[1], key)
        found = _Found(key)
        settings = stack.settings
        folder = scratch / "duckdb"  # of its own: the run holds the lock of scratch
        engine = DuckDBEngine(folder, memory_mb=settings.spatial_etl_memory_mb, threads=settings.spatial_etl_threads)
        with closing(engine):
            batches = found.counted(difference.batches(engine.connect()))
            if target is None:
                for _ in batches:
                    pass
            else:
                _write(difference, batches, new, target, overwrite=overwrite)
    return _result(difference, found, old, new, target)


def _write(difference: VersionPair, batches: Iterator[pa.RecordBatch], new: Asset, target: Path, *, overwrite: bool) -> None:
    crs = Crs(new.crs).projjson if new.crs is not None else None
    with beside(target) as made:
        geoparquet.write(made, difference.schema, geoparquet.row_groups(difference.schema, batches), crs)
        synced(made)
        put(made, target, overwrite=overwrite)


def _result(difference: VersionPair, found: "_Found", old: Asset, new: Asset, target: Path | None) -> Differences:
    then, now = (
        {item.name: str(item.type) for item in side.schema if item.name != BBOX} for side in (difference.old, difference.new)
    )
    both = then.keys() & now.keys()
    changes = found.changes
    return Differences(
        dataset_id=new.dataset_id,
        old=old.version,
        new=new.version,
        key=difference.key,
        added=changes["added"],
        removed=changes["removed"],
        changed=changes["changed"],
        unchanged=(new.features or 0) - changes["added"] - changes["changed"],
        changed_columns={name: found.columns[name] for name in difference.compared if found.columns[name]},
        new_columns=tuple(name for name in now if name not in both),
        gone_columns=tuple(name for name in then if name not in both),
        other_types={name: (then[name], now[name]) for name in now if name in both and then[name] != now[name]},
        not_compared=tuple(name for name in now if then.get(name) == now[name] and name not in difference.compared),
        crs=None if old.crs == new.crs or GEOMETRY not in both else (old.crs, new.crs),
        features=tuple(found.sample),
        file=None if target is None else str(target),
    )


class _Found:
    """What passes by, counted."""

    def __init__(self, key: str | None) -> None:
        self._key = key
        self.changes, self.columns = Counter[str](), Counter[str]()
        self.sample: list[ChangedFeature] = []

    def counted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.changes.update(batch[CHANGE].to_pylist())
            self.columns.update(batch[COLUMNS].flatten().to_pylist())
            if self._key is not None:
                rows = batch.slice(0, SAMPLE - len(self.sample)).select([CHANGE, self._key, COLUMNS]).to_pylist()
                self.sample += [
                    ChangedFeature(change=row[CHANGE], key=str(row[self._key]), columns=tuple(row[COLUMNS])) for row in rows
                ]
            yield batch
