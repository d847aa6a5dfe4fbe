"""Steps that look at where features of a named input lie: joining them, cutting to them, cutting them away."""

from collections.abc import Callable, Collection, Mapping
from typing import ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from libs.column_names import GEOMETRY
from libs.models.inputs import InputName
from libs.models.policies import NumberOrShare
from libs.transformations.crs import same_crs, short_name
from libs.transformations.naming import NamesOrNone
from libs.transformations.plan import ROW, Tolerance
from libs.transformations.query import Query
from libs.transformations.steps.base import Step, require_geometry
from libs.transformations.steps.clip import cut_to
from libs.transformations.steps.columns import find_input_columns
from libs.transformations.steps.join import add_columns, added_columns, new_names, rows_looked_at, tell_matches
from libs.transformations.steps.shape import Repair, Reproject, in_crs, require_sound
from libs.transformations.types import Family, family
from libs.transformations.units import Length


class SpatialJoin(Step):
    """Give each feature the columns of the feature of a named input that lies there.

    The input is reprojected to the CRS that the features have here, repaired, and seen without heights. What has no geometry lies
    nowhere. Where a feature finds several, it takes the first of the input, if nothing else is said. If no feature finds any, the
    batch is rejected.

    Attributes:
        input: Name of the input.
        predicate: What a feature does to one of the input: it ``intersects`` it, lies ``within`` it, ``contains`` it; or
            ``nearest``: the feature of the input is the nearest one.
        distance: How far the nearest may be, in the plane of the CRS. Needed for ``nearest``.
        take: ``one`` of several: the nearest, or the first; the ``largest`` overlap by area, then by length; ``all``, and the
            feature becomes one for each.
        ties: Columns of the input that decide between equals, the least value first; then the order of the input decides.
        columns: Columns of the input to add, all when not given; or an object with the new name of each.
        how: ``left`` keeps every feature; ``inner`` those that find one; ``anti`` those that find none, without new columns.
        max_unmatched: How many features may find none: a number, or a share such as 0.05. Any when not given.
        max_doubled: How many features may find several. Any when not given.
    """

    op: Literal["spatial_join"] = "spatial_join"
    input: InputName
    predicate: Literal["intersects", "within", "contains", "nearest"] = "intersects"
    distance: Length | None = None
    take: Literal["one", "largest", "all"] = "one"
    ties: tuple[str, ...] = ()
    columns: NamesOrNone = None
    how: Literal["left", "inner", "anti"] = "left"
    max_unmatched: NumberOrShare = None
    max_doubled: NumberOrShare = None

    @field_validator("ties")
    @classmethod
    def _no_name_twice(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("a column is named twice")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.predicate == "nearest") != (self.distance is not None):
            raise ValueError("'nearest' needs a 'distance', and nothing else has one")
        if self.predicate == "nearest" and self.take != "one":
            raise ValueError("'nearest' takes one")
        return self

    @property
    def made(self) -> frozenset[str]:  # noqa: D102 - see the base
        return new_names(self.columns)

    @property
    def reads(self) -> Mapping[str, Collection[str] | None]:  # noqa: D102 - see the base
        if self.how == "anti":
            return {self.input: self.ties}
        return {self.input: None if self.columns is None else [*self.ties, *self.columns]}

    def apply(self, query: Query) -> None:
        """Counts the features that find one, those that find none, those that find several, and the features added.

        Raises:
            Rejected: for a table, an input without geometry, and columns that are not there or cannot be added.
        """
        require_geometry(query)
        require_sound(query)
        dialect, own = query.dialect, query.own
        find_input_columns(self.input, self.ties, query)
        added = {} if self.how == "anti" else added_columns(self.input, self.columns, (), query)
        distance = None if self.distance is None else in_crs(self.distance, "distance", query)
        alike = self.predicate in {"within", "contains"}
        if alike:
            _refuse_collections(query)
        wanted = [*added, *self.ties]
        table = spatial_input(self.input, wanted, query, _refuse_collections if alike else lambda _: None)
        shape, several = _shape(query), self.take == "all" and self.how != "anti"

        def found(before: str) -> str:
            mine, theirs, row = f"{before}.{shape}", f"{table}.{GEOMETRY}", f"{table}.{ROW}"
            order = ", ".join([*self._preference(mine, theirs, query), *self._ties(table, query), row])
            values = {own("number"): "count(*)"}
            if several:
                values[own("rows")] = dialect.list_of(row, order)
            else:
                values[own("row")] = f"min({row})" if order == row else dialect.first(row, order, "TRUE")
            return dialect.for_each_row(
                before, query.order_columns, table, self._condition(mine, theirs, distance, query), values
            )

        query.attach(found)
        number = f"coalesce({own('number')}, 0)"
        matched, more = query.mark("matched", f"{number} > 0"), query.mark("more", f"{number} > 1")
        row = query.mark("found", own("row")) if not several else ""
        parts = query.scratch("rows", f"coalesce({own('rows')}, {dialect.integers('NULL')})") if several else ""
        query.settle()
        tell_matches(query, self.input, matched, None, self.max_unmatched, anti=self.how == "anti")
        if self.max_doubled is not None:
            query.limit(
                more, "too_many_doubled",
                f"finds several features of the input {self.input!r}, as more do than 'max_doubled' says",
                "Correct the input where its features overlap, or allow more.",
                Tolerance(rows_looked_at(query), self.max_doubled),
            )  # fmt: skip
        if several:
            part = query.mark("part", dialect.part_numbers(parts))
            row = query.mark("found", dialect.each_part(parts))
            query.settle()
            query.spread(part)
            query.count(f"counts.{self.input}_doubled", f"{part} > 0")
        elif self.how != "anti":
            query.count(f"counts.{self.input}_several", more)
        taken = {name: own(f"taken_{index}") for index, name in enumerate(added)}
        if taken:
            quoted = dialect.identifier
            columns = ", ".join([f"{ROW} AS {own('key')}", *(f"{quoted(name)} AS {mine}" for name, mine in taken.items())])
            query.attach(lambda _: f"LEFT JOIN (SELECT {columns} FROM {table}) AS found ON {own('key')} = {row}")
            add_columns(query, added, taken)
            query.settle()
        if self.how != "left":
            query.drop(f"NOT {matched}" if self.how == "inner" else matched)

    def _condition(self, mine: str, theirs: str, distance: float | None, query: Query) -> str:
        dialect = query.dialect
        match self.predicate:
            case "within":
                return dialect.lies_within(mine, theirs)
            case "contains":
                return dialect.lies_within(theirs, mine)
            case "nearest" if distance is not None:
                return dialect.is_near(mine, theirs, distance)
            case _:
                return dialect.intersects(mine, theirs)

    def _preference(self, mine: str, theirs: str, query: Query) -> list[str]:
        """What decides which of several is taken, before any ties."""
        dialect = query.dialect
        if self.predicate == "nearest":
            return [dialect.distance(mine, theirs)]
        if self.take != "largest":
            return []
        overlap = dialect.intersection(mine, theirs)
        return [f"{dialect.area(overlap)} DESC", f"{dialect.length(overlap)} DESC"]

    def _ties(self, table: str, query: Query) -> list[str]:
        columns = find_input_columns(self.input, self.ties, query)
        names = [(column, f"{table}.{query.dialect.identifier(column.name)}") for column in columns]
        return [query.dialect.by_code_point(name) if family(column) is Family.TEXT else name for column, name in names]


