"""The Hilbert curve in SQL, for an engine without a function for it: the same as DuckDB's ``ST_Hilbert``, 16 bits an axis."""

from functools import cache
from math import isfinite

from libs.models import BBox

_STEP = 4
"""Bits of each axis that one look into the table settles."""
_CELLS = 2**16 - 1


def cell(place: str, low: float, high: float) -> str:
    """SQL: the cell of a coordinate between two others, without underflow, at which PostgreSQL raises."""
    width = high - low
    factor = _CELLS / width if width else 0.0
    if not isfinite(width) or not isfinite(factor) or not factor:
        return "0"
    offset = f"({place} - {_number(low)})"
    return f"CASE WHEN {offset} < {_number(width / 2**17)} THEN 0 ELSE floor({offset} * {_number(factor)})::integer END"


def centre(low: str, high: str) -> str:
    """SQL: the middle of two coordinates, without overflow or underflow."""
    return (
        f"(CASE WHEN abs({low}) > 1e-300 THEN {low} / 2 ELSE 0 END + CASE WHEN abs({high}) > 1e-300 THEN {high} / 2 ELSE 0 END)"
    )


def distance(x: str, y: str) -> str:
    """SQL: how far along the curve a cell lies."""
    steps: list[str] = []
    found = "0"
    for shift in range(16 - _STEP, -1, -_STEP):
        mask = 2**_STEP - 1
        here = f"((({x} >> {shift}) & {mask}) << {_STEP} | (({y} >> {shift}) & {mask}))"
        index = f"({found} & {-(4**_STEP)} | {here})" if steps else here
        found = f"({_table()})[{index} + 1]"
        steps.append(f"(({found} & {4**_STEP - 1})::bigint << {2 * shift})")
    return " | ".join(steps)


def bounds(bbox: BBox) -> tuple[tuple[float, float], tuple[float, float]]:
    """The sides of an extent, by axis."""
    return (bbox[0], bbox[2]), (bbox[1], bbox[3])


@cache
def _table() -> str:
    """By state, and bits of x and of y: the way along the curve, and above it the next state."""
    entries = []
    for state in range(4):
        for x in range(2**_STEP):
            for y in range(2**_STEP):
                swap, flip, way = state & 1, state >> 1, 0
                for bit in range(_STEP - 1, -1, -1):
                    right, up = (x >> bit & 1) ^ flip, (y >> bit & 1) ^ flip
                    if swap:
                        right, up = up, right
                    way = way << 2 | (3 * right ^ up)
                    if not up:
                        swap, flip = swap ^ 1, flip ^ right
                entries.append((swap | flip << 1) << (2 * _STEP) | way)
    return f"'{{{','.join(map(str, entries))}}}'::integer[]"


def _number(value: float) -> str:
    return f"'{value!r}'::float8"
