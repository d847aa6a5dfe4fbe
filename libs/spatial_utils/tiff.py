"""The structure of a TIFF (TIFF 6.0; BigTIFF): directories and tags. No pixel is read, nothing outside of the file is believed.

The standard library alone: the confined process uses it before GDAL sees a file, ``verify`` to read a lake file's header.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES = 256, 257, 258, 259, 262, 277
STRIP_OFFSETS, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 273, 278, 279, 284
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
SUBFILE, COLOR_MAP, EXTRA_SAMPLES, SAMPLE_FORMAT = 254, 320, 338, 339
GDAL_METADATA, GDAL_NODATA = 42112, 42113
_CODES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I",
          16: "Q", 17: "q", 18: "Q"}  # fmt: skip
_SIZES = {code: struct.calcsize(f"={letters}") for code, letters in _CODES.items()}
_INTEGERS = frozenset({1, 3, 4, 6, 8, 9, 13, 16, 17, 18})
MAX_DIRECTORIES = 4096
_MAX_TAGS = 4096
_MAX_VALUE_BYTES = 64 * 1024 * 1024


class NoTiff(ValueError):  # noqa: N818 - what it is
    """The structure is not that of a TIFF, or leads out of the file."""


@dataclass(frozen=True)
class Tag:
    """A tag.

    Attributes:
        type: Of its values, as TIFF numbers them.
        count: How many values.
        data: All of them, little-endian.
    """

    type: int
    count: int
    data: bytes


@dataclass
class Directory:
    """One image of the file."""

    tags: dict[int, tuple[int, int, int]]
    """By code: type, count, and where the values lie."""
    _file: BinaryIO
    _order: str
    _size: int
    _read: dict[int, Tag] = field(default_factory=dict)

    def tag(self, code: int) -> Tag | None:
        """A tag with its values; None where there is none.

        Raises:
            NoTiff: when its values do not lie in the file.
        """
        if code not in self.tags:
            return None
        if code not in self._read:
            kind, count, at = self.tags[code]
            length = _SIZES[kind] * count
            if length > _MAX_VALUE_BYTES or at + length > self._size:
                raise NoTiff(f"the values of the tag {code} do not lie in the file")
            self._file.seek(at)
            self._read[code] = Tag(kind, count, _little(self._file.read(length), kind, self._order))
        return self._read[code]

    def check(self) -> None:
        """Whether the values of all tags lie in the file: those of a file that was cut off do not.

        Raises:
            NoTiff: when they do not.
        """
        for code, (kind, count, at) in self.tags.items():
            if at + _SIZES[kind] * count > self._size:
                raise NoTiff(f"the values of the tag {code} do not lie in the file, which may have been cut off")

    def integers(self, code: int) -> tuple[int, ...]:
        """The values of a tag of whole numbers; empty where there is none."""
        tag = self.tag(code)
        if tag is None:
            return ()
        if tag.type not in _INTEGERS:
            raise NoTiff(f"the tag {code} has no whole numbers")
        return struct.unpack(f"<{tag.count}{_CODES[tag.type]}", tag.data)

    def integer(self, code: int, default: int = 0) -> int:
        """The first value of such a tag."""
        found = self.integers(code)
        return found[0] if found else default

    def text(self, code: int) -> str | None:
        """The value of a tag of text."""
        tag = self.tag(code)
        return None if tag is None else tag.data.rstrip(b"\0").decode("utf-8", "replace")

    @property
    def is_reduced_or_mask(self) -> bool:
        """Whether it is an overview or a mask of another image (bits 0 and 2 of NewSubfileType; 2 of the old SubfileType)."""
        return bool(self.integer(SUBFILE) & 5) or self.integer(255) == 2  # noqa: PLR2004 - a reduced image


def directories(file: BinaryIO, size: int) -> Iterator[Directory]:
    """The images of a TIFF in file order.

    Args:
        file: Opened for reading.
        size: Its bytes.

    Raises:
        NoTiff: when the structure is none, or goes round in a circle.
    """
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:  # noqa: PLR2004 - the shortest header
        raise NoTiff("it does not begin as a TIFF does")
    version = struct.unpack(f"{order}H", head[2:4])[0]
    if version not in {42, 43} or (version == 43 and len(head) < 16):  # noqa: PLR2004 - TIFF, BigTIFF
        raise NoTiff(f"it is a TIFF of an unknown version, {version}")
    big = version == 43  # noqa: PLR2004
    count_code, entry_code, next_code = ("Q", "HHQQ", "Q") if big else ("H", "HHII", "I")
    entry_bytes, inline = (20, 8) if big else (12, 4)
    (at,) = struct.unpack(f"{order}{next_code}", head[8:16] if big else head[4:8])
    seen: set[int] = set()
    while at:
        if at in seen or len(seen) >= MAX_DIRECTORIES:
            raise NoTiff("its directories go round in a circle, or are too many")
        seen.add(at)
        count_bytes = struct.calcsize(f"={count_code}")
        file.seek(at)
        head = file.read(count_bytes)
        if len(head) < count_bytes:
            raise NoTiff("a directory does not lie in the file")
        (count,) = struct.unpack(f"{order}{count_code}", head)
        if not 0 < count <= _MAX_TAGS:
            raise NoTiff(f"a directory has {count} tags")
        next_bytes = struct.calcsize(f"={next_code}")
        body = file.read(count * entry_bytes + next_bytes)
        if len(body) < count * entry_bytes:
            raise NoTiff("a directory does not lie in the file")
        tags: dict[int, tuple[int, int, int]] = {}
        for index in range(count):
            start = index * entry_bytes
            code, kind, values, place = struct.unpack(f"{order}{entry_code}", body[start : start + entry_bytes])
            if kind in _SIZES:
                own = at + count_bytes + start + entry_bytes - inline
                tags.setdefault(code, (kind, values, own if _SIZES[kind] * values <= inline else place))
        yield Directory(tags, file, order, size)
        rest = body[count * entry_bytes :]
        at = struct.unpack(f"{order}{next_code}", rest)[0] if len(rest) == next_bytes else 0


def _little(data: bytes, kind: int, order: str) -> bytes:
    width = struct.calcsize(f"={_CODES[kind][0]}")
    if order == "<" or width == 1:
        return data
    letters = f"{len(data) // width}{_CODES[kind][0]}"
    return struct.pack(f"<{letters}", *struct.unpack(f">{letters}", data))
