"""What is known of a band's pixels, gathered tile by tile; the same whatever the order in which threads come to an end."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.spatial_utils.cog.profile import BandStatistics

BINS = 256


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
    smallest, largest = values.min(), values.max()
    if values.dtype.kind == "f" and not (np.isfinite(smallest) and np.isfinite(largest)):
        return tally(values[np.isfinite(values)])
    minimum, maximum = smallest.item(), largest.item()
    exponent = _exponent(minimum, maximum, values.dtype)
    first = _bin(minimum, exponent)
    bins = np.bincount(_bins_of(values, first, exponent).ravel(), minlength=_bin(maximum, exponent) - first + 1)
    if values.dtype.itemsize == 1:  # a bin is a value
        known = np.arange(first, first + bins.size)
        mean = int((known * bins).sum()) / values.size
        squares = float((bins * (known - mean) ** 2).sum())
    else:
        distances = values.astype(np.float64)
        mean = float(distances.sum()) / values.size
        distances -= mean
        squares = float(np.multiply(distances, distances, out=distances).sum())
    return Tally(values.size, minimum, maximum, mean, squares, bins, first, exponent)


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
    return math.floor(math.ldexp(value, -exponent))


def _bins_of(values: NDArray[Any], first: int, exponent: int) -> Any:
    """The bin of each value, counted from the first one. Exact: powers of two only move the point."""
    if values.dtype.kind == "f":
        places = values * values.dtype.type(math.ldexp(1.0, -exponent))
        np.floor(places, out=places)
        places -= places.dtype.type(first)
        return np.asarray(places, np.intp)
    if exponent:
        values = values >> values.dtype.type(exponent)
    if values.dtype.itemsize < 8:  # noqa: PLR2004 -- bytes
        return np.subtract(values, first, dtype=np.intp)
    return np.asarray(values - values.dtype.type(first), np.intp)
