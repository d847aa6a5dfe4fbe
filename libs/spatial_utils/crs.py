"""Coordinate reference systems: understood, named, compared. Pyproj is imported on first need: a plain code needs none of it.

Coordinates in the platform are always x, y (easting or longitude first), whatever axis order a CRS declares, as GDAL, GeoParquet
and PostGIS have it. So axis order never makes two CRSs differ here.
"""

import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, cast

from libs.models import BBox, Rejected

if TYPE_CHECKING:
    import pyproj

    from libs.spatial_utils.arrays import Doubles

_MIN_CONFIDENCE = 70
"""PROJ's confidence in a guess at the code; what it guesses is compared in full afterwards."""
_LON_LAT = "EPSG:4326"
_NEARLY_180 = 179.99
_BARE_NUMBER = re.compile(r"\d{4,6}")
_EPSG_CODE = re.compile(
    r"(?:EPSG::?|\+init=epsg:|urn:(?:x-)?ogc:def:crs:EPSG:[^:]*:|https?://www\.opengis\.net/(?:def/crs/EPSG/[^/]*/|gml/srs/epsg\.xml#))0*(\d{1,9})",
    re.IGNORECASE,
)
_LARGEST_EPSG_CODE = 32_767
"""Above this, a code is not EPSG's, even where PROJ knows it under that name."""
_WEB_MERCATOR = frozenset({"EPSG:900913", "EPSG:3785", "ESRI:102100", "ESRI:102113"})
"""Codes of Google, ESRI and EPSG itself that came before EPSG:3857. All of them give the same coordinates."""


class UnknownCrs(ValueError):  # noqa: N818 - what it is
    """A text that names no horizontal CRS that PROJ knows."""


@dataclass(frozen=True)
class Crs:
    """A CRS.

    Attributes:
        name: Authority code (``EPSG:4326``) where one means exactly this CRS, else WKT2.
        remark: What the uploader should know of how a text was understood; empty where it was taken as it stands.
    """

    name: str
    remark: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str) -> "Crs":
        """The CRS that a text means: a code, a URN, WKT of any kind, PROJJSON, a PROJ string.

        Raises:
            UnknownCrs: with a message for the uploader.
        """
        text = text.strip()
        match = _EPSG_CODE.fullmatch(text)
        if match is None:
            return cls(_name_of(text))
        owner = _other_owner(match[1])
        if owner is None:
            return cls(_name_of(f"EPSG:{match[1]}"))
        name = _name_of(f"{'EPSG' if owner == 'Google' else owner}:{match[1]}")  # PROJ lists Google's among those of EPSG
        return cls(name, f"{_shown(text)} is not a code of EPSG but of {owner}; it was read as {name}.")

    @property
    def wkt(self) -> str:
        """Its definition as WKT2:2019."""
        return str(_crs(self.name).to_wkt("WKT2_2019"))

    @property
    def pyproj(self) -> "pyproj.CRS":
        """It, as pyproj has it."""
        return _crs(self.name)

    @property
    def projjson(self) -> dict[str, Any]:
        """Its definition as PROJJSON."""
        return cast("dict[str, Any]", json.loads(_crs(self.name).to_json()))

    @property
    def unit(self) -> tuple[Literal["length", "angle"], float]:
        """What its horizontal axes measure, and the size of their unit in metres or degrees."""
        crs = _crs(self.name)
        factor = crs.axis_info[0].unit_conversion_factor
        return ("angle", math.degrees(factor)) if crs.is_geographic else ("length", factor)

    @property
    def eighth(self) -> float | None:
        """How far it is in its unit an eighth of the way round its body; None where nothing on the map is as wide."""
        kind, size = self.unit
        ellipsoid, operation = _crs(self.name).ellipsoid, _crs(self.name).coordinate_operation
        if kind == "angle":
            return 45 / size
        if operation is not None and operation.method_name.startswith("Transverse Mercator"):
            return None
        return None if ellipsoid is None else math.pi / 4 * ellipsoid.semi_major_metre / size

    @property
    def area(self) -> BBox | None:
        """Its area of use in its own coordinates; xmin > xmax where that crosses 180 degrees. None when it is not known."""
        return _area_of(self.name)

    @property
    def reaches_180(self) -> bool:
        """Whether its area of use reaches the meridian of 180 degrees, or is not known."""
        area = _crs(self.name).area_of_use
        return area is None or area.west > area.east or not -_NEARLY_180 < area.west < area.east < _NEARLY_180

    @property
    def ends_at_180(self) -> bool:
        """Whether its map of the world ends there, so that neighbours across 180 degrees lie at opposite edges."""
        return _ends_at_180(self.name)

    def same(self, other: "Crs") -> bool:
        """Whether both mean the same: datum, projection and units are compared, spelling and axis order are not."""
        return self.name == other.name or _equal(_crs(self.name), _crs(other.name))

    def __str__(self) -> str:
        if re.fullmatch(r"\w+:\w+", self.name):
            return self.name
        return f"{_crs(self.name).name!r} (no authority code)"


