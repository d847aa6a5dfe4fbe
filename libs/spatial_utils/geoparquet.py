"""Writing and checking lake files: GeoParquet 1.1 for layers, plain Parquet for tables.

The engine decides the order of rows; what stands in the file's metadata is computed here, from the very bytes that are written.

Rules from the GeoParquet 1.1.0 specification: WKB is ISO (Z is ``+1000``), ``geometry_types`` lists exactly what occurs,
``bbox`` is the extent in the file's CRS, ``covering`` names a struct column with each row's bounding box.

Metadata is in the file twice: among the file's own key-values, where the specification wants it, and in the Arrow schema that is
stored beside them, which is all that readers through Arrow see (pyarrow's tables and datasets, Dask).
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from libs.column_names import BBOX, GEOMETRY
from libs.models import BBox, FileRole, SpatialEtlError
from libs.spatial_utils.arrays import scalar

ROW_GROUP_ROWS = 65_536
"""Small enough that a reader fetches little for a window, large enough that a column chunk compresses well."""

DICTIONARY_BYTES = 64 * 1024
"""Beyond this a column's values repeat too little: without a dictionary they are written faster, and smaller."""

ROW_GROUP_BYTES = 64 * 1024 * 1024
"""A row group ends earlier when its text and binary values come to this: it is made, and read, in memory."""

PIECE_BYTES = 1024 * 1024
"""What is handed over at once to be hashed and written."""

