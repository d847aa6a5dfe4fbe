"""How far a transformation between two datums may be off: what PROJ knows of it here, without a network.

The engines choose among the same operations as PROJ does here, point by point, the most accurate first.
"""

import math
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING

from libs.models import BBox, Problem
from libs.spatial_utils.crs import Crs

if TYPE_CHECKING:
    import pyproj
    from pyproj._crs import AreaOfUse
    from pyproj.aoi import AreaOfInterest
    from pyproj.transformer import TransformerGroup

WORTH_A_WORD = 1.0
"""Metres. WGS 84 itself is defined to a metre or two: in it, a smaller error means nothing."""
TIMES_WORSE = 2.0
"""A missing grid is named where it is more accurate by more than this factor, so that not every delivery gets a warning: that
is so for DHDN, NAD27 and NZGD49. For NAD83, GDA94 and OSGB36, EPSG gives the grids no more than twice the accuracy."""
_SHOWN_GRIDS = 3
_ROUNDED_TO = 10
_CANDIDATES = 60
_GEOCENTRIC_AXIS = 6_378_137.0
"""Metres, of WGS 84 and GRS 1980: the datums on these ellipsoids have the earth's centre for theirs."""


def inexact_shift(source: str, target: str, bbox: BBox | None, where: str) -> Problem | None:
    """A warning when coordinates were transformed by an operation that may be far off.

    Args:
        source: CRS of the coordinates before, as ``Crs.name``.
        target: Likewise after.
        bbox: Where they lie, in ``target``; None when there are none.
        where: Place, for the warning.
    """
    if bbox is None or source == target or {source, target} == {"EPSG:4326", "OGC:CRS84"}:
        return None
    area = _area(target, bbox)
    group = _operations(source, target, area)
    if not group.transformers and area:  # outside of where they are meant for, PROJ takes one of them all the same
        group = _operations(source, target, None)
    missing = _missing_grids(group)
    if not group.transformers:
        return _guessed(source, target, area, missing, where)
    used = _accuracy(((each.accuracy, each.area_of_use) for each in group.transformers), area)
    best = min((each.accuracy for each in group.unavailable_operations if each.accuracy >= 0), default=math.inf)
    if used <= max(WORTH_A_WORD, TIMES_WORSE * best):
        return None
    return Problem(
        code="inexact_datum_shift",
        where=where,
        message=f"From {_name(source)} to {_name(target)}, positions may be off by up to {used:g} m: the operation that is exact "
        f"to {best:g} m needs a grid that is not here ({missing}).",
        remedy="Where that matters, reproject the file with the grid before you deliver it, or use the intent 'keep_crs'.",
    )


def _guessed(source: str, target: str, area: "AreaOfInterest | None", missing: str, where: str) -> Problem:
    """PROJ takes two datums for one where it knows nothing better, and calls that a ballpark transformation."""
    unknown = target if _operations(source, "EPSG:4326", None).transformers else source
    lacking = f" without a grid that is not here ({missing})" if missing else ""
    return Problem(
        code="ballpark_transformation",
        where=where,
        message=f"PROJ knows no transformation from the datum of {_name(source)} to that of {_name(target)}{lacking}, and took "
        f"them for the same. Positions may be off by {_size(unknown, area)}.",
        remedy="Name a CRS with a known datum, such as EPSG:31467, where this one stands: in the file (the .prj of a Shapefile) "
        "or in 'crs' of the manifest. Or use the intent 'keep_crs'.",
    )


def _size(crs: str, area: "AreaOfInterest | None") -> str:
    """How far an unknown datum may lie from another, and what that is concluded from."""
    ellipsoid = Crs(crs).pyproj.ellipsoid
    if ellipsoid is None:
        return "several hundred metres"
    if ellipsoid.inverse_flattening == 0:
        return "up to 21 km, if its latitudes are those of a sphere"
    if abs(ellipsoid.semi_major_metre - _GEOCENTRIC_AXIS) < 1:
        return f"a few metres: that is how far the datums on the ellipsoid {ellipsoid.name} are apart"
    if known := _largest_shift(crs, area):
        return f"about {known[0]:,} m: that is the shift of {known[1]} there, which has the same ellipsoid ({ellipsoid.name})"
    return f"several hundred metres: that is how far the datums on the ellipsoid {ellipsoid.name} may be apart"


