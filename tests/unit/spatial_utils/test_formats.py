import pytest

from libs.models import Rejected
from libs.spatial_utils.formats import FORMATS, WHAT_TO_DO, find_format
from libs.spatial_utils.sniffing import ARCHIVES, Kind


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("GeoJSON", "GeoJSON"),
        ("geojson", "GeoJSON"),
        ("GeoPackage", "GPKG"),
        ("geo package", "GPKG"),
        ("shapefile", "ESRI Shapefile"),
        ("ESRI_Shapefile", "ESRI Shapefile"),
        ("OpenFileGDB", "FileGDB"),
        ("MapInfo File", "MapInfo TAB"),
        ("mif", "MapInfo MIF"),
        ("Parquet", "GeoParquet"),
        ("NDJSON", "GeoJSONSeq"),
        ("tsv", "CSV"),
    ],
)
def test_spellings(spelling: str, name: str) -> None:
    assert find_format(spelling, "files[0].format").name == name


def test_no_spelling_means_two_formats() -> None:
    spellings = [spelling for entry in FORMATS for spelling in (entry.name, *entry.aliases)]
    assert all(find_format(spelling, "").name for spelling in spellings)
    for entry in FORMATS:
        assert find_format(entry.name, "") is entry
        assert all(find_format(alias, "") is entry for alias in entry.aliases)


@pytest.mark.parametrize(("name", "hint"), [("XLS", "XLSX"), ("OSM PBF", "GeoPackage"), ("foo", "GeoJSON, GeoJSONSeq")])
def test_formats_that_are_not_read(name: str, hint: str) -> None:
    with pytest.raises(Rejected) as caught:
        find_format(name, "files[3].format")
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == ("unknown_format", "files[3].format")
    assert name in problem.message
    assert hint in problem.remedy


def test_companions() -> None:
    shapefile = find_format("shp", "")
    folder = [
        "roads.shp",
        "roads.SHX",
        "roads.dbf",
        "roads.prj",
        "roads.qix",
        "roads_2.dbf",
        "Roads.cpg",
        "roads.shp.xml",
        "roads.txt",
    ]
    assert shapefile.companions("roads.shp", folder) == ("roads.SHX", "roads.dbf", "roads.prj")
    assert find_format("GPKG", "").companions("a.gpkg", ["a.gpkg", "a.gpkg-wal", "b.gpkg-wal", "a.csv"]) == ("a.gpkg-wal",)
    assert find_format("CSV", "").companions("a.csv", ["a.csv", "a.tsv"]) == ()


def test_every_kind_of_file_is_a_format_or_says_what_to_do() -> None:
    plain = {Kind.EMPTY, Kind.BINARY, Kind.TEXT, Kind.TEXT_UTF16}
    known = {kind for entry in FORMATS for kind in entry.kinds} | ARCHIVES | plain
    assert {*Kind} - known <= WHAT_TO_DO.keys()
