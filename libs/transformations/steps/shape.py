"""Steps that change geometries one by one. They leave features without a geometry, and tables, as they are."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from libs.column_names import GEOMETRY
from libs.transformations import surfaces
from libs.transformations.crs import DEFAULT_CRS, same_crs, short_name
from libs.transformations.query import Query
from libs.transformations.reprojection import reproject
from libs.transformations.steps.base import Step
from libs.transformations.units import Length, Unit


class Reproject(Step):
    """Reproject to another CRS. Heights stay as they are.

    To a geographic CRS, lines and polygons are cut at the antimeridian, and polygons closed over a pole (RFC 7946, 3.1.9). To a
    map of the world that ends at the antimeridian, such as Web Mercator, they are cut there, too.

    Attributes:
        crs: Target: authority code such as ``EPSG:4326``, or WKT.
    """

    op: Literal["reproject"] = "reproject"
    crs: Annotated[str, StringConstraints(min_length=1)]

    def apply(self, query: Query) -> None:
        """Counts the features that are cut, and those that are closed over a pole.

        Nothing when the relation is in that CRS already; nor when it has none, and the target is what recipes take by default.

        Raises:
            Rejected: when the target is no CRS, or another than the default while the geometry has none.
        """
        if not query.relation.geometry or (query.relation.crs is None and same_crs(self.crs, DEFAULT_CRS)):
            return
        source, target = query.crs(), query.crs(self.crs)
        if not same_crs(source.name, target.name):
            reproject(query, source, target)
        query.set_crs(target.name)


class Repair(Step):
    """Make invalid geometries valid, and touch no others. No vertex is lost; a polygon may become several.

    A surface in space (see :mod:`libs.transformations.surfaces`) stays as it is, and counts as ``kept_as_3d``. What has no area
    or no length becomes the line or the point that it is, and counts as ``collapsed``, with a warning: left alone, it would be
    the one geometry that later steps and readers fail on, and no vertex is lost.
    """

    op: Literal["repair"] = "repair"

    def apply(self, query: Query) -> None:
        """Nothing where everything is known to be valid."""
        if query.relation.geometry and not query.valid:
            _repair(query)


class Simplify(Step):
    """Leave out vertices within a tolerance (Douglas-Peucker), each feature staying valid and of its type.

    Features are simplified one by one: a border that two of them share may come apart.

    Attributes:
        tolerance: How far a line may move.
    """

    op: Literal["simplify"] = "simplify"
    tolerance: Length

    def apply(self, query: Query) -> None:
        """Counts the features that lose a vertex.

        Raises:
            Rejected: when the tolerance cannot be converted to the unit of the CRS.
        """
        if query.relation.geometry:
            tolerance = in_crs(self.tolerance, "tolerance", query)
            require_sound(query)
            expression = query.unless_surface(query.dialect.simplify(query.geometry(), tolerance))
            before, after = query.change_geometry(expression, valid=False)
            points = query.dialect.points
            query.count("counts.simplified", query.mark("simplified", f"{points(after)} < {points(before)}"))
            _count_surfaces(query, "not_simplified")


class SetPrecision(Step):
    """Move vertices to a grid, each feature staying valid. What is smaller than the grid becomes empty, and is counted.

    Attributes:
        grid: Distance of the grid's points.
    """

    op: Literal["set_precision"] = "set_precision"
    grid: Length

    def apply(self, query: Query) -> None:
        """Counts the features that change, and those that become empty.

        Raises:
            Rejected: when the grid cannot be converted to the unit of the CRS.
        """
        if query.relation.geometry:
            grid = in_crs(self.grid, "grid", query)
            require_sound(query)
            dialect = query.dialect
            geometry = query.geometry()
            # What is empty has no vertex to move; some GEOS would make it flat, others not.
            reduced = (
                f"CASE WHEN {dialect.is_empty(geometry)} THEN {geometry} ELSE {dialect.reduce_precision(geometry, grid)} END"
            )
            before, after = query.change_geometry(query.unless_surface(reduced), valid=True)
            query.count("counts.rounded", query.mark("rounded", dialect.differs(before, after)))
            collapsed = query.mark("collapsed", f"{dialect.is_empty(after)} AND NOT {dialect.is_empty(before)}")
            query.count("counts.collapsed", collapsed)
            _count_surfaces(query, "not_rounded")


class Force2d(Step):
    """Leave out heights. Surfaces in space, which an earlier step kept, are repaired as the plain shapes that they become."""

    op: Literal["force_2d"] = "force_2d"

    def apply(self, query: Query) -> None:
        """Counts the features that had them."""
        if query.relation.geometry:
            geometry = query.geometry()
            query.count("counts.forced_2d", query.mark("had_z", query.dialect.has_z(geometry)))
            query.set_geometry(query.dialect.without_heights(geometry), valid=query.valid)
            if query.valid and query.surfaces:
                _repair(query, query.surfaces)


def _repair(query: Query, suspects: str | None = None) -> None:
    """Repair what is invalid, of all geometries or of those that a predicate names: only these are looked at."""
    dialect, geometry, before = query.dialect, query.geometry(), query.surfaces
    unit = query.crs().unit if query.relation.crs else None
    judged = surfaces.judge(geometry, dialect, unit)
    state = query.mark("state", f"CASE WHEN {suspects} THEN {judged} ELSE {surfaces.SOUND} END" if suspects else judged)
    query.settle()
    flawed = f"{state} = {surfaces.FLAWED}"
    dimension = query.scratch("dimension", f"CASE WHEN {flawed} THEN {dialect.dimension(geometry)} END")
    query.set_geometry(f"CASE WHEN {flawed} THEN {dialect.make_valid(geometry)} ELSE {geometry} END", valid=True)
    repaired = query.geometry()
    failed = query.mark("failed", f"CASE WHEN {flawed} THEN NOT coalesce({dialect.is_valid(repaired)}, false) ELSE false END")
    collapsed = query.mark("collapsed", f"CASE WHEN {flawed} THEN {dialect.dimension(repaired)} < {dimension} ELSE false END")
    query.surfaces = f"{state} >= {surfaces.SURFACE}"
    query.count("repaired", f"{flawed} AND NOT {collapsed}")
    query.count("counts.collapsed", collapsed)
    new = f" AND NOT ({before})" if before else ""
    query.count("counts.kept_as_3d", f"{query.surfaces}{new}")
    query.warn(
        collapsed,
        "collapsed",
        "has a geometry without area or length: its repair is a line or a point",
        "Correct the feature in its source, or use the intent 'raw' to keep it as it is.",
    )
    query.warn(
        f"{state} = {surfaces.BROKEN_SURFACE}{new}",
        "broken_surface",
        "is a surface in space with a face that crosses itself, and is kept as it is",
        "Correct that face in its source, or use the intent 'force_2d' to have it repaired as a plain shape.",
    )
    query.refuse(
        failed,
        "irreparable",
        "has a geometry that cannot be made valid, as a rule because a coordinate is not a finite number",
        "Correct the feature in its source, or use the intent 'raw' to keep it as it is.",
        bad="geometry",
        hide_geometry=True,
    )


def _count_surfaces(query: Query, name: str) -> None:
    if query.surfaces:
        query.count(f"counts.{name}", query.mark(name, f"{query.surfaces} AND {GEOMETRY} IS NOT NULL"))


def require_sound(query: Query) -> None:
    """Reject what a step cannot compute with: geometry that may be invalid, and heights that are not numbers.

    On the former, its functions fail or give nonsense; of the latter, they make others up, or leave out all heights of a feature.
    Surfaces in space still reach it: ``query.unless_surface`` passes them over.

    Raises:
        Rejected: when the geometry is not known to be valid.
    """
    if not query.valid:
        raise query.rejection(
            "repair_needed",
            "The step needs valid geometry, and nothing before it makes sure of that.",
            "Put a step 'repair' right before it.",
        )
    dialect, geometry = query.dialect, query.geometry()
    finite = dialect.has_finite_heights(geometry)
    query.refuse(
        query.mark("endless", f"CASE WHEN {dialect.has_z(geometry)} THEN NOT {finite} ELSE false END"),
        "height_not_finite",
        "has a height that is not a finite number, which the step cannot compute with",
        "Correct the height in its source, put a step 'force_2d' before this one, or use an intent that only repairs.",
        bad="geometry",
        hide_geometry=True,
    )


def in_crs(length: Length, name: str, query: Query) -> float:
    """A length in the unit of the CRS here.

    Raises:
        Rejected: when it cannot be converted to that.
    """
    if query.relation.crs is None:
        if length.unit is Unit.CRS:
            return length.value
        raise query.rejection(
            "wrong_unit",
            f"The {name} is {length}, but the coordinates are local: without a CRS, their unit is not known.",
            f'Give the {name} in the unit of the coordinates, such as {{"value": {length.value:g}, "unit": "crs"}}.',
        )
    crs = query.crs()
    try:
        return length.within(crs.unit)
    except ValueError as error:
        raise query.rejection(
            "wrong_unit",
            f"The {name} does not fit the CRS {short_name(crs.name)}: {error}.",
            f"Give the {name} in a unit of that CRS, or reproject before this step to a CRS in the unit you think in.",
        ) from error