BBOX_TYPE = pa.struct([(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")])
_WKB_NAMES = ("Point", "LineString", "Polygon", "MultiPoint", "MultiLineString", "MultiPolygon", "GeometryCollection")
_TYPE_BYTES = (1, 5)
"""Where the geometry type stands in WKB: four bytes after the byte order mark."""


_ARROW_SCHEMA = "ARROW:schema"
"""Where Arrow's readers look for the schema that was written: Parquet alone would forget time zones, for one."""


class SelfCheckFailed(SpatialEtlError):  # noqa: N818 - what happened, as a verdict
    """A written file does not read back as what was written."""


@dataclass(frozen=True)
class ResultFile:
    """A file of a result in scratch.

    Attributes:
        role: What the file is for.
        features: Rows.
    """

    role: FileRole
    path: Path
    features: int

    @property
    def name(self) -> str:
        """Name in the folder of the version."""
        return self.path.name


@dataclass(frozen=True)
class WrittenFile(ResultFile):
    """A lake file in scratch, and what it holds.

    Attributes:
        bbox: Extent in the units of the CRS, None when no row has one.
        geometry_types: GeoParquet's names, sorted; empty for a table.
    """

    sha256: str
    bytes: int
    bbox: BBox | None
    geometry_types: tuple[str, ...]
    schema: pa.Schema


def write(path: Path, schema: pa.Schema, groups: Iterable[pa.Table], crs: Mapping[str, Any] | None) -> WrittenFile:
    """Write one file, hashing it on the way.

    Args:
        path: To be created; its folder exists.
        schema: Attribute columns and, for a layer, ``geom`` (WKB) and the struct ``bbox`` last. Its metadata go into the file's.
        groups: From :func:`row_groups`.
        crs: PROJJSON, or None for an undefined CRS. Not used for a table.
    """
    has_geometry = GEOMETRY in schema.names
    attributes = [name for name in schema.names if name not in {GEOMETRY, BBOX}]
    types: set[int] = set()
    extent: BBox | None = None
    features = 0
    with (
        _HashingSink(path) as sink,
        pq.ParquetWriter(
            pa.PythonFile(sink, mode="w"),
            schema.remove_metadata(),
            compression="zstd",
            compression_level=1,
            use_dictionary=attributes,
            dictionary_pagesize_limit=DICTIONARY_BYTES,
            write_statistics=[*_leaves(schema, attributes), *(f"{BBOX}.{field.name}" for field in BBOX_TYPE if has_geometry)],
            store_schema=False,  # at the end, by ourselves: pyarrow would store it now, before its metadata is known
        ) as writer,
    ):
        for table in groups:
            if has_geometry:
                types |= _type_codes(table[GEOMETRY])
                extent = union(extent, extent_of(table[BBOX]))
            features += table.num_rows
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        names = tuple(sorted(_type_name(code) for code in types))
        metadata: dict[str | bytes, str | bytes] = {**(schema.metadata or {})}
        if has_geometry:
            metadata["geo"] = json.dumps(_geo_metadata(crs, names, extent), separators=(",", ":"))
        writer.add_key_value_metadata({**metadata, _ARROW_SCHEMA: _stored(schema.with_metadata(metadata or None))})
    return WrittenFile(FileRole.DATA, path, features, sink.digest.hexdigest(), sink.size, extent, names, schema)


def check(written: WrittenFile, *, features: int, bbox: BBox | None, crs: Mapping[str, Any] | None) -> None:
    """Read a written file's footer back and hold it against what should be in it.

    Raises:
        SelfCheckFailed: naming what differs.
    """
    with pq.ParquetFile(written.path) as file:
        metadata, schema = file.metadata, file.schema_arrow
        found: dict[str, tuple[Any, Any]] = {
            "schema": (schema.remove_metadata(), written.schema.remove_metadata()),
            "row count": (metadata.num_rows, features),
            "row groups": (sum(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)), features),
            "size": (written.path.stat().st_size, written.bytes),
        }
        if GEOMETRY in schema.names:
            raw = (metadata.metadata or {}).get(b"geo")
            if raw is None:
                raise SelfCheckFailed(f"{written.path.name} reads back without GeoParquet metadata.")
            found["GeoParquet metadata in its Arrow schema"] = ((schema.metadata or {}).get(b"geo"), raw)
            geo = json.loads(raw)["columns"][GEOMETRY]
            found["CRS"] = (geo.get("crs", "none named"), crs)
            found["list of geometry types"] = (sorted(geo.get("geometry_types", ())), [*written.geometry_types])
            found["bbox"] = (tuple(geo["bbox"]) if "bbox" in geo else None, bbox)
            found["covering"] = (_covering_extent(metadata), bbox)
    for what, (is_, should_be) in found.items():
        if is_ != should_be:
            raise SelfCheckFailed(f"{written.path.name} reads back with another {what}: {is_} instead of {should_be}.")


def inspect(file: ResultFile) -> WrittenFile:
    """What a file holds that an engine has written: hashed, and read from end to end. Nothing is taken from its metadata.

    Raises:
        SelfCheckFailed: when it cannot be read, or has another number of rows than the engine says.
    """
    types: set[int] = set()
    extent: BBox | None = None
    features = 0
    try:
        with file.path.open("rb") as raw:
            sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
        with pq.ParquetFile(file.path) as parquet:
            schema = parquet.schema_arrow
            for batch in parquet.iter_batches(columns=[name for name in (GEOMETRY, BBOX) if name in schema.names]):
                features += batch.num_rows
                if GEOMETRY in schema.names:
                    types |= _type_codes(batch[GEOMETRY])
                if BBOX in schema.names:
                    extent = union(extent, extent_of(batch[BBOX]))
            features = parquet.metadata.num_rows if GEOMETRY not in schema.names else features
    except (OSError, pa.ArrowException) as error:
        raise SelfCheckFailed(f"{file.name} cannot be read back: {error}") from error
    if features != file.features:
        raise SelfCheckFailed(f"{file.name} reads back with another row count: {features} instead of {file.features}.")
    names = tuple(sorted(_type_name(code) for code in types))
    return WrittenFile(file.role, file.path, features, sha256, file.path.stat().st_size, extent, names, schema)


@dataclass(frozen=True)
class Footer:
    """What a lake file says of itself.

    Attributes:
        features: Rows.
        schema: Its columns.
        crs: PROJJSON; None for an undefined CRS, and for a table.
        bbox: Extent in the units of the CRS, None when no row has one.
        geometry_types: As GeoParquet names them, sorted; empty for a table.
    """

    features: int
    schema: pa.Schema
    crs: Mapping[str, Any] | None
    bbox: BBox | None
    geometry_types: tuple[str, ...]


def footer_size(end: bytes) -> int:
    """How many of its last bytes a file's footer takes, as its very last ones say."""
    return int.from_bytes(end[-8:-4], "little") + 8


def read_footer(end: bytes) -> Footer:
    """What a file says of itself.

    Args:
        end: Its last bytes, the footer among them.

    Raises:
        SelfCheckFailed: when it is no footer.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(end)) as file:
            metadata, schema = file.metadata, file.schema_arrow
        geo = json.loads((metadata.metadata or {}).get(b"geo", b"{}")).get("columns", {}).get(GEOMETRY, {})
    except (pa.ArrowException, OSError, ValueError, AttributeError) as error:
        raise SelfCheckFailed(f"Its metadata cannot be read: {error}") from error
    bbox: BBox | None = tuple(geo["bbox"]) if "bbox" in geo else None
    return Footer(metadata.num_rows, schema, geo.get("crs"), bbox, tuple(sorted(geo.get("geometry_types", ()))))


def check_result(
    files: Sequence[WrittenFile], schema: pa.Schema, *, features: int, bbox: BBox | None, crs: Mapping[str, Any] | None
) -> None:
    """Read the footers of a result's data files back and compare them with the result, alone and together.

    Raises:
        SelfCheckFailed: naming what differs.
    """
    data = [file for file in files if file.role == FileRole.DATA]
    extent: BBox | None = None
    for file in data:
        if file.schema.remove_metadata() != schema.remove_metadata():
            raise SelfCheckFailed(f"{file.name} has another schema: {file.schema.remove_metadata()} instead of {schema}.")
        check(file, features=file.features, bbox=file.bbox, crs=crs)
        extent = union(extent, file.bbox)
    found = {"row count": (sum(file.features for file in data), features), "bbox": (extent, bbox)}
    for what, (is_, should_be) in found.items():
        if is_ != should_be:
            names = ", ".join(file.name for file in data) or "no file"
            raise SelfCheckFailed(f"The result ({names}) reads back with another {what}: {is_} instead of {should_be}.")


class _HashingSink:
    """A file that is hashed while it is written: Parquet is written front to back.

    A thread does both, a piece behind the encoding of what comes next. What is smaller than a piece needs none.
    """

    closed = False

    def __init__(self, path: Path) -> None:
        self._raw, self._thread = path.open("xb"), ThreadPoolExecutor(1, "write")
        self._pieces: list[bytes] = []
        self._held = 0
        self._written: Future[None] | None = None
        self.digest, self.size = hashlib.sha256(), 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.flush()
        finally:
            self._thread.shutdown()
            self._raw.close()

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        self._held, self.size = self._held + len(data), self.size + len(data)
        if self._held >= PIECE_BYTES:
            self._hand_over()
        return len(data)

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        if self._written is not None:
            self._written.result()
        self._put(self._pieces)
        self._written, self._pieces, self._held = None, [], 0

    def close(self) -> None:
        """Left to the context."""

    def _hand_over(self) -> None:
        """Wait for the piece before, then let the thread have this one."""
        if self._written is not None:
            self._written.result()
        self._written = self._thread.submit(self._put, self._pieces)
        self._pieces, self._held = [], 0

    def _put(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self.digest.update(piece)
            self._raw.write(piece)


def row_groups(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Tables of one row group each, and in one piece: row groups and pages come out the same however rows were batched.

    Args:
        schema: See :func:`write`.
        batches: Of this schema, in file order, of any length.
    """
    pending: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        sizes = pc.cumulative_sum(_row_sizes(batch))  # of each row and those before it
        offset = before = 0
        while offset < batch.num_rows:
            fitting = pc.sum(pc.less_equal(sizes, scalar(before + ROW_GROUP_BYTES - size))).as_py() - offset
            take = min(ROW_GROUP_ROWS - rows, max(fitting, 0 if rows else 1), batch.num_rows - offset)
            if take:
                pending.append(batch.slice(offset, take))
                offset += take
                rows, size, before = rows + take, size + sizes[offset - 1].as_py() - before, sizes[offset - 1].as_py()
            if rows == ROW_GROUP_ROWS or offset < batch.num_rows:
                yield pa.Table.from_batches(pending, schema).combine_chunks()
                pending, rows, size = [], 0, 0
    if rows:
        yield pa.Table.from_batches(pending, schema).combine_chunks()


def _row_sizes(batch: pa.RecordBatch) -> pa.Array:
    """Bytes of text and binary values in each row: what makes rows large."""
    sizes = pa.repeat(scalar(0), batch.num_rows)
    for column in batch.columns:
        if pa.types.is_binary(column.type) or pa.types.is_string(column.type):
            sizes = pc.add(sizes, pc.coalesce(pc.binary_length(column), scalar(0)))
    return sizes


def _leaves(schema: pa.Schema, names: Iterable[str]) -> list[str]:
    """Parquet paths of flat columns, those that statistics can be asked for by name."""
    return [name for name in names if not pa.types.is_nested(schema.field(name).type)]


def _type_codes(geometry: pa.ChunkedArray | pa.Array) -> set[int]:
    headers = pc.unique(pc.binary_slice(geometry, *_TYPE_BYTES)).to_pylist()
    return {int.from_bytes(header, "little") for header in headers if header is not None}


def _type_name(code: int) -> str:
    dimension, kind = divmod(code, 1000)
    if dimension not in {0, 1} or not 1 <= kind <= len(_WKB_NAMES):
        raise SelfCheckFailed(f"Geometry type {code} cannot stand in GeoParquet 1.1.")
    return _WKB_NAMES[kind - 1] + (" Z" if dimension else "")


def extent_of(boxes: pa.StructArray | pa.ChunkedArray) -> BBox | None:
    """What some boxes of rows come to; None when none bounds anything."""
    xmin, ymin, xmax, ymax = boxes.flatten()[:4]
    low_x = pc.min(xmin).as_py()
    return None if low_x is None else (low_x, pc.min(ymin).as_py(), pc.max(xmax).as_py(), pc.max(ymax).as_py())


def union(a: BBox | None, b: BBox | None) -> BBox | None:
    """The least extent that holds two."""
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _stored(schema: pa.Schema) -> str:
    """A schema with its metadata, as files keep it."""
    return base64.b64encode(schema.serialize()).decode("ascii")


def _geo_metadata(crs: Mapping[str, Any] | None, types: tuple[str, ...], bbox: BBox | None) -> dict[str, Any]:
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": list(types),
        "crs": crs,
        "covering": {"bbox": {field.name: [BBOX, field.name] for field in BBOX_TYPE}},
    }
    if bbox is not None:
        column["bbox"] = list(bbox)
    return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}


def _covering_extent(metadata: pq.FileMetaData) -> BBox | None:
    """The extent that the row groups' statistics of the covering column claim."""
    extent: BBox | None = None
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        box: dict[str, Any] = {}
        for position in range(group.num_columns):
            column = group.column(position)
            if column.path_in_schema.startswith(f"{BBOX}.") and column.statistics is not None and column.statistics.has_min_max:
                side = column.path_in_schema.removeprefix(f"{BBOX}.")
                box[side] = column.statistics.min if side.endswith("min") else column.statistics.max
        if box:
            extent = union(extent, (box["xmin"], box["ymin"], box["xmax"], box["ymax"]))
    return extent
