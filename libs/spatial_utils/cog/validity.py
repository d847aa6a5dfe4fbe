"""Which pixels hold data: not nodata, not NaN, not masked, not transparent."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.spatial_utils.cog.profile import RGB, UNASSOCIATED_ALPHA, CogProfile, Samples

Valid = NDArray[np.bool_]


class Validity:
    """Tells the pixels of a profile that hold data from those that do not.

    Attributes:
        nodata: the value that means none, of the raster's type; None without one, or if the type does not have it.
        fill: what a pixel of an overview holds when there is no data below it.
    """

    def __init__(self, profile: CogProfile) -> None:
        dtype = np.dtype(profile.dtype)
        self.nodata = None if profile.nodata is None else _of_type(profile.nodata, dtype)
        self._real, self._nan = dtype.kind == "f", self.nodata is not None and bool(np.isnan(self.nodata))
        none = dtype.type(math.nan) if self._real and not profile.mask else dtype.type(0)
        self.fill = none if self.nodata is None else self.nodata
        colours = 3 if profile.photometric == RGB else 1
        alphas = [colours + i for i, kind in enumerate(profile.extra_samples) if kind == UNASSOCIATED_ALPHA]
        self._alpha = alphas[0] if alphas else None

    def of(self, samples: Samples, mask: Samples | None) -> Valid | None:
        """True for each of the samples (bands, rows, width) that holds data; None when all of them do."""
        valid = None
        if self.nodata is not None and not self._nan:
            valid = _both(valid, samples != self.nodata)
        if self._real and np.isnan(np.min(samples)):
            valid = _both(valid, ~np.isnan(samples))
        if self._alpha is not None:
            valid = _both(valid, np.broadcast_to(samples[self._alpha] != 0, samples.shape))
        if mask is not None:
            valid = _both(valid, np.broadcast_to(mask != 0, samples.shape))
        if valid is not None and self._alpha is not None:
            valid[self._alpha] = True  # how transparent a pixel is, is known everywhere
        return None if valid is None or valid.all() else valid


def _both(some: Valid | None, others: Valid) -> Valid:
    return others.copy() if some is None else some & others


def _of_type(nodata: str, dtype: np.dtype[Any]) -> Any:
    """The value that a text of tag 42113 means in a type; None if no pixel of the type can hold it."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return dtype.type(float(nodata))
    try:
        value = int(nodata)
    except ValueError:
        real = float(nodata)
        if not real.is_integer():
            return None
        value = int(real)
    bounds = np.iinfo(dtype)
    return dtype.type(value) if bounds.min <= value <= bounds.max else None
