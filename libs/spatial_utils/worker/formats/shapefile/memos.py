"""Texts that a ``.dbf`` keeps in a file beside it: dBASE III and IV in a ``.dbt``, FoxPro in an ``.fpt``.

A cell holds the number of a block, in digits, or in Visual FoxPro as an integer of four bytes. In dBASE III a text ends with a
mark; later programs say its length. GDAL takes the number for the text.

No upstream issue is known (GDAL 3.12.4).
"""

import mmap
import struct
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.formats.dbase_records import part
from libs.spatial_utils.worker.formats.shapefile.layout import MEMO, Field, blank

_DBASE_3_BLOCK, _DBASE_3 = 512, 0x83
_SIZE_OF_DBASE_4, _SIZE_OF_FOXPRO = struct.Struct("<20xH"), struct.Struct(">6xH")
_HEAD_OF_DBASE_4, _LENGTH = b"\xff\xff\x08\x00", struct.Struct("<4xI")
_HEAD_OF_FOXPRO, _TEXT = struct.Struct(">II"), 1
_END, _WRAPPED = b"\x1a", b"\x8d\n"
_BINARY_WIDTH = 4
_HEADER_BYTES = 24


class DamagedMemo(Exception):  # noqa: N818 - what it is
    """A number of a block where no text stands."""


class Memos:
    """The file beside a table that has fields of texts elsewhere.

    Args:
        dbf: The table.

    Attributes:
        file: Where the texts stand; None where it was not uploaded.
    """

    def __init__(self, dbf: Path) -> None:
        self.file = part(dbf, ".fpt") or part(dbf, ".dbt")
        self._data: bytes | mmap.mmap = b""
        if self.file is None or self.file.stat().st_size < _HEADER_BYTES:
            return
        with self.file.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with dbf.open("rb") as table:
            (version,) = table.read(1) or b"\0"
        self._is_foxpro = self.file.suffix.lower() == ".fpt"
        (size,) = (_SIZE_OF_FOXPRO if self._is_foxpro else _SIZE_OF_DBASE_4).unpack_from(self._data)
        self._block = _DBASE_3_BLOCK if not size or (version == _DBASE_3 and not self._is_foxpro) else size

    def blocks(self, records: pa.FixedSizeBinaryArray, field: Field) -> list[bytes | None]:
        """What stands in the cells of a field; None where there is nothing."""
        cells = pc.binary_slice(records, field.begin, field.end).cast(pa.binary())
        nothing = blank(records, field)
        return [
            None if empty or not cell.strip(b" 0\0") else cell
            for cell, empty in zip(cells.to_pylist(), nothing.to_pylist(), strict=True)
        ]

    def text(self, cell: bytes, field: Field) -> bytes:
        """The text that a cell means, as it is encoded.

        Raises:
            DamagedMemo: where there is none.
        """
        if field.kind != MEMO:
            raise DamagedMemo("is an object of another program")
        begin = self._number(cell) * self._block
        if not _HEADER_BYTES <= begin < len(self._data):
            raise DamagedMemo("leads to no text")
        return self._of_foxpro(begin) if self._is_foxpro else self._of_dbase(begin)

    def _number(self, cell: bytes) -> int:
        if len(cell) == _BINARY_WIDTH:
            return int.from_bytes(cell, "little")
        digits = cell.strip(b" \0")
        if not digits.isdigit():
            raise DamagedMemo("is no number of a text")
        return int(digits)

    def _of_foxpro(self, begin: int) -> bytes:
        if begin + _HEAD_OF_FOXPRO.size > len(self._data):
            raise DamagedMemo("leads to no text")
        kind, length = _HEAD_OF_FOXPRO.unpack_from(self._data, begin)
        if kind != _TEXT:
            raise DamagedMemo("leads to a picture or an object")
        return self._bytes(begin + _HEAD_OF_FOXPRO.size, length)

    def _of_dbase(self, begin: int) -> bytes:
        if self._data[begin : begin + len(_HEAD_OF_DBASE_4)] == _HEAD_OF_DBASE_4:
            (length,) = _LENGTH.unpack(self._bytes(begin, _LENGTH.size))
            return self._bytes(begin + _LENGTH.size, length - _LENGTH.size)
        end = self._data.find(_END, begin)
        if end < 0:
            raise DamagedMemo("leads to a text without an end")
        return bytes(self._data[begin:end]).replace(_WRAPPED, b"")

    def _bytes(self, begin: int, length: int) -> bytes:
        if length < 0 or begin + length > len(self._data):
            raise DamagedMemo("leads to a text without an end")
        return bytes(self._data[begin : begin + length])
