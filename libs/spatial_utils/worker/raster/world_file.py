"""World files beside a raster that says itself where it lies."""

from collections.abc import Sequence
from pathlib import Path

_MOST_BYTES = 4096
_NEAR = 0.1
"""Of a pixel: world files are rounded, so that corners may differ by less."""


def world_file_of(path: Path) -> Path | None:
    """The world file of a raster, such as ``.tfw`` or ``.wld``; None where there is none."""
    return next(
        (each for each in sorted(path.parent.iterdir()) if each.stem == path.stem and _is_world(each.suffix.lower())), None
    )


def shift(world: Path, transform: Sequence[float], width: int, height: int) -> float | None:
    """How far a world file moves a raster, at most, in pixels.

    Args:
        world: Its six numbers are the size of a pixel, two rotations, and the centre of the upper left pixel.
        transform: GDAL's geotransform, which begins at the corner of that pixel.
        width: Pixels in a row.
        height: Rows.

    Returns:
        None where both say the same, and where the file does not hold six numbers.
    """
    with world.open("rb") as file:
        words = file.read(_MOST_BYTES).decode("ascii", "replace").split()
    try:
        dx, ry, rx, dy, x, y = map(float, words)
    except ValueError:
        return None
    said = (x - dx / 2 - rx / 2, dx, rx, y - ry / 2 - dy / 2, ry, dy)
    size = max(map(abs, (transform[1], transform[2], transform[4], transform[5])))
    by = [one - other for one, other in zip(said, transform, strict=True)]
    corners = [(column, row) for column in (0, width) for row in (0, height)]
    moved = max(abs(by[at] + by[at + 1] * column + by[at + 2] * row) for at in (0, 3) for column, row in corners) / size
    return moved if moved > _NEAR else None


def _is_world(suffix: str) -> bool:
    return suffix == ".wld" or (suffix.endswith("w") and len(suffix) > 3)  # noqa: PLR2004 - .tfw, .tifw, .jpegw
