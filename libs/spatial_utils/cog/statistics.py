"""What is known of a band's pixels, gathered tile by tile; the same whatever the order in which threads come to an end."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.spatial_utils.cog.profile import BandStatistics

BINS = 256
_PIECE = 2**14  # values at a time: what is made of them stays in the processor's cache


@dataclass(frozen=True, slots=True)
class Tally:
    """Of some pixels of a band. Bin i holds the values from (first + i) * 2 ** exponent on.

    Attributes:
        squares: the sum of the squared distances from the mean.
    """

    valid: int
    minimum: Any
    maximum: Any
    mean: float
    squares: float
    bins: NDArray[np.int64]
    first: int
    exponent: int

    def statistics(self) -> BandStatistics:
        """The same in the form that others ask for."""
        step = math.ldexp(1.0, self.exponent)
        return BandStatistics(
            valid=self.valid,
            minimum=self.minimum,
            maximum=self.maximum,
            mean=self.mean,
            deviation=math.sqrt(self.squares / self.valid) if self.valid else math.nan,
            histogram=tuple(self.bins.tolist()),
            start=self.first * step,
            step=step,
        )


NOTHING = Tally(0, math.nan, math.nan, math.nan, 0.0, np.zeros(0, np.int64), 0, 0)


def tally(values: NDArray[Any]) -> Tally:
    """Of values that all hold data; infinite ones are left out."""
    if not values.size:
        return NOTHING
    if values.dtype.itemsize == 1:
        return _of_bytes(values)
    smallest, largest = values.min(), values.max()
    if values.dtype.kind == "f" and not (np.isfinite(smallest) and np.isfinite(largest)):
        return tally(values[np.isfinite(values)])
    minimum, maximum = smallest.item(), largest.item()
    exponent = _exponent(minimum, maximum, values.dtype)
    first = _bin(minimum, exponent)
    mean, squares, bins = float(values.sum(dtype=np.float64)) / values.size, 0.0, np.zeros(BINS, np.int64)
    flat = values.ravel()
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE]
        distances = piece.astype(np.float64)
        distances -= mean
        distances *= distances
        squares += float(distances.sum())
        bins += np.bincount(_bins_of(piece, first, exponent), minlength=BINS)
    return Tally(values.size, minimum, maximum, mean, squares, bins[: _bin(maximum, exponent) - first + 1], first, exponent)


def _of_bytes(values: NDArray[Any]) -> Tally:
    """Of values of one byte: a bin is a value, and all else follows from the bins. Two bytes are counted at a time."""
    flat = values.ravel().view(np.uint8)
    pairs = np.bincount(flat[: flat.size // 2 * 2].view(np.uint16), minlength=BINS * BINS).reshape(BINS, BINS)
    counts = pairs.sum(axis=0) + pairs.sum(axis=1)
    if flat.size % 2:
        counts[flat[-1]] += 1
    lowest = 0
    if values.dtype.kind == "i":
        counts, lowest = np.roll(counts, BINS // 2), -BINS // 2
    places = np.flatnonzero(counts)
    bins, first = counts[places[0] : places[-1] + 1], int(places[0]) + lowest
    known = np.arange(first, first + bins.size)
    mean = int((known * bins).sum()) / flat.size
    squares = float((bins * (known - mean) ** 2).sum())
    return Tally(flat.size, first, first + bins.size - 1, mean, squares, bins, first, 0)


def together(one: Tally, other: Tally) -> Tally:
    """Two tallies as one (Chan, Golub, LeVeque 1979: the squares around the common mean)."""
    if not one.valid or not other.valid:
        return one if one.valid else other
    valid = one.valid + other.valid
    minimum, maximum = min(one.minimum, other.minimum), max(one.maximum, other.maximum)
    exponent = max(one.exponent, other.exponent)
    while _bin(maximum, exponent) - _bin(minimum, exponent) >= BINS:
        exponent += 1
    first = _bin(minimum, exponent)
    bins = np.zeros(_bin(maximum, exponent) - first + 1, np.int64)
    for part in (one, other):
        places = ((part.first + np.arange(part.bins.size)) >> min(exponent - part.exponent, 63)) - first
        np.add.at(bins, places, part.bins)
    apart = other.mean - one.mean
    mean = one.mean + apart * (other.valid / valid)
    squares = one.squares + other.squares + apart * apart * (one.valid * (other.valid / valid))
    return Tally(valid, minimum, maximum, mean, squares, bins, first, exponent)


def _exponent(minimum: float, maximum: float, dtype: np.dtype[Any]) -> int:
    """The smallest bins that are enough: not smaller than what the type can tell apart."""
    if dtype.kind == "f":
        exponent = math.frexp(max(abs(minimum), abs(maximum), float(np.finfo(dtype).tiny)))[1] - np.finfo(dtype).nmant - 1
        exponent = max(exponent, -126 if dtype.itemsize == 4 else -1022)  # noqa: PLR2004 -- its inverse is a number of the type, too
    else:
        exponent = 0
    if (span := maximum / 2 - minimum / 2) > 0:
        exponent = max(exponent, math.frexp(span)[1] - 8)
    while _bin(maximum, exponent) - _bin(minimum, exponent) >= BINS:
        exponent += 1
    return exponent


def _bin(value: float, exponent: int) -> int:
    if isinstance(value, int):
        return value >> exponent
    place = math.floor(math.ldexp(value, -exponent))
    return -1 if value < 0 == place else place  # so little below zero that the type has no number for it


def _bins_of(values: NDArray[Any], first: int, exponent: int) -> Any:
    """The bin of each value, counted from the first one. Exact: powers of two only move the point."""
    if values.dtype.kind == "f":
        places = values * values.dtype.type(math.ldexp(1.0, -exponent))
        np.floor(places, out=places)
        if first < 0 < exponent:
            places -= (values < 0) & (places == 0)  # as in `_bin`
        places -= places.dtype.type(first)
        return np.asarray(places, np.intp)
    if exponent:
        values = values >> values.dtype.type(exponent)
    if values.dtype.itemsize < 8:  # noqa: PLR2004 -- bytes
        return np.subtract(values, first, dtype=np.intp)
    return np.asarray(values - values.dtype.type(first), np.intp)
