"""CSV as offices write it: decimal commas, words for missing values, titles, comments, code pages, geometries in any spelling."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shapely

from libs.models import Problem
from libs.spatial_utils.csv_titles import lines_above_header

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
XY = {"x": "x", "y": "y"}


def csv_file(tmp_path: Path, text: str, *, encoding: str = "utf-8") -> Path:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    return path


def codes(got: Any) -> list[str]:
    return [warning.code for warning in got.warnings]


def test_a_decimal_comma_is_found_out_and_said(read: Reader, tmp_path: Path) -> None:
    text = "Nom;Latitude;Longitude;Débit;Code\nÉcluse Nord;48,8566;2,3522;1,5;1,234\nPont d'Iéna;48,8597;2,2921;22,75;5,678\n"
    got = read(csv_file(tmp_path, text, encoding="utf-8-sig"), "CSV", crs="EPSG:4326")
    assert [shape.wkt for shape in got.geometries] == ["POINT (2.3522 48.8566)", "POINT (2.2921 48.8597)"]
    assert got.table.column("Débit").to_pylist() == [1.5, 22.75]
    assert {*codes(got)} == {"csv_columns_found", "decimal_comma"}
    left = read(csv_file(tmp_path, text), "CSV", type="tabular", options={"decimal": "."})
    assert left.table.column("Débit").to_pylist() == ["1,5", "22,75"]


def test_what_may_be_thousands_or_a_list_stays_text(read: Reader, tmp_path: Path) -> None:
    for text in ("k;v\na;1,234\nb;5,678\n", 'k,v\na,"1,5"\nb,"2,5"\n', "k;v\na;1,5\nb;2.5\n", "k;v\na;1,2,3\nb;1,5\n"):
        got = read(csv_file(tmp_path, text), "CSV", type="tabular")
        assert (got.layer.columns[1], codes(got)) == (("v", "string"), []), text


@pytest.mark.parametrize(
    ("options", "values", "wanted"),
    [
        ({"decimal": ","}, ["1,234", "-0,5", "7"], [1.234, -0.5, 7.0]),
        ({"decimal": ",", "thousands": "."}, ["1.234,5", "12.345.678", "3"], [1234.5, 12345678.0, 3.0]),
        ({"thousands": ","}, ["1,234", "5,678,901", "3"], [1234, 5678901, 3]),
        ({"thousands": "'"}, ["1'234.5", "7"], [1234.5, 7.0]),
        ({"thousands": " "}, ["1 234", "5\u00a0678", "9\u202f999"], [1234, 5678, 9999]),
        ({"thousands": ","}, ["12,34", "1"], ["12,34", "1"]),
        ({"decimal": ",", "thousands": "."}, ["1.5", "2"], ["1.5", "2"]),
        ({"decimal": ","}, ["007,5", "1"], ["007,5", "1"]),
        ({"null_values": ["NA", "-9999"]}, ["1", "NA", "-9999"], [1, None, None]),
    ],
)
def test_numbers_as_told(read: Reader, tmp_path: Path, options: dict[str, Any], values: list[str], wanted: list[Any]) -> None:
    text = "k;v\n" + "".join(f"x;{value}\n" for value in values)
    assert read(csv_file(tmp_path, text), "CSV", type="tabular", options=options).table.column("v").to_pylist() == wanted


def test_numbers_keep_every_digit(read: Reader, tmp_path: Path) -> None:
    text = "v;w\n9007199254740993,5;1\n1,5;2\n"
    assert read(csv_file(tmp_path, text), "CSV", type="tabular").table.column("v").to_pylist() == ["9007199254740993,5", "1,5"]


@pytest.mark.parametrize("word", ["NA", "n/a", "-", "NULL", "?", "unbekannt", "nan"])
def test_words_in_place_of_coordinates_are_counted(read: Reader, tmp_path: Path, word: str) -> None:
    got = read(csv_file(tmp_path, f"id,x,y\n1,7.5,46.5\n2,{word},{word}\n3,,\n"), "CSV", crs="EPSG:4326", options=XY)
    assert [shape and shape.wkt for shape in got.geometries] == ["POINT (7.5 46.5)", None, None]
    assert got.counts["a"]["coordinates_missing"] == 2
    assert codes(got) == ["coordinates_missing", "coordinates_missing"]
    assert got.table.column("x").to_pylist() == ["7.5", word, None]


@pytest.mark.parametrize("value", ["52.5.1", "8,54,1", "1x", "48 51 24", "48°61'", "7°30'O", "91°N", "8°E"])
def test_what_has_digits_and_is_no_coordinate_is_a_problem(refused: Refuser, tmp_path: Path, value: str) -> None:
    problem = refused(csv_file(tmp_path, f'id;x;y\n1;7.5;"{value}"\n'), "CSV", crs="EPSG:4326", options=XY)
    assert (problem.code, "data row 1" in problem.where) == ("csv_bad_geometry", True)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("2°21'07.92\"E", "48°51'23.76\"N"), ("2° 21′ 07.92″ E", "N 48 51 23.76"), ("2.3522°", "48.8566° N"),
        ("E 2,3522", "N 48,8566"), ("2d21m07.92sE", "48:51:23.76N"),
    ],
)  # fmt: skip
def test_degrees_minutes_seconds(read: Reader, tmp_path: Path, x: str, y: str) -> None:
    quoted = [value.replace('"', '""') for value in (x, y)]
    got = read(csv_file(tmp_path, 'x;y\n"{}";"{}"\n'.format(*quoted)), "CSV", crs="EPSG:4326", options=XY)
    assert shapely.distance(got.geometries[0], shapely.Point(2.3522, 48.8566)) < 1e-9
    assert got.counts["a"]["degrees_minutes_seconds"] == 2
    west = read(csv_file(tmp_path, "x;y\n-7°30';33° 30' S\n"), "CSV", crs="EPSG:4326", options=XY)
    assert west.geometries[0].wkt == "POINT (-7.5 -33.5)"


POINT = shapely.Point(2.5, 48.5)
POINT_Z = shapely.Point(2.5, 48.5, 7)
SQUARE = shapely.box(0, 0, 1, 1)


@pytest.mark.parametrize(
    ("text", "crs", "shape"),
    [
        (POINT.wkb_hex, "EPSG:4326", POINT),
        (POINT.wkb_hex.lower(), "EPSG:4326", POINT),
        ("\\x" + POINT.wkb_hex, "EPSG:4326", POINT),
        (shapely.to_wkb(POINT, hex=True, byte_order=0), "EPSG:4326", POINT),
        (shapely.to_wkb(shapely.set_srid(POINT, 4326), hex=True, include_srid=True), None, POINT),
        (shapely.to_wkb(shapely.set_srid(POINT_Z, 4326), hex=True, include_srid=True, flavor="extended"), None, POINT_Z),
        (shapely.to_wkb(POINT_Z, hex=True, flavor="iso"), "EPSG:4326", POINT_Z),
        (shapely.to_wkb(shapely.set_srid(SQUARE, 4326), hex=True, include_srid=True), None, SQUARE),
        ("SRID=4326;POINT (2.5 48.5)", None, POINT),
        ("srid=4326; POINT Z (2.5 48.5 7)", None, POINT_Z),
        (json.dumps(shapely.geometry.mapping(POINT)), "EPSG:4326", POINT),
        (json.dumps(shapely.geometry.mapping(SQUARE)), "EPSG:4326", SQUARE),
        ('{"type": "Point", "coordinates": [2.5, 48.5, 7]}', "EPSG:4326", POINT_Z),
        ('{"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [2.5, 48.5]}]}', "EPSG:4326",
         shapely.GeometryCollection([POINT])),
    ],
)  # fmt: skip
def test_geometries_in_a_column(read: Reader, tmp_path: Path, text: str, crs: str | None, shape: shapely.Geometry) -> None:
    quoted = text.replace('"', '""')
    got = read(csv_file(tmp_path, f'id|shape of it\n1|"{quoted}"\n2|\n'), "CSV", crs=crs, geometry="shape of it")
    first, second = got.geometries
    assert shapely.to_wkb(first) == shapely.to_wkb(shape)
    assert (second, got.layer.crs.name) == (None, "EPSG:4326")


@pytest.mark.parametrize(
    "text",
    [
        "0101", POINT.wkb_hex[:-2], POINT.wkb_hex + "00", POINT.wkb_hex[:-1], "POINT (1x 2)", "SRID=;POINT (1 2)",
        '{"type": "Point"}',
        '{"type": "Point", "coordinates": ["1", 2]}', '{"type": "Point", "coordinates": [1, NaN]}', '{"type": "Feature"}',
        '{"type": "Point", "coordinates": [1]}', '{"type": "LineString", "coordinates": [1, 2]}', "POINT (1 2) POINT (3 4)",
    ],
)  # fmt: skip
def test_what_is_no_geometry(refused: Refuser, tmp_path: Path, text: str) -> None:
    quoted = text.replace('"', '""')
    problem = refused(csv_file(tmp_path, f'id|g\n1|POINT (1 2)\n2|"{quoted}"\n'), "CSV", crs="EPSG:4326", geometry="g")
    assert (problem.code, "data row 2" in problem.where) == ("csv_bad_geometry", True)


def test_crs_of_geometries(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    two = csv_file(tmp_path, "g\nSRID=4326;POINT (1 2)\nSRID=25832;POINT (500000 5000000)\n")
    assert refused(two, "CSV", geometry="g").code == "csv_several_crs"
    one = csv_file(tmp_path, "id,g\n1,SRID=25832;POINT (500000 5000000)\n")
    assert read(one, "CSV", geometry="g").layer.crs.name == "EPSG:25832"
    assert refused(one, "CSV", geometry="g", crs="EPSG:4326").code == "crs_mismatch"


def test_lines_that_are_no_rows(read: Reader, tmp_path: Path) -> None:
    text = 'Report of May\n\n# made by hand\na;b\n1;"x\n# y"\n# between\n2;z\n#end'
    for options in ({"header": 4, "comment": "#"}, {"skip_rows": 3, "comment": "#"}):
        got = read(csv_file(tmp_path, text), "CSV", type="tabular", options=options)
        assert got.table.to_pylist() == [{"a": 1, "b": "x\n# y"}, {"a": 2, "b": "z"}]
    crlf = read(csv_file(tmp_path, "t\r\na,b\r\n1,2\r\n"), "CSV", type="tabular", options={"header": 2})
    assert crlf.table.to_pylist() == [{"a": 1, "b": 2}]


def test_a_file_without_names(read: Reader, tmp_path: Path) -> None:
    got = read(csv_file(tmp_path, "1,2\n3,4\n"), "CSV", type="tabular", options={"header": "none"})
    assert got.table.to_pylist() == [{"field_1": 1, "field_2": 2}, {"field_1": 3, "field_2": 4}]
    got = read(csv_file(tmp_path, "title\n7.5 46.5\n"), "CSV", crs="EPSG:4326",
               options={"header": "none", "skip_rows": 1, "delimiter": " ", "x": "field_1", "y": "field_2"})  # fmt: skip
    assert got.geometries[0].wkt == "POINT (7.5 46.5)"


def test_separator_of_a_spreadsheet(read: Reader, tmp_path: Path) -> None:
    assert read(csv_file(tmp_path, "sep=;\r\na;b,c\r\n1;2\r\n"), "CSV", type="tabular").table.to_pylist() == [{"a": 1, "b,c": 2}]


@pytest.mark.parametrize(("quote", "text"), [("'", "a,b\n'x,y',2\n"), ("", 'a,b\n5" pipe,2\n')])
def test_quotes(read: Reader, tmp_path: Path, quote: str, text: str) -> None:
    got = read(csv_file(tmp_path, text), "CSV", type="tabular", options={"quote": quote})
    assert got.table.to_pylist() == [{"a": "x,y" if quote else '5" pipe', "b": 2}]


def test_latin_1_is_found_out_and_said(read: Reader, tmp_path: Path) -> None:
    got = read(csv_file(tmp_path, "name,n\nZürich,1\nKöln,2\n", encoding="cp1252"), "CSV", type="tabular")
    assert (got.table.column("name").to_pylist(), codes(got)) == (["Zürich", "Köln"], ["encoding_found"])


def test_columns_found_by_name(read: Reader, tmp_path: Path) -> None:
    for header in ("Breitengrad;Längengrad", "szerokość;długość", "широта;долгота", "stop_lat;stop_lon", "Y-Wert;X-Wert"):
        got = read(csv_file(tmp_path, f"{header}\n46.5;7.5\n"), "CSV", crs="EPSG:4326")
        assert (got.geometries[0].wkt, codes(got)) == ("POINT (7.5 46.5)", ["csv_columns_found"]), header


@pytest.mark.parametrize(
    ("above", "table"),
    [
        ("Tree register 2024\n\n", "id,x,y\n1,7.5,46.5\n2,7.6,46.6\n"),
        ("Tree register;;\r\nAs of 1.5.2024;;\r\n", "id;x;y\r\n1;7,5;46,5\r\n2;7,6;46,6\r\n"),
        ('"A title, in quotes\nand two lines"\n', "id\tx\ty\n1\t7.5\t46.5\n2\t7.6\t46.6\n"),
        ("sep=;\nTrees, and more trees, as of today, by X\n", "id;x;y\n1;7.5;46.5\n2;7.6;46.6\n"),
    ],
)
def test_a_title_above_the_column_names(read: Reader, tmp_path: Path, above: str, table: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(above + table, newline="")
    got = read(path, "CSV", crs="EPSG:4326", options={"x": "x", "y": "y"})
    assert got.table.column("id").to_pylist() == [1, 2]
    assert [shape.x for shape in got.geometries] == [7.5, 7.6]
    (warning,) = [warning for warning in got.warnings if warning.code == "csv_title_lines"]
    assert (f"line {above.count(chr(10)) + 1}." in warning.message, '"header": 1' in warning.remedy) == (True, True)


@pytest.mark.parametrize(
    "text",
    [
        "address\nMain St 5, Bern\nFirst Ave 3, Thun\n",
        "a,b,c,d,e\n1,2\n3,4\n",
        "name,,\nx,y,1\nz,w,2\nu,v,3\n",
        "a\n1,x\n2,y\n",
        "title\nname,town\nAnna,Bern\n",
        "note\n",
    ],
)
def test_what_may_be_no_title_is_none(tmp_path: Path, text: str) -> None:
    assert lines_above_header(text, None, '"') == 0
