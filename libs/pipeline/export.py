"""Exporting a version, or a part of it, into a file of another format. Writes to no lake and no ledger."""

import json
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from libs.column_names import BBOX, GEOMETRY
from libs.compute.duckdb import DuckDBEngine
from libs.compute.engine import Source, Target
from libs.compute.exporting import Export, Written, export_of, write_file
from libs.compute.exporting.columns import columns_of
from libs.compute.exporting.formats import PARQUET
from libs.compute.writing import write_result
from libs.models import Asset, BBox, Lineage, Model, Problem, Rejected
from libs.pipeline.lake_files import fetched
from libs.pipeline.new_file import beside, put, require_room, synced
from libs.pipeline.scratch import run_folder
from libs.pipeline.software import software_versions
from libs.pipeline.stack import Stack
from libs.spatial_utils.arrays import scalar
from libs.spatial_utils.crs import Crs, require_crs
from libs.transformations import Column, Recipe
from libs.transformations.where import Where

LINEAGE_SUFFIX = ".lineage.json"
"""What the name of the file beside an exported one ends in: it says where the data come from."""
_LON_LAT = "EPSG:4326"
_BATCH_ROWS = 16_384


class Selection(Model):
    """What of a version is exported, and how.

    Attributes:
        bbox: Only features whose extent touches this box, in the units of the version's CRS.
        where: Only features that meet this condition, see :mod:`libs.transformations.where`.
        columns: Only these columns, in this order.
        crs: Coordinates in this CRS.
    """

    bbox: BBox | None = None
    where: str | None = None
    columns: tuple[str, ...] | None = None
    crs: str | None = None


class Exported(Model):
    """What came of an export.

    Attributes:
        file: The file.
        format: For people.
        features: In the file.
        left_out: Features of the version that are not in the file, as they do not meet the selection.
        crs: Of the coordinates in the file; None for a table, and for local coordinates.
        renamed: Column in the lake to column in the file, where it has another name there.
        changes: How many features lost something, by what happened.
        warnings: What the format cannot hold.
    """

    dataset_id: str
    version: int
    file: str
    format: str
    features: int
    left_out: int
    crs: str | None
    bytes: int
    sha256: str
    renamed: dict[str, str]
    changes: dict[str, int]
    warnings: tuple[Problem, ...]


def export(
    stack: Stack, asset: Asset, lineage: Lineage, target: Path, selection: Selection, condition: Where | None, *, overwrite: bool
) -> Exported:
    """Export a version.

    The file appears under its name when it is whole, and its lineage beside it right after.

    Args:
        stack: What to work with.
        asset: The version.
        lineage: Its record, which goes into the file beside.
        target: The file to be made. The end of its name says the format.
        selection: What of the version.
        condition: The condition of the selection, understood.
        overwrite: Whether a file that has the name may be replaced.

    Raises:
        Rejected: when the format cannot hold the version, the selection does not fit it, there is such a file already, or a file
            of the lake is not as recorded.
    """
    stack.require_own_lake(bind=False)
    form = export_of(target.name)
    require_room(target, overwrite=overwrite)
    _require_rows(asset)
    wanted, warnings = _crs_of_file(asset, form, selection.crs)
    with run_folder(stack.scratch, f"export-{secrets.token_hex(6)}") as scratch, beside(target) as made:
        files = fetched(stack.lake, asset, scratch / "lake")
        schema = pq.read_schema(files[0])
        columns_of(schema, form, selection.columns)  # first: what is wrong with the options is said before any work
        steps = list(_steps(asset, schema, condition, wanted))
        if form is PARQUET and selection.columns is not None:
            steps.append({"op": "select", "columns": list(selection.columns)})
        if steps or selection.bbox is not None or (form is PARQUET and len(files) > 1):
            files, cut = _selected(stack, asset, files, selection.bbox, steps, wanted, scratch)
            warnings += cut
        if form is PARQUET:
            shutil.copyfile(files[0], made)
            features = pq.read_metadata(made).num_rows
            written = Written(features, {}, {}, ())
        else:
            with closing(_writer(stack, scratch)) as engine:
                layer = target.name[: -len(form.suffix)] or asset.dataset_id
                database = engine.connect()
                written = write_file(
                    database, files, made, form, layer=layer, crs=wanted, names=selection.columns,
                )  # fmt: skip
        sha256 = synced(made)
        exported = Exported(
            dataset_id=asset.dataset_id,
            version=asset.version,
            file=str(target),
            format=form.name if asset.has_geometry or form is not PARQUET else "Parquet",
            features=written.features,
            left_out=(asset.features or 0) - written.features,
            crs=wanted,
            bytes=made.stat().st_size,
            sha256=sha256,
            renamed=dict(written.renamed),
            changes=dict(written.changes),
            warnings=(*warnings, *written.warnings),
        )
        origin = made.with_name(f"{made.name}{LINEAGE_SUFFIX}")
        origin.write_text(json.dumps(_origin(stack, exported, selection, asset, lineage), indent=2, ensure_ascii=False) + "\n")
        put(made, target, overwrite=overwrite)
        origin.replace(target.with_name(origin.name))
    return exported


