"""Reprojection, with what the edge of a map of the world tears apart put right."""

from libs.column_names import GEOMETRY
from libs.transformations.crs import DEFAULT_CRS, CrsFacts, short_name
from libs.transformations.dialect import Dialect
from libs.transformations.query import Query

_MOST = 100
"""So many times round the earth, or nearly, is no place on it."""
_NOISE = 1e-9
"""Of a degree: what moves no further has not been cut."""


def reproject(query: Query, source: CrsFacts, target: CrsFacts) -> None:
    """Reproject the geometry. To a geographic CRS, lines and polygons are cut at the antimeridian and closed over poles.

    What is far from both costs a look at its extent; for the rest there is a function in the engine. A projected CRS whose map
    ends at the antimeridian, as Web Mercator does, is reached by way of longitudes and latitudes, if the source reaches it.
    """
    if source.reaches_180 and _is_map(source) and target.ends_at_180 and _is_map(target):
        between = query.crs(DEFAULT_CRS)
        _reproject(query, source, between, "torn")
        _reproject(query, between, target, "lost")
    else:
        _reproject(query, source, target, "lost")


def _is_map(crs: CrsFacts) -> bool:
    return crs.unit is not None and crs.unit.quantity == "length"


def _reproject(query: Query, source: CrsFacts, target: CrsFacts, mark: str) -> None:
    dialect, to_degrees = query.dialect, not _is_map(target)
    query.check_coordinates(wraps=to_degrees)
    before, after = query.change_geometry(dialect.transform(query.geometry(), source.name, target.name), valid=False)
    box = query.scratch("box", dialect.box(after))
    if target.unit is not None and to_degrees:
        lost = _split(query, before, box, source, target)
    else:
        query.settle()
        lost = _is_endless(dialect, box)
    query.refuse(
        query.mark(mark, f"coalesce({lost}, false)"),
        "unprojectable",
        f"has coordinates that cannot be projected from {short_name(source.name)} to {short_name(target.name)}",
        "Check the declared CRS and the feature's coordinates, or use an intent that keeps the CRS.",
        bad="geometry",
    )


def _split(query: Query, before: str, box: str, source: CrsFacts, target: CrsFacts) -> str:
    """Cut and close what needs it, and count it; ``box`` is pending.

    Returns:
        Whether a geometry has vertices that could not be projected, or cannot be cut.
    """
    dialect, half, wide = query.dialect, round(180 / target.unit.size, 9) if target.unit else 180.0, source.eighth
    before = query.scratch("before", before)
    before_box = query.scratch("before_box", dialect.box(GEOMETRY)) if wide else None
    query.settle()
    torn = query.geometry()
    xmin, ymin, xmax, ymax = _sides(dialect, box)
    # An edge that seems to go more than 180 degrees leaves its trace in the extent, unless a map that is cut elsewhere than at
    # the antimeridian shows it on the other side. Infinity and NaN are larger than any number to both engines.
    suspicious = [
        f"{xmax} - {xmin} >= {half!r}", f"{xmax} > {half!r}", f"{xmin} < {-half!r}",
        f"{ymax} >= {half / 2 - _NOISE!r}", f"{ymin} <= {_NOISE - half / 2!r}",
    ]  # fmt: skip
    lost = _is_endless(dialect, box, _MOST * half)
    if wide and before_box:
        left, low, right, high = _sides(dialect, before_box)
        suspicious += [f"{right} - {left} >= {wide!r}", f"{high} - {low} >= {wide!r}"]
        lost = f"{lost} OR {_is_endless(dialect, before_box, _MOST * wide)}"
    split = dialect.split(torn, before, (source.name, target.name), half, wide or 1e300)
    # NaN does not come from a projection: the feature is left to the steps that follow.
    numbers = dialect.is_finite(dialect.without_heights(torn))
    tried = f"CASE WHEN {lost} THEN {dialect.infinite_point} WHEN {numbers} THEN {split} END"
    far = "" if wide else f"WHEN {dialect.in_one_half(box, half)} THEN NULL "
    cut = query.scratch("cut", f"CASE {far}WHEN {' OR '.join(suspicious)} THEN {tried} END")
    query.settle()
    query.set_geometry(f"CASE WHEN {cut} IS NOT NULL THEN {cut} ELSE {torn} END", valid=False)
    polar = f"{dialect.bound(cut, 'ymax')} >= {half / 2!r} OR {dialect.bound(cut, 'ymin')} <= {-half / 2!r}"
    (left, right), (torn_left, torn_right) = ([dialect.bound(each, side) for side in ("xmin", "xmax")] for each in (cut, torn))
    narrower = f"{dialect.absolute(f'{right} - {left} - {torn_right} + {torn_left}')} > {_NOISE!r}"
    apart = f"{narrower} OR {dialect.points(cut)} <> {dialect.points(torn)}"
    for name, changed in (("closed_over_pole", polar), ("split_at_antimeridian", f"NOT ({polar}) AND ({apart})")):
        mark = query.mark(name, f"CASE WHEN {cut} IS NULL THEN false ELSE {changed} END")
        query.count(f"counts.{name}", mark)
    return f"{dialect.bound(cut, 'xmax')} = {dialect.infinity}"


def _sides(dialect: Dialect, box: str) -> list[str]:
    return [dialect.side(box, which) for which in ("xmin", "ymin", "xmax", "ymax")]


def _is_endless(dialect: Dialect, box: str, most: float | None = None) -> str:
    limit = dialect.infinity if most is None else repr(most)
    return f"NOT ({' AND '.join(f'{dialect.absolute(side)} < {limit}' for side in _sides(dialect, box))})"