class _CutByInput(Step):
    """A step that cuts features at the borders of a named input: inside stays, or, with ``away``, outside."""

    away: ClassVar[bool] = False
    input: InputName

    @property
    def reads(self) -> Mapping[str, Collection[str] | None]:
        return {self.input: ()}

    def apply(self, query: Query) -> None:
        """Counts the features cut, and those left out.

        Raises:
            Rejected: for a table, and an input without geometry.
        """
        require_geometry(query)
        require_sound(query)
        area, within = find_area(self.input, query)
        cut_to(query, area, within, away=self.away)


class ClipBy(_CutByInput):
    """Keep what lies in the features of a named input: as the step ``clip`` does with an area.

    Attributes:
        input: Name of the input, of polygons. It is reprojected to the CRS that the features have here, and repaired.
    """

    op: Literal["clip_by"] = "clip_by"


class Erase(_CutByInput):
    """Cut away what lies in the features of a named input: the rest stays, a cut feature with its dimension.

    What only touches the input, and what has no geometry, stays as it is. A surface in space that lies across its border stays
    whole, and is counted.

    Attributes:
        input: Name of the input, of polygons. It is reprojected to the CRS that the features have here, and repaired.
    """

    away: ClassVar[bool] = True
    op: Literal["erase"] = "erase"


