"""Where things lie in a Cloud Optimized GeoTIFF: everything that describes it first, then tiles, the smallest overview's first.

GDAL's driver documents the layout (https://gdal.org/drivers/raster/cog.html), TIFF 6.0 and BigTIFF the rest.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from libs.spatial_utils.cog.profile import BandStatistics, CogProfile, RawTag

CLASSIC_LIMIT = 2**32 - 1
"""The largest file whose places 32 bits can tell; tests make it smaller."""

LEADER = TRAILER = 4  # bytes before a tile: its size; behind it: its last bytes once more. A reader gets both with one request.
_ASCII, _SHORT, _LONG, _LONG8 = 2, 3, 4, 16  # types of TIFF
_CODES = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}
_OVERVIEW, _MASK = 1, 4  # bits of tag 254
_TILE_OFFSETS, _TILE_SIZES = 324, 325
_SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}


@dataclass
class Image:
    """The raster at full resolution, an overview, or the mask of one.

    Attributes:
        tags: what describes it, but for the places and sizes of its tiles.
        sizes: of its tiles in bytes, row by row.
        offsets: where the tiles begin in the file; known at last.
    """

    tags: Sequence[RawTag]
    sizes: NDArray[np.uint32]
    offsets: NDArray[np.uint64] = field(init=False)

    def __post_init__(self) -> None:
        self.offsets = np.zeros(len(self.sizes), np.uint64)


@dataclass(frozen=True)
class Sizes:
    """Bytes of a resolution's tiles and, if there is a mask, of its tiles."""

    tiles: Sequence[int]
    masks: Sequence[int] | None


def header(profile: CogProfile, levels: Sequence[Sizes], statistics: Sequence[BandStatistics]) -> tuple[bytes, bool]:
    """Everything before the first tile, and whether it is a BigTIFF's.

    Args:
        profile: the raster.
        levels: of the raster and its overviews, largest first.
        statistics: of its bands.
    """
    dimensions = [(profile.width, profile.height), *profile.overviews]
    pictures = [
        Image(_picture(profile, n, size, statistics), np.array(levels[n].tiles, np.uint32)) for n, size in enumerate(dimensions)
    ]
    masks = [Image(_mask(profile, n, size), np.array(levels[n].masks or (), np.uint32)) for n, size in enumerate(dimensions)]
    images = [pictures[0], *masks[:1], *pictures[1:], *masks[1:]] if profile.mask else pictures
    data = sum(int(image.sizes.sum(dtype=np.uint64)) + (LEADER + TRAILER) * image.sizes.size for image in images)
    big = len(_described(images, profile.mask, big=False)) + data > CLASSIC_LIMIT
    place = len(_described(images, profile.mask, big=big))
    for level in reversed(range(len(pictures))):
        place = _placed([pictures[level], *(masks[level : level + 1] if profile.mask else ())], place)
    return _described(images, profile.mask, big=big), big


def framed(tile: bytes) -> Iterable[bytes]:
    """A tile with its leader and trailer."""
    return struct.pack("<I", len(tile)), tile, tile[-TRAILER:]


def _placed(images: Sequence[Image], place: int) -> int:
    """Tell the tiles of a picture (and its mask, tile by tile) their places from one on; return the place behind them."""
    sizes = np.stack([image.sizes for image in images], axis=1).astype(np.uint64) + np.uint64(LEADER + TRAILER)
    ends = np.cumsum(sizes.ravel()) + np.uint64(place)
    begins = (ends - sizes.ravel()).reshape(sizes.shape) + np.uint64(LEADER)
    for i, image in enumerate(images):
        image.offsets = begins[:, i]
    return int(ends[-1])


def _picture(profile: CogProfile, level: int, size: tuple[int, int], statistics: Sequence[BandStatistics]) -> list[RawTag]:
    dtype = np.dtype(profile.dtype)
    tags = [
        *_common(size, profile.tile, kind=_OVERVIEW if level else 0),
        _numbers(258, _SHORT, *[dtype.itemsize * 8] * profile.bands),
        _numbers(262, _SHORT, profile.photometric),
        _numbers(277, _SHORT, profile.bands),
        _numbers(317, _SHORT, profile.predictor),
        _numbers(339, _SHORT, *[_SAMPLE_FORMATS[dtype.kind]] * profile.bands),
    ]
    if profile.colormap is not None:
        tags.append(_numbers(320, _SHORT, *profile.colormap))
    if profile.extra_samples:
        tags.append(_numbers(338, _SHORT, *profile.extra_samples))
    if profile.nodata is not None:
        tags.append(_text(42113, profile.nodata))
    if level:
        return tags
    metadata = profile.gdal_metadata(statistics) if callable(profile.gdal_metadata) else profile.gdal_metadata
    return [*tags, *profile.geo_tags, *([_text(42112, metadata)] if metadata else [])]


