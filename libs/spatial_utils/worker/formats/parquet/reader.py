"""GeoParquet and plain Parquet, read by pyarrow: the GDAL of the wheel has no Parquet.

Rules: GeoParquet 1.0, 1.1 and 2.0-dev; of 0.x what differs (the CRS was WKT). Native encodings are written as WKB. Files without
the ``geo`` metadata are read by Parquet's own GEOMETRY type.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from libs.column_names import GEOMETRY
from libs.spatial_utils.worker.formats.parquet import native
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import (
    BATCH_BYTES,
    BATCH_ROWS,
    COLUMN_NOTES,
    Notes,
    Unreadable,
    unknown_geometry,
)
from libs.spatial_utils.worker.quarantine import Quarantine
from libs.spatial_utils.worker.reader import FileReader
from libs.spatial_utils.worker.values import geometry_column
from libs.spatial_utils.worker.values.geometry_types import LOWER_CASE_DEPTHS

_DEFAULT_CRS = "OGC:CRS84"
_READ_BYTES = 1024 * 1024
_COLUMNS = b"spatial_etl:columns"
"""Key of the metadata of lake files: by column, what is known of it besides its type."""


class ParquetLayer:
    """The one layer of a Parquet file; see ``LayerReader``."""

    def __init__(
        self, gdal: Gdal, path: Path, prefix: str, policies: Mapping[str, str | None], *, tabular: bool, wanted: str | None
    ) -> None:
        self._gdal, self.name, self.notes = gdal, prefix + path.stem, Notes()
        self._quarantine = Quarantine(policies, self.notes)
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
        self.geometry, self.crs, self._encoding = geo is not None, None, "wkb"
        self._geometry_index = -1
        left_out: set[str] = set()
        if geo is not None:
            primary, columns = geo
            if wanted is not None and wanted not in columns:
                raise unknown_geometry(wanted, columns)
            primary = wanted or primary
            self._geometry_index, left_out = self._check(stored, primary, columns)
            self._encoding = str(columns[primary].get("encoding", "WKB")).lower()
            self.crs = _crs(columns[primary])
        self._attributes = [i for i, field in enumerate(stored) if i != self._geometry_index and field.name not in left_out]
        notes = _column_notes((self._file.metadata.metadata or {}).get(_COLUMNS))
        named = [(stored.field(index).name, _kept_type(stored.field(index))) for index in self._attributes]
        fields = [pa.field(name, kind, metadata=notes(name)) for name, kind in named]
        if self.geometry:
            fields.append(pa.field(GEOMETRY, pa.binary()))
        self.schema = pa.schema([*fields, *self._quarantine.fields])

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
        attributes = len(columns)
        for field, column in zip(self.schema, columns, strict=False):
            if _repeats_a_key(column):
                row = next(row for row in range(len(column)) if _repeats_a_key(column.slice(row, 1)))
                raise Unreadable(
                    "repeated_key",
                    f"A map in the column {field.name!r} has a key twice.",
                    "Leave one value to each key, or write the column as a list of structs.",
                    f"row {read + row + 1}",
                )
        if self.geometry:
            columns.append(self._normalised(batch.column(self._geometry_index), read))
        columns += self._quarantine.columns(batch.num_rows, self.schema.names[:attributes], columns[:attributes])
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _normalised(self, geometry: pa.Array, read: int) -> pa.Array:
        def problem(row: int) -> Unreadable:
            number = read + row + 1
            return Unreadable(
                "damaged_geometry",
                f"The geometry of row {number} is not well-formed.",
                "Repair or remove it.",
                f"row {number}",
            )

        if self._encoding in LOWER_CASE_DEPTHS:
            geometry = native.to_wkb(
                geometry, self._encoding, self.notes.counts, lambda row: self._quarantine.meet("geometry", row, problem(row))
            )
        return geometry_column.normalised(geometry, self._gdal, self.notes.counts, self._quarantine, problem, vouched=False)

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
        if encoding != "wkb" and encoding not in LOWER_CASE_DEPTHS:
            raise Unreadable(
                "geoparquet_encoding", f"The geometry encoding {encoding!r} is not read here.", "Write the geometry as WKB."
            )
        kind = stored.field(index).type
        if encoding == "wkb" and not (
            pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
        ):
            raise Unreadable("geoparquet_metadata", f"The column {primary!r} is {kind}, not WKB.", "Write the file again.")
        if encoding != "wkb" and not native.is_stored_as(kind, encoding):
            raise Unreadable(
                "geoparquet_encoding",
                f"The column {primary!r} is {kind}, which is not how the encoding {encoding!r} is stored: "
                "lists of structs of x and y, perhaps with z and m.",
                "Write the geometry as WKB.",
            )
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
                f'To read it as the geometry, write "geometry": {json.dumps(name, ensure_ascii=False)}.',
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


def _column_notes(stored: bytes | None) -> Callable[[str], dict[bytes, bytes] | None]:
    """What a file says of a column of a name, as metadata of its field."""
    try:
        told = json.loads(stored) if stored is not None else {}
    except ValueError:
        told = None
    if not isinstance(told, dict):  # nonsense, for the reader to say so
        return lambda _: {COLUMN_NOTES: b""}
    return lambda name: {COLUMN_NOTES: json.dumps(told[name], ensure_ascii=False).encode()} if name in told else None


def _crs(about: dict[str, Any]) -> dict[str, str] | None:
    """CRS84 when nothing is said; unknown when null is said."""
    if "crs" not in about:
        return {"default": _DEFAULT_CRS}
    crs = about["crs"]
    if crs is None or crs == "":
        return None
    return {"text": crs if isinstance(crs, str) else json.dumps(crs)}


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values: how they were stored is the file's affair."""
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if _is_extension(kind):
        return _plain_type(kind.storage_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    return kind


def _kept_type(field: pa.Field) -> pa.DataType:
    """The type that an attribute is sent as; raises ``Unreadable`` where its values would not arrive."""
    plain = _plain_type(field.type)
    if any(pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind) or _is_extension(kind) for kind in _nested(plain)):
        raise Unreadable(  # Arrow casts neither
            "unknown_type",
            f"The column {field.name!r} has the type {field.type}, which cannot be kept.",
            "Write it with another type, such as a list or a text, or leave it out.",
        )
    return plain


