"""The standard correction of tracks in KML (OGC 12-007r2): positions that hold nothing are left out."""

import re
from collections.abc import Sequence
from pathlib import Path

from libs.spatial_utils.worker.protocol import Unreadable

_LARGEST_COPY = 256 * 1024 * 1024
_EMPTY_ELEMENT = re.compile(rb"<[\w:.-]+\s*(?:/>|>\s*</[\w:.-]+\s*>)")


def without(path: Path, positions: Sequence[tuple[int, Unreadable]]) -> bytes:
    """A file without some empty elements.

    Args:
        path: Of the file.
        positions: Where they begin, as bytes of the file, in its order; with the problem of each.

    Raises:
        Unreadable: the problem of one that is written in another way, such as with a comment, or of the first in a large file.
    """
    if path.stat().st_size > _LARGEST_COPY:
        raise positions[0][1]
    text, kept, end = path.read_bytes(), list[bytes](), 0
    for begins, problem in positions:
        element = _EMPTY_ELEMENT.match(text, begins)
        if element is None:
            raise problem
        kept.append(text[end:begins])
        end = element.end()
    return b"".join([*kept, text[end:]])
