"""GeoParquet and plain Parquet, read by pyarrow: the GDAL of the wheel has no Parquet.

Rules: GeoParquet 1.0, 1.1 and 2.0-dev; of 0.x what differs (the CRS was WKT). Native encodings are written as WKB. Files without
the ``geo`` metadata are read by Parquet's own GEOMETRY type.
"""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from libs.spatial_utils.child import wkb
from libs.spatial_utils.child.gdal import Gdal
from libs.spatial_utils.child.source import BATCH_BYTES, BATCH_ROWS, GEOMETRY, Notes, OpenFile, Request, Unreadable

_DEFAULT_CRS = "OGC:CRS84"
_READ_BYTES = 1024 * 1024
_DEPTH = {"point": 0, "linestring": 1, "polygon": 2, "multipoint": 1, "multilinestring": 2, "multipolygon": 3}


class ParquetLayer:
    """The one layer of a Parquet file; see ``LayerReader``."""

    def __init__(self, gdal: Gdal, path: Path, prefix: str, *, tabular: bool) -> None:
        self._gdal, self.name, self.notes = gdal, prefix + path.stem, Notes()
        try:
            self._file = pq.ParquetFile(path, buffer_size=_READ_BYTES, pre_buffer=False, arrow_extensions_enabled=False)
        except MemoryError:  # an ArrowException, too, but the limit's affair
            raise
        except (pa.ArrowException, OSError) as error:
            raise _damaged(error) from error
        self.claimed = self._file.metadata.num_rows
        stored = self._file.schema_arrow
        if tabular and b"geo" in (self._file.metadata.metadata or {}):
            raise Unreadable(
                "type_mismatch",
                "The file is declared as tabular, but is GeoParquet.",
                'Write "type": "vector".',
                f"layer {self.name}",
            )
        geo = None if tabular else self._geo()
        self.geometry, self.crs, self._encoding = geo is not None, None, "WKB"
        self._geometry_index = -1
        left_out: set[str] = set()
        if geo is not None:
            primary, columns = geo
            self._geometry_index, left_out = self._check(stored, primary, columns)
            self._encoding = str(columns[primary].get("encoding", "WKB"))
            self.crs = _crs(columns[primary])
        self._attributes = [i for i, field in enumerate(stored) if i != self._geometry_index and field.name not in left_out]
        fields = [pa.field(stored.field(index).name, _plain_type(stored.field(index).type)) for index in self._attributes]
        self.schema = pa.schema([*fields, pa.field(GEOMETRY, pa.binary())] if self.geometry else fields)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows; raises ``Unreadable`` on damage."""
        read = 0
        groups = (self._file.metadata.row_group(index) for index in range(self._file.num_row_groups))
        rows = BATCH_BYTES * self.claimed // max(1, sum(group.total_byte_size for group in groups))
        try:
            for batch in self._file.iter_batches(max(1, min(BATCH_ROWS, rows)), use_threads=False):
                yield self._final(batch, read)
                read += batch.num_rows
        except MemoryError:  # an ArrowException, too, but the limit's affair
            raise
        except (pa.ArrowException, OSError) as error:
            raise _damaged(error) from error
        if read != self.claimed:
            raise Unreadable(
                "count_mismatch",
                f"The file says that it has {self.claimed:,} rows, but {read:,} can be read.",
                "Upload the file again.",
            )

    def _final(self, batch: pa.RecordBatch, read: int) -> pa.RecordBatch:
        columns = [batch.column(index).cast(field.type) for index, field in zip(self._attributes, self.schema, strict=False)]
        if self.geometry:
            geometry = batch.column(self._geometry_index)
            if self._encoding.lower() in _DEPTH:
                geometry = _native_to_wkb(geometry, self._encoding.lower())
            try:
                columns.append(wkb.normalise(geometry, self._gdal, self.notes.counts, vouched=False))
            except wkb.DamagedGeometry as error:
                raise Unreadable(
                    "damaged_geometry",
                    f"The geometry of row {read + error.row + 1} is no well-formed WKB.",
                    "Repair or remove it.",
                    f"row {read + error.row + 1}",
                ) from error
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _geo(self) -> tuple[str, dict[str, dict[str, Any]]]:
        """The primary geometry column and what is said of all of them, from the metadata or from the column types."""
        raw = (self._file.metadata.metadata or {}).get(b"geo")
        if raw is not None:
            try:
                geo = json.loads(raw)
                columns = {str(name): dict(column) for name, column in geo["columns"].items()}
                return str(geo["primary_column"]), columns
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise Unreadable(
                    "geoparquet_metadata", f"The 'geo' metadata is malformed: {error}.", "Write the file again."
                ) from error
        columns = {}
        for index in range(len(self._file.schema)):
            column = self._file.schema.column(index)
            kind = json.loads(column.logical_type.to_json())
            if kind.get("Type") in {"Geometry", "Geography"}:
                columns[column.path] = _native_type(kind)
        if not columns:
            raise Unreadable(
                "no_geometry",
                "The Parquet file has no geometry: neither 'geo' metadata nor a column of type GEOMETRY.",
                "Declare it as 'tabular', or write it as GeoParquet.",
            )
        return next(iter(columns)), columns

    def _check(self, stored: pa.Schema, primary: str, columns: dict[str, dict[str, Any]]) -> tuple[int, set[str]]:
        """Position of the geometry column, and the columns that are only an index of it."""
        about = columns.get(primary)
        index = stored.get_field_index(primary)
        if about is None or index < 0:
            raise Unreadable(
                "geoparquet_metadata", f"The primary geometry column {primary!r} does not exist.", "Write the file again."
            )
        encoding = str(about.get("encoding", "WKB")).lower()
        if encoding != "wkb" and encoding not in _DEPTH:
            raise Unreadable(
                "geoparquet_encoding", f"The geometry encoding {encoding!r} is not read here.", "Write the geometry as WKB."
            )
        kind = stored.field(index).type
        if encoding == "wkb" and not (
            pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
        ):
            raise Unreadable("geoparquet_metadata", f"The column {primary!r} is {kind}, not WKB.", "Write the file again.")
        if about.get("edges", "planar") != "planar":
            self.notes.warn(
                "edges", f"The edges of {primary!r} are {about['edges']}; they are read as planar.", "Densify long edges first."
            )
        if about.get("epoch") is not None:
            self.notes.warn(
                "epoch", f"The coordinate epoch {about['epoch']} is not kept.", "Note it in 'metadata' if you need it."
            )
        for name in columns.keys() - {primary}:
            self.notes.warn(
                "second_geometry",
                f"The geometry column {name!r} is kept as a plain attribute (WKB in its own CRS).",
                "Submit it as a dataset of its own if it should be one.",
            )
        covering = about.get("covering") or {}
        bbox = covering.get("bbox") if isinstance(covering, dict) else None
        paths = bbox.values() if isinstance(bbox, dict) else []
        return index, {str(path[0]) for path in paths if isinstance(path, list) and path}


def _native_type(kind: dict[str, Any]) -> dict[str, Any]:
    """What Parquet's GEOMETRY type says, in the words of the ``geo`` metadata."""
    about: dict[str, Any] = {"encoding": "WKB"}
    if kind.get("crs"):
        about["crs"] = kind["crs"]
    if kind["Type"] == "Geography":
        about["edges"] = "spherical"
    return about


