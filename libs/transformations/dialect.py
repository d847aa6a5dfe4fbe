"""The dialect seam: all SQL that is not plain SQL:2003. A statement's words come from here, its structure from the steps.

Outside of dialects there are only names, literals, comparisons, CASE, CAST, COALESCE, LIKE, and COUNT, SUM, MIN and MAX with
FILTER. A test plans all steps in a made-up dialect and holds that.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from libs.models import BBox

NANOSECONDS_A_DAY = 86_400 * 10**9


class Dialect(ABC):
    """How an engine spells what steps need. Arguments called ``geometry`` are SQL expressions.

    What DuckDB and PostGIS spell alike stands here. Only the rest is abstract.

    Attributes:
        name: Name of the engine.
        fence: A column that keeps the planner from merging a SELECT into one around it, also of a view. That would evaluate
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
        """The name of a column in the engine: its own, unless the engine does not allow it."""
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

    # Geometry

    def from_wkt(self, wkt: str) -> str:
        """A geometry from its text, which is known here."""
        return f"ST_GeomFromText({self.text(wkt)})"

    def is_empty(self, geometry: str) -> str:
        """Whether it has no vertex."""
        return f"ST_IsEmpty({geometry})"

    def dimension(self, geometry: str) -> str:
        """0 for points, 1 for lines, 2 for polygons, the largest of its parts for a collection."""
        return f"ST_Dimension({geometry})"

    def bound(self, geometry: str, which: str) -> str:
        """A bound of its extent: ``xmin``, ``ymin``, ``zmin``, ``xmax``, ``ymax`` or ``zmax``."""
        return f"ST_{which[0].upper()}{which[1:].capitalize()}({geometry})"

    def without_heights(self, geometry: str) -> str:
        """The same with x and y only."""
        return f"ST_Force2D({geometry})"

    def area(self, geometry: str) -> str:
        """Area on the map, in the square of the unit of its CRS."""
        return f"ST_Area({geometry})"

    def convex_hull(self, geometry: str) -> str:
        """Convex hull on the map."""
        return f"ST_ConvexHull({geometry})"

    def centroid(self, geometry: str) -> str:
        """Centre of mass on the map."""
        return f"ST_Centroid({geometry})"

    def perimeter(self, geometry: str) -> str:
        """Length of the rings of polygons on the map, in the unit of its CRS; 0 for lines."""
        return f"ST_Perimeter({geometry})"

    @abstractmethod
    def buffer(self, geometry: str, distance: float, quarter: int) -> str:
        """All that lies within a distance on the map; so many sides make a quarter of a circle."""

    @abstractmethod
    def area_on_earth(self, geometry: str) -> str:
        """Area on the ellipsoid of WGS 84 of a geometry of longitudes and latitudes, in square metres; 0 for lines."""

    @abstractmethod
    def length_on_earth(self, geometry: str) -> str:
        """Length of its lines there, in metres; 0 for polygons."""

    @abstractmethod
    def perimeter_on_earth(self, geometry: str) -> str:
        """Length of the rings of its polygons there, in metres; 0 for lines."""

    def side_view(self, geometry: str, x_factor: str, y_factor: str) -> str:
        """Seen from the side: ``x_factor`` * x + ``y_factor`` * y as x, the height as y."""
        return f"ST_Affine({geometry}, {x_factor}, {y_factor}, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)"

    def covers(self, area: str, geometry: str) -> str:
        """Whether no point of a geometry lies outside of an area."""
        return f"ST_Covers({area}, {geometry})"

    def intersects(self, area: str, geometry: str) -> str:
        """Whether a geometry and an area have a point in common."""
        return f"ST_Intersects({area}, {geometry})"

    def is_valid(self, geometry: str) -> str:
        """Whether the geometry is valid (OGC Simple Features); true for empty ones."""
        return f"ST_IsValid({geometry})"

    def is_simple(self, geometry: str) -> str:
        """Whether it has no anomalous points, such as where it crosses itself (OGC Simple Features)."""
        return f"ST_IsSimple({geometry})"

    def points(self, geometry: str) -> str:
        """Number of vertices."""
        return f"ST_NPoints({geometry})"

    def simplify(self, geometry: str, tolerance: float) -> str:
        """Simplified (Douglas-Peucker), its topology kept."""
        return f"ST_SimplifyPreserveTopology({geometry}, {tolerance!r})"

    def reduce_precision(self, geometry: str, grid: float) -> str:
        """Vertices moved to a grid, and valid."""
        return f"ST_ReducePrecision({geometry}, {grid!r})"

    def touches(self, area: str, geometry: str) -> str:
        """Whether a geometry and an area have points of their borders in common, and no others."""
        return f"ST_Touches({area}, {geometry})"

    def lies_within(self, geometry: str, area: str) -> str:
        """Whether no point of a geometry lies outside of an area, and one inside of it."""
        return f"ST_Within({geometry}, {area})"

    def is_near(self, one: str, other: str, distance: float) -> str:
        """Whether two geometries are at most so far from each other on the map."""
        return f"ST_DWithin({one}, {other}, {distance!r})"

    def distance(self, one: str, other: str) -> str:
        """How far two geometries are from each other on the map."""
        return f"ST_Distance({one}, {other})"

    def intersection(self, one: str, other: str) -> str:
        """What two geometries have in common."""
        return f"ST_Intersection({one}, {other})"

    def length(self, geometry: str) -> str:
        """Length of lines on the map, in the unit of its CRS; 0 for polygons."""
        return f"ST_Length({geometry})"

    def cut(self, geometry: str, area: str, *, away: bool = False) -> str:
        """What of a geometry lies in an area, or outside of it, as far as it has the same dimension: points, lines, polygons."""
        left = f"ST_Difference({geometry}, {area})" if away else self.intersection(geometry, area)
        return f"ST_CollectionExtract({left}, ST_Dimension({geometry}) + 1)"

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
    def type_name(self, geometry: str) -> str:
        """Its type in capitals, whether or not it has heights: ``MULTIPOLYGON``."""

    @abstractmethod
    def differs(self, one: str, other: str) -> str:
        """Whether two geometries differ in any vertex, or in the order of vertices."""

    @abstractmethod
    def parts(self, geometry: str) -> str:
        """Array of its parts in order, down to single geometries; of itself where there are none. NULL has itself as a part."""

    def part_numbers(self, parts: str) -> str:
        """A row for each element of an array that :meth:`parts` made: its number, from 0. Beside :meth:`each_part`."""
        return f"generate_subscripts({parts}, 1) - 1"

    def each_part(self, parts: str) -> str:
        """A row for each element of an array that :meth:`parts` made: the element."""
        return f"unnest({parts})"

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
    def cut_parts(self, geometry: str, area: str, *, away: bool = False) -> str:
        """Every part of a geometry cut by itself: engines differ in the intersection with a collection whose parts overlap."""

    @abstractmethod
    def union(self, geometry: str, order: str, condition: str) -> str:
        """Aggregate: the union of the geometries for which a condition holds, always made in the same order.

        Either all or none of them have heights.
        """

    @abstractmethod
    def list_of(self, value: str, order: str) -> str:
        """Aggregate: an array of the values in an order."""

    @abstractmethod
    def for_each_row(self, before: str, keys: Sequence[str], table: str, condition: str, values: Mapping[str, str]) -> str:
        """A join that gives each row aggregates over those rows of a table that fit it; NULL, or 0 as a count, where none does.

        Args:
            before: Name of the rows.
            keys: Columns that tell them apart.
            table: Name of the table.
            condition: Names columns of both, each by the name of what it is of.
            values: Aggregates of such columns, by the names to give them.
        """

    @abstractmethod
    def sum_of_doubles(self, value: str, order: str) -> str:
        """Aggregate: the sum of doubles, added up in an order. Where too large it may fail, unless a CASE passes it over."""

    @abstractmethod
    def first(self, value: str, order: str, condition: str) -> str:
        """Aggregate: the first value in an order for which a condition holds, be it NULL."""

    def any_row(self, condition: str) -> str:
        """Aggregate: whether a condition holds for a row; NULL without rows."""
        return f"bool_or({condition})"

    def every_row(self, condition: str) -> str:
        """Aggregate: whether a condition holds for all rows; NULL without rows."""
        return f"bool_and({condition})"

    # Values

    def absolute(self, number: str) -> str:
        """A number without its sign."""
        return f"abs({number})"

    def truncated(self, number: str) -> str:
        """A number without the digits after its point."""
        return f"trunc({number})"

    def larger(self, one: str, other: str) -> str:
        """The larger of two numbers."""
        return f"greatest({one}, {other})"

    def trimmed(self, text: str) -> str:
        """A text without blanks at either end."""
        return f"trim({text})"

    def without_leading_zeros(self, text: str) -> str:
        """A text without the zeros that it begins with, but for one that is all there is."""
        return f"regexp_replace({text}, '^0+(.)', '\\1')"

    def lower_case(self, text: str) -> str:
        """A text in lower case."""
        return f"lower({text})"

    def part_of_text(self, text: str, start: int, length: int) -> str:
        """Some characters of a text, counted from 1."""
        return f"substr({text}, {start}, {length})"

    def with_seconds(self, text: str) -> str:
        """A timestamp as text, ``YYYY-MM-DDThh:mm`` and a time zone: with seconds, which DuckDB wants before a time zone."""
        return rf"regexp_replace({text}, '^(.{{16}})(Z|[+-])', '\1:00\2')"

    def in_utc(self, moment: str) -> str:
        """A timestamp with a time zone as one without, in UTC."""
        return f"({moment} AT TIME ZONE 'UTC')"

    def integers(self, numbers: str) -> str:
        """An array of 64-bit integers from expressions, separated by commas."""
        return f"CAST(ARRAY[{numbers}] AS bigint[])"

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
