"""Geometry that is valid in space but not in its projection on the map: walls, buildings, TINs, vertical lines.

OGC validity, as GEOS judges it, looks at x and y only: a wall has no area there, the faces of a building overlap, the triangles
of a TIN share edges. A repair would flatten all of them. So invalid geometries with heights are looked at again, part by part:

- *upright*: it has an extent in height but (nearly) none across: a vertical face, or a line straight up. Either it has no area on
  the map at all, or it is steeper than ``_STEEP``: walls lean where coordinates were rounded, and a reprojection bends them.
- *face*: a polygon that is valid by itself.
- *broken*: an invalid polygon of some area on the map, such as a ring that crosses itself, whatever its heights.

An upright part makes a geometry a surface. Without one, it takes several faces, no broken one, and different heights: the faces
conflict on the map only. At one height, they are a surface if they are triangles that do not overlap; any others are a plain
shape with a fault. What is left, such as the degenerate triangles of a mesh, decides nothing.
"""

from collections.abc import Callable

from libs.transformations.crs import CrsUnit
from libs.transformations.dialect import Dialect

SOUND, FLAWED, SURFACE, BROKEN_SURFACE = range(4)
"""What a geometry is: valid; to be repaired; a surface in space; one with a face that crosses itself."""

_UPRIGHT, _FACE, _TRIANGLE, _BROKEN, _OTHER = range(5)
_STEEP, _NARROW, _NO_AREA, _SOME_AREA = 10.0, 1e-2, 1e-9, 1e-2
"""A slope; and areas relative to the square of the extent, or to the box around."""
_METRES_A_DEGREE = 111_320.0
_POINTS_OF_A_TRIANGLE = 4


def judge(geometry: str, dialect: Dialect, unit: CrsUnit | None) -> str:
    """What a geometry is, as an integer. Only invalid geometries with heights cost more than a test of validity.

    Args:
        geometry: A column. A missing geometry is sound.
        dialect: Spelling.
        unit: Of its coordinates; heights are in metres, or not much else. None: unknown, and taken for metres.
    """
    scale = 1.0 if unit is None else unit.size * (_METRES_A_DEGREE if unit.quantity == "angle" else 1.0)
    width, depth, rise = (
        f"({dialect.bound('part.geom', f'{axis}max')} - {dialect.bound('part.geom', f'{axis}min')})" for axis in "xyz"
    )
    # Seen from the side: its longer side as x, its height as y.
    along_x, along_y = (f"CASE WHEN {width} {longer} {depth} THEN 1 ELSE 0 END" for longer in (">=", "<"))
    flat_area, side_area = dialect.area(dialect.convex_hull("part.geom")), dialect.area("part.side")
    measures = {
        "run": dialect.larger(width, depth),
        "rise": rise,
        "area": flat_area,  # that of a ring that crosses itself may be 0
        "side": dialect.side_view("part.geom", along_x, along_y),
        "valid": dialect.is_valid("part.geom"),
        "dimension": dialect.dimension("part.geom"),
        "points": dialect.points("part.geom"),
    }
    box = f"{_SOME_AREA!r} * part.run * part.rise"
    vertical = f"part.area <= {_NO_AREA!r} * part.run * part.run AND {dialect.area(dialect.convex_hull('part.side'))} >= {box}"
    steep = f"part.area <= {_NARROW!r} * part.run * part.run AND {side_area} >= {_STEEP * scale!r} * part.area"
    part_class = (
        f"CASE WHEN part.rise > 0 AND part.run = 0 THEN {_UPRIGHT} "
        f"WHEN part.dimension < 2 THEN {_OTHER} "
        f"WHEN part.rise > 0 AND ({vertical} OR {steep} AND {side_area} >= {box}) THEN {_UPRIGHT} "
        f"WHEN part.valid THEN CASE WHEN part.points = {_POINTS_OF_A_TRIANGLE} THEN {_TRIANGLE} ELSE {_FACE} END "
        f"WHEN part.area > {_NO_AREA!r} * part.run * part.run THEN {_BROKEN} ELSE {_OTHER} END"
    )
    apart = f"{dialect.area(dialect.make_valid(geometry))} >= {1 - _NO_AREA!r} * {dialect.area(geometry)}"

    def verdict(count: Callable[[int], str]) -> str:
        return (
            f"CASE WHEN {count(_UPRIGHT)} > 0 THEN CASE WHEN {count(_BROKEN)} > 0 THEN {BROKEN_SURFACE} ELSE {SURFACE} END "
            f"WHEN {count(_BROKEN)} > 0 OR {count(_FACE)} + {count(_TRIANGLE)} < 2 THEN {FLAWED} "
            f"WHEN {dialect.bound(geometry, 'zmax')} > {dialect.bound(geometry, 'zmin')} THEN {SURFACE} "
            f"WHEN {count(_FACE)} = 0 AND {apart} THEN {SURFACE} ELSE {FLAWED} END"
        )

    in_space = dialect.judge_parts(geometry, measures, part_class, verdict)
    plain = f"WHEN NOT ({dialect.has_z(geometry)}) THEN {FLAWED} WHEN NOT ({dialect.is_finite(geometry)}) THEN {FLAWED}"
    return f"CASE {dialect.is_valid(geometry)} WHEN false THEN CASE {plain} ELSE {in_space} END ELSE {SOUND} END"
