"""The columns of a dataset in PostgreSQL: its types, and how values of other types pass through it without loss."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from libs.compute.postgis.side_store import SideStore

_UINT64_DIGITS = 20


@dataclass(frozen=True)
class ColumnType:
    """The type of a column in PostgreSQL, and the Arrow type in which its values are sent and received."""

    sql: str
    arrow: pa.DataType


def _is_wide_time(type_: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(type_) or pa.types.is_time64(type_)) and str(type_.unit) == "ns"


_SMALL, _INTEGER, _BIG = ColumnType("smallint", pa.int16()), ColumnType("integer", pa.int32()), ColumnType("bigint", pa.int64())
_REAL, _TEXT, _BYTES = ColumnType("real", pa.float32()), ColumnType("text", pa.string()), ColumnType("bytea", pa.binary())
_ZONED = ColumnType("timestamp with time zone", pa.timestamp("us", "UTC"))
_COLUMN_TYPES: tuple[tuple[Callable[[pa.DataType], bool], ColumnType], ...] = (
    (lambda type_: pa.types.is_null(type_) or pa.types.is_boolean(type_), ColumnType("boolean", pa.bool_())),
    (lambda type_: type_ in {pa.int8(), pa.uint8(), pa.int16()}, _SMALL),
    (lambda type_: type_ in {pa.uint16(), pa.int32()}, _INTEGER),
    (lambda type_: type_ in {pa.uint32(), pa.int64()}, _BIG),
    (pa.types.is_uint64, ColumnType("numeric", pa.decimal128(_UINT64_DIGITS))),
    (lambda type_: type_ in {pa.float16(), pa.float32()}, _REAL),
    (pa.types.is_float64, ColumnType("double precision", pa.float64())),
    (lambda type_: pa.types.is_string(type_) or pa.types.is_large_string(type_), _TEXT),
    (lambda type_: pa.types.is_binary(type_) or pa.types.is_large_binary(type_), _BYTES),
    (pa.types.is_date32, ColumnType("date", pa.date32())),
    # PostgreSQL counts microseconds: what is finer travels as the number it is.
    (lambda type_: pa.types.is_duration(type_) or _is_wide_time(type_), _BIG),
    (pa.types.is_time, ColumnType("time", pa.time64("us"))),
    (lambda type_: pa.types.is_timestamp(type_) and type_.tz is None, ColumnType("timestamp", pa.timestamp("us"))),
    (pa.types.is_timestamp, _ZONED),
)


def column_type(type_: pa.DataType) -> ColumnType | None:
    """What holds the values of an Arrow type. None: the values go into a side store, and PostgreSQL holds their places there."""
    if pa.types.is_decimal(type_):
        # With its scale, which is what it shows as text.
        return ColumnType(f"numeric({type_.precision}, {type_.scale})", pa.decimal128(type_.precision, type_.scale))
    return next((column_type for is_it, column_type in _COLUMN_TYPES if is_it(type_)), None)


class Columns:
    """The attribute columns of a dataset on their way into PostgreSQL and out of it.

    Args:
        schema: Of the attributes in the source.
        path: Of the side stores; each adds its number.
    """

    def __init__(self, schema: pa.Schema, path: Path) -> None:
        self._types = list(schema.types)
        self.column_types = [column_type(type_) or _BIG for type_ in self._types]
        unsupported = [index for index, type_ in enumerate(self._types) if column_type(type_) is None]
        self._side_stores = {index: SideStore(path.with_name(f"{path.name}_{index}.arrow")) for index in unsupported}

    def to_postgresql(self, batch: pa.RecordBatch) -> list[pa.Array]:
        """The columns of a batch from the source, as PostgreSQL takes them."""
        return [
            self._to_side_store(index, column) if index in self._side_stores else _cast(column, column_type.arrow)
            for index, (column, column_type) in enumerate(zip(batch.columns, self.column_types, strict=False))
        ]

    def from_postgresql(self, column: pa.Array, type_: pa.DataType) -> pa.Array:
        """A column of the result in the type that it is to have, whatever it is called there."""
        if pa.types.is_null(type_):
            return pa.nulls(len(column))
        if self._side_stores and column_type(type_) is None:
            return self._from_side_store(column, type_)
        return _cast(column.storage if isinstance(column, pa.ExtensionArray) else column, type_)

    def close(self) -> None:
        """Remove the side stores."""
        for side_store in self._side_stores.values():
            side_store.close()

    def _to_side_store(self, index: int, column: pa.Array) -> pa.Array:
        # A place says which column it is of, too: a recipe may call that what it likes.
        places = self._side_stores[index].put(pa.table({"value": column}))
        return pc.if_else(column.is_valid(), pc.add(pc.multiply(places, len(self._types)), index), None)

    def _from_side_store(self, column: pa.Array, type_: pa.DataType) -> pa.Array:
        places = column.drop_null()
        if not len(places):
            return pa.nulls(len(column), type_)
        place, index = pc.divide(places, len(self._types)), places[0].as_py() % len(self._types)
        taken = self._side_stores[index].take(place)["value"].combine_chunks()
        nth = pc.subtract(pc.cumulative_sum(pc.cast(column.is_valid(), pa.int64())), 1)
        return taken.take(pc.if_else(column.is_valid(), nth, None))


def _cast(column: pa.Array, type_: pa.DataType) -> pa.Array:
    if column.type == type_:
        return column
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), type_)
    return column.cast(type_)
