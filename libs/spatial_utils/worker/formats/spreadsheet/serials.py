"""Dates of Excel: numbers whose format says that they are days since a first day."""

import re
from datetime import date, datetime, timedelta
from functools import lru_cache

from libs.spatial_utils.worker.formats.spreadsheet.sheet import CellKind

_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.')
"""What a number format shows as it is, and what fills a cell."""
_BRACKETS = re.compile(r"\[[^\]]*\]")
"""Colours, currencies, languages and conditions."""
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]")
_DAY_MS = 86_400_000
_FIRST, _LAST = 1, 2_958_465  # 9999-12-31
_NO_DAY = 60
"""Excel has a 29 February 1900, as a program before it had by mistake."""
_BUILT_IN = {
    **dict.fromkeys((14, 15, 16, 17, *range(27, 32), 34, 35, 36, *range(50, 59)), CellKind.DATE),
    **dict.fromkeys((18, 19, 20, 21, 32, 33, 45, 47), CellKind.TIME),
    22: CellKind.MOMENT,
    46: CellKind.DURATION,
}


def kind_of_format(number: int, code: str | None) -> CellKind:
    """What a number with this number format is: a date, a moment, a time, a duration, or just a number.

    Args:
        number: Of the format; those below 164 are built in.
        code: Of a format that the file defines: ``yyyy-mm-dd``.
    """
    if code is None:
        return _BUILT_IN.get(number, CellKind.NUMBER)
    section = _LITERAL.sub("", code.lower()).split(";", 1)[0]
    if _ELAPSED.search(section):
        return CellKind.DURATION
    plain = _BRACKETS.sub("", section).replace("general", "")
    plain = re.sub(r"am/pm|a/p", "h", plain)
    clock, day = bool(re.search("[hs]", plain)), bool(re.search("[yd]", plain))
    if not day and "m" in plain:
        day = not clock  # months alone; with hours or seconds they are minutes
    if day:
        return CellKind.MOMENT if clock else CellKind.DATE
    return CellKind.TIME if clock else CellKind.NUMBER


@lru_cache(maxsize=65_536)
def spelled(serial: str, kind: CellKind, *, from_1904: bool) -> tuple[CellKind, str] | None:
    """A number that is a date, a moment or a time, in ISO 8601, to the millisecond; None where no calendar has it.

    Args:
        serial: The number as text.
        kind: As its format says; a date with a time of day is a moment, and so is a time with a date,
            as nothing of them may be lost.
        from_1904: Whether days count from 1904-01-01, as in files of old Macs.
    """
    value = float(serial)
    if not abs(value) <= _LAST + 1:
        return None
    milliseconds = round(value * _DAY_MS)
    if kind is CellKind.DURATION or (kind is CellKind.TIME and 0 <= milliseconds < _DAY_MS):
        return kind, _duration(milliseconds)
    day, rest = divmod(milliseconds, _DAY_MS)
    first = _first_day(day, from_1904=from_1904)
    if first is None or first.toordinal() + day > date.max.toordinal():
        return None
    moment = first + timedelta(days=day, milliseconds=rest)
    if kind is CellKind.DATE and not rest:
        return kind, f"{moment:%Y-%m-%d}"
    return CellKind.MOMENT, moment.isoformat(timespec="milliseconds" if rest % 1000 else "seconds")


def _first_day(day: int, *, from_1904: bool) -> datetime | None:
    """The day that a serial number counts from; None for a number that is not a day."""
    if from_1904:
        return datetime(1904, 1, 1) if day >= 0 else None  # noqa: DTZ001 - cells have no zone
    if day < _FIRST or day == _NO_DAY:
        return None
    return datetime(1899, 12, 31) if day < _NO_DAY else datetime(1899, 12, 30)  # noqa: DTZ001 - cells have no zone


def _duration(milliseconds: int) -> str:
    sign = "-" if milliseconds < 0 else ""
    seconds, fraction = divmod(abs(milliseconds), 1000)
    text = f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{text}.{fraction:03d}" if fraction else text
