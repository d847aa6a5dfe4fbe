"""A GeoTIFF without a library: pixels as they are, in one strip or in tiles, behind tags of one's own choice."""

import struct
from collections.abc import Mapping, Sequence

PIXEL_SCALE, TIE_POINT, GEO_KEYS, NODATA = 33550, 33922, 34735, 42113
UTM_32 = {
    PIXEL_SCALE: (2.0, 2.0, 0.0), TIE_POINT: (0.0, 0.0, 0.0, 500_000.0, 5_300_000.0, 0.0),
    GEO_KEYS: (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 25832),
}  # fmt: skip
"""Pixels of 2 m in EPSG:25832."""
_TYPES = {PIXEL_SCALE: (12, "d"), TIE_POINT: (12, "d"), GEO_KEYS: (3, "H")}


def plain_tiff(
    pixels: bytes, width: int, height: int, bands: int = 1, *, bits: int = 8, kind: int = 1,
    tags: Mapping[int, int | Sequence[float] | bytes] | None = None,
) -> bytes:  # fmt: skip
    """A TIFF in one strip, uncompressed, interleaved by pixel.

    Args:
        pixels: All of them.
        bits: Of a value.
        kind: TIFF's SampleFormat: 1 unsigned, 2 signed, 3 float.
        tags: More of them, or others than there would be.
    """
    every: dict[int, int | Sequence[float] | bytes] = {
        256: width, 257: height, 258: (bits,) * bands, 259: 1, 262: 2 if bands == 3 else 1, 273: 8, 277: bands,
        278: height, 279: len(pixels), 339: (kind,) * bands, **UTM_32, **(tags or {}),
    }  # fmt: skip
    if bands > 1 and bands != 3:
        every.setdefault(338, (0,) * (bands - 1))
    at = 8 + len(pixels) + len(pixels) % 2
    behind = at + 2 + 12 * len(every) + 4
    entries, data = b"", b""
    for code, value in sorted(every.items()):
        kind_of, letter = (2, "s") if isinstance(value, bytes) else _TYPES.get(code, (4, "I"))
        if isinstance(value, bytes):
            count, body = len(value), value
        else:
            values = value if isinstance(value, Sequence) else (value,)
            count, body = len(values), struct.pack(f"<{len(values)}{letter}", *values)
        if len(body) > 4:
            place, data = struct.pack("<I", behind + len(data)), data + body + b"\0" * (len(body) % 2)
        else:
            place = body.ljust(4, b"\0")
        entries += struct.pack("<HHI", code, kind_of, count) + place
    directory = struct.pack("<H", len(every)) + entries + bytes(4)
    return struct.pack("<2sHI", b"II", 42, at) + pixels + b"\0" * (len(pixels) % 2) + directory + data
