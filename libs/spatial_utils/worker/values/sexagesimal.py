"""Angles in degrees, minutes and seconds, with a letter for the hemisphere, as decimal degrees."""

import math
import re

_NUMBER = r"[0-9]{1,3}(?:[.,][0-9]+)?"
_ANGLE = re.compile(
    rf"(?P<before>[NSEW])?\s*(?P<sign>[-+\u2212])?\s*(?P<degrees>{_NUMBER})\s*(?P<mark>°|º|˚|deg|d|:|\s)?\s*"
    rf"(?:(?P<minutes>{_NUMBER})\s*(?:['′’´m:]|min\b|\s)?\s*(?:(?P<seconds>{_NUMBER})\s*(?P<mark_of_seconds>\"|″|”|''|′′|sec|s)?)?)?"
    r"\s*(?P<after>[NSEW])?"
)

_MARKS = frozenset({"°", "º", "˚", "deg", "d"})
_MOST = {"EW": 180, "NS": 90}


def degrees(text: str, hemispheres: str) -> float | None:
    """An angle such as ``48°51'24.5"N``, ``N 48 51.4`` or ``8.54° E`` in decimal degrees; None for what is no such angle.

    Args:
        text: Without blanks around it. It counts only with a sign for degrees, or a letter: ``48 51 24`` may be anything.
        hemispheres: The letters of the axis, ``EW`` or ``NS``. Another letter is no angle of this axis.
    """
    match = _ANGLE.fullmatch(text)
    if match is None or _is_doubtful(match, hemispheres):
        return None
    exact = [match[name] for name in ("degrees", "minutes", "seconds") if match[name]]
    parts = [float(part.replace(",", ".")) for part in exact]
    angle = math.fsum(part / 60**position for position, part in enumerate(parts))
    if max(parts[1:], default=0) >= 60 or any(not part.isdecimal() for part in exact[:-1]) or angle > _MOST[hemispheres]:  # noqa: PLR2004
        return None
    return -angle if match["sign"] in {"-", "\u2212"} or (match["before"] or match["after"]) in {"S", "W"} else angle


def _is_doubtful(match: re.Match[str], hemispheres: str) -> bool:
    """Whether what looks like an angle may as well be something else."""
    before, after, sign, mark = (match[name] or "" for name in ("before", "after", "sign", "mark"))
    letter, mark = before or after, mark.strip()
    if (before and after) or (letter and (letter not in hemispheres or sign)) or not (letter or mark in _MARKS):
        return True
    return (match["mark_of_seconds"] or "").startswith("s") and mark not in {"d", "deg"}  # or is it the South?
