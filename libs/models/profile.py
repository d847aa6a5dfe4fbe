"""The profile of a version: what its values are like, column by column, and how that differs from another version."""

from libs.models.base import Model

BINS = 10
"""Of a histogram."""


class ValueProfile(Model):
    """The values of a column.

    Attributes:
        type: As it is in the lake.
        nulls: Missing values.
        distinct: How many different ones there are; None for types that do not compare.
        least: The smallest, as text.
        most: The largest.
        mean: Of numbers.
        ends: Where the histogram begins and ends: numbers, or seconds since 1970. None where there is none.
        histogram: Counts of values in bins of equal width between these ends. What lies beyond them is in the outer bins.
        frequent: The most frequent values as text, each with its count, where there are not too many different ones.
    """

    name: str
    type: str
    nulls: int
    distinct: int | None = None
    least: str | None = None
    most: str | None = None
    mean: float | None = None
    ends: tuple[float, float] | None = None
    histogram: tuple[int, ...] = ()
    frequent: tuple[tuple[str, int], ...] = ()


class GeometryProfile(Model):
    """The geometries of a layer.

    Attributes:
        types: Features of each type.
        missing: Features without a geometry.
        empty: Features with an empty one.
        vertices: Of all together.
        most_vertices: Of the geometry that has most.
    """

    types: dict[str, int] = {}
    missing: int = 0
    empty: int = 0
    vertices: int = 0
    most_vertices: int = 0


class VersionProfile(Model):
    """A version.

    Attributes:
        id: ``<dataset_id>@<N>``.
        distinct_is_estimated: Whether the numbers of distinct values are estimates, off by some per cent: of large versions.
        geometry: None for a table.
    """

    id: str
    features: int
    distinct_is_estimated: bool = False
    columns: tuple[ValueProfile, ...]
    geometry: GeometryProfile | None = None


class Drift(Model):
    """Something that is not as it was.

    Attributes:
        where: A column, ``geom``, or ``features``.
        message: What was, and what is.
    """

    where: str
    message: str
