"""Texts in XML that GDAL and libkml change in silence: coordinates that are no numbers become 0, times are cut or lost."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from libs.spatial_utils.child.source import Notes, Unreadable

_CHUNK_BYTES = 8 * 1024 * 1024
_OVERLAP_BYTES = 64 * 1024
_NUMBERS = rb"[-+0-9.eE,;\s]"
_DAY, _CLOCK = rb"[0-9]{4}-[0-9]{2}-[0-9]{2}", rb"[0-9]{2}:[0-9]{2}:[0-9]{2}"
_TIME = _DAY + rb"(?:T" + _CLOCK + rb"(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:(?:00|15|30|45))?)?"
"""A date or a time of XML Schema in full, as GDAL reads it."""


@dataclass(frozen=True)
class _Trap:
    """A text that is not read as it stands: the one group of the pattern. ``warns``: the file is read none the less."""

    pattern: re.Pattern[bytes]
    code: str
    message: str
    remedy: str
    warns: bool = False


def _coordinate(pattern: bytes) -> _Trap:
    return _Trap(re.compile(pattern), "bad_coordinate", "There is {!r} where a coordinate is expected.", "Write it as a number.")


def _time(elements: bytes) -> _Trap:
    return _Trap(
        re.compile(rb"<(?:" + elements + rb")>\s*+(?!" + _TIME + rb"\s*<|<)([^<]{1,40})"),
        "value_lost",
        "The time {!r} would not be read as it is.",
        "Write it in full, as 2024-05-01 or 2024-05-01T10:00:00Z.",
    )


def _fine_time(elements: bytes) -> _Trap:
    return _Trap(
        re.compile(rb"<(?:" + elements + rb")>\s*+(" + _DAY + rb"T" + _CLOCK + rb"\.[0-9]{3}[0-9]*[1-9][^<]{0,10})"),
        "times_cut",
        "Times such as {!r} are cut to milliseconds.",
        "Use GeoPackage or GeoJSON, which keep them, where that matters.",
        warns=True,
    )


_KML_TIMES, _GPX_TIMES = rb"when|begin|end", rb"time"
_TRAPS: dict[str, Sequence[_Trap]] = {
    "LIBKML": (
        # the start of a coordinate list, then numbers, then something that is neither a number nor the list's end
        _coordinate(rb"<(?:[\w.-]+:)?(?:coordinates|coord)>" + _NUMBERS + rb"*([^-+0-9.eE,;\s<&][^<]{0,40})"),
        _time(_KML_TIMES),
        _fine_time(_KML_TIMES),
    ),
    "GML": (
        _coordinate(rb"<(?:[\w.-]+:)?(?:pos|posList)(?:\s[^>]*)?(?<!/)>" + _NUMBERS + rb"*([^-+0-9.eE,;\s<&][^<]{0,40})"),
        _fine_time(rb"[\w.:-]+"),
    ),
    "GPX": (
        _coordinate(rb"\b(?:lat|lon)\s*=\s*[\"']\s*((?![-+]?[0-9.])[^\"']{0,40})"),
        _time(_GPX_TIMES),
        _fine_time(_GPX_TIMES),
    ),
}


def check(path: Path, driver: str, notes: Notes) -> None:
    """Look through a file for such texts.

    Raises:
        Unreadable: ``bad_coordinate`` or ``value_lost``, with the line.
    """
    for trap in _TRAPS.get(driver, ()):
        found = _first(path, trap.pattern)
        if found is None:
            continue
        line, text = found
        message = trap.message.format(text)
        if not trap.warns:
            raise Unreadable(trap.code, message, trap.remedy, f"line {line}")
        notes.warn(trap.code, message, trap.remedy, f"line {line}")


def _first(path: Path, pattern: re.Pattern[bytes]) -> tuple[int, str] | None:
    """What the pattern's group first matches, and in which line."""
    line, tail = 1, b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            text = tail + chunk
            found = pattern.search(text)
            if found is not None:
                return line + text.count(b"\n", 0, found.start(1)), found[1].decode("utf-8", "replace").strip()
            keep = max(len(text) - _OVERLAP_BYTES, 0)
            line += text.count(b"\n", 0, keep)
            tail = text[keep:]
    return None
