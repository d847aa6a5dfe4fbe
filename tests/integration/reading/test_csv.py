"""Delimited text: columns get a type only if every value of the file keeps its meaning in it."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import shapely

from libs.models import Problem
from libs.spatial_utils.reading import ReadLimits

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]


def csv_file(tmp_path: Path, text: str, *, encoding: str = "utf-8") -> Path:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("values", "kind", "first"),
    [
        (["1", "-2", ""], "int64", 1),
        ([" 1", "2 "], "int64", 1),
        (["00123", "00456"], "string", "00123"),
        (["+49", "1"], "string", "+49"),
        (["0", "10"], "int64", 0),
        (["9223372036854775807", "1"], "int64", 2**63 - 1),
        (["9223372036854775808", "1"], "string", "9223372036854775808"),
        (["1.5", "2", ".5"], "double", 1.5),
        (["1e-3", "2"], "double", 0.001),
        (["9007199254740993", "1.5"], "string", "9007199254740993"),
        (["0.30000000000000004", "1"], "double", 0.30000000000000004),
        (["0.12345678901234567890", "1"], "string", "0.12345678901234567890"),
        (["1e308", "5e-324"], "double", 1e308),
        (["1e400", "1"], "string", "1e400"),
        (["1.8e308", "1"], "string", "1.8e308"),
        (["1e-400", "1"], "string", "1e-400"),
        (["1.234567e-320", "1"], "string", "1.234567e-320"),
        (["0e-400", "1"], "double", 0.0),
        (["9007199254740993.0", "1"], "string", "9007199254740993.0"),
        (["9007199254740993.", "1"], "string", "9007199254740993."),
        (["9007199254740993e0", "1"], "string", "9007199254740993e0"),
        (["0.9007199254740993e16", "1"], "string", "0.9007199254740993e16"),
        (["9007199254740992.0", "1e22"], "double", 9007199254740992.0),
        (["0.10000000000000001", "1.2345678901234501e+05"], "double", 0.1),
        (["1,5", "2,5"], "double", 1.5),
        (["1,234", "5,678"], "string", "1,234"),
        (["1,5", "2.5"], "string", "1,5"),
        (["1,5", "2,5,7"], "string", "1,5"),
        (["1.5.2", "1.5"], "string", "1.5.2"),
        (["2024-02-29", ""], "date32[day]", date(2024, 2, 29)),
        (["2023-02-29"], "string", "2023-02-29"),
        (["2024-02-29T10:11:12Z"], "timestamp[us, tz=UTC]", datetime(2024, 2, 29, 10, 11, 12, tzinfo=UTC)),
        (["2024-02-29 10:11:12.123456"], "timestamp[us]", datetime(2024, 2, 29, 10, 11, 12, 123456)),  # noqa: DTZ001 - it has no zone
        (["2024-02-29T10:11:12+02:00"], "string", "2024-02-29T10:11:12+02:00"),
        (["true", "false"], "bool", True),
        (["yes", "no"], "string", "yes"),
        (["NA", "1"], "string", "NA"),
        (["nan", "1"], "string", "nan"),
        (["", ""], "string", None),
    ],
)
def test_types(read: Reader, tmp_path: Path, values: list[str], kind: str, first: Any) -> None:
    got = read(csv_file(tmp_path, "k;v\n" + "".join(f"x;{value}\n" for value in values)), "CSV", type="tabular")
    assert got.layer.columns[1] == ("v", kind)
    assert got.table.column("v")[0].as_py() == first


def test_a_type_is_decided_on_the_whole_file(read: Reader, tmp_path: Path) -> None:
    """GDAL looks at the first megabyte and turns the rest into nulls."""
    rows = 300_000
    got = read(csv_file(tmp_path, "n,v\n" + "".join(f"{i},{i}\n" for i in range(rows)) + "x,last\n"), "CSV", type="tabular")
    assert got.layer.columns == (("n", "string"), ("v", "string"))
    assert got.table.num_rows == rows + 1
    assert got.table.column("v")[rows].as_py() == "last"


def test_missing_and_empty_texts_stay_apart(read: Reader, tmp_path: Path) -> None:
    got = read(csv_file(tmp_path, 'k,v\n1,\n2,""\n3,x\n'), "CSV", type="tabular")
    assert got.table.column("v").to_pylist() == [None, "", "x"]


def test_quotes_line_breaks_and_delimiters(read: Reader, tmp_path: Path) -> None:
    got = read(csv_file(tmp_path, 'a|b\n"x|y"|"line\nbreak ""q"""\n'), "CSV", type="tabular")
    assert got.table.to_pylist() == [{"a": "x|y", "b": 'line\nbreak "q"'}]
    got = read(csv_file(tmp_path, "a#b\n1#2\n"), "CSV", type="tabular", options={"delimiter": "#"})
    assert got.table.to_pylist() == [{"a": 1, "b": 2}]


