"""How a ``.dbf`` is laid out, and whether it is of a kind that can be read without loss.

The layout is that of dBASE III. FoxPro and later dBASE put further types of fields into it, which GDAL takes for text. Those
whose values stand in another file are read in ``memos``.

No upstream issue is known (GDAL 3.12.4).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.protocol import BATCH_BYTES, Unreadable

NUMBERS = (b"N", b"F")
MEMO = b"M"
ELSEWHERE = {MEMO: "memo", b"G": "OLE object", b"P": "picture"}
"""Fields whose values stand in another file: here are the numbers of their blocks, or blanks."""
_READ = (b"C", *NUMBERS, b"D", b"L", *ELSEWHERE)
_NULL_FLAGS = b"0"
_BINARY = {
    b"B": "binary number or object", b"I": "binary integer", b"Y": "currency", b"T": "date and time", b"@": "timestamp",
    b"+": "autoincrement", b"O": "binary number", b"V": "variable text", b"Q": "variable bytes", b"W": "object",
    _NULL_FLAGS: "null flags",
}  # fmt: skip
_HEAD_BYTES, _FIELD_BYTES = 12, 32
_LAST_FIELD, _DELETED = b"\r", b"*"
_REMEDY = "Export the data again, as a Shapefile or dBASE III of its own program, or as GeoPackage or CSV."


@dataclass(frozen=True)
class Field:
    """A column, and where its cells stand in a record.

    Attributes:
        kind: A letter.
        decimals: Of numbers; of text, some programs put the rest of a width beyond 255 there.
    """

    name: bytes
    kind: bytes
    begin: int
    end: int
    decimals: int

    @property
    def whole(self) -> bool:
        """Whether it has numbers without decimals."""
        return self.kind in NUMBERS and not self.decimals


@dataclass(frozen=True)
class Layout:
    """Of a ``.dbf``: where its records begin, how many there are, how long each is, and what it is made of."""

    rows: int
    begin: int
    size: int
    fields: tuple[Field, ...]

    @property
    def rows_in_memory(self) -> int:
        """As many records as are looked at together, at most."""
        return max(1, BATCH_BYTES // max(self.size, 1))


def layout_of(dbf: Path) -> Layout:
    """Read the header.

    Raises:
        Unreadable: ``truncated``.
    """
    with dbf.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if len(head) < _HEAD_BYTES:
            raise truncated(dbf, len(head), _HEAD_BYTES)
        rows, begin, size = struct.unpack("<4xIHH", head)
        file.seek(_FIELD_BYTES)
        described = file.read(max(begin - _FIELD_BYTES, 0))
    fields: list[Field] = []
    end = 1  # behind the mark of a record that is deleted
    for at in range(0, len(described) - _FIELD_BYTES + 1, _FIELD_BYTES):
        one = described[at : at + _FIELD_BYTES]
        if one[:1] == _LAST_FIELD:
            break
        fields.append(Field(one[:11].partition(b"\0")[0], one[11:12], end, end + one[16], one[17]))
        end = fields[-1].end
    return Layout(rows, begin, size, tuple(fields))


def records_of(data: bytes, size: int) -> pa.FixedSizeBinaryArray:
    """Bytes as whole records of a size."""
    return pa.Array.from_buffers(pa.binary(size), len(data) // size, [None, pa.py_buffer(data)])


def windows(dbf: Path, layout: Layout) -> Iterator[pa.FixedSizeBinaryArray]:
    """All records, some at a time, as far as they are there."""
    with dbf.open("rb") as file:
        file.seek(layout.begin)
        left = layout.rows
        while left > 0 and (data := file.read(layout.size * min(left, layout.rows_in_memory))):
            yield records_of(data, layout.size)
            left -= layout.rows_in_memory


def undeleted(records: pa.FixedSizeBinaryArray) -> pa.BooleanArray:
    """Which records are not marked as deleted."""
    return pc.not_equal(pc.binary_slice(records, 0, 1), _DELETED)


def blank(records: pa.FixedSizeBinaryArray, field: Field) -> pa.BooleanArray:
    """Which records have nothing in a field."""
    return pc.match_substring_regex(pc.binary_slice(records, field.begin, field.end).cast(pa.binary()), r"\A[\x00 ]*\z")


def check_table(dbf: Path) -> int:
    """Check that a ``.dbf`` holds its records and no more, and nothing that GDAL reads as something else.

    Returns:
        The number of its records.

    Raises:
        Unreadable: ``truncated``, ``damaged`` or ``unsupported_field``.
    """
    layout, size = layout_of(dbf), dbf.stat().st_size
    if size < layout.begin + layout.rows * layout.size:
        raise truncated(dbf, size, layout.begin + layout.rows * layout.size)
    _check_widths(dbf, layout)
    _check_kinds(dbf, layout)
    _check_end(dbf, layout)
    return layout.rows


def truncated(path: Path, size: int, expected: int) -> Unreadable:
    """A part that ends too early."""
    return Unreadable(
        "truncated",
        f"{path.name} has {size:,} bytes where at least {expected:,} are expected: its end is missing.",
        "Upload the file again; if it is like this at its source, repair it there.",
    )


def _check_widths(dbf: Path, layout: Layout) -> None:
    """Where fields do not fill a record, columns would be read from each other's places."""
    found = layout.fields[-1].end if layout.fields else 1
    if found == layout.size or not layout.rows:
        return
    wide = [field for field in layout.fields if field.kind == b"C" and field.decimals]
    if wide and found + sum(field.decimals << 8 for field in wide) == layout.size:
        names = ", ".join(_shown(field.name) for field in wide)
        raise Unreadable(
            "unsupported_field",
            f"{dbf.name} has text of more than 255 characters ({names}), in a way of FoxPro and Clipper that is not read here.",
            _REMEDY,
        )
    raise Unreadable(
        "damaged",
        f"The fields of {dbf.name} take {found:,} bytes of a record, which has {layout.size:,}: the header is damaged.",
        _REMEDY,
    )


def _check_kinds(dbf: Path, layout: Layout) -> None:
    for field in layout.fields:
        if field.kind in _READ or field.begin == field.end or not layout.rows:
            continue
        if field.kind == _NULL_FLAGS and _is_blank(dbf, layout, field):
            continue
        kind = _BINARY.get(field.kind) or "unknown"
        raise Unreadable(
            "unsupported_field",
            f"The column {_shown(field.name)} of {dbf.name} is of the type {_shown(field.kind)} ({kind}), which is not "
            "read here.",
            f"{_REMEDY} Or leave the column out.",
        )


def _is_blank(dbf: Path, layout: Layout, field: Field) -> bool:
    """Whether no record that is not deleted has anything in a field."""
    return not any(pc.any(pc.and_not(undeleted(records), blank(records, field))).as_py() for records in windows(dbf, layout))


def _check_end(dbf: Path, layout: Layout) -> None:
    """Behind the last record there may be a mark, filling, or less than a record."""
    with dbf.open("rb") as file:
        file.seek(layout.begin + layout.rows * layout.size)
        following = file.read(layout.size)
    if len(following) == layout.size > 1 and following[:1] == b" " and following.strip(b" \0\x1a"):
        raise Unreadable(
            "damaged",
            f"{dbf.name} says that it has {layout.rows:,} records, but behind them stand further ones.",
            "Open and save it with the program that made it, or upload it again.",
        )


def _shown(name: bytes) -> str:
    return repr(name.decode("utf-8", "replace"))
