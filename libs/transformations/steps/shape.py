"""Steps that change geometries one by one. They leave features without a geometry, and tables, as they are."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from libs.transformations.crs import same_crs, short_name
from libs.transformations.query import Query
from libs.transformations.reprojection import reproject
from libs.transformations.steps.base import Step
from libs.transformations.units import Length


class Reproject(Step):
    """Reproject to another CRS. Heights stay as they are.

    To a geographic CRS, lines and polygons are cut at the antimeridian, and polygons closed over a pole (RFC 7946, 3.1.9).

    Attributes:
        crs: Target: authority code such as ``EPSG:4326``, or WKT.
    """

    op: Literal["reproject"] = "reproject"
    crs: Annotated[str, StringConstraints(min_length=1)]

    def apply(self, query: Query) -> None:
        """Nothing when the relation is in that CRS already. Counts the features cut, and those closed.

        Raises:
            Rejected: when the target is no CRS, or the geometry has none.
        """
        if not query.relation.geometry:
            return
        source, target = query.crs(), query.crs(self.crs)
        if not same_crs(source.name, target.name):
            reproject(query, source, target)
        query.set_crs(target.name)


class Repair(Step):
    """Make invalid geometries valid, and touch no others. No vertex is lost; a polygon may become several, or a line."""

    op: Literal["repair"] = "repair"

    def apply(self, query: Query) -> None:
        """Nothing where everything is known to be valid."""
        if not query.relation.geometry or query.valid:
            return
        dialect, geometry = query.dialect, query.geometry()
        invalid = query.mark("invalid", f"NOT {dialect.is_valid(geometry)}")
        query.settle()
        query.set_geometry(f"CASE WHEN {invalid} THEN {dialect.make_valid(geometry)} ELSE {geometry} END", valid=True)
        repaired = dialect.is_valid(query.geometry())
        failed = query.mark("failed", f"CASE WHEN {invalid} THEN NOT coalesce({repaired}, false) ELSE false END")
        query.count("repaired", invalid)
        query.refuse(
            failed,
            "irreparable",
            "has a geometry that cannot be made valid, as a rule because a coordinate is not a finite number",
            "Correct the feature in its source, or use the intent 'raw' to keep it as it is.",
            distrust=True,
        )


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
            Rejected: when the tolerance cannot be told in the unit of the CRS.
        """
        if query.relation.geometry:
            tolerance = _in_crs(self.tolerance, "tolerance", query)
            require_sound(query)
            expression = query.dialect.simplify(query.geometry(), tolerance)
            before, after = query.change_geometry(expression, valid=False)
            points = query.dialect.points
            query.count("counts.simplified", query.mark("simplified", f"{points(after)} < {points(before)}"))


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
            Rejected: when the grid cannot be told in the unit of the CRS.
        """
        if query.relation.geometry:
            grid = _in_crs(self.grid, "grid", query)
            require_sound(query)
            dialect = query.dialect
            geometry = query.geometry()
            # What is empty has no vertex to move; some GEOS would make it flat, others not.
            reduced = f"CASE WHEN ST_IsEmpty({geometry}) THEN {geometry} ELSE {dialect.reduce_precision(geometry, grid)} END"
            before, after = query.change_geometry(reduced, valid=True)
            query.count("counts.rounded", query.mark("rounded", dialect.differs(before, after)))
            collapsed = query.mark("collapsed", f"ST_IsEmpty({after}) AND NOT ST_IsEmpty({before})")
            query.count("counts.collapsed", collapsed)


class Force2d(Step):
    """Leave out heights."""

    op: Literal["force_2d"] = "force_2d"

    def apply(self, query: Query) -> None:
        """Counts the features that had them."""
        if query.relation.geometry:
            geometry = query.geometry()
            query.count("counts.forced_2d", query.mark("had_z", query.dialect.has_z(geometry)))
            query.set_geometry(f"ST_Force2D({geometry})", valid=query.valid)


def require_sound(query: Query) -> None:
    """Reject what a step cannot compute with: a recipe that lets invalid geometry come to it, and heights that are no numbers.

    On the former, its functions fail or give nonsense; of the latter, they make others up, or leave out all heights of a feature.

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
        distrust=True,
    )


def _in_crs(length: Length, name: str, query: Query) -> float:
    crs = query.crs()
    try:
        return length.within(crs.unit)
    except ValueError as error:
        raise query.rejection(
            "wrong_unit",
            f"The {name} does not fit the CRS {short_name(crs.name)}: {error}.",
            f"Give the {name} in a unit of that CRS, or reproject before this step to a CRS in the unit you think in.",
        ) from error
