"""The standard correction of tracks in KML (OGC 12-007r2): positions that hold nothing are left out."""

import re
from collections.abc import Sequence
from pathlib import Path

from libs.spatial_utils.worker.formats.patching import Patch, copied, patched
from libs.spatial_utils.worker.protocol import Unreadable

_EMPTY_ELEMENT = re.compile(rb"<[\w:.-]+\s*(?:/>|>\s*</[\w:.-]+\s*>)")


def without(path: Path, positions: Sequence[tuple[int, Unreadable]]) -> bytes:
    """A file without some empty elements.

    Args:
        path: Of the file.
        positions: Where they begin, as bytes of the file, in its order; with the problem of each.

    Raises:
        Unreadable: the problem of one that is written in another way, such as with a comment, or of the first in a large file.
    """
    text, patches = copied(path, positions[0][1]), list[Patch]()
    for begins, problem in positions:
        element = _EMPTY_ELEMENT.match(text, begins)
        if element is None:
            raise problem
        patches.append(Patch(begins, element.end()))
    return patched(text, patches)
