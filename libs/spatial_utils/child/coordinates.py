"""Coordinates in XML that are no numbers: GDAL and libkml read them as 0, in silence."""

import re
from pathlib import Path

from libs.spatial_utils.child.source import Unreadable

_CHUNK_BYTES = 8 * 1024 * 1024
_OVERLAP_BYTES = 64 * 1024
_NUMBERS = rb"[-+0-9.eE,;\s]"
_NOT_NUMBERS: dict[str, re.Pattern[bytes]] = {
    # the start of a coordinate list, then numbers, then something that is neither a number nor the list's end
    "LIBKML": re.compile(rb"<(?:[\w.-]+:)?(?:coordinates|coord)>" + _NUMBERS + rb"*([^-+0-9.eE,;\s<&][^<]{0,40})"),
    "GML": re.compile(rb"<(?:[\w.-]+:)?(?:pos|posList)(?:\s[^>]*)?(?<!/)>" + _NUMBERS + rb"*([^-+0-9.eE,;\s<&][^<]{0,40})"),
    "GPX": re.compile(rb"\b(?:lat|lon)\s*=\s*[\"']\s*((?![-+]?[0-9.])[^\"']{0,40})"),
}


def check(path: Path, driver: str) -> None:
    """Look through a file for coordinates that are no numbers.

    Raises:
        Unreadable: ``bad_coordinate``, with the line.
    """
    pattern = _NOT_NUMBERS.get(driver)
    if pattern is None:
        return
    line, tail = 1, b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            text = tail + chunk
            found = pattern.search(text)
            if found is not None:
                at = line + text.count(b"\n", 0, found.start(1))
                shown = found[1].decode("utf-8", "replace").strip()
                raise Unreadable(
                    "bad_coordinate", f"There is {shown!r} where a coordinate is expected.", "Write it as a number.", f"line {at}"
                )
            keep = max(len(text) - _OVERLAP_BYTES, 0)
            line += text.count(b"\n", 0, keep)
            tail = text[keep:]
