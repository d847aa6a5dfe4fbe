"""Types of pixels, and the tiles that suit a raster. Without numpy, which the confined process has not."""

SIZES = {
    "uint8": 1,
    "int8": 1,
    "uint16": 2,
    "int16": 2,
    "uint32": 4,
    "int32": 4,
    "uint64": 8,
    "int64": 8,
    "float32": 4,
    "float64": 8,
}
"""Bytes of a value of each type that is kept."""
STRIP_BYTES = 24 * 1024 * 1024
"""Of one row of tiles at full resolution, at most, unless tiles of 16 come to more: RGB of 16,384 pixels in tiles of 512."""


def tile_for(width: int, bands: int, dtype: str) -> int:
    """The side of the tiles that suit a raster: 512; less where that many rows are too much memory, and never the raster's width.

    Reader and writer hold a few such rows (the writer four), so a wider raster does not need more memory.

    Whoever checks a COG takes tiles of the raster's width for strips (rio-cogeo: "is not tiled").
    """
    side, pixel = 512, bands * SIZES[dtype]
    while side > 16 and (side * max(width, side) * pixel > STRIP_BYTES or side == width):  # noqa: PLR2004 -- TIFF 6.0, tag 322
        side //= 2
    return side