def _crs(about: dict[str, Any]) -> dict[str, str] | None:
    """CRS84 when nothing is said; unknown when null is said."""
    if "crs" not in about:
        return {"name": _DEFAULT_CRS}
    crs = about["crs"]
    if crs is None or crs == "":
        return None
    return {"wkt": crs if isinstance(crs, str) else json.dumps(crs)}


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values: how they were stored is the file's affair."""
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    return kind


def _damaged(error: Exception) -> Unreadable:
    return Unreadable(
        "damaged", f"The Parquet file cannot be read: {error}.", "Upload it again; if that does not help, write it again."
    )


def _native_to_wkb(geometry: pa.Array, encoding: str) -> pa.Array:
    """A column of a GeoParquet 1.1 native encoding (structs of x, y[, z] in nested lists) as WKB."""
    points = geometry
    for _ in range(_DEPTH[encoding]):
        points = points.values
    has_z = points.type.get_field_index("z") >= 0
    position = struct.Struct("<ddd" if has_z else "<dd")

    def head(kind: int) -> bytes:
        return struct.pack("<BI", 1, kind + (1000 if has_z else 0))

    def path(points: list[dict[str, float]]) -> bytes:
        return struct.pack("<I", len(points)) + b"".join(position.pack(*point.values()) for point in points)

    def many(kind: int, parts: list[bytes]) -> bytes:
        return head(kind) + struct.pack("<I", len(parts)) + b"".join(parts)

    def rings(polygon: list[Any]) -> bytes:
        return struct.pack("<I", len(polygon)) + b"".join(path(ring) for ring in polygon)

    write: dict[str, Callable[[Any], bytes]] = {
        "point": lambda point: head(1) + position.pack(*point.values()),
        "linestring": lambda line: head(2) + path(line),
        "polygon": lambda polygon: head(3) + rings(polygon),
        "multipoint": lambda points: many(4, [head(1) + position.pack(*point.values()) for point in points]),
        "multilinestring": lambda lines: many(5, [head(2) + path(line) for line in lines]),
        "multipolygon": lambda polygons: many(6, [head(3) + rings(polygon) for polygon in polygons]),
    }
    return pa.array([None if value is None else write[encoding](value) for value in geometry.to_pylist()], pa.binary())


def open_file(gdal: Gdal, request: Request) -> OpenFile:
    """The files of a request, a layer each."""
    opened = OpenFile()
    for path, prefix in request.paths:
        opened.names.append(prefix + path.stem)
        if request.wants(opened.names[-1]):
            opened.layers.append(ParquetLayer(gdal, path, prefix, tabular=request.tabular))
    return opened
