"""Copies of a file for GDAL in which some bytes are others."""

from collections.abc import Sequence
from typing import NamedTuple

LARGEST_COPY = 256 * 1024 * 1024
"""Bytes of a file that is changed in memory."""


class Patch(NamedTuple):
    """Bytes in the place of others.

    Attributes:
        begin: The first byte that goes.
        end: The first after it that stays.
        content: What comes instead.
    """

    begin: int
    end: int
    content: bytes = b""


def patched(content: bytes, patches: Sequence[Patch]) -> bytes:
    """Bytes with patches, which stand in the order of their places."""
    kept, end = list[bytes](), 0
    for patch in patches:
        kept += [content[end : patch.begin], patch.content]
        end = patch.end
    return b"".join([*kept, content[end:]])
