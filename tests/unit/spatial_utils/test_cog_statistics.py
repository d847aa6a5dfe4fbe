"""Statistics of a band, tile by tile, against exact arithmetic over all of its pixels."""

import math
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from libs.spatial_utils.cog.profile import DTYPES
from libs.spatial_utils.cog.statistics import BINS, NOTHING, tally, together
from tests.sampling import examples


@st.composite
def parts(draw: st.DrawFn) -> list[np.ndarray]:
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    elements: dict[str, Any] = {}
    if draw(st.booleans()):  # close to each other: a step is less than one, or what lies between is lost in large numbers
        start = draw(st.integers(0, 100))
        elements = {"min_value": start, "max_value": start + 20}
    elif dtype.kind == "f":  # squares of greater ones are infinite
        elements = {"min_value": -(2.0**120), "max_value": 2.0**120}
    return draw(st.lists(hnp.arrays(dtype, st.integers(0, 20), elements=elements), min_size=1, max_size=4))


@given(parts())
@settings(max_examples=examples(150), deadline=None)
def test_the_tallies_of_tiles_are_that_of_the_band(tiles: list[np.ndarray]) -> None:
    found = reduce(together, [tally(tile) for tile in tiles], NOTHING).statistics()

    values = [value for tile in tiles for value in tile.tolist()]
    assert found.valid == len(values) == sum(found.histogram)
    if not values:
        assert math.isnan(found.mean)
        assert found.histogram == ()
        return
    assert (found.minimum, found.maximum) == (min(values), max(values))
    mean = sum(map(Fraction, values)) / len(values)
    largest = max(map(abs, values)) or 1
    assert found.mean == pytest.approx(float(mean), rel=1e-9, abs=1e-12 * largest)
    variance = sum((Fraction(value) - mean) ** 2 for value in values) / len(values)
    assert found.deviation == pytest.approx(math.sqrt(variance), rel=1e-6, abs=1e-12 * largest)
    assert len(found.histogram) <= BINS
    counts = [0] * len(found.histogram)
    for value in values:
        counts[math.floor((Fraction(value) - Fraction(found.start)) / Fraction(found.step))] += 1
    assert found.histogram == tuple(counts)


def test_bins_are_no_wider_than_they_must_be() -> None:
    for values in (np.arange(300, dtype="uint16"), np.linspace(0, 1, 999, dtype="float32"), np.array([-5, 10**12])):
        found = tally(values).statistics()
        assert len(found.histogram) > BINS // 2, found


def test_a_bin_of_bytes_is_a_value() -> None:
    found = tally(np.array([-128, 127, 127, 3], "int8")).statistics()
    assert (found.start, found.step, found.histogram[-1]) == (-128, 1, 2)


def test_infinite_values_are_left_out() -> None:
    found = tally(np.array([1, np.inf, 3, -np.inf], "float32")).statistics()
    assert (found.valid, found.minimum, found.maximum, found.mean, found.deviation) == (2, 1, 3, 2, 1)
    assert tally(np.array([np.inf], "float64")) == NOTHING
