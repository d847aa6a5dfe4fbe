"""The bytes of a tile: its samples interleaved by pixel, told apart by the predictor, compressed."""

from collections.abc import Callable

import deflate
import numpy as np

from libs.spatial_utils.cog.profile import Samples

_SMALL = 6
"""Level of libdeflate for masks and categories, and for tiles that shrink to less than `_EASY`: there it is quickly done."""
_EASY = 0.15


def encoded(samples: Samples, predictor: int, level: int) -> bytes:
    """Compress a whole tile (bands, rows, width) as TIFF's compression 8 has it.

    By libdeflate: one release makes the same bytes each time. igzip (isal 1.9.1) is four times as fast, but was seen to make
    other bytes of the same mask, about once in 5,000 times, with one thread, too.
    """
    tile = _PREDICTED[predictor](samples)
    if predictor == 1:
        return bytes(deflate.zlib_compress(tile, _SMALL))
    data = bytes(deflate.zlib_compress(tile, level))
    return data if len(data) >= _EASY * tile.nbytes else bytes(deflate.zlib_compress(tile, _SMALL))


def encoded_mask(mask: Samples) -> bytes:
    """Compress a whole tile's mask (rows, width): one bit a pixel, 1 where there is data."""
    return bytes(deflate.zlib_compress(np.packbits(mask != 0, axis=-1), _SMALL))


def _as_they_are(samples: Samples) -> Samples:
    return np.ascontiguousarray(samples.transpose(1, 2, 0))


def _differences(samples: Samples) -> Samples:
    """Each sample less the one before it in its row and band (TIFF 6.0, section 14)."""
    bands, rows, width = samples.shape
    tile = np.empty((rows, width, bands), samples.dtype)
    for band in range(bands):
        tile[:, 0, band] = samples[band, :, 0]
        np.subtract(samples[band, :, 1:], samples[band, :, :-1], out=tile[:, 1:, band])
    return tile


def _differences_of_bytes(samples: Samples) -> Samples:
    """A row's highest bytes, then the second ones and so on, each less the one before it (Adobe's TIFF note 3 on floats)."""
    bands, rows, width = samples.shape
    size = samples.dtype.itemsize
    planes = np.empty((rows, size, width, bands), np.uint8)
    for band in range(bands):
        split = np.ascontiguousarray(samples[band]).view(np.uint8).reshape(rows, width, size)
        planes[:, :, :, band] = split[:, :, ::-1].transpose(0, 2, 1)
    line = planes.reshape(rows, -1)
    tile = np.empty_like(line)
    tile[:, :bands] = line[:, :bands]
    np.subtract(line[:, bands:], line[:, :-bands], out=tile[:, bands:])
    return tile


_PREDICTED: dict[int, Callable[[Samples], Samples]] = {1: _as_they_are, 2: _differences, 3: _differences_of_bytes}