@pytest.mark.parametrize(
    "rows",
    [
        '1,x\n2,"y\n3,z\n',
        '1,x\n2,"y""\n3,z',
        '1,x\n2,"\n',
        '1,x\n2,"',
        '1,x\n"2,y\n3,z\n',
        '1,x\n2,"' + "y\n3," * 100_000,
    ],
)
def test_quotes_that_are_never_closed(refused: Refuser, tmp_path: Path, rows: str) -> None:
    """They would make one value of the rest of the file."""
    problem = refused(csv_file(tmp_path, "a,b\n" + rows), "CSV", type="tabular")
    assert problem.code == "csv_open_quote"
    assert re.search(r"row [23]$", problem.where)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a\n1\n\n3\n", [{"a": 1}, {"a": None}, {"a": 3}]),
        ('a\nx\n""\n', [{"a": "x"}, {"a": ""}]),
        ("a,b\n1,2\n\n3,4\n\n", [{"a": 1, "b": 2}, {"a": 3, "b": 4}]),
        ("a,b\r1,2\r", [{"a": 1, "b": 2}]),
        ('a,b\n1,"2"', [{"a": 1, "b": 2}]),
        ('a,b\n1,5" pipe\n', [{"a": 1, "b": '5" pipe'}]),
        ("a,b\n1,", [{"a": 1, "b": None}]),
        ("a,b", []),
    ],
)
def test_lines_and_their_ends(read: Reader, tmp_path: Path, text: str, rows: list[dict[str, Any]]) -> None:
    assert read(csv_file(tmp_path, text), "CSV", type="tabular").table.to_pylist() == rows


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_what_ends_no_line_of_a_csv(read: Reader, tmp_path: Path, character: str) -> None:
    got = read(csv_file(tmp_path, f"a{character}b,c\n1,x{character}y\n"), "CSV", type="tabular")
    assert got.table.to_pylist() == [{f"a{character}b": 1, "c": f"x{character}y"}]


def test_many_columns_take_no_more_memory_than_few(read: Reader, tmp_path: Path) -> None:
    """Arrow reserves a block's size for each of them."""
    columns, rows = 100, 60_000
    names = ",".join(f"c{index}" for index in range(columns))
    path = csv_file(tmp_path, names + "\n" + (",".join(["1234"] * columns) + "\n") * rows)
    got = read(path, "CSV", type="tabular", limits=ReadLimits(memory_mb=640, seconds=60))
    assert got.table.num_rows == rows


@pytest.mark.parametrize("megabytes", [32, 48, 64])
def test_too_little_memory_is_no_damage(refused: Refuser, tmp_path: Path, megabytes: int) -> None:
    path = csv_file(tmp_path, "a,b\n" + "1234,5678\n" * 2_000_000)
    assert refused(path, "CSV", type="tabular", limits=ReadLimits(memory_mb=megabytes, seconds=60)).code == "read_out_of_memory"