def require_crs(text: str, where: str) -> Crs:
    """The CRS that a manifest names.

    Raises:
        Rejected: ``unknown_crs``.
    """
    try:
        return Crs.parse(text)
    except UnknownCrs as error:
        remedy = "Write an authority code such as EPSG:4326, or the full definition as WKT."
        if _BARE_NUMBER.fullmatch(text.strip()):
            remedy = f"Write the authority, too: EPSG:{text.strip()}, if that is what it is."
        raise Rejected.because("unknown_crs", where, str(error), remedy) from error


def longitudes(source: str, target: str, points: "Doubles") -> "Doubles":
    """The longitudes in one CRS of points (x, y in rows) of another; infinite where there are none."""
    return transformed(source, target, points)[0]


def transformed(source: str, target: str, points: "Doubles") -> "tuple[Doubles, Doubles]":
    """The x and y in one CRS of points (x, y in rows) of another; infinite where there are none."""
    thread, transformer = _transformer(source, target)
    return cast("tuple[Doubles, Doubles]", thread.submit(transformer.transform, points[:, 0], points[:, 1]).result())


@lru_cache(maxsize=64)
def _transformer(source: str, target: str) -> "tuple[ThreadPoolExecutor, pyproj.Transformer]":
    """It has a thread of its own: in one that is not Python's, such as DuckDB's, pyproj brings the process down."""

    def prepare() -> "pyproj.Transformer":
        import pyproj

        return pyproj.Transformer.from_crs(_crs(source), _crs(target), always_xy=True)

    thread = ThreadPoolExecutor(1, thread_name_prefix="proj")
    return thread, thread.submit(prepare).result()


def warm_up() -> None:
    """Load what understands CRSs, a quarter of a second of imports. Optional, for a thread: saves the first layer the wait."""
    _crs("EPSG:4326")


@lru_cache(maxsize=256)
def _crs(text: str) -> "pyproj.CRS":
    import pyproj
    from pyproj.exceptions import CRSError
    from pyproj.network import set_network_enabled  # type: ignore[attr-defined]

    set_network_enabled(active=False)
    if "init=" in text:  # the name of a file that PROJ would open
        raise UnknownCrs(f"{_shown(text)} refers to a file, which is not read.")
    try:
        return pyproj.CRS.from_user_input(text)
    except CRSError as error:
        raise UnknownCrs(f"{_shown(text)} is not a coordinate reference system that is known here.") from error


def _other_owner(code: str) -> str | None:
    """Whose a code is that is said to be EPSG's; None where it may be EPSG's."""
    if code == "900913":
        return "Google"
    if int(code) <= _LARGEST_EPSG_CODE and _is_known(f"EPSG:{code}"):
        return None
    return "ESRI" if _is_known(f"ESRI:{code}") else None


def _is_known(text: str) -> bool:
    try:
        _crs(text)
    except UnknownCrs:
        return False
    return True


