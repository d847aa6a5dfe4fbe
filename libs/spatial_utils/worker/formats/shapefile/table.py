"""Attributes of a ``.dbf`` as Arrow columns, a window at a time: every value has its place, and most are spelled in one way.

The layout is that of dBASE III. What an empty value is, and where text ends, is as GDAL has it; but a blank logical is null.
"""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.formats.dbase_records import part
from libs.spatial_utils.worker.formats.shapefile.layout import NUMBERS, Field, layout_of, records_of
from libs.spatial_utils.worker.formats.shapefile.parts import FastPathUnsupported, bytes_at
from libs.spatial_utils.worker.protocol import BATCH_ROWS
from libs.spatial_utils.worker.values.doubles import EXACT

LOGICAL = pa.bool_()
_KINDS = {
    pa.string(): (b"C",),
    pa.int32(): NUMBERS,
    pa.int64(): NUMBERS,
    pa.float64(): NUMBERS,
    pa.date32(): (b"D",),
    LOGICAL: (b"L",),
}
"""Which fields are read here, by the types of the columns that GDAL makes of them."""
_NULL = pa.scalar(None, pa.string())
_NO_DATE, _NO_NUMBER, _NO_LOGICAL = "00000000", "*", "?"
_TRUE, _FALSE = pa.array([*"TtYy"]), pa.array([*"FfNn"])
_FIRST_DATE = pa.scalar(dt.date(1, 1, 1))


class DbfTable:
    """The records of a ``.dbf`` that has been checked.

    Args:
        path: The file, or the ``.shp`` that it belongs to.
        types: Of GDAL's columns, text not decoded.

    Attributes:
        rows: How many there are.
        rows_at_once: As many as a window should have.

    Raises:
        FastPathUnsupported: when there is none, or a column of another kind.
    """

    def __init__(self, path: Path, types: Sequence[pa.DataType]) -> None:
        dbf = part(path, ".dbf")
        if dbf is None:
            raise FastPathUnsupported("no table")
        self._file, self._types, self._layout = dbf, types, layout_of(dbf)
        fields = self._layout.fields
        if len(fields) != len(types) or (fields[-1].end if fields else 1) != self._layout.size:
            raise FastPathUnsupported("other fields than GDAL finds")
        for field, type_ in zip(fields, types, strict=True):
            if field.kind not in _KINDS.get(type_, ()):
                raise FastPathUnsupported(f"{field.kind!r} as {type_}")
        self.rows, self.rows_at_once = self._layout.rows, min(BATCH_ROWS, self._layout.rows_in_memory)

    def window(self, first: int, rows: int) -> list[pa.Array]:
        """The columns of some records.

        Raises:
            FastPathUnsupported: when one is deleted, or a value is spelled as it usually is not.
        """
        size = self._layout.size
        data = bytes_at(self._file, self._layout.begin + first * size, rows * size)
        if b"\0" in data or data[::size].strip(b" "):
            raise FastPathUnsupported("NUL characters, or records that are deleted")
        records = records_of(data, size)
        return [column(records, field, type_) for field, type_ in zip(self._layout.fields, self._types, strict=True)]


def column(records: pa.FixedSizeBinaryArray, field: Field, type_: pa.DataType) -> pa.Array:
    """The values of a field, null where a cell is blank.

    Raises:
        FastPathUnsupported: for another spelling than the usual one.
    """
    try:
        return _values(pc.binary_slice(records, field.begin, field.end), field, type_)
    except pa.ArrowInvalid as error:
        raise FastPathUnsupported(str(error)) from error


def _values(cells: pa.FixedSizeBinaryArray, field: Field, type_: pa.DataType) -> pa.Array:
    text = pc.ascii_trim(cells.cast(pa.binary()).view(pa.string()), " ")
    values = pc.if_else(pc.equal(pc.binary_length(text), 0), _NULL, text)
    if type_ == pa.string():
        return values
    if type_ == pa.date32():
        return _dates(values)
    return _logicals(values) if type_ == LOGICAL else _numbers(values, field, type_)


def _numbers(values: pa.StringArray, field: Field, type_: pa.DataType) -> pa.Array:
    overflown = pc.starts_with(values, _NO_NUMBER)
    if pc.any(overflown).as_py():
        if pc.any(pc.match_substring_regex(values.filter(overflown), "[^*]")).as_py():
            raise FastPathUnsupported("more than the mark of a number that is too large")
        values = pc.if_else(overflown, _NULL, values)
    if type_ == pa.float64():
        numbers = values.cast(type_)
        if pc.any(pc.invert(pc.is_finite(numbers))).as_py():
            raise FastPathUnsupported("a number that is none")
        if field.whole and (pc.max(pc.abs(numbers)).as_py() or 0) >= EXACT:
            raise FastPathUnsupported("integers that may be rounded")
        return numbers
    if any(pc.any(pc.match_substring(values, sign)).as_py() for sign in "xX"):
        raise FastPathUnsupported("hexadecimal digits")
    return values.cast(type_)


def _dates(values: pa.StringArray) -> pa.Date32Array:
    values = pc.if_else(pc.equal(values, _NO_DATE), _NULL, values).view(pa.binary())
    parts = [pc.binary_slice(values, begin, end).view(pa.string()) for begin, end in ((0, 4), (4, 6), (6, 8))]
    dates = pc.binary_join_element_wise(*parts, "-").cast(pa.date32())
    if pc.any(pc.or_(pc.less(dates, _FIRST_DATE), pc.not_equal(pc.binary_length(values), 8))).as_py():
        raise FastPathUnsupported("a date with more than year, month and day, or before all")
    return dates


def _logicals(values: pa.StringArray) -> pa.BooleanArray:
    values = pc.if_else(pc.equal(values, _NO_LOGICAL), _NULL, values)
    true, known = pc.is_in(values, _TRUE), pc.is_valid(values)
    if pc.any(pc.and_(known, pc.invert(pc.or_(true, pc.is_in(values, _FALSE))))).as_py():
        raise FastPathUnsupported("neither true nor false")
    return pc.if_else(known, true, pa.scalar(None, LOGICAL))
