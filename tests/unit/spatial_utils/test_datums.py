"""How far a change of datum may be off, as PROJ knows it without any grid."""

import re

import pyproj
import pytest

from libs.models import BBox
from libs.spatial_utils.crs import Crs
from libs.spatial_utils.datums import inexact_shift

GERMANY, MINNESOTA, ENGLAND, MELBOURNE = (
    (9, 48, 9.1, 48.1),
    (-94, 45, -93.5, 45.5),
    (-1.5, 52, -1.2, 52.3),
    (145, -38, 145.1, -37),
)
TOWN = (
    'PROJCS["Town",GEOGCS["Unknown",DATUM["D_Unknown",SPHEROID["Bessel_1841",6377397.155,299.1528128]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
    'PARAMETER["False_Easting",3500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",9.0],'
    'PARAMETER["Scale_Factor",1.0],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)


def found(source: str, bbox: BBox | None, target: str = "EPSG:4326") -> tuple[str, str] | None:
    warning = inexact_shift(Crs.parse(source).name, target, bbox, "files[0]: layer a")
    return None if warning is None else (warning.code, warning.message)


@pytest.mark.parametrize(
    ("source", "bbox"),
    [
        ("EPSG:4326", GERMANY), ("OGC:CRS84", GERMANY), ("EPSG:3857", GERMANY), ("EPSG:25832", GERMANY), ("EPSG:4258", GERMANY),
        ("EPSG:4979", GERMANY), ("EPSG:23032", GERMANY), ("EPSG:2056", (7, 47, 8, 48)), ("EPSG:21781", (7, 47, 8, 48)),
        ("EPSG:4269", MINNESOTA), ("EPSG:26915", MINNESOTA), ("EPSG:2227", (-120, 37, -119, 38)), ("EPSG:28355", MELBOURNE),
        ("EPSG:27700", ENGLAND), ("EPSG:2443", (130, 33, 131, 34)), ("EPSG:2193", (170, -44, 171, -43)),
        (TOWN, None),
    ],
)  # fmt: skip
def test_what_needs_no_word(source: str, bbox: BBox | None) -> None:
    assert found(source, bbox) is None


def test_a_datum_that_the_definition_ties_to_wgs_84_is_known() -> None:
    assert found("+proj=tmerc +lon_0=9 +x_0=3500000 +ellps=bessel +towgs84=598,74,418,0.2,0,-2.5,6.7 +units=m", GERMANY) is None


@pytest.mark.parametrize(("source", "bbox", "metres"), [("EPSG:31467", GERMANY, 3), ("EPSG:26715", MINNESOTA, 7)])
def test_a_grid_that_is_not_here(source: str, bbox: BBox, metres: int) -> None:
    code, message = found(source, bbox) or ("", "")
    assert code == "inexact_datum_shift"
    assert f"off by up to {metres} m" in message
    assert 1 <= message.count(".tif") <= 3


def test_a_datum_that_is_guessed_comes_with_the_shift_of_another_on_its_ellipsoid() -> None:
    code, message = found(TOWN, GERMANY) or ("", "")
    assert (code, "DHDN" in message, "Bessel 1841" in message) == ("ballpark_transformation", True, True)
    size = int((re.search(r"off by about ([0-9]+) m", message) or ["", "0"])[1])
    there = pyproj.Transformer.from_crs(4314, 4326, always_xy=True).transform(9.05, 48.05)
    shift = pyproj.Geod(ellps="WGS84").inv(9.05, 48.05, *there)[2]
    assert shift <= size < shift + 20


def test_the_datum_of_the_target_may_be_the_unknown_one() -> None:
    town = Crs.parse(TOWN).name
    bbox = pyproj.Transformer.from_crs(4314, town, always_xy=True).transform_bounds(*GERMANY)
    code, message = found("EPSG:25832", bbox, town) or ("", "")
    assert (code, "DHDN" in message) == ("ballpark_transformation", True)


@pytest.mark.parametrize("target", ["EPSG:3857", "EPSG:25832"])
def test_a_target_in_metres(target: str) -> None:
    bbox = pyproj.Transformer.from_crs(4326, target, always_xy=True).transform_bounds(*GERMANY)
    code, message = found(TOWN, bbox, target) or ("", "")
    assert (code, "DHDN" in message) == ("ballpark_transformation", True)


@pytest.mark.parametrize(
    ("source", "bbox", "size"),
    [
        ("+proj=utm +zone=32 +ellps=GRS80 +units=m", GERMANY, "a few metres"),
        ("+proj=longlat +R=6370000", GERMANY, "21 km"),
        ("+proj=longlat +a=6377000 +rf=298.5", GERMANY, "several hundred metres"),
        (TOWN, (1e30, 0, 1e31, 1), "several hundred metres"),
    ],
)
def test_sizes_without_a_datum_to_compare_with(source: str, bbox: BBox, size: str) -> None:
    code, message = found(source, bbox) or ("", "")
    assert (code, size in message) == ("ballpark_transformation", True)
