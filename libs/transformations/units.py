"""Lengths in named units, and what they are in the unit of a CRS."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from libs.models import Model
from libs.transformations.crs import CrsUnit


class Unit(StrEnum):
    """A unit of length. ``crs`` is that of the CRS, whatever it is."""

    METRE = "m"
    KILOMETRE = "km"
    FOOT = "ft"
    US_FOOT = "us_ft"
    DEGREE = "deg"
    CRS = "crs"


_SIZES: dict[Unit, CrsUnit] = {
    Unit.METRE: CrsUnit("length", 1.0),
    Unit.KILOMETRE: CrsUnit("length", 1000.0),
    Unit.FOOT: CrsUnit("length", 0.3048),
    Unit.US_FOOT: CrsUnit("length", 1200 / 3937),
    Unit.DEGREE: CrsUnit("angle", 1.0),
}


class Length(Model):
    """A length and its unit: ``{"value": 5, "unit": "m"}``."""

    value: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
    unit: Unit

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}"

    def within(self, unit: CrsUnit | None) -> float:
        """The length in the unit of a CRS.

        Raises:
            ValueError: when that unit is not known, or only one of the two is an angle: how long a degree is depends on where
                and in what direction it is measured.
        """
        if self.unit is Unit.CRS:
            return self.value
        mine = _SIZES[self.unit]
        if unit is None:
            raise ValueError(f"{self} cannot be converted: the unit of the CRS is not known")
        if mine.quantity != unit.quantity:
            raise ValueError(f"{self} is {_QUANTITIES[mine.quantity]}, but the CRS has {_QUANTITIES[unit.quantity]} for its unit")
        return self.value * mine.size / unit.size


_QUANTITIES = {"length": "a length", "angle": "an angle"}
