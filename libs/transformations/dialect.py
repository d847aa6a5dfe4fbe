"""The dialect seam: the few things that DuckDB and PostGIS spell differently."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from libs.models import BBox

NANOSECONDS_A_DAY = 86_400 * 10**9


class Dialect(ABC):
    """How an engine spells what steps need. Arguments called ``geometry`` are SQL expressions.

    What both spell alike stands here; only the rest is abstract.

    Attributes:
        name: Name of the engine.
        fence: A column that keeps the planner from merging a SELECT into one around it, be it in a view, which would evaluate
            an expensive expression once for every mention of it. Empty where the planner does not.
        nests: Whether SELECTs are to stand in each other rather than after each other in a WITH clause.
        infinity: As a double.
        infinite_point: A point there, which stands for what cannot be projected.
    """

    name: str
    fence: str
    nests: bool = False
    infinity = "CAST('Infinity' AS double precision)"
    infinite_point = f"ST_Point({infinity}, {infinity})"

    def engine_name(self, name: str) -> str:
        """What a column is called in the engine: by its name, unless that is none there."""
        return name

    def identifier(self, name: str) -> str:
        """A quoted identifier."""
        return '"' + self.engine_name(name).replace('"', '""') + '"'

    def text(self, value: str) -> str:
        """A string literal.

        Raises:
            ValueError: for a NUL character, which no engine takes in text.
        """
        if "\0" in value:
            raise ValueError("a text with a NUL character cannot be written in SQL")
        return "'" + value.replace("'", "''") + "'"

    def is_valid(self, geometry: str) -> str:
        """Whether the geometry is valid (OGC Simple Features); true for empty ones."""
        return f"ST_IsValid({geometry})"

    def points(self, geometry: str) -> str:
        """Number of vertices."""
        return f"ST_NPoints({geometry})"

    def simplify(self, geometry: str, tolerance: float) -> str:
        """Simplified (Douglas-Peucker), its topology kept."""
        return f"ST_SimplifyPreserveTopology({geometry}, {tolerance!r})"

    def reduce_precision(self, geometry: str, grid: float) -> str:
        """Vertices moved to a grid, and valid."""
        return f"ST_ReducePrecision({geometry}, {grid!r})"

    def cut(self, geometry: str, area: str) -> str:
        """What of a geometry lies in an area, as far as it has the same dimension: points, lines or polygons."""
        return f"ST_CollectionExtract(ST_Intersection({geometry}, {area}), ST_Dimension({geometry}) + 1)"

    @abstractmethod
    def source_geometry(self, geometry: str) -> str:
        """The engine's geometry from the column of ``raw_data``."""

    @abstractmethod
    def transform(self, geometry: str, source: str, target: str) -> str:
        """Reprojected between two CRSs, axis order x, y; infinite where the projection is not defined."""

    @abstractmethod
    def split(self, torn: str, before: str, crs: tuple[str, str], half: float, wide: float) -> str:
        """A geometry of longitudes and latitudes cut at the antimeridian and closed over a pole.

        NULL where there is nothing to be done; a point at infinity where that is impossible.

        Args:
            torn: As ``transform`` has it.
            before: As it was before.
            crs: Source and target of the transformation.
            half: 180 degrees in the unit of the target.
            wide: A distance in the source that may be an eighth of the way round the earth.
        """

    @abstractmethod
    def box(self, geometry: str) -> str:
        """Its extent, to be read by ``side``; NULL where it has none."""

    @abstractmethod
    def side(self, box: str, which: str) -> str:
        """A side of an extent: ``xmin``, ``ymin``, ``xmax`` or ``ymax``."""

    def in_one_half(self, box: str, half: float) -> str:  # noqa: ARG002 - for engines that have a fast way
        """Whether an extent surely lies in the eastern or the western half of the world, far from antimeridian and poles."""
        return "false"

    @abstractmethod
    def within(self, geometry: str, box: BBox) -> str:
        """Whether a geometry's extent certainly lies in a box: at little cost, so that it may be false near the border."""

    @abstractmethod
    def make_valid(self, geometry: str) -> str:
        """Made valid without losing a vertex; NULL where that is impossible, and where a coordinate is not finite."""

    @abstractmethod
    def is_finite(self, geometry: str) -> str:
        """Whether all its coordinates are finite numbers, heights too. It writes them all down: for few geometries."""

    @abstractmethod
    def has_z(self, geometry: str) -> str:
        """Whether it has heights."""

    def has_finite_heights(self, geometry: str) -> str:
        """Whether all its heights are finite numbers; it has heights, and its other coordinates are finite."""
        return self.is_finite(geometry)

    @abstractmethod
    def is_collection(self, geometry: str) -> str:
        """Whether it is a GeometryCollection, which may mix points, lines and polygons."""

    @abstractmethod
    def differs(self, one: str, other: str) -> str:
        """Whether two geometries differ in any vertex, or in the order of vertices."""

    @abstractmethod
    def parts(self, geometry: str) -> str:
        """Array of its parts in order, down to single geometries; of itself where there are none. NULL has itself as a part."""

    @abstractmethod
    def judge_parts(
        self, geometry: str, measures: Mapping[str, str], part_class: str, verdict: Callable[[Callable[[int], str]], str]
    ) -> str:
        """A verdict on a geometry from its parts, down to single geometries.

        Args:
            geometry: A column.
            measures: Expressions of ``part.geom``, by name.
            part_class: The class of each part as a number, an expression of measures, as ``part.<name>``.
            verdict: Makes the result, given what counts the parts of a class.
        """

    @abstractmethod
    def cut_parts(self, geometry: str, area: str) -> str:
        """Every part of a geometry cut by itself: engines differ in the intersection with a collection whose parts overlap."""

    @abstractmethod
    def union(self, geometry: str, order: str, condition: str) -> str:
        """Aggregate: the union of the geometries for which a condition holds, always made in the same order.

        Either all or none of them have heights.
        """

    @abstractmethod
    def sum_of_doubles(self, value: str, order: str) -> str:
        """Aggregate: the sum of doubles, added up in an order. Where too large it may fail, unless a CASE passes it over."""

    @abstractmethod
    def first(self, value: str, order: str, condition: str) -> str:
        """Aggregate: the first value in an order for which a condition holds, be it NULL."""

    @abstractmethod
    def cast(self, value: str, type_: str) -> str:
        """Converted to a type, named as in :mod:`libs.transformations.casting`; only where that is known to work."""

    @abstractmethod
    def matches(self, text: str, pattern: str) -> str:
        """Whether a text as a whole matches a regular expression (ranges, groups, alternatives, repetitions)."""

    @abstractmethod
    def nanoseconds(self, value: str) -> str:
        """How many nanoseconds a value of that resolution is after 1970, or after midnight: a whole number of 64 bits."""

    @abstractmethod
    def to_microseconds(self, value: str) -> str:
        """A timestamp in nanoseconds as one in microseconds; only where it is a whole number of them."""

    @abstractmethod
    def nanoseconds_as_text(self, value: str, *, of_day: bool) -> str:
        """A timestamp or a time of day in nanoseconds, with as many digits of the second as it needs."""

    @abstractmethod
    def text_to_double(self, text: str, pattern: str) -> str:
        """The nearest double to a number written as a pattern says; NULL where there is none: too large, or nearly zero."""

    @abstractmethod
    def by_code_point(self, text: str) -> str:
        """A text that compares by code point, whatever the locale."""
