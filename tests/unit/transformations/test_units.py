"""Lengths in the unit of a CRS."""

import pytest
from pydantic import ValidationError

from libs.transformations.crs import CrsUnit
from libs.transformations.units import Length, Unit

METRE, DEGREE, US_FOOT = CrsUnit("length", 1.0), CrsUnit("angle", 1.0), CrsUnit("length", 1200 / 3937)


@pytest.mark.parametrize(
    ("length", "unit", "expected"),
    [
        (Length(value=5, unit=Unit.METRE), METRE, 5),
        (Length(value=5, unit=Unit.KILOMETRE), METRE, 5000),
        (Length(value=1, unit=Unit.FOOT), METRE, 0.3048),
        (Length(value=1, unit=Unit.US_FOOT), US_FOOT, 1),
        (Length(value=12, unit=Unit.METRE), US_FOOT, 12 * 3937 / 1200),
        (Length(value=0.5, unit=Unit.DEGREE), DEGREE, 0.5),
        (Length(value=0.9, unit=Unit.DEGREE), CrsUnit("angle", 0.9), 1),
        (Length(value=7, unit=Unit.CRS), None, 7),
    ],
)
def test_conversion(length: Length, unit: CrsUnit | None, expected: float) -> None:
    assert length.within(unit) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("unit", "crs"), [(Unit.METRE, DEGREE), (Unit.DEGREE, METRE), (Unit.METRE, None), (Unit.DEGREE, None)], ids=str
)
def test_what_cannot_be_converted_is_refused(unit: Unit, crs: CrsUnit | None) -> None:
    with pytest.raises(ValueError, match=r"angle|not known"):
        Length(value=1, unit=unit).within(crs)


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "5", True])
def test_lengths_are_numbers_positive_and_finite(value: object) -> None:
    with pytest.raises(ValidationError):
        Length(value=value, unit=Unit.METRE)
