"""The directories of a PMTiles file: which tiles there are, and where.

Rules: PMTiles, version 3, "Header", "Directories": https://github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from libs.spatial_utils.worker.formats.protobuf import varint
from libs.spatial_utils.worker.formats.tile_reader import Tile, unpacked

_HEADER = struct.Struct("<7sB11Q6B16x")
_MAX_DIRECTORY = 64 * 1024 * 1024
_MAX_DEPTH = 4
GZIP = 2
NOT_PACKED = 1


@dataclass(frozen=True)
class Header:
    """What the first bytes say.

    Attributes:
        version: Of the format.
        root: Where the first directory begins, and how long it is.
        leaves: Where the other directories begin.
        tiles: Where the tiles begin.
        directory_packing: How directories are compressed: one of the numbers of the format.
        tile_packing: How tiles are.
        tile_type: What tiles are.
    """

    version: int
    root: tuple[int, int]
    leaves: int
    tiles: int
    directory_packing: int
    tile_packing: int
    tile_type: int


def header_of(file: BinaryIO) -> Header:
    """The header; ``struct.error`` where the file ends before it does."""
    _, version, root, root_size, _, _, leaves, _, tiles, _, _, _, _, _, packing, tile_packing, kind, _, _ = _HEADER.unpack(
        file.read(_HEADER.size)
    )
    return Header(version, (root, root_size), leaves, tiles, packing, tile_packing, kind)


@dataclass(frozen=True)
class _Entry:
    """Tiles in a row with the same content.

    Attributes:
        first: Number of the first one.
        count: How many they are.
        offset: Where the content begins, from the first tile of the file.
        size: Its length.
    """

    first: int
    count: int
    offset: int
    size: int


def highest_zoom(file: BinaryIO, header: Header) -> int | None:
    """The highest zoom that there are tiles for; None without tiles. Raises as ``tiles_of`` does."""
    last = max((entry.first + entry.count - 1 for entry in _entries(file, header, *header.root)), default=None)
    return None if last is None else _zoom(last)


def tiles_of(file: BinaryIO, header: Header, zoom: int) -> Iterator[Tile]:
    """The tiles of a zoom.

    Raises:
        IndexError: when a directory, or a tile, is cut off, too large or damaged; ``zlib.error`` likewise.
    """
    begin, end = _first(zoom), _first(zoom + 1)
    for entry in _entries(file, header, *header.root):
        first, last = max(entry.first, begin), min(entry.first + entry.count, end)
        if first < last:
            column, row = _position(first - begin, zoom)
            yield Tile(zoom, column, row, _read(file, header.tiles + entry.offset, entry.size), last - first)


def _entries(file: BinaryIO, header: Header, offset: int, size: int, depth: int = 1) -> Iterator[_Entry]:
    packed = _read(file, offset, size)
    data = unpacked(packed, _MAX_DIRECTORY) if header.directory_packing == GZIP else packed
    count, at = varint(data, 0)
    if count > len(data):
        raise IndexError
    columns: list[list[int]] = []
    for _ in range(4):  # distances between numbers, runs, sizes, offsets
        column = []
        for _ in range(count):
            value, at = varint(data, at)
            column.append(value)
        columns.append(column)
    number = following = 0
    for distance, run, length, said in zip(*columns, strict=True):
        number += distance
        begin = following if said == 0 else said - 1  # 0: right behind the one before
        following = begin + length
        if run:
            yield _Entry(number, run, begin, length)
        elif depth < _MAX_DEPTH:
            yield from _entries(file, header, header.leaves + begin, length, depth + 1)
        else:
            raise IndexError


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    if max(offset, size) >= 1 << 62 or size > _MAX_DIRECTORY:
        raise IndexError
    file.seek(offset)
    data = file.read(size)
    if len(data) < size:
        raise IndexError
    return data


def _first(zoom: int) -> int:
    """The number of the first tile of a zoom."""
    return ((1 << 2 * zoom) - 1) // 3


def _zoom(number: int) -> int:
    return ((3 * number + 1).bit_length() - 1) // 2


def _position(distance: int, zoom: int) -> tuple[int, int]:
    """Column and row (from the north) of a tile by its place on the Hilbert curve."""
    column = row = 0
    for level in range(zoom):
        half, quarter = 1 << level, distance >> 2 * level & 3
        right, down = quarter >> 1, (quarter ^ quarter >> 1) & 1
        if not down:
            if right:
                column, row = half - 1 - column, half - 1 - row
            column, row = row, column
        column, row = column + half * right, row + half * down
    return column, row
