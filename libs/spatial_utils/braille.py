"""A drawing of features for a terminal: Unicode Braille patterns, each of two by four dots."""

from collections.abc import Iterable

from libs.models import BBox

WIDTH, HEIGHT = 48, 16
"""Characters, at most."""
_BASE = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""By column and row within a character (Unicode 16, chapter 21.1)."""


def draw(positions: Iterable[tuple[float, float]], extent: BBox) -> tuple[str, ...]:
    """Where positions lie within an extent, north at the top; without distortion, so that one side may be shorter.

    Args:
        positions: x and y; what lies outside, or is not finite, is not drawn.
        extent: xmin, ymin, xmax, ymax.
    """
    across, up = max(extent[2] - extent[0], 1e-12), max(extent[3] - extent[1], 1e-12)
    scale = min((WIDTH * 2 - 1) / across, (HEIGHT * 4 - 1) / up)
    columns, rows = round(across * scale) // 2 + 1, round(up * scale) // 4 + 1
    cells = [[0] * columns for _ in range(rows)]
    for x, y in positions:
        if extent[0] <= x <= extent[2] and extent[1] <= y <= extent[3]:
            right, down = round((x - extent[0]) * scale), round((extent[3] - y) * scale)
            cells[down // 4][right // 2] |= _DOTS[right % 2][down % 4]
    return tuple("".join(chr(_BASE + cell) for cell in row) for row in cells)
