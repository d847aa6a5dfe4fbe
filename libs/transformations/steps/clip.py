"""Cutting features to an area."""

from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

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
        geometry = query.geometry()
        query.refuse(
            query.mark("no_area", f"({literal}) IS NULL"),
            "unprojectable",
            f"cannot be clipped: the area cannot be projected from {short_name(source)} to {short_name(target)}",
            "Give a smaller area, or one in the CRS of the data.",
        )
        # The shadow of a surface says where it lies. To cut it would flatten it: across the border it stays whole.
        shadow = (
            f"CASE WHEN {query.surfaces} THEN {dialect.make_valid(geometry)} ELSE {geometry} END" if query.surfaces else geometry
        )
        # The area comes first: engines then prepare it once for all features.
        inside = query.mark("inside", f"coalesce({dialect.covers(literal, shadow)}, false)")
        query.settle()
        parts, whole = dialect.cut_parts(geometry, literal), dialect.cut(geometry, literal)
        cut = query.unless_surface(f"CASE WHEN {dialect.is_collection(geometry)} THEN {parts} ELSE {whole} END")
        _, clipped = query.change_geometry(
            f"CASE WHEN {inside} THEN {geometry} WHEN {dialect.intersects(literal, shadow)} THEN {cut} END", valid=True
        )
        across = query.mark("cut", f"NOT {inside} AND NOT {dialect.is_empty(clipped)}")
        query.count("counts.clipped", f"{across} AND NOT ({query.surfaces})" if query.surfaces else across)
        if query.surfaces:
            query.count("counts.not_clipped", f"{across} AND {query.surfaces}")
        query.drop(f"{clipped} IS NULL OR {dialect.is_empty(clipped)}")


def _area(given: Any) -> Area:
    return Area.of_bbox(given) if isinstance(given, tuple) else Area.parse(given)
