"""Messages of protocol buffers, field by field, as far as counting needs it: OpenStreetMap PBF, vector tiles, PMTiles."""

from collections.abc import Iterator

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
"""Wire types."""
_MORE, _LOW = 0x80, 0x7F


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a message; ``IndexError`` where it ends too early."""
    position, end = 0, len(data)
    while position < end:
        key, position = varint(data, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = varint(data, position)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, position = varint(data, position)
        elif kind in {_EIGHT_BYTES, _FOUR_BYTES}:
            size = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise IndexError
        yield key >> 3, _whole(data[position : position + size], size)
        position += size


def varint(data: bytes, position: int) -> tuple[int, int]:
    """The number that begins at a position, and where it ends; ``IndexError`` where the data end before."""
    byte = data[position]
    value, shift, position = byte & _LOW, 7, position + 1
    while byte >= _MORE:
        byte = data[position]
        value |= (byte & _LOW) << shift
        shift, position = shift + 7, position + 1
    return value, position


def _whole(data: bytes, size: int) -> bytes:
    if len(data) < size:
        raise IndexError
    return data
