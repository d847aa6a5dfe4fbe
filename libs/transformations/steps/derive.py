"""Steps that make something of each geometry: another geometry, or a measure of it."""

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from libs.transformations.crs import DEFAULT_CRS, same_crs
from libs.transformations.query import Query
from libs.transformations.relation import Column
from libs.transformations.steps.base import Step, require_geometry
from libs.transformations.steps.columns import require_free
from libs.transformations.steps.shape import in_crs, require_sound
from libs.transformations.units import Length, Unit

AREA_UNITS = {"m2": 1.0, "ha": 1e4, "km2": 1e6, "ft2": 0.3048**2, "acre": 4046.8564224}
"""In square metres."""
LENGTH_UNITS = {"m": 1.0, "km": 1e3, "ft": 0.3048, "mi": 1609.344}
"""In metres."""
AreaUnit = Literal["m2", "ha", "km2", "ft2", "acre", "crs"]
LengthUnit = Literal["m", "km", "ft", "mi", "crs"]


class Centroid(Step):
    """Replace each geometry by its centre of mass on the map, without a height. An empty geometry stays empty."""

    op: Literal["centroid"] = "centroid"

    def apply(self, query: Query) -> None:
        """Counts the features whose geometry becomes a point.

        Raises:
            Rejected: for a table.
        """
        _replace(query, query.dialect.centroid, "to_points")


class Hull(Step):
    """Replace each geometry by its convex hull on the map. An empty geometry stays empty."""

    op: Literal["hull"] = "hull"

    def apply(self, query: Query) -> None:
        """Counts the features whose geometry becomes another one.

        Raises:
            Rejected: for a table.
        """
        _replace(query, query.dialect.convex_hull, "to_hulls")


class Buffer(Step):
    """Replace each geometry by all that lies within a distance of it on the map, without heights.

    Attributes:
        distance: It, in the unit of the CRS or one that fits it. Of degrees, metres are none: reproject before.
        quarter: Sides of a quarter of a circle.
    """

    op: Literal["buffer"] = "buffer"
    distance: Length
    quarter: Annotated[int, Field(ge=1, le=128)] = 8

    def apply(self, query: Query) -> None:
        """Counts the features whose geometry becomes another one.

        Raises:
            Rejected: for a table, and when the distance cannot be converted to the unit of the CRS.
        """
        distance = in_crs(self.distance, "distance", query)
        _replace(query, lambda geometry: query.dialect.buffer(geometry, distance, self.quarter), "buffered")


class Measure(Step):
    """Add columns with the area, the length or the perimeter of each geometry.

    A measure of what has no such extent is 0: the area of a line, the length of a polygon. Without a geometry, it is null.
    Heights do not count.

    Attributes:
        area: Name of the column for the area of polygons.
        length: The same for the length of lines.
        perimeter: The same for the length of the rings of polygons.
        on: ``ellipsoid``: the earth's (WGS 84), whatever the CRS; ``plane``: the map of the CRS, which distorts.
        area_unit: ``m2``, ``ha``, ``km2``, ``ft2``, ``acre``; or ``crs``, the square of the unit of the CRS, on the plane.
        length_unit: ``m``, ``km``, ``ft``, ``mi``, or ``crs``.
    """

    op: Literal["measure"] = "measure"
    area: str | None = None
    length: str | None = None
    perimeter: str | None = None
    on: Literal["ellipsoid", "plane"] = "ellipsoid"
    area_unit: AreaUnit = "m2"
    length_unit: LengthUnit = "m"

    @model_validator(mode="after")
    def _measures_something(self) -> Self:
        if not self.made:
            raise ValueError("give a name for 'area', 'length' or 'perimeter'")
        return self

    @property
    def made(self) -> frozenset[str]:  # noqa: D102 - see the base
        return frozenset(filter(None, (self.area, self.length, self.perimeter)))

    def apply(self, query: Query) -> None:
        """Changes nothing but for the columns.

        Raises:
            Rejected: for a table, when the names are taken, and when the units do not fit the CRS.
        """
        require_geometry(query)
        require_sound(query)
        wanted = {"area": self.area, "length": self.length, "perimeter": self.perimeter}
        columns = {kind: Column(name=name, type="double") for kind, name in wanted.items() if name is not None}
        require_free([*query.relation.columns, *columns.values()], query)
        flat = query.dialect.without_heights(query.geometry())
        geometry = query.scratch("flat", self._on_earth(flat, query) if self.on == "ellipsoid" else flat)
        query.settle()
        there = [(column, query.expression(column.name), column.name) for column in query.relation.columns]
        added = [(column, self._value(kind, geometry, query), None) for kind, column in columns.items()]
        query.set_columns([*there, *added])
        query.settle()

    def _on_earth(self, geometry: str, query: Query) -> str:
        """The geometry in longitudes and latitudes of WGS 84."""
        if "crs" in {self.area_unit, self.length_unit}:
            raise query.rejection(
                "wrong_unit", "On the ellipsoid, there is no unit of the CRS.", 'Name a unit, or write "on": "plane".'
            )
        source = query.crs().name
        return geometry if same_crs(source, DEFAULT_CRS) else query.dialect.transform(geometry, source, DEFAULT_CRS)

    def _value(self, kind: str, geometry: str, query: Query) -> str:
        dialect, unit = query.dialect, self.area_unit if kind == "area" else self.length_unit
        if self.on == "ellipsoid":
            measured = {
                "area": dialect.area_on_earth, "length": dialect.length_on_earth, "perimeter": dialect.perimeter_on_earth
            }[kind](geometry)  # fmt: skip
            size = 1.0
        else:
            measured = {"area": dialect.area, "length": dialect.length, "perimeter": dialect.perimeter}[kind](geometry)
            size = 1.0 if unit == "crs" else 1 / in_crs(Length(value=1, unit=Unit.METRE), "unit", query)
        if unit == "crs":
            return measured
        factor = size**2 / AREA_UNITS[unit] if kind == "area" else size / LENGTH_UNITS[unit]
        return measured if factor == 1 else f"{measured} * {factor!r}"


def _replace(query: Query, made: Callable[[str], str], name: str) -> None:
    """Replace each geometry that is not empty by what is made of it on the map, and count those that become another one."""
    require_geometry(query)
    require_sound(query)
    dialect, geometry = query.dialect, query.geometry()
    flat = dialect.without_heights(geometry)
    expression = f"CASE WHEN {dialect.is_empty(geometry)} THEN {geometry} ELSE {made(flat)} END"
    before, after = query.change_geometry(expression, valid=True)
    query.count(f"counts.{name}", query.mark(name, f"{dialect.differs(before, after)}"))
    query.surfaces = None
