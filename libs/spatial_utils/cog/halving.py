"""A pixel of an overview, made of the four below it. What holds no data takes no part."""

from collections.abc import Callable
from typing import Any

import numpy as np

from libs.spatial_utils.cog.profile import Samples
from libs.spatial_utils.cog.validity import Valid, Validity

Halving = Callable[[Samples, Valid | None, Validity], Any]
_WIDER = {"uint8": "uint16", "int8": "int16", "uint16": "uint32", "int16": "int32", "uint32": "uint64", "int32": "int64"}
"""Holds the sum of four."""


def average(samples: Samples, valid: Valid | None, validity: Validity) -> Any:
    """The mean of those that hold data; whole numbers are rounded to the nearest, halves away from zero, as GDAL does.

    A mean that happens to be the nodata value becomes the next value beside it, as in GDAL: it is data.
    """
    counts: Any = 4 if valid is None else sum(part.astype(np.int8) for part in _quarters(valid))
    data: Any = samples if valid is None else np.where(valid, samples, samples.dtype.type(0))
    divisors: Any = 4 if valid is None else np.maximum(counts, 1)
    if samples.dtype.kind == "f":
        with np.errstate(all="ignore"):  # infinite values, and sums that become so
            halves = _sums(data, samples.dtype) / np.asarray(divisors, samples.dtype)
    elif samples.dtype.name in _WIDER:
        halves = _rounded(_sums(data, _WIDER[samples.dtype.name]), divisors)
    else:
        halves = _mean_of_long(data, divisors)
    halves = np.asarray(halves, samples.dtype)
    if validity.nodata is not None:
        halves[halves == validity.nodata] = _beside(validity.nodata)
    if valid is not None:
        halves[counts == 0] = validity.fill
    return halves


def mode(samples: Samples, valid: Valid | None, validity: Validity) -> Any:
    """The value that most of them have; of two that are equally frequent, the one that comes first, row by row."""
    a, b, c, d = _quarters(samples)
    if valid is None:
        return np.where((a == b) | (a == c) | (a == d), a, np.where((b == c) | (b == d), b, np.where(c == d, c, a)))
    in_a, in_b, in_c, in_d = _quarters(valid)
    first = np.where(in_a, a, np.where(in_b, b, np.where(in_c, c, np.where(in_d, d, validity.fill))))
    of_a = in_a & (((a == b) & in_b) | ((a == c) & in_c) | ((a == d) & in_d))
    of_b = in_b & (((b == c) & in_c) | ((b == d) & in_d))
    return np.where(of_a, a, np.where(of_b, b, np.where((c == d) & in_c & in_d, c, first)))


def nearest(samples: Samples, _valid: Valid | None, _validity: Validity) -> Any:
    """The upper left one, with data or without."""
    return samples[..., 0::2, 0::2]


HALVINGS: dict[str, Halving] = {"average": average, "mode": mode, "nearest": nearest}


def halved_mask(mask: Samples, resampling: str) -> Any:
    """The mask of an overview: there is data where there is some in the four pixels, for `nearest` in the one that is taken."""
    if resampling == "nearest":
        return mask[0::2, 0::2]
    a, b, c, d = _quarters(mask)
    return a | b | c | d


def _quarters(samples: Samples) -> tuple[Any, Any, Any, Any]:
    upper, lower = samples[..., 0::2, :], samples[..., 1::2, :]
    return upper[..., 0::2], upper[..., 1::2], lower[..., 0::2], lower[..., 1::2]


def _sums(samples: Samples, dtype: Any) -> Any:
    columns = np.add(samples[..., 0::2, :], samples[..., 1::2, :], dtype=dtype)
    return columns[..., 0::2] + columns[..., 1::2]


def _rounded(sums: Any, counts: Any) -> Any:
    """Whole sums over counts, to the nearest, halves away from zero."""
    if isinstance(counts, int):  # four each: without a division
        if sums.dtype.kind == "i":
            sums += sums >> sums.dtype.itemsize * 8 - 1  # one less for what is below zero
        sums += 2
        sums >>= 2
        return sums
    sums = sums.astype(np.int64)
    return np.sign(sums) * ((2 * np.abs(sums) + counts) // (2 * counts))


def _mean_of_long(samples: Samples, counts: Any) -> Any:
    """The mean of numbers of 64 bits, whose sum may have no room: whole parts and remainders are summed each for themselves."""
    counts = np.asarray(counts, samples.dtype)
    wholes: Any = np.zeros((), samples.dtype)
    rest: Any = np.zeros((), np.int64)
    for part in _quarters(samples):
        whole = part // counts
        wholes, rest = wholes + whole, rest + (part - whole * counts).astype(np.int64)
    of = counts.astype(np.int64)
    below = wholes.astype(np.int64) + rest // of < 0 if samples.dtype.kind == "i" else False
    more = np.where(below, -((of - 2 * rest) // (2 * of)), (2 * rest + of) // (2 * of))
    return wholes + more.astype(samples.dtype)


def _beside(nodata: Any) -> Any:
    """The value next to nodata: above it, if there is one."""
    if nodata.dtype.kind == "f":
        return np.nextafter(nodata, np.finfo(nodata.dtype).max)
    return nodata - 1 if nodata == np.iinfo(nodata.dtype).max else nodata + 1
