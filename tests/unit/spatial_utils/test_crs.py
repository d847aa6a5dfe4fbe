import subprocess
import sys

import pyproj
import pytest

from libs.models import Rejected
from libs.spatial_utils.crs import Crs, UnknownCrs, require_crs

ESRI_WGS84 = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],'
    'UNIT["Degree",0.0174532925199433]]'
)
ESRI_NZTM = (
    'PROJCS["NZGD_2000_New_Zealand_Transverse_Mercator",GEOGCS["GCS_NZGD_2000",DATUM["D_NZGD_2000",'
    'SPHEROID["GRS_1980",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],'
    'PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",1600000.0],PARAMETER["False_Northing",10000000.0],'
    'PARAMETER["Central_Meridian",173.0],PARAMETER["Scale_Factor",0.9996],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("EPSG:4326", "EPSG:4326"),
        (" epsg:2056 ", "EPSG:2056"),
        ("OGC:CRS84", "OGC:CRS84"),
        ("urn:ogc:def:crs:EPSG::32632", "EPSG:32632"),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", "OGC:CRS84"),
        ("http://www.opengis.net/def/crs/EPSG/0/4326", "EPSG:4326"),
        (ESRI_WGS84, "EPSG:4326"),
        (ESRI_NZTM, "EPSG:2193"),
        ("+proj=utm +zone=32 +datum=WGS84", "EPSG:32632"),
        ("ESRI:54030", "ESRI:54030"),
        ("+init=epsg:25832", "EPSG:25832"),
        ("EPSG::25832", "EPSG:25832"),
        ("ESRI:102100", "EPSG:3857"),
        ("EPSG:3785", "EPSG:3857"),
    ],
)
def test_spellings(text: str, name: str) -> None:
    crs = Crs.parse(text)
    assert (crs.name, crs.remark) == (name, "")


@pytest.mark.parametrize(
    ("text", "name", "owner"),
    [
        ("EPSG:102100", "EPSG:3857", "ESRI"),
        ("epsg:102113", "EPSG:3857", "ESRI"),
        ("EPSG:900913", "EPSG:3857", "Google"),
        ("urn:ogc:def:crs:EPSG::102100", "EPSG:3857", "ESRI"),
        ("http://www.opengis.net/def/crs/EPSG/0/54030", "ESRI:54030", "ESRI"),
        ("http://www.opengis.net/gml/srs/epsg.xml#102003", "ESRI:102003", "ESRI"),
        ("EPSG:54009", "ESRI:54009", "ESRI"),
        ("EPSG:37260", "ESRI:37260", "ESRI"),
    ],
)
def test_a_code_that_epsg_does_not_have(text: str, name: str, owner: str) -> None:
    crs = Crs.parse(text)
    assert (crs.name, owner in crs.remark, name in crs.remark) == (name, True, True)
    assert crs == Crs.parse(name)


def test_web_mercator_is_one_crs_under_all_its_codes() -> None:
    """Their definitions differ in the sphere's datum, but not in what they make of coordinates."""
    for code in ("EPSG:900913", "EPSG:3785", "ESRI:102100", "ESRI:102113"):
        old, new = (pyproj.Transformer.from_crs(each, 4326, always_xy=True) for each in (code, 3857))
        for x, y in ((0, 0), (1_113_194.9, 6_446_275.8), (-2e7, -2e7)):
            assert old.transform(x, y) == pytest.approx(new.transform(x, y), abs=1e-12)


def test_a_definition_without_a_code_keeps_itself() -> None:
    crs = Crs.parse("+proj=laea +lat_0=1 +lon_0=2 +datum=WGS84 +units=m")
    assert crs.name.startswith("PROJCRS[")
    assert Crs.parse(crs.name) == crs
    assert crs.projjson["type"] == "ProjectedCRS"
    assert "no authority code" in str(crs)


def test_a_code_that_does_not_belong_to_the_definition_is_not_believed() -> None:
    false = ESRI_NZTM.replace("173.0", "171.0")[:-1] + ',AUTHORITY["EPSG","2193"]]'
    assert Crs.parse(false).name.startswith("PROJCRS[")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("EPSG:4326", "OGC:CRS84", True),
        ("EPSG:4326", ESRI_WGS84, True),
        ("EPSG:2193", ESRI_NZTM, True),
        ("EPSG:4326", "EPSG:4258", False),
        ("EPSG:32632", "EPSG:32633", False),
        ("EPSG:2263", "EPSG:32118", False),
        ("EPSG:4326", "EPSG:3857", False),
        ("EPSG:3035", ESRI_NZTM, False),
    ],
)
def test_same(one: str, other: str, same: bool) -> None:
    assert Crs.parse(one).same(Crs.parse(other)) is same
    assert Crs.parse(other).same(Crs.parse(one)) is same


@pytest.mark.parametrize(
    "text",
    [
        "EPSG:999999",
        "",
        "foo",
        "EPSG:",
        "EPSG:5773",
        "EPSG:4978",
        "EPSG:199999",
        "EPSG:" + "9" * 5000,
        "+init=/etc/passwd:x",
        '{"a": 1}',
        "[1]",
        "/etc/passwd",
        'LOCAL_CS["x"]',
    ],
)
def test_texts_that_mean_no_horizontal_crs(text: str) -> None:
    with pytest.raises(UnknownCrs):
        Crs.parse(text)


def test_the_problem_of_an_unknown_crs() -> None:
    with pytest.raises(Rejected) as caught:
        require_crs("EPSG:999999", "files[0].crs")
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("unknown_crs", "files[0].crs")
    assert "EPSG:999999" in problem.message


def test_a_plain_code_does_not_load_pyproj() -> None:
    """The command's start pays for what it uses only."""
    code = (
        "import sys; from libs.spatial_utils.crs import Crs; assert Crs('EPSG:4326').same(Crs('EPSG:4326')); "
        "assert 'pyproj' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