def test_encodings(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    for encoding, declared in (
        ("utf-8", None),
        ("utf-8-sig", None),
        ("cp1252", "cp1252"),
        ("utf-16", None),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "UTF-16BE"),
        ("shift_jis", "shift_jis"),
    ):
        text = "name,n\n東京,1\n" if encoding == "shift_jis" else "name,n\nZürich,1\n"
        got = read(csv_file(tmp_path, text, encoding=encoding), "CSV", type="tabular", encoding=declared)
        assert got.table.to_pylist() == [{"name": text.splitlines()[1].split(",")[0], "n": 1}]
    problem = refused(csv_file(tmp_path, "name,n\nŘeka,1\n", encoding="cp1250"), "CSV", type="tabular")
    assert problem.code == "wrong_encoding"
    problem = refused(csv_file(tmp_path, "name,n\nZürich,1\n", encoding="utf-16-le"), "CSV", type="tabular")
    assert problem.code == "wrong_encoding"
    for encoding in ("klingon", "rot13", "base64", "punycode", "idna", "undefined", "unicode_escape", "utf-8\0"):
        path = csv_file(tmp_path, "a,b\n1,2\n")
        assert refused(path, "CSV", type="tabular", encoding=encoding).code == "unknown_encoding", encoding


@pytest.mark.parametrize("delimiter", ["ü", '"', "\n", "\r", "\0"])
def test_what_delimits_nothing(refused: Refuser, tmp_path: Path, delimiter: str) -> None:
    path = csv_file(tmp_path, "a,b\n1,2\n")
    assert refused(path, "CSV", type="tabular", options={"delimiter": delimiter}).code == "csv_bad_delimiter"


def test_points_from_two_columns(read: Reader, tmp_path: Path) -> None:
    path = csv_file(tmp_path, "name, lon , lat\na, 8.5,47.25\nb,,\n")
    got = read(path, "CSV", crs="EPSG:4326", options={"x": "lon", "y": "lat"})
    assert got.geometries == [shapely.Point(8.5, 47.25), None]
    assert got.layer.columns == (("name", "string"), ("lon", "double"), ("lat", "double"))


@pytest.mark.parametrize("line", ["c,x,47", "c,8.5,", "c,,47", 'c,"8,5",47', "c,nan,47", "c,inf,1", "c,1_0,1", "c,1e999,1",
    "c,8.5,47\xa0", "c,\u0663,1"])  # fmt: skip
def test_a_bad_coordinate_is_named(refused: Refuser, tmp_path: Path, line: str) -> None:
    text = f"name,lon,lat\na,8.5,47.25\n{line}\n"
    problem = refused(csv_file(tmp_path, text), "CSV", crs="EPSG:4326", options={"x": "lon", "y": "lat"})
    assert problem.code == "csv_bad_geometry"
    assert "row 2" in problem.where
    assert "line 3" in problem.where


def test_a_bad_wkt_is_named(refused: Refuser, read: Reader, tmp_path: Path) -> None:
    good = csv_file(tmp_path, 'n,wkt\n1,POINT (1 2)\n2,  \n3,POINT EMPTY\n4,"LINESTRING Z (0 0 1, 1 1 2)"\n')
    shapes = read(good, "CSV", crs="EPSG:2056", options={"wkt": "wkt"}).geometries
    assert [shape if shape is None else shape.wkt for shape in shapes] == [
        "POINT (1 2)",
        None,
        "POINT EMPTY",
        "LINESTRING Z (0 0 1, 1 1 2)",
    ]
    for bad in ("POINT (1", "POINT (1 2) x", "PIONT (1 2)", "nonsense"):
        problem = refused(csv_file(tmp_path, f"n,wkt\n1,POINT (1 2)\n2,{bad}\n"), "CSV", crs="EPSG:2056", options={"wkt": "wkt"})
        assert problem.code == "csv_bad_geometry"
        assert "row 2" in problem.where