def _nested(kind: pa.DataType) -> Iterator[pa.DataType]:
    """A type, and those of which it is made."""
    yield kind
    if pa.types.is_map(kind):
        parts = [kind.key_type, kind.item_type]
    elif pa.types.is_struct(kind):
        parts = [field.type for field in kind]
    else:
        parts = [kind.value_type] if pa.types.is_nested(kind) or pa.types.is_dictionary(kind) else []
    for part in parts:
        yield from _nested(part)


def _is_extension(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.BaseExtensionType)


def _repeats_a_key(column: pa.Array) -> bool:
    """Whether one of the maps in a column has a key twice: compute would not take it."""
    kind = column.type
    if pa.types.is_map(kind):
        keys, items = (pa.ListArray.from_arrays(column.offsets, part) for part in (column.keys, column.items))
        repeated = any(len({repr(key) for key in some}) < len(some) for some in keys.to_pylist())
        return repeated or _repeats_a_key(items.flatten())
    if pa.types.is_struct(kind):
        return any(_repeats_a_key(part) for part in column.flatten())
    return pa.types.is_nested(kind) and _repeats_a_key(column.flatten())


def _damaged(error: Exception) -> Unreadable:
    return Unreadable(
        "damaged", f"The Parquet file cannot be read: {error}.", "Upload it again; if that does not help, write it again."
    )


class Reader(FileReader):
    """See ``FileReader``: one layer, with the file's name."""

    def open(self) -> None:
        """See ``FileReader``."""
        if self.add_name(self.prefix + self.path.stem):
            self.opened.layers.append(
                ParquetLayer(
                    self.gdal,
                    self.path,
                    self.prefix,
                    self.request.policies,
                    tabular=self.request.tabular,
                    wanted=self.request.geometry,
                )
            )