def _mask(profile: CogProfile, level: int, size: tuple[int, int]) -> list[RawTag]:
    return [
        *_common(size, profile.tile, kind=_MASK | _OVERVIEW if level else _MASK),
        _numbers(258, _SHORT, 1),
        _numbers(262, _SHORT, 4),  # a transparency mask
        _numbers(277, _SHORT, 1),
        _numbers(339, _SHORT, 1),
    ]


def _common(size: tuple[int, int], tile: int, kind: int) -> list[RawTag]:
    return [
        *([_numbers(254, _LONG, kind)] if kind else []),
        _numbers(256, _LONG, size[0]),
        _numbers(257, _LONG, size[1]),
        _numbers(259, _SHORT, 8),  # DEFLATE
        _numbers(284, _SHORT, 1),  # interleaved by pixel
        _numbers(322, _SHORT, tile),
        _numbers(323, _SHORT, tile),
    ]


def _numbers(code: int, kind: int, *values: int) -> RawTag:
    return RawTag(code, kind, len(values), struct.pack(f"<{len(values)}{_CODES[kind]}", *values))


def _text(code: int, text: str) -> RawTag:
    data = text.encode() + b"\0"
    return RawTag(code, _ASCII, len(data), data)


def _described(images: Sequence[Image], mask: bool, *, big: bool) -> bytes:
    """The file's first bytes: header, GDAL's note on the layout, a directory for each image, and the places of all tiles."""
    out = bytearray(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0) if big else struct.pack("<2sHI", b"II", 42, 0))
    link = 8 if big else 4  # where the place of the first directory is written
    out += _note(mask)
    at_the_end: list[tuple[int, bytes]] = []
    for image in images:
        out += bytes(len(out) % 2)
        struct.pack_into("<Q" if big else "<I", out, link, len(out))
        link = _append_directory(out, image, at_the_end, big=big)
    for place, values in at_the_end:
        out += bytes(len(out) % 2)
        struct.pack_into("<Q" if big else "<I", out, place, len(out))
        out += values
    return bytes(out)


def _append_directory(out: bytearray, image: Image, at_the_end: list[tuple[int, bytes]], *, big: bool) -> int:
    """Add an image's directory with its values, except for those of its tiles; return where the next one's place goes."""
    offsets = image.offsets.astype("<u8" if big else "<u4").tobytes()
    places = RawTag(_TILE_OFFSETS, _LONG8 if big else _LONG, image.sizes.size, offsets)
    sizes = RawTag(_TILE_SIZES, _LONG, image.sizes.size, image.sizes.astype("<u4").tobytes())
    tags = sorted([*image.tags, places, sizes], key=lambda tag: tag.code)
    entry, room, count = ("<HHQ8s", 8, "<Q") if big else ("<HHI4s", 4, "<H")
    out += struct.pack(count, len(tags))
    values_at = len(out)
    for tag in tags:
        out += struct.pack(entry, tag.code, tag.type, tag.count, tag.data if len(tag.data) <= room else b"")
    link = len(out)
    out += bytes(room)
    for number, tag in enumerate(tags):
        if len(tag.data) <= room:
            continue
        place = values_at + number * struct.calcsize(entry) + struct.calcsize(entry) - room
        if tag.code in {_TILE_OFFSETS, _TILE_SIZES}:
            at_the_end.append((place, tag.data))
            continue
        out += bytes(len(out) % 2)
        struct.pack_into("<Q" if big else "<I", out, place, len(out))
        out += tag.data
    return link


def _note(mask: bool) -> bytes:
    """What GDAL's driver writes of itself: a reader may rely on it, as long as nobody has changed the file in place."""
    lines = [
        "LAYOUT=IFDS_BEFORE_DATA",
        "BLOCK_ORDER=ROW_MAJOR",
        "BLOCK_LEADER=SIZE_AS_UINT4",
        "BLOCK_TRAILER=LAST_4_BYTES_REPEATED",
        "KNOWN_INCOMPATIBLE_EDITION=NO",
    ]
    text = "\n".join(lines) + "\n "  # room for YES
    if mask:
        text += "MASK_INTERLEAVED_WITH_IMAGERY=YES\n"
    return f"GDAL_STRUCTURAL_METADATA_SIZE={len(text):06d} bytes\n{text}".encode()
