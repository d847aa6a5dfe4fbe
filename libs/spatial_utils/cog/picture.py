"""A small picture of a Cloud Optimized GeoTIFF of ours: its smallest overview, which is one tile near the file's beginning."""

import struct
import zlib
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from libs.spatial_utils import tiff
from libs.spatial_utils.cog.profile import PALETTE, RGB, UNASSOCIATED_ALPHA

SIDE = 192
"""Pixels of the longer side, at most."""
_PREDICTOR = 317
_KINDS = {1: "u", 2: "i", 3: "f"}
_SHARES = (2, 98)
"""Percentiles of the values that become black and white: a few that stick out leave the rest its contrast."""


def picture(file: BinaryIO, size: int) -> bytes:
    """A PNG: colours as they are, a palette's by its map, anything else in grey; transparent where there is no data.

    Args:
        file: To be read anywhere in it.
        size: Its bytes.

    Raises:
        ValueError: for what the writer of this package has not written.
    """
    images = list(tiff.directories(file, size))
    overview = [image for image in images if not image.integer(tiff.SUBFILE) & 4][-1]
    masks = [image for image in images if image.integer(tiff.SUBFILE) & 4]
    samples = _samples(file, overview)
    valid = _valid(samples, overview)
    if masks:
        side = masks[-1].integer(tiff.TILE_WIDTH)
        bits = np.frombuffer(_tile(file, masks[-1]), np.uint8).reshape(side, -1)
        valid &= np.unpackbits(bits, axis=1)[: valid.shape[0], : valid.shape[1]] == 1
    step = -(-max(valid.shape) // SIDE)
    samples, valid = samples[::step, ::step], valid[::step, ::step]
    colours = _colours(samples, valid, overview)
    alpha = np.where(valid, 255, 0).astype(np.uint8)
    if UNASSOCIATED_ALPHA in overview.integers(tiff.EXTRA_SAMPLES) and samples.dtype == np.uint8:
        alpha = np.minimum(alpha, samples[:, :, samples.shape[2] - 1])
    return _png(np.dstack([colours, alpha]))


def _tile(file: BinaryIO, image: tiff.Directory) -> bytes:
    at, length = image.integer(tiff.TILE_OFFSETS), image.integer(tiff.TILE_BYTES)  # which are read from the file, too
    file.seek(at)
    try:
        return zlib.decompress(file.read(length))
    except zlib.error as error:
        raise ValueError(f"a tile is damaged: {error}") from error


def _samples(file: BinaryIO, image: tiff.Directory) -> NDArray[Any]:
    """The pixels (rows, width, bands) of an image of one tile."""
    bands, side = image.integer(tiff.SAMPLES, 1), image.integer(tiff.TILE_WIDTH)
    dtype = np.dtype(f"<{_KINDS[image.integer(tiff.SAMPLE_FORMAT, 1)]}{image.integer(tiff.BITS) // 8}")
    data, predictor = _tile(file, image), image.integer(_PREDICTOR, 1)
    if predictor == 3:  # noqa: PLR2004 - differences of the bytes of floats, the highest ones first
        lines = np.frombuffer(data, np.uint8).reshape(side, -1, bands).cumsum(axis=1, dtype=np.uint8)
        planes = lines.reshape(side, dtype.itemsize, side, bands)[:, ::-1].transpose(0, 2, 3, 1)
        pixels = np.ascontiguousarray(planes).view(dtype)[..., 0]
    else:
        pixels = np.frombuffer(data, dtype).reshape(side, side, bands)
        if predictor == 2:  # noqa: PLR2004 - differences of neighbours
            pixels = pixels.cumsum(axis=1, dtype=dtype)
    return pixels[: image.integer(tiff.HEIGHT), : image.integer(tiff.WIDTH)]


def _valid(samples: NDArray[Any], image: tiff.Directory) -> NDArray[np.bool_]:
    valid = np.isfinite(samples).all(axis=2)
    nodata = image.text(tiff.GDAL_NODATA)
    if nodata is not None:
        valid &= ~(samples.astype(np.float64) == float(nodata)).all(axis=2)
    return np.asarray(valid)


def _colours(samples: NDArray[Any], valid: NDArray[np.bool_], image: tiff.Directory) -> NDArray[np.uint8]:
    """Red, green and blue."""
    kind = image.integer(tiff.PHOTOMETRIC)
    if kind == PALETTE:
        table = (np.array(image.integers(tiff.COLOR_MAP)).reshape(3, -1) // 257).astype(np.uint8)
        return np.asarray(table[:, samples[:, :, 0]].transpose(1, 2, 0))
    shown = samples[:, :, :3] if kind == RGB else samples[:, :, :1]
    if shown.dtype != np.uint8:
        shown = _stretched(shown.astype(np.float64), valid)
    return np.asarray(np.broadcast_to(shown, (*valid.shape, 3)), np.uint8)


def _stretched(values: NDArray[np.float64], valid: NDArray[np.bool_]) -> NDArray[np.uint8]:
    low, high = np.percentile(values[valid], _SHARES) if valid.any() else (0.0, 1.0)
    values = np.where(valid[:, :, None], values, low)
    return np.clip((values - low) / ((high - low) or 1.0) * 255, 0, 255).astype(np.uint8)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Red, green, blue and alpha (PNG, third edition)."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 4 * width), np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    framed = (struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)
