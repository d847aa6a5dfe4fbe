"""Cutting features to an area."""

from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from libs.column_names import RESERVED_PREFIX
from libs.models import BBox
from libs.transformations.area import Area
from libs.transformations.crs import same_crs, short_name
from libs.transformations.query import Query
from libs.transformations.steps.base import Step, require_geometry
from libs.transformations.steps.shape import require_sound


class Clip(Step):
    """Keep what lies in an area: features inside as they are, features across its border cut, the rest left out.

    A cut feature keeps its dimension: where a polygon only touches the border, no line or point remains of it. Of a
    GeometryCollection, each part is cut by itself. A surface in space across the border stays whole, and is counted. Features
    without a geometry, or with an empty one, lie nowhere and are left out.

    Attributes:
        bbox: xmin, ymin, xmax, ymax; or
        area: Polygon or multipolygon, as a GeoJSON geometry or WKT.
        crs: Of either; its edges are straight there.
    """

    op: Literal["clip"] = "clip"
    bbox: BBox | None = None
    area: dict[str, Any] | str | None = None
    crs: str = "EPSG:4326"

    @field_validator("bbox", "area")
    @classmethod
    def _is_area(cls, value: Any) -> Any:
        if value is not None:
            _area(value)
        return value

    @model_validator(mode="after")
    def _one_area(self) -> Self:
        if (self.bbox is None) == (self.area is None):
            raise ValueError("give either 'bbox' or 'area'")
        return self

    def apply(self, query: Query) -> None:
        """Counts the features cut, and those left out.

        Raises:
            Rejected: for a table, or when ``crs`` is no CRS.
        """
        require_geometry(query)
        require_sound(query)
        dialect, source, target = query.dialect, query.crs(self.crs).name, query.crs().name
        area = _area(self.bbox or self.area)
        if same_crs(source, target):
            literal = dialect.from_wkt(area.wkt)
        else:
            literal = dialect.transform(dialect.from_wkt(area.densified().wkt), source, target)
        literal = dialect.make_valid(literal)
        query.refuse(
            query.mark("no_area", f"({literal}) IS NULL"),
            "unprojectable",
            f"cannot be clipped: the area cannot be projected from {short_name(source)} to {short_name(target)}",
            "Give a smaller area, or one in the CRS of the data.",
        )
        cut_to(query, literal)


def cut_to(query: Query, area: str, within: str = "false", *, away: bool = False) -> None:
    """Cut features to an area, or cut the area away from them; leave out what nothing remains of.

    Features without a geometry, or with an empty one, lie nowhere: not in the area, and so not cut away.

    Args:
        query: Its geometry is sound.
        area: Literal, or a column that can be named until the next geometry is set. NULL: there is none.
        within: Whether a feature is known to lie in it as a whole, whatever the area says.
        away: Whether what lies in the area goes, rather than what lies outside of it.
    """
    dialect, geometry = query.dialect, query.geometry()
    # The shadow of a surface says where it lies. To cut it would flatten it: across the border it stays whole.
    shadow = f"CASE WHEN {query.surfaces} THEN {dialect.make_valid(geometry)} ELSE {geometry} END" if query.surfaces else geometry
    column = query.scratch("kept_area", area) if area.startswith(RESERVED_PREFIX) else area
    # The area comes first: engines then prepare it once for all features.
    covered = dialect.covers(area, shadow)
    inside = query.mark("inside", f"coalesce({covered if within == 'false' else f'{within} OR {covered}'}, false)")
    query.settle()
    parts, whole = dialect.cut_parts(geometry, column, away=away), dialect.cut(geometry, column, away=away)
    cut = query.unless_surface(f"CASE WHEN {dialect.is_collection(geometry)} THEN {parts} ELSE {whole} END")
    apart = "false"
    if away:
        apart = f"coalesce({dialect.touches(column, shadow)} OR NOT {dialect.intersects(column, shadow)}, true)"
        remaining = f"CASE WHEN {inside} THEN NULL WHEN {apart} THEN {geometry} ELSE {cut} END"
    else:
        remaining = f"CASE WHEN {inside} THEN {geometry} WHEN {dialect.intersects(column, shadow)} THEN {cut} END"
    met = query.mark("met", f"NOT {inside} AND NOT {apart}") if away and query.surfaces else None
    before, left = query.change_geometry(remaining, valid=True)
    changed = dialect.differs(before, left) if away else f"NOT {inside}"
    across = query.mark("cut", f"{changed} AND NOT {dialect.is_empty(left)}")
    name = "erased" if away else "clipped"
    query.count(f"counts.{name}", f"{across} AND NOT ({query.surfaces})" if query.surfaces else across)
    if query.surfaces:
        query.count(f"counts.not_{name}", f"{met or across} AND {query.surfaces}")
    if away:  # what lies nowhere is not in the area
        query.drop(f"{inside} OR {dialect.is_empty(left)} AND NOT {dialect.is_empty(before)}")
    else:
        query.drop(f"{left} IS NULL OR {dialect.is_empty(left)}")


def _area(given: Any) -> Area:
    return Area.of_bbox(given) if isinstance(given, tuple) else Area.parse(given)
