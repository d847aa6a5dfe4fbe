"""The character set that a MapInfo file names: of which GDAL offers no choice, as it does for other formats."""

import re
from pathlib import Path

_HEAD_BYTES = 1024 * 1024
_CHARSET = re.compile(rb'(?im)^([^"\r\n]*\bcharset[ \t]+"?)([\w-]+)')
_HEAD_END = re.compile(rb"(?im)^[ \t]*(?:columns|fields)\b")
_NONE = b"Neutral"


def charset_of(path: Path) -> str | None:
    """The character set that a ``.tab`` or ``.mif`` names; None when it names none, or the neutral one."""
    named = _CHARSET.search(_head(path))
    return None if named is None or named[2].lower() == _NONE.lower() else named[2].decode("ascii", "replace")


def neutral_head(path: Path) -> tuple[bytes, int]:
    """The head of a file as it is with the neutral character set, and how many bytes of the file it stands for."""
    head = _head(path)
    return _CHARSET.sub(rb"\g<1>" + _NONE, head), len(head)


def _head(path: Path) -> bytes:
    """What stands before the columns."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    end = _HEAD_END.search(head)
    return head[: end.start()] if end else head
