"""Attributes of a ``.dbf`` as Arrow columns, a window at a time: every value has its place, and most are spelled in one way.

The layout is that of dBASE III. What an empty value is, and where text ends, is as GDAL has it.
"""

import datetime as dt
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.child.shapefile.parts import FIELD_BYTES, Odd, bytes_at, part
from libs.spatial_utils.child.source import BATCH_BYTES, BATCH_ROWS

_NUMBERS = (b"N", b"F")
_KINDS = {pa.string(): (b"C",), pa.int32(): _NUMBERS, pa.int64(): _NUMBERS, pa.float64(): _NUMBERS, pa.date32(): (b"D",)}
"""Which fields are read here, by the types of the columns that GDAL makes of them."""
_LAST_FIELD = b"\r"
_NULL = pa.scalar(None, pa.string())
_NO_DATE, _NO_NUMBER = "00000000", "*"
_FIRST_DATE = pa.scalar(dt.date(1, 1, 1))


@dataclass(frozen=True)
class _Field:
    """Where values of a column stand in a record."""

    begin: int
    end: int
    type: pa.DataType


class Table:
    """The records of a ``.dbf`` that has been checked.

    Args:
        path: The file, or the ``.shp`` that it belongs to.
        types: Of GDAL's columns, text not decoded.

    Attributes:
        rows: How many there are.
        rows_at_once: As many as a window should have.

    Raises:
        Odd: when there is none, or a column of another kind.
    """

    def __init__(self, path: Path, types: Sequence[pa.DataType]) -> None:
        dbf = part(path, ".dbf")
        if dbf is None:
            raise Odd("no table")
        self._file = dbf
        self.rows, self._begin, self._size = struct.unpack("<4xIHH", bytes_at(dbf, 0, 12))
        fields = bytes_at(dbf, FIELD_BYTES, max(self._begin - FIELD_BYTES, 0))
        found = [fields[at : at + FIELD_BYTES] for at in range(0, len(fields), FIELD_BYTES)]
        found = found[: next((number for number, field in enumerate(found) if field[:1] == _LAST_FIELD), len(found))]
        self._fields: list[_Field] = []
        end = 1  # behind the mark of a record that is deleted
        for field, type_ in zip(found, types, strict=False):
            if field[11:12] not in _KINDS.get(type_, ()):
                raise Odd(f"{field[11:12]!r} as {type_}")
            self._fields.append(_Field(end, end + field[16], type_))
            end = self._fields[-1].end
        if len(found) != len(types) or end != self._size:
            raise Odd("other fields than GDAL finds")
        self.rows_at_once = max(1, min(BATCH_ROWS, BATCH_BYTES // self._size))

    def window(self, first: int, rows: int) -> list[pa.Array]:
        """The columns of some records.

        Raises:
            Odd: when one is deleted, or a value is spelled as it usually is not.
        """
        data = bytes_at(self._file, self._begin + first * self._size, rows * self._size)
        if b"\0" in data or data[:: self._size].strip(b" "):
            raise Odd("NUL characters, or records that are deleted")
        records = pa.Array.from_buffers(pa.binary(self._size), rows, [None, pa.py_buffer(data)])
        try:
            return [_column(pc.binary_slice(records, field.begin, field.end), field.type) for field in self._fields]
        except pa.ArrowInvalid as error:
            raise Odd(str(error)) from error


def _column(cells: pa.FixedSizeBinaryArray, type_: pa.DataType) -> pa.Array:
    """Values, null where a cell is blank.

    Raises:
        Odd, pa.ArrowInvalid: for another spelling.
    """
    text = pc.ascii_trim(cells.cast(pa.binary()).view(pa.string()), " ")
    values = pc.if_else(pc.equal(pc.binary_length(text), 0), _NULL, text)
    if type_ == pa.string():
        return values
    if type_ == pa.date32():
        return _dates(values)
    values = pc.if_else(pc.starts_with(values, _NO_NUMBER), _NULL, values)
    if type_ == pa.float64():
        numbers = values.cast(type_)
        if pc.any(pc.invert(pc.is_finite(numbers))).as_py():
            raise Odd("a number that is none")
        return numbers
    if any(pc.any(pc.match_substring(values, sign)).as_py() for sign in "xX"):
        raise Odd("hexadecimal digits")
    return values.cast(type_)


def _dates(values: pa.StringArray) -> pa.Date32Array:
    values = pc.if_else(pc.equal(values, _NO_DATE), _NULL, values).view(pa.binary())
    parts = [pc.binary_slice(values, begin, end).view(pa.string()) for begin, end in ((0, 4), (4, 6), (6, 8))]
    dates = pc.binary_join_element_wise(*parts, "-").cast(pa.date32())
    if pc.any(pc.or_(pc.less(dates, _FIRST_DATE), pc.not_equal(pc.binary_length(values), 8))).as_py():
        raise Odd("a date with more than year, month and day, or before all")
    return dates