def find_area(name: str, query: Query) -> tuple[str, str]:
    """For each feature the union of those polygons of a named input that it meets; NULL where it lies in one of them as a whole.

    Returns:
        Columns that can be named until the next geometry is set: the area, and whether the feature lies in one polygon.
    """
    dialect, own = query.dialect, query.own
    # Part by part: engines differ in what a collection covers.
    table = spatial_input(name, (), query, prepare=lambda rows: rows.explode())
    shape = _shape(query)

    def found(before: str) -> str:
        mine, theirs = f"{before}.{shape}", f"{table}.{GEOMETRY}"
        # Most features lie in one polygon: its area, which may be large, is not held for each of them.
        polygon = f"{dialect.dimension(theirs)} = 2"
        covered = f"({polygon} AND {dialect.covers(theirs, mine)})"
        values = {
            own("within"): dialect.any_row(covered),
            own("area"): dialect.union(theirs, f"{table}.{ROW}", f"{polygon} AND NOT {covered}"),
        }
        return dialect.for_each_row(before, query.order_columns, table, dialect.intersects(mine, theirs), values)

    query.attach(found)
    within = query.mark("within", f"coalesce({own('within')}, false)")
    area = query.scratch("area", f"CASE WHEN NOT coalesce({own('within')}, false) THEN {own('area')} END")
    query.settle()
    return area, within


def spatial_input(name: str, columns: Collection[str], query: Query, prepare: Callable[[Query], object] = lambda _: None) -> str:
    """The table of a named input, in the CRS that the features have here, valid, without heights.

    Args:
        name: Of the input.
        columns: Those that are wanted.
        query: The features.
        prepare: What else is to be done to the input.

    Raises:
        Rejected: when it has no geometry, or only one of the two has a CRS.
    """
    known = query.input(name)
    if not known.geometry:
        raise query.rejection(
            "no_geometry",
            f"The input {name!r} is a table without geometry.",
            "Give a layer as the input, or use the step 'join'.",
        )
    source, target = known.crs, query.relation.crs
    if (source is None) != (target is None):
        without = f"The input {name!r} has" if source is None else "The features have"
        raise query.rejection(
            "missing_crs", f"{without} local coordinates, without a CRS, and the other one has one.",
            'Give the CRS of both in the manifest, or of neither ("crs": "none").',
        )  # fmt: skip
    rows = query.begin_input(name, columns, geometry=True)
    rows.set_geometry(rows.dialect.without_heights(rows.geometry()), valid=False)
    if source is not None and target is not None and not same_crs(source, target):
        Reproject(crs=target).apply(rows)
        rows.count(f"counts.reprojected_from_{_word(source)}", "TRUE")
    Repair().apply(rows)
    rows.settle()
    prepare(rows)
    rows.settle()
    return query.use_input(name, rows, ())


def _refuse_collections(query: Query) -> None:
    """Engines differ in what a collection lies within, or contains."""
    query.refuse(
        query.mark("mixed", f"coalesce({query.dialect.is_collection(query.geometry())}, false)"),
        "collection_not_compared",
        "is a GeometryCollection, of which it is not defined what lies within it, or what it lies within",
        "Use the predicate 'intersects', or put a step 'explode' before this one.",
    )


def _word(crs: str) -> str:
    return "".join(each if each.isalnum() else "_" for each in short_name(crs)).lower()


def _shape(query: Query) -> str:
    """Column with what a feature covers on the map: the shadow of a surface in space. Named after the next ``settle``."""
    geometry = query.geometry()
    if not query.surfaces:
        return geometry
    return query.scratch("shadow", f"CASE WHEN {query.surfaces} THEN {query.dialect.make_valid(geometry)} ELSE {geometry} END")