def _require_rows(asset: Asset) -> None:
    if asset.features is None or not asset.data:
        raise Rejected.because("export_not_possible", asset.id, f"A version of the kind {asset.kind!r} has no features.",
                               "Copy its files from the lake: 'spatial-etl show' names them.")  # fmt: skip


def _crs_of_file(asset: Asset, form: Export, wished: str | None) -> tuple[str | None, list[Problem]]:
    """The CRS of the coordinates in the file, and what there is to say of it."""
    if not asset.has_geometry:
        if wished is not None:
            raise Rejected.because("export_crs", asset.id, "It is a table: there are no coordinates to reproject.",
                                   "Leave the CRS out.")  # fmt: skip
        return None, []
    crs = asset.crs if wished is None else require_crs(wished, "crs").name
    if asset.crs is None and wished is not None:
        raise Rejected.because("export_crs", asset.id, "Its coordinates are local: nobody knows their CRS.", "Leave the CRS out.")
    if not form.lon_lat:
        return crs, []
    if crs is None:
        raise Rejected.because("export_crs", asset.id, f"Its coordinates are local; {form.name} holds longitude and latitude.",
                               "Write GeoPackage or GeoParquet.")  # fmt: skip
    if Crs(crs).same(Crs(_LON_LAT)):
        return crs, []
    if wished is not None:
        raise Rejected.because("export_crs", "crs", f"{form.name} holds longitude and latitude (EPSG:4326), and never {wished}.",
                               "Leave the CRS out, or write GeoPackage, FlatGeobuf or GeoParquet.")  # fmt: skip
    told = Problem(
        code="export_crs", where=form.name, message=f"The coordinates are reprojected from {Crs(crs)} to EPSG:4326.",
        remedy=f"{form.name} holds longitude and latitude only. GeoPackage and GeoParquet keep any CRS.",
    )  # fmt: skip
    return _LON_LAT, [told]


def _steps(asset: Asset, schema: pa.Schema, condition: Where | None, crs: str | None) -> Iterator[dict[str, Any]]:
    """The recipe's steps, for what reading alone does not do."""
    if condition is not None:
        columns = [Column(name=item.name, type=str(item.type)) for item in schema if item.name not in {GEOMETRY, BBOX}]
        if problems := list(condition.problems(columns)):
            raise Rejected(problems)
        yield {"op": "filter", "condition": condition.condition.model_dump(mode="json", by_alias=True, exclude_none=True)}
    if crs is not None and asset.crs is not None and not Crs(crs).same(Crs(asset.crs)):
        yield {"op": "reproject", "crs": crs}


