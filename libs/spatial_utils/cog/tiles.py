"""The bytes of a tile: its samples interleaved by pixel, told apart by the predictor, compressed."""

from collections.abc import Callable

import deflate
import numpy as np
from isal import isal_zlib

from libs.spatial_utils.cog.profile import Samples

_SECOND_TRIES = ((0.15, 6), (0.4, 1))
"""If igzip leaves less than such a part of a tile, libdeflate at such a level makes it smaller still, in little time.

Measured, igzip's size over zlib's at level 6: classes 2.0, flat colours 2.0, whole metres 1.2; but images 0.97, floats 1.04, and
there libdeflate takes five times as long.
"""
_SMALL = 6  # level of libdeflate for masks and categories: small in any case, and quickly done


def encoded(samples: Samples, predictor: int, level: int) -> bytes:
    """Compress a whole tile (bands, rows, width) as TIFF's compression 8 has it."""
    tile = _PREDICTED[predictor](samples)
    if predictor == 1:
        return bytes(deflate.zlib_compress(tile, _SMALL))
    data = isal_zlib.compress(tile, level)
    for part, better in _SECOND_TRIES:
        if len(data) < part * tile.nbytes:
            return min(data, bytes(deflate.zlib_compress(tile, better)), key=len)
    return data


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
