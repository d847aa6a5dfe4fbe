"""Copies of a file for GDAL in which some bytes are others."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from libs.spatial_utils.worker.protocol import Unreadable

LARGEST_COPY = 256 * 1024 * 1024


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


def copied(path: Path, problem: Unreadable) -> bytes:
    """The bytes of a file that is to be patched.

    Args:
        path: Of the file.
        problem: What is wrong with it.

    Raises:
        Unreadable: the problem, where the file is too large to be held in memory.
    """
    if path.stat().st_size > LARGEST_COPY:
        raise problem
    return path.read_bytes()


def patched(content: bytes, patches: Sequence[Patch]) -> bytes:
    """Bytes with patches, which stand in the order of their places."""
    kept, end = list[bytes](), 0
    for patch in patches:
        kept += [content[end : patch.begin], patch.content]
        end = patch.end
    return b"".join([*kept, content[end:]])
