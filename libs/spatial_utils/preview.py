"""A small drawing of a lake file: SVG, made here from its WKB, without a map, a font or anything from a network."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO

import pyarrow.parquet as pq

from libs.column_names import GEOMETRY
from libs.models import BBox

WIDTH = 320
"""Pixels of the longer side, in which places are rounded."""
FEATURES = 2_000
"""Drawn at most, spread evenly over the file."""
LENGTH = 24_000
"""Characters of the drawing at most; it ends where they do."""
_ROWS = 4_096
_MARGIN = 4
_BAR = 14
"""Pixels below the frame, for the bar."""
_POINT, _LINE, _POLYGON = 1, 2, 3
_SIMPLE = {_POINT, _LINE, _POLYGON}
_HEADER = Struct("<BI")
_COUNT = Struct("<I")


@dataclass(frozen=True)
class Drawing:
    """A picture and what must be said of it.

    Attributes:
        svg: The document, with a frame around the extent and a bar for the scale.
        looked_at: Features that were to be drawn.
        empty: How many of these have no geometry.
        features: Features in the file.
        bar: Length of the bar, in units of the CRS.
    """

    svg: str
    looked_at: int
    empty: int
    features: int
    bar: float


def draw(file: BinaryIO, bbox: BBox, pixels: int = WIDTH) -> Drawing:
    """The features of a file.

    Args:
        file: A GeoParquet file of this platform, to be read anywhere in it.
        bbox: Its extent.
        pixels: Of the longer side, as it is shown.
    """
    scale = (WIDTH - 2 * _MARGIN) / max(bbox[2] - bbox[0], bbox[3] - bbox[1], 1e-9)
    width, height = (max(1, round((bbox[side + 2] - bbox[side]) * scale)) + 2 * _MARGIN for side in (0, 1))
    areas: list[str] = []
    lines: list[str] = []
    length = looked_at = empty = 0
    with pq.ParquetFile(file) as opened:
        features = opened.metadata.num_rows
        for wkb in _sample(opened):
            looked_at += 1
            shapes = _shapes(wkb) if wkb else []
            empty += not shapes
            for kind, parts in shapes:
                shape = "".join(
                    _path(
                        [(round((x - bbox[0]) * scale) + _MARGIN, round((bbox[3] - y) * scale) + _MARGIN) for x, y in part], kind
                    )
                    for part in parts
                )
                length += len(shape)
                (areas if kind == _POLYGON else lines).append(shape)
            if length > LENGTH:
                break
    bar = _round_length((bbox[2] - bbox[0]) / 3)
    below = height + _BAR
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * pixels // WIDTH}" height="{below * pixels // WIDTH}" '
        f'viewBox="0 0 {width} {below}">'
        f'<path d="{"".join(areas)}" fill="#4f46e5" fill-opacity=".25" fill-rule="evenodd" stroke="#4f46e5"/>'
        f'<path d="{"".join(lines)}" fill="none" stroke="#4f46e5" stroke-width="2" stroke-linecap="round"/>'
        f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" fill="none" stroke="#9ca3af"/>'
        f'<path d="M{_MARGIN} {height + 4}v6h{round(bar * scale)}v-6" fill="none" stroke="#9ca3af" stroke-width="2"/></svg>'
    )
    return Drawing(svg, looked_at, empty, features, bar)


def _round_length(longest: float) -> float:
    """The longest of 1, 2 and 5 times a power of ten that is no longer; 0 for no length."""
    if not 0 < longest < math.inf:
        return 0.0
    power = 10.0 ** math.floor(math.log10(longest))
    return max(each * power for each in (1, 2, 5) if each * power <= longest * (1 + 1e-9))


def _sample(file: pq.ParquetFile) -> Iterator[bytes | None]:
    every, row = -(-file.metadata.num_rows // FEATURES), 0
    for batch in file.iter_batches(_ROWS, columns=[GEOMETRY]):
        first = -row % every
        row += batch.num_rows
        yield from batch[0][first::every].to_pylist()


def _path(points: list[tuple[int, int]], kind: int) -> str:
    """A part in whole pixels, those that follow each other on one of them drawn once."""
    kept = [point for point, before in zip(points, [None, *points], strict=False) if point != before]
    if not kept:
        return ""
    start, rest = kept[0], " ".join(f"{x} {y}" for x, y in kept[1:])
    return f"M{start[0]} {start[1]}" + (f"L{rest}" if rest else "h0") + ("Z" if kind == _POLYGON and rest else "")


def _shapes(wkb: bytes) -> list[tuple[int, list[list[tuple[float, float]]]]]:
    """The simple geometries in a geometry: kind and parts (a polygon's rings)."""
    found: list[tuple[int, list[list[tuple[float, float]]]]] = []
    _walk(wkb, 0, found)
    return found


def _walk(wkb: bytes, at: int, found: list[tuple[int, list[list[tuple[float, float]]]]]) -> int:
    """Read the geometry that begins at a place; returns where it ends."""
    _, code = _HEADER.unpack_from(wkb, at)
    at += _HEADER.size
    dimension, kind = divmod(code, 1000)
    position = Struct("<ddd" if dimension else "<dd")
    if kind == _POINT:
        x, y, *_ = position.unpack_from(wkb, at)
        if x == x:  # noqa: PLR0124 - an empty point is NaN
            found.append((kind, [[(x, y)]]))
        return at + position.size
    (count,) = _COUNT.unpack_from(wkb, at)
    at += _COUNT.size
    if kind not in _SIMPLE:
        for _ in range(count):
            at = _walk(wkb, at, found)
        return at
    parts = []
    for _ in range(1 if kind == _LINE else count):
        if kind == _POLYGON:
            (count,) = _COUNT.unpack_from(wkb, at)
            at += _COUNT.size
        end = at + count * position.size
        parts.append([(x, y) for x, y, *_ in position.iter_unpack(wkb[at:end])])
        at = end
    found.append((kind, parts))
    return at
