"""A layer of GeoJSON by Arrow's JSON parser: every row must agree with what GDAL said of a sample."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from libs.spatial_utils.worker.formats.geojson import checks as geojson
from libs.spatial_utils.worker.formats.geojson.features.framing import Frame
from libs.spatial_utils.worker.formats.geojson.features.spelling import Spelling
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.protocol import BATCH_ROWS, SchemaInferenceFailed, Unreadable
from libs.spatial_utils.worker.values import times

_THREADS = 2
"""More would take memory and leave an engine nothing to do."""
_SCALARS = frozenset({pa.bool_(), pa.int32(), pa.int64(), pa.float64(), pa.string()})
_NO_TIME = r"^\s*[^0-9\s]|^[^-/:T]*$"
"""A text that GDAL takes for no date and no time: then its column is one of texts."""
_MEMBERS = frozenset({"type", "id", "bbox", "properties", "geometry"})


class _Piece(NamedTuple):
    """Some features of the file."""

    text: bytes | bytearray
    features: pa.RecordBatch


class ParsedLayer:
    """The layer of a file of features; see ``LayerReader``. Rows unlike the sample raise ``SchemaInferenceFailed``."""

    def __init__(self, frame: Frame, sample: bytes, features: list[Any], as_gdal: OgrLayer) -> None:
        """A layer of which a sample, that is, some features, has been opened by GDAL.

        Raises:
            SchemaInferenceFailed: where the sample holds what is left to GDAL, or where GDAL reads anything else in it.
        """
        self._frame, self.name, self.schema, self.geometry = frame, as_gdal.name, as_gdal.schema, as_gdal.geometry
        self.crs, self.notes = as_gdal.crs, as_gdal.notes
        self.claimed: int | None = None
        self._further = as_gdal.quarantine.fields
        self._attributes = [*self.schema][: -1 - len(self._further)]
        if not self.geometry or not features or not all(_is_ordinary(feature) for feature in features):
            raise SchemaInferenceFailed
        self._id, id_type = self._identity(features)
        try:
            self._spelling = Spelling.of([feature["geometry"] for feature in features if feature["geometry"]], sample)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise SchemaInferenceFailed from error
        self._options = pa.json.ParseOptions(
            explicit_schema=self._members(id_type), newlines_in_values=not frame.lines, unexpected_field_behavior="error"
        )
        self._times = {field.name: times.TimeInference(pa.string()) for field in self._attributes if _is_moment(field.type)}
        self._unproven: set[str] = set()
        rows = self._rows(self._parsed(frame.lined(sample)))
        if pa.Table.from_batches([rows]) != pa.Table.from_batches(as_gdal.rows(), self.schema) or self.notes.warnings:
            raise SchemaInferenceFailed
        self._unproven = {
            field.name
            for field, column in zip(self._attributes, rows.columns, strict=False)
            if field.type == pa.string() and column.null_count == len(rows)
        }

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows; see ``LayerReader``. Pieces are parsed side by side, and taken in order."""
        parsed: deque[Future[_Piece]] = deque()
        with ThreadPoolExecutor(_THREADS) as pool:
            for text in self._frame.pieces():
                parsed.append(pool.submit(self._parsed, text))
                if len(parsed) > _THREADS:
                    yield from _parts(self._rows(parsed.popleft().result()))
            while parsed:
                yield from _parts(self._rows(parsed.popleft().result()))

    def _parsed(self, text: bytes | bytearray) -> _Piece:
        """Features as Arrow sees them."""
        if b"\\" in text and geojson.NUL in text:
            raise SchemaInferenceFailed
        read = pa.json.ReadOptions(use_threads=False, block_size=len(text) + 1)
        renamed = pa.BufferReader(self._spelling.renamed(text))
        try:
            (features,) = pa.json.read_json(renamed, read, self._options).to_batches()
        except (pa.ArrowException, ValueError) as error:
            raise SchemaInferenceFailed from error
        return _Piece(text, features)

    def _rows(self, piece: _Piece) -> pa.RecordBatch:
        """Features as rows, once they are seen to agree with what is known."""
        try:
            values = zip(self._attributes, self._values(piece.features), strict=True)
            columns = [self._converted(field, column) for field, column in values]
            geometries = self._spelling.wkb(piece.features.column("geometry"))
            further = [pa.nulls(len(geometries), field.type) for field in self._further]  # null: nothing is wrong
            rows = pa.RecordBatch.from_arrays([*columns, geometries, *further], schema=self.schema)
            geojson.check_integers(piece.text, geojson.inexact(rows))
        except (pa.ArrowException, ValueError, Unreadable) as error:
            raise SchemaInferenceFailed from error
        self._check(piece.features)
        return rows

    def _identity(self, features: list[dict[str, Any]]) -> tuple[str | None, pa.DataType | None]:
        """The column that comes from the features' own ids, and the type of these; None for what there is not."""
        properties = {name for feature in features for name in feature["properties"] or ()}
        own = [field.name for field in self._attributes if field.name not in properties]
        kinds = {type(feature.get("id")) for feature in features}
        if kinds == {type(None)} and not own:
            return None, None
        if kinds in ({int}, {str}) and len(own) <= 1:  # none if the ids are a property, too
            return next(iter(own), None), pa.int64() if kinds == {int} else pa.string()
        raise SchemaInferenceFailed

    def _members(self, id_type: pa.DataType | None) -> pa.Schema:
        """The members of a feature, for Arrow."""
        if any(field.type not in _SCALARS and not _is_moment(field.type) for field in self._attributes):
            raise SchemaInferenceFailed
        properties = [
            field.with_type(pa.string()) if _is_moment(field.type) else field
            for field in self._attributes
            if field.name != self._id
        ]
        members = {"type": pa.string(), "bbox": pa.list_(pa.float64()), "properties": pa.struct(properties)}
        return pa.schema({**members, **({"id": id_type} if id_type else {}), "geometry": self._spelling.type})

    def _values(self, features: pa.RecordBatch) -> list[pa.Array]:
        """The attributes as they stand in the file."""
        properties = features.column("properties")
        values = [pc.struct_field(properties, [index]) for index in range(properties.type.num_fields)]
        if self._id:
            values.insert(self.schema.get_field_index(self._id), features.column("id"))
        return values

    def _converted(self, field: pa.Field, values: pa.Array) -> pa.Array:
        """A column as it was announced, once what was said of it is seen to hold."""
        if field.name in self._times:
            self._times[field.name].confirm(values, field.type)
            return times.parse(values, field.type, field.name, self.name)
        if field.name in self._unproven and values.null_count < len(values):
            if not pc.any(pc.match_substring_regex(values, _NO_TIME)).as_py():
                raise SchemaInferenceFailed
            self._unproven.remove(field.name)
        return values

    def _check(self, features: pa.RecordBatch) -> None:
        """Hold what becomes no column against the standard."""
        kinds = features.column("type")
        if kinds.null_count or pc.any(pc.not_equal(kinds, "Feature")).as_py():
            raise SchemaInferenceFailed
        ids = features.column("id") if "id" in features.schema.names else None
        if ids is not None and self._id is None and ids != pc.struct_field(features.column("properties"), "id").cast(ids.type):
            raise SchemaInferenceFailed


def _parts(rows: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    return (rows.slice(start, BATCH_ROWS) for start in range(0, len(rows), BATCH_ROWS))


def _is_ordinary(feature: Any) -> bool:
    """Whether a feature has no members that only GDAL knows what to do with."""
    return isinstance(feature, dict) and feature.keys() >= {"properties", "geometry"} and feature.keys() <= _MEMBERS


def _is_moment(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date32(kind))