@pytest.mark.parametrize(
    "text",
    [
        "POINT (1.2.3 4)", "POINT (0x10 2)", "POINT (1 -)", "POINT (1x 2y)", "POINT (1e400 2)", "POINT (1e 2)", "POINT (1d5 2)",
        f"POINT (0.{'1' * 80} 2)", "POINT Z (1 2)", "POINT M (1 2)", "POINT ZM (1 2 3)", "LINESTRING (0 0, 1 1 1)",
        "LINESTRING Z (0 0 1, 1 1)", "GEOMETRYCOLLECTION (POINT (1 2), POINT Z (1 2 3))",
        "GEOMETRYCOLLECTION (POINT (1 2 3), POINT M (1 2 3))", "LINESTRING (0 0, 1 1 2 3)", "POINT (1,5 2,5)",
        "\xa0",
    ],
)  # fmt: skip
def test_wkt_that_is_read_as_something_else(refused: Refuser, tmp_path: Path, text: str) -> None:
    path = csv_file(tmp_path, f"wkt|n\nPOINT (1 2)|1\n{text}|2\nPOINT Z (1 2 3)|3\n")
    problem = refused(path, "CSV", crs="EPSG:2056", options={"wkt": "wkt"})
    assert problem.code == "csv_bad_geometry"
    assert "row 2" in problem.where


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("  point(1\t2)  ", "POINT (1 2)"),
        ("POINT (-1.5e3 .5)", "POINT (-1500 0.5)"),
        ("POINTZ(1 2 3.)", "POINT Z (1 2 3)"),
        ("POINT Z (1 2 nan)", "POINT Z (1 2 NaN)"),
        ("POINT (1 2 3)", "POINT Z (1 2 3)"),
        ("POINT M (1 2 3)", "POINT (1 2)"),
        ("POINT ZM (1 2 3 4)", "POINT Z (1 2 3)"),
        ("POLYGON Z EMPTY", "POLYGON Z EMPTY"),
        ("MULTIPOINT ((1 2), (3 4))", "MULTIPOINT ((1 2), (3 4))"),
        ("GEOMETRYCOLLECTION (POINT EMPTY, LINESTRING (0 0, 1 1))", "GEOMETRYCOLLECTION (POINT EMPTY, LINESTRING (0 0, 1 1))"),
        ("MULTISURFACE (((0 0, 1 0, 1 1, 0 0)))", "MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))"),
        ("MULTIPOLYGON Z (((0 0 1, 1 0 1, 1 1 1, 0 0 1)))", "MULTIPOLYGON Z (((0 0 1, 1 0 1, 1 1 1, 0 0 1)))"),
    ],
)
def test_spellings_of_wkt(read: Reader, tmp_path: Path, text: str, iso: str) -> None:
    got = read(csv_file(tmp_path, f"wkt|n\n{text}|1\n"), "CSV", crs="EPSG:2056", options={"wkt": "wkt"})
    assert [shape.wkt for shape in got.geometries] == [iso]


@pytest.mark.parametrize(
    ("text", "options", "code", "hint"),
    [
        ("a,b\n1,2\n", {}, "csv_geometry_unknown", "'options.x' and 'options.y'"),
        ("a,b\n1,2\n", {"x": "lon", "y": "b"}, "csv_no_such_column", "a, b"),
        ("x,x,y\n1,2,3\n", {"x": "x", "y": "y"}, "csv_no_such_column", "more than one"),
        ("1,2\n3,4\n", {"x": "1", "y": "2"}, "csv_no_header", "numbers"),
        ("a,b\n1,2,3\n", {"x": "a", "y": "b"}, "csv_ragged", "3"),
        ("a,b\n1\n", {"x": "a", "y": "b"}, "csv_ragged", "1"),
    ],
)
def test_what_is_wrong_is_said(
    refused: Refuser, tmp_path: Path, text: str, options: dict[str, str], code: str, hint: str
) -> None:
    problem = refused(csv_file(tmp_path, text), "CSV", crs="EPSG:4326", options=options)
    assert problem.code == code
    assert hint in problem.message + problem.remedy


def test_a_vector_without_crs(refused: Refuser, tmp_path: Path) -> None:
    assert refused(csv_file(tmp_path, "x,y\n1,2\n"), "CSV", options={"x": "x", "y": "y"}).code == "crs_missing"