def _selected(
    stack: Stack, asset: Asset, files: Sequence[Path], bbox: BBox | None, steps: Sequence[dict[str, Any]], crs: str | None,
    scratch: Path,
) -> tuple[list[Path], list[Problem]]:  # fmt: skip
    """One file with what is wanted of a version's files, made as versions are made; and what there is to say of it."""
    if bbox is not None and not asset.has_geometry:
        raise Rejected.because("export_geometry", asset.id, "It is a table: no row lies in a box.", "Leave the box out.")
    recipe = Recipe(name="export", description="A part of a version.", steps=tuple(steps))
    schema = pa.schema([item for item in pq.read_schema(files[0]) if item.name != BBOX])
    folder = scratch / "selected"
    folder.mkdir()
    kept = {name: value for name, value in _metadata(files[0]).items() if name.startswith("spatial_etl:")}
    with stack.engine.workspace(scratch.name, scratch) as workspace:
        builder = workspace.dataset(recipe)
        builder.load(Source(schema.remove_metadata(), asset.crs, _batches(files, schema.names, bbox), asset.id))
        processed = builder.finish()
        projjson = Crs(crs).projjson if crs is not None else None
        written = write_result(processed, Target(folder, projjson, kept))
        cut = {name: count for name, count in processed.changes.counts.items() if count}
    told = [
        Problem(code="export_values", where=asset.id, message=f"Reprojecting changed {count:,} features ({name}).",
                remedy="Nothing has to be done: it is what lines and polygons at the edge of a map need.")
        for name, count in cut.items()
    ]  # fmt: skip
    return [file.path for file in written], told


def _metadata(path: Path) -> Mapping[str, str]:
    return {name.decode(): value.decode() for name, value in (pq.read_schema(path).metadata or {}).items()}


def _batches(files: Sequence[Path], names: Sequence[str], bbox: BBox | None) -> Iterator[pa.RecordBatch]:
    """The rows of files; only those whose extent touches a box, if one is given. Row groups apart from it are not read."""
    for path in files:
        with pq.ParquetFile(path) as file:
            groups = [
                number
                for number in range(file.num_row_groups)
                if bbox is None or _may_touch(file.metadata.row_group(number), bbox)
            ]
            read = [*names, BBOX] if bbox is not None else [*names]
            for batch in file.iter_batches(_BATCH_ROWS, row_groups=groups, columns=read):
                yield batch.select(names) if bbox is None else batch.filter(_touches(batch[BBOX], bbox)).select(names)


def _may_touch(group: Any, bbox: BBox) -> bool:
    """Whether a row group may have a row whose extent touches the box, by its statistics."""
    found = {}
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema.startswith(f"{BBOX}.") and column.statistics is not None and column.statistics.has_min_max:
            found[column.path_in_schema.partition(".")[2]] = (column.statistics.min, column.statistics.max)
    if len(found) < len(bbox):
        return True
    return bool(
        found["xmin"][0] <= bbox[2]
        and found["xmax"][1] >= bbox[0]
        and found["ymin"][0] <= bbox[3]
        and found["ymax"][1] >= bbox[1]
    )


def _touches(extents: pa.StructArray, bbox: BBox) -> pa.Array:
    xmin, ymin, xmax, ymax = (pc.struct_field(extents, name) for name in ("xmin", "ymin", "xmax", "ymax"))
    within = [
        pc.less_equal(xmin, scalar(bbox[2])), pc.greater_equal(xmax, scalar(bbox[0])),
        pc.less_equal(ymin, scalar(bbox[3])), pc.greater_equal(ymax, scalar(bbox[1])),
    ]  # fmt: skip
    first, *others = within
    for other in others:
        first = pc.and_(first, other)
    return first


def _writer(stack: Stack, scratch: Path) -> DuckDBEngine:
    """DuckDB writes, whichever engine computes."""
    settings = stack.settings
    folder = scratch / "writer"  # a folder of its own: the run holds the lock of scratch
    return DuckDBEngine(folder, memory_mb=settings.spatial_etl_memory_mb, threads=settings.spatial_etl_threads)


def _origin(stack: Stack, exported: Exported, selection: Selection, asset: Asset, lineage: Lineage) -> dict[str, Any]:
    """What the file beside says."""
    return {
        "exported": exported.model_dump(mode="json") | {"file": Path(exported.file).name},
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "selection": selection.model_dump(mode="json"),
        "software": software_versions(stack.engine),
        "version": asset.model_dump(mode="json"),
        "lineage": lineage.model_dump(mode="json"),
    }
