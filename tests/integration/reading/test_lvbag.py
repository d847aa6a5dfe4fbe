"""Extracts of the Dutch BAG: all kinds of objects, as GDAL reads them where it loses nothing."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio
import pytest
import shapely

from libs.models import Problem, Rejected
from libs.pipeline.format_choice import format_of
from libs.spatial_utils.archive import ArchiveLimits, unpack
from tests.integration.reading.bag import ONE_OF_EACH, RING, YEAR, delivery, extract, history, point, polygon, ring, thing

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
LAYERS = {
    "PND": "Pand", "VBO": "Verblijfsobject", "NUM": "Nummeraanduiding", "OPR": "Openbareruimte", "LIG": "Ligplaats",
    "STA": "Standplaats", "WPL": "Woonplaats",
}  # fmt: skip


def write(path: Path, kind: str, *things: str) -> Path:
    path.write_text(extract(kind, *things), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", LAYERS)
def test_as_gdal_reads_it(read: Reader, tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "a.xml", kind, ONE_OF_EACH[kind], ONE_OF_EACH[kind])
    assert format_of(path).name == "LV BAG"
    got = read(path, "LV BAG")
    assert list(got.layers) == [LAYERS[kind]]
    assert not got.warnings
    known, gdal = pyogrio.read_arrow(path)
    assert [name for name in got.table.column_names if name != "geom"] == list(known["fields"])
    for name in known["fields"]:
        expected = gdal.column(name)
        assert got.table.column(name).to_pylist() == expected.to_pylist(), name
        assert got.table.column(name).null_count < 2 or name in {
            "eindGeldigheid", "eindRegistratie", "tijdstipInactief", "tijdstipEindRegistratieLV", "tijdstipInactiefLV",
            "tijdstipNietBagLV",
        }  # fmt: skip
    if known["geometry_name"] in gdal.column_names and kind not in {"NUM", "OPR"}:
        shapes = [shapely.from_wkb(wkb) for wkb in gdal.column(known["geometry_name"] or "wkb_geometry").to_pylist()]
        assert got.geometries == shapes
        assert got.layer.crs.name == "EPSG:28992"


def test_all_columns_are_filled(read: Reader, tmp_path: Path) -> None:
    more = (
        "<Historie:eindGeldigheid>2011-01-01</Historie:eindGeldigheid>"
        "<Historie:eindRegistratie>2011-01-02T00:00:00.000</Historie:eindRegistratie>"
        "<Historie:tijdstipInactief>2011-01-03T00:00:00.000</Historie:tijdstipInactief>"
    )
    later = "".join(
        f"<Historie:{name}>2011-02-0{day}T01:02:03.456</Historie:{name}>"
        for day, name in enumerate(("tijdstipEindRegistratieLV", "tijdstipInactiefLV", "tijdstipNietBagLV"), 1)
    )
    known = history(2, more).replace("</Historie:BeschikbaarLV>", f"{later}</Historie:BeschikbaarLV>")
    got = read(write(tmp_path / "a.xml", "PND", thing("Pand", YEAR, polygon(), known=known)), "LV BAG")
    assert all(column.null_count == 0 for column in got.table.columns)
    assert str(got.table["tijdstipNietBagLV"][0]) == "2011-02-03 01:02:03.456000"


def test_what_gdal_would_change_is_kept(read: Reader, tmp_path: Path) -> None:
    """Heights, areas where points are usual, several areas where one is usual."""
    path = write(
        tmp_path / "a.xml", "VBO", thing("Verblijfsobject", "", point("1 2 7.5")), thing("Verblijfsobject", "", polygon())
    )
    high, area = read(path, "LV BAG").geometries
    assert high.wkt == "POINT Z (1 2 7.5)"
    assert area.equals(shapely.box(130000, 460000, 130010, 460010))
    parts = "".join(f"<gml:surfaceMember><gml:Polygon>{ring()}</gml:Polygon></gml:surfaceMember>" for _ in range(2))
    several = f'<Objecten:multivlak><gml:MultiSurface srsDimension="2">{parts}</gml:MultiSurface></Objecten:multivlak>'
    got = read(write(tmp_path / "b.xml", "PND", thing("Pand", YEAR, several), thing("Pand", YEAR)), "LV BAG")
    assert got.geometries[0].geom_type == "MultiPolygon"
    assert len(got.geometries[0].geoms) == 2
    assert got.geometries[1] is None


def test_an_element_that_is_not_known_is_told(read: Reader, tmp_path: Path) -> None:
    new = YEAR + "<Objecten:aantalDakkapellen>3</Objecten:aantalDakkapellen>"
    got = read(write(tmp_path / "a.xml", "PND", thing("Pand", new, polygon())), "LV BAG")
    assert [warning.code for warning in got.warnings] == ["elements_not_read"]
    assert "aantalDakkapellen (1 times)" in got.warnings[0].message


BAD_VALUES = [
    (YEAR, YEAR.replace("1931", "19 31"), "oorspronkelijkBouwjaar"), (YEAR, YEAR + YEAR, "'1931' and '1931'"),
    (YEAR, YEAR.replace("1931", "3000000000"), "3000000000"), (">N<", ">X<", "geconstateerd"),
    ("2010-04-30", "2010-04-31", "documentDatum"), ("T09:10:11.000", "T09:10:11.000Z", "tijdstipRegistratie"),
    ("T09:10:11.000", "T25:10:11.000", "tijdstipRegistratie"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), BAD_VALUES)
def test_a_value_that_is_none(read: Reader, refused: Refuser, tmp_path: Path, old: str, new: str, said: str) -> None:
    good = ONE_OF_EACH["PND"]
    path = write(tmp_path / "a.xml", "PND", good, good.replace(old, new))
    problem = refused(path, "LV BAG")
    assert problem.code == "bad_value"
    assert said in problem.message
    assert problem.where.endswith("layer Pand, feature 2, line 5")
    assert "on_bad_value" in problem.remedy
    assert len(read(path, "LV BAG", on_bad_value="null").table) == 2
    assert len(read(path, "LV BAG", on_bad_value="set_aside").table) == 1


@pytest.mark.parametrize("text", [RING.replace("130010", "13x010", 1), RING + " 5", "1 2 3 4", RING.replace(" ", ",")])
def test_a_geometry_that_is_none(read: Reader, refused: Refuser, tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "a.xml", "PND", ONE_OF_EACH["PND"], thing("Pand", YEAR, polygon(ring(text))))
    if text != "1 2 3 4":  # which is a ring, if a poor one
        assert refused(path, "LV BAG").code == "damaged_geometry"
    assert len(read(path, "LV BAG", on_bad_geometry="null").table) == 2


def test_two_geometries_in_one_are_refused(refused: Refuser, tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", "VBO", thing("Verblijfsobject", "", point() + polygon()))
    assert refused(path, "LV BAG").code == "damaged_geometry"


def test_another_crs_is_refused(refused: Refuser, tmp_path: Path) -> None:
    path = write(tmp_path / "a.xml", "PND", ONE_OF_EACH["PND"].replace("28992", "4258"))
    problem = refused(path, "LV BAG")
    assert problem.code == "crs_mixed"
    assert "4258" in problem.message


def test_objects_of_another_kind_than_the_file_says(refused: Refuser, tmp_path: Path) -> None:
    problem = refused(write(tmp_path / "a.xml", "PND", ONE_OF_EACH["LIG"]), "LV BAG")
    assert problem.code == "unreadable"
    assert "'Ligplaats'" in problem.message
    problem = refused(write(tmp_path / "a.xml", "IOPND", "<KenmerkInOnderzoek/>"), "LV BAG")
    assert "'IOPND'" in problem.message


def test_changes_are_named_as_such(refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<b:bagMutaties xmlns:b='urn:b'><b:a/></b:bagMutaties>")
    problem = refused(path, "LV BAG")
    assert problem.code == "unreadable"
    assert "not changes" in problem.remedy


@pytest.mark.parametrize("kept", [100, 1200, 2500, -40])
def test_a_file_that_is_cut_off(refused: Refuser, tmp_path: Path, kept: int) -> None:
    path = write(tmp_path / "a.xml", "PND", ONE_OF_EACH["PND"], ONE_OF_EACH["PND"])
    path.write_bytes(path.read_bytes()[:kept])
    assert refused(path, "LV BAG").code in {"damaged", "format_mismatch"}


def test_a_table_only_where_there_is_no_geometry(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.xml", "NUM", ONE_OF_EACH["NUM"]), "LV BAG", type="tabular").table[
        "huisnummer"
    ].to_pylist() == [12]
    assert refused(write(tmp_path / "b.xml", "PND", ONE_OF_EACH["PND"]), "LV BAG", type="tabular").code == "type_mismatch"


def test_a_delivery_of_archives_in_an_archive(read: Reader, tmp_path: Path) -> None:
    path = delivery(tmp_path / "BAGGEM0344L-15022021.zip")
    assert format_of(path).name == "LV BAG"
    got = read(path, "LV BAG")
    assert {name: len(table) for name, table in got.tables.items()} == dict.fromkeys(LAYERS.values(), 2)
    assert [warning.code for warning in got.warnings] == ["documents_not_read"]
    assert len(read(path, "LV BAG", layer="Pand").table) == 2


def test_archives_in_an_archive_share_its_limits(tmp_path: Path) -> None:
    path = delivery(tmp_path / "a.zip")
    for limits in (ArchiveLimits(20_000), ArchiveLimits(10**9, entries=20)):
        with pytest.raises(Rejected) as caught:
            unpack(path, tmp_path / str(limits.entries), "files[0]", limits, nested=True)
        assert caught.value.problems[0].code == "archive_too_large"
    for depth in range(3):
        with zipfile.ZipFile(tmp_path / f"{depth}.zip", "w") as archive:
            archive.writestr("inner.zip", path.read_bytes())
        path = tmp_path / f"{depth}.zip"
    with pytest.raises(Rejected) as caught:
        unpack(path, tmp_path / "deep", "files[0]", ArchiveLimits(10**9), nested=True)
    assert caught.value.problems[0].code == "archive_nested"


def test_archives_in_an_archive_of_another_format_are_refused(refused: Refuser, tmp_path: Path) -> None:
    path = delivery(tmp_path / "a.zip")
    assert refused(path, "GML").code == "archive_nested"


def test_a_damaged_archive_in_an_archive(refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0344PND15022021.xml", extract("PND", ONE_OF_EACH["PND"]))
        archive.writestr("0344LIG15022021.zip", io.BytesIO(b"PK\3\4 no archive").getvalue())
    assert format_of(path).name == "LV BAG"
    assert refused(path, "LV BAG").code == "archive_damaged"


def test_lists_are_lists(read: Reader, tmp_path: Path) -> None:
    got = read(write(tmp_path / "a.xml", "VBO", ONE_OF_EACH["VBO"]), "LV BAG")
    assert got.table.schema.field("gebruiksdoel").type == pa.list_(pa.string())
    assert got.table["gebruiksdoel"].to_pylist() == [["woonfunctie", "winkelfunctie"]]