def _operations(source: str, target: str, area: "AreaOfInterest | None") -> "TransformerGroup":
    """What PROJ can do between two CRSs, guesses left out."""
    from pyproj.transformer import TransformerGroup

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of missing grids, in words of its own
        return TransformerGroup(
            Crs(source).pyproj,
            Crs(target).pyproj,
            always_xy=True,
            area_of_interest=area,  # type: ignore[arg-type]  # its stubs name the base, which is private
            allow_ballpark=False,
        )


def _missing_grids(group: "TransformerGroup") -> str:
    """What lacks for better operations, the most accurate first."""
    better = sorted(group.unavailable_operations, key=lambda each: each.accuracy if each.accuracy >= 0 else math.inf)
    names = list(dict.fromkeys(grid.short_name for each in better for grid in each.grids if not grid.available))
    more = f" and {len(names) - _SHOWN_GRIDS} others" if len(names) > _SHOWN_GRIDS else ""
    return ", ".join(names[:_SHOWN_GRIDS]) + more


def _area(crs: str, bbox: BBox) -> "AreaOfInterest | None":
    """Where a box lies, in degrees; None where that can't be told, which stands for the whole area of the CRS."""
    from pyproj import Transformer
    from pyproj.aoi import AreaOfInterest

    known = Crs(crs).pyproj
    if not known.is_geographic:
        if known.geodetic_crs is None:
            return None
        bbox = Transformer.from_crs(known, known.geodetic_crs, always_xy=True).transform_bounds(*bbox)
    west, south, east, north = bbox
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):  # noqa: PLR2004 - degrees; and NaN is nowhere
        return None
    return AreaOfInterest(west, south, east, north)


def _accuracy(operations: "Iterable[tuple[float, AreaOfUse | None]]", area: "AreaOfInterest | None") -> float:
    """What can be relied on: of the operations for the whole area the most accurate; else the least accurate of all."""
    known = [(accuracy, place) for accuracy, place in operations if accuracy >= 0]
    whole = [accuracy for accuracy, place in known if area and place and _covers(place, area)]
    return min(whole) if whole else max((accuracy for accuracy, _ in known), default=0.0)


def _covers(place: "AreaOfUse", area: "AreaOfInterest") -> bool:
    return (
        place.west <= area.west_lon_degree
        and place.south <= area.south_lat_degree
        and place.east >= area.east_lon_degree
        and place.north >= area.north_lat_degree
    )


def _largest_shift(source: str, area: "AreaOfInterest | None") -> tuple[int, str] | None:
    """How far the datums that are in use there, on the same ellipsoid, are from WGS 84: metres, rounded up, and which it is."""
    from pyproj import CRS, Geod
    from pyproj.database import query_crs_info
    from pyproj.enums import PJType

    crs = Crs(source).pyproj
    if area is None or crs.ellipsoid is None:
        return None
    longitude = (area.west_lon_degree + area.east_lon_degree) / 2
    latitude = (area.south_lat_degree + area.north_lat_degree) / 2
    shifts: list[tuple[int, str]] = []
    infos = query_crs_info("EPSG", PJType.GEOGRAPHIC_2D_CRS, area_of_interest=area, contains=True)
    for info in infos[:_CANDIDATES]:
        candidate = CRS.from_authority(info.auth_name, info.code)
        if not _same_size(candidate, crs):
            continue
        group = _operations(candidate.to_string(), "EPSG:4326", area)
        if not group.transformers:
            continue
        shifted = group.transformers[0].transform(longitude, latitude)
        if all(map(math.isfinite, shifted)):
            distance = Geod(ellps="WGS84").inv(longitude, latitude, *shifted)[2]
            shifts.append((max(1, math.ceil(distance / _ROUNDED_TO) * _ROUNDED_TO), info.name))
    return max(shifts, default=None, key=lambda shift: shift[0])


def _same_size(one: "pyproj.CRS", other: "pyproj.CRS") -> bool:
    a, b = one.ellipsoid, other.ellipsoid
    return (
        a is not None
        and b is not None
        and abs(a.semi_major_metre - b.semi_major_metre) < 1
        and abs(a.inverse_flattening - b.inverse_flattening) < 1e-3  # noqa: PLR2004 - they are written with other digits
    )


def _name(crs: str) -> str:
    return crs if ":" in crs and "[" not in crs else repr(Crs(crs).pyproj.name)
