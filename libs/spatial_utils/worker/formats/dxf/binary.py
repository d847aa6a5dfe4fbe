"""Codes and values of a binary DXF, which GDAL reads by itself; needed for what its header says."""

import struct
from collections.abc import Iterator

SENTINEL = b"AutoCAD Binary DXF\r\n\x1a\0"
_WIDE = 0xFF
"""Codes of one byte (release 12 and before): this one begins a code of two bytes."""
_SIZES: tuple[tuple[range, int], ...] = (
    (range(10, 60), 8), (range(60, 80), 2), (range(90, 100), 4), (range(110, 150), 8), (range(160, 170), 8), (range(170, 180), 2),
    (range(210, 240), 8), (range(270, 290), 2), (range(290, 300), 1), (range(370, 390), 2), (range(400, 410), 2),
    (range(420, 430), 4), (range(440, 460), 4), (range(460, 470), 8), (range(1010, 1060), 8), (range(1060, 1071), 2),
    (range(1071, 1072), 4),
)  # fmt: skip
"""Bytes of the values that are numbers."""
_CHUNKS = frozenset({*range(310, 320), 1004})
"""Codes of bytes, after one that counts them."""


def pairs(head: bytes) -> Iterator[tuple[int, str]]:
    """Codes with their texts, up to the end of the bytes; the text of a number or of bytes is empty."""
    position, is_narrow = len(SENTINEL), head[len(SENTINEL) + 1 : len(SENTINEL) + 2] != b"\0"  # the first code is always 0
    try:
        while position < len(head):
            if is_narrow and head[position] != _WIDE:
                code, position = head[position], position + 1
            else:
                position += is_narrow
                (code,) = struct.unpack_from("<H", head, position)
                position += 2
            text = ""
            if code in _CHUNKS:
                position += 1 + head[position]
            elif size := next((size for codes, size in _SIZES if code in codes), 0):
                position += size
            else:
                end = head.index(b"\0", position)
                text, position = head[position:end].decode("ascii", "replace"), end + 1
            yield code, text
    except (IndexError, ValueError, struct.error):  # the bytes end within a pair
        return