@lru_cache(maxsize=256)
def _name_of(text: str) -> str:
    """The authority code that means exactly this CRS, else its WKT2."""
    crs = _crs(text)
    bare = crs.source_crs if crs.is_bound and crs.source_crs is not None else crs
    if (bare.is_vertical and not bare.is_compound) or not (bare.is_geographic or bare.is_projected or bare.is_derived):
        raise UnknownCrs(f"{_shown(text)} is no CRS of positions on the earth's surface ({bare.type_name}).")
    authority = bare.to_authority(min_confidence=_MIN_CONFIDENCE)
    if authority is not None and authority[0] in {"EPSG", "OGC", "ESRI", "IAU_2015", "IGNF"}:
        code = ":".join(authority)
        # A definition may carry the code of something else. Parameters of a datum shift that a definition adds to a CRS with
        # a code give way to what the authority says, as in GDAL.
        if _equal(_crs(code), bare):
            return "EPSG:3857" if code in _WEB_MERCATOR else code
    return str(crs.to_wkt("WKT2_2019"))


@lru_cache(maxsize=256)
def _area_of(text: str) -> BBox | None:
    import pyproj
    from pyproj.exceptions import ProjError

    crs = _crs(text)
    crs = crs.source_crs if crs.is_bound and crs.source_crs is not None else crs
    if crs.area_of_use is None or (crs.is_geographic and crs.is_derived):
        return None
    west, south, east, north = crs.area_of_use.bounds
    if crs.is_geographic:
        meridian = crs.prime_meridian
        zero = 0.0 if meridian is None else math.degrees(meridian.longitude * float(meridian.unit_conversion_factor))
        size = math.degrees(crs.axis_info[0].unit_conversion_factor)
        return (west - zero) / size, south / size, (east - zero) / size, north / size
    try:
        bounds = pyproj.Transformer.from_crs(_LON_LAT, crs, always_xy=True).transform_bounds(west, south, east, north)
    except ProjError:
        return None
    return bounds if all(map(math.isfinite, bounds)) else None


@lru_cache(maxsize=256)
def _ends_at_180(text: str) -> bool:
    import pyproj
    from pyproj.exceptions import ProjError

    crs = _crs(text)
    if crs.is_geographic:
        return True
    if crs.ellipsoid is None:
        return False
    try:
        xs, _ = pyproj.Transformer.from_crs(_LON_LAT, crs, always_xy=True).transform([-_NEARLY_180, _NEARLY_180], [0, 0])
    except ProjError:
        return False
    half_round = math.pi * crs.ellipsoid.semi_major_metre / crs.axis_info[0].unit_conversion_factor
    return bool(half_round < abs(xs[1] - xs[0]) < math.inf)


def _equal(one: "pyproj.CRS", other: "pyproj.CRS") -> bool:
    return bool(one == other or _east_first(one).equals(_east_first(other), ignore_axis_order=True))


def _east_first(crs: "pyproj.CRS") -> "pyproj.CRS":
    """The same CRS with its easting or longitude first."""
    import pyproj

    if crs.is_bound and crs.source_crs is not None:
        crs = crs.source_crs
    definition = crs.to_json_dict()
    changed = _sort_axes(definition)
    return pyproj.CRS.from_json_dict(definition) if changed else crs


def _sort_axes(node: Any) -> bool:
    changed = False
    if isinstance(node, list):
        return any([_sort_axes(item) for item in node])  # noqa: C419 - every item is to be sorted, not only the first
    if not isinstance(node, dict):
        return False
    system = node.get("coordinate_system")
    if isinstance(system, dict) and [axis.get("direction") for axis in system.get("axis", [])][:2] == ["north", "east"]:
        axes = system["axis"]
        axes[0], axes[1] = axes[1], axes[0]
        node.pop("id", None)  # what now differs from the authority's definition must not carry its code
        changed = True
    return any([_sort_axes(value) for value in node.values()]) or changed  # noqa: C419 - likewise


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= 80 else text[:77] + "...")  # noqa: PLR2004 - a line's worth
