"""Reprojection, with what the edge of a map of the world tears apart put right."""

from libs.transformations.crs import CrsFacts, short_name
from libs.transformations.dialect import Dialect
from libs.transformations.query import Query

_INFINITY = "CAST('Infinity' AS double precision)"
_NOISE = 1e-9
"""Of a degree: what moves no further has not been cut."""


def reproject(query: Query, source: CrsFacts, target: CrsFacts) -> None:
    """Reproject the geometry. To a geographic CRS, lines and polygons are cut at the antimeridian and closed over poles (RFC 7946).

    That costs a look at every extent; what it is about, functions of the engine do.
    """
    dialect = query.dialect
    before, after = query.change_geometry(dialect.transform(query.geometry(), source.name, target.name), valid=False)
    box = query.scratch("box", dialect.box(after))
    failed = _is_endless(dialect, box)
    if target.unit is not None and target.unit.kind == "angle":
        failed = f"{failed} OR {_split(query, before, box, source, target)}"
    else:
        query.settle()
    query.refuse(
        query.mark("lost", failed),
        "unprojectable",
        f"has coordinates that cannot be projected from {short_name(source.name)} to {short_name(target.name)}",
        "Check the declared CRS and the feature's coordinates, or use an intent that keeps the CRS.",
    )


def _split(query: Query, before: str, box: str, source: CrsFacts, target: CrsFacts) -> str:
    """Cut and close what needs it, and count it.

    Returns:
        Whether that is impossible; never NULL.
    """
    dialect, half, wide = query.dialect, round(180 / target.unit.size, 9), source.eighth or 1e300
    source_geometry, source_box = query.scratch("before", before), query.scratch("before_box", dialect.box(before))
    query.settle()
    torn = query.geometry()
    xmin, ymin, xmax, ymax = _sides(dialect, box)
    left, low, right, high = _sides(dialect, source_box)
    # A step of more than 180 degrees leaves its trace in the extent, unless the source's own map is cut elsewhere.
    suspicious = " OR ".join(
        [
            f"{xmax} - {xmin} >= {half!r}",
            f"{right} - {left} >= {wide!r}",
            f"{high} - {low} >= {wide!r}",
            f"{xmax} > {half!r}",
            f"{xmin} < {-half!r}",
            f"{ymax} >= {half / 2 - _NOISE!r}",
            f"{ymin} <= {_NOISE - half / 2!r}",
        ]
    )
    split = dialect.split(torn, source_geometry, (source.name, target.name), half, wide)
    query.scratch("box", box)
    cut = query.scratch("cut", f"CASE WHEN ({suspicious}) AND NOT {_is_endless(dialect, box)} THEN {split} END")
    query.settle()
    polar = f"ST_YMax({cut}) >= {half / 2!r} OR ST_YMin({cut}) <= {-half / 2!r}"
    moved = f"abs(ST_XMax({cut}) - ST_XMin({cut}) - ({xmax} - {xmin})) > {_NOISE!r}"
    torn_apart = f"{moved} OR {dialect.points(cut)} <> {dialect.points(torn)}"
    query.set_geometry(f"coalesce({cut}, {torn})", valid=False)
    for name, predicate in (("closed_over_pole", polar), ("split_at_antimeridian", f"NOT ({polar}) AND ({torn_apart})")):
        mark = query.mark(name, f"CASE WHEN {cut} IS NULL THEN false ELSE {predicate} END")
        query.count(f"counts.{name}", mark)
    return f"coalesce(ST_XMax({cut}) = {_INFINITY}, false)"


def _sides(dialect: Dialect, box: str) -> list[str]:
    return [dialect.side(box, which) for which in ("xmin", "ymin", "xmax", "ymax")]


def _is_endless(dialect: Dialect, box: str) -> str:
    # NaN is larger than any number to both engines.
    finite = " AND ".join(f"abs({side}) < {_INFINITY}" for side in _sides(dialect, box))
    return f"coalesce(NOT ({finite}), false)"
