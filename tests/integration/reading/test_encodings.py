"""How text is encoded: the manifest says it, else the file, else it is UTF-8. In every format, with real bytes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyogrio
import pytest
import shapely

from libs.models import Problem

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
CASES = Path(__file__).parents[2] / "data" / "cases"
CRS = "EPSG:25832"


def dxf(path: Path, text: bytes, version: str | None = None, page: str | None = None) -> Path:
    """A text on a layer of the same name, with data of an application behind it."""
    variables = [("$ACADVER", "1", version), ("$DWGCODEPAGE", "3", page)]
    header = [line for name, code, value in variables if value for line in ("9", name, code, value)]
    entity = [b"0", b"TEXT", b"8", text, b"10", b"1", b"20", b"2", b"40", b"2.5", b"1", text, b"1001", b"APP", b"1000", text]
    lines = [line.encode() for line in ("0", "SECTION", "2", "HEADER", *header, "0", "ENDSEC", "0", "SECTION", "2", "ENTITIES")]
    path.write_bytes(b"\n".join([*lines, *entity, b"0", b"ENDSEC", b"0", b"EOF", b""]))
    return path


def texts(got: Any) -> set[str]:
    """Of a drawing's one entity."""
    return {got.table.column(name)[0].as_py() for name in ("Layer", "Text")}


def test_dxf_of_2007_is_utf8_whatever_its_code_page(read: Reader) -> None:
    got = read(CASES / "18-dxf" / "utf8_declared1252_2007.dxf", "DXF", crs=CRS)
    assert set(got.table.column("Layer").to_pylist()) == {"Straße", "Parzelle", "Baum", "Symbole"}
    assert [text for text in got.table.column("Text").to_pylist() if text] == ["Größe"]
    assert got.warnings == []


@pytest.mark.parametrize("version", ["AC1021", "AC1024", "AC1027", "AC1032"])
@pytest.mark.parametrize("page", [None, "ANSI_1251", "ANSI_932"])
def test_dxf_of_2007_and_later(version: str, page: str | None, read: Reader, refused: Refuser, tmp_path: Path) -> None:
    assert texts(read(dxf(tmp_path / "a.dxf", "Straße 道路".encode(), version, page), "DXF", crs=CRS)) == {"Straße 道路"}
    latin = dxf(tmp_path / "a.dxf", "Straße".encode("cp1252"), version, page)
    problem = refused(latin, "DXF", crs=CRS)
    assert problem.code == "wrong_encoding"
    assert version in problem.message
    assert '"encoding"' in problem.remedy
    assert texts(read(latin, "DXF", crs=CRS, encoding="cp1252")) == {"Straße"}


@pytest.mark.parametrize("version", [None, "AC1009", "AC1015", "AC1018"])
@pytest.mark.parametrize(
    ("page", "codec", "text"),
    [
        ("ANSI_1252", "cp1252", "Straße – 5 €"),  # of which GDAL makes Latin-1, without dash and euro
        ("ansi_1251", "cp1251", "Дорога"),
        ("ANSI_932", "cp932", "道路"),
        ("ANSI_936", "gbk", "道路"),
        ("ANSI_949", "cp949", "도로"),
        ("DOS850", "cp850", "Straße"),
        ("ISO8859-2", "iso8859-2", "Ulica Źródlana"),
        ("MAC-ROMAN", "mac-roman", "Straße"),
    ],
)
def test_older_dxf_has_a_code_page(version: str | None, page: str, codec: str, text: str, read: Reader, tmp_path: Path) -> None:
    assert texts(read(dxf(tmp_path / "a.dxf", text.encode(codec), version, page), "DXF", crs=CRS)) == {text}


def test_older_dxf_that_contradicts_its_code_page(read: Reader, refused: Refuser, tmp_path: Path) -> None:
    path = dxf(tmp_path / "a.dxf", "Дорога".encode("cp1251"), "AC1015", "ANSI_1252")
    assert texts(read(path, "DXF", crs=CRS, encoding="windows-1251")) == {"Дорога"}
    path = dxf(tmp_path / "a.dxf", "Straße".encode(), "AC1015", "ANSI_1252")
    problem = refused(path, "DXF", crs=CRS)
    assert problem.code == "wrong_encoding"
    assert "UTF-8" in problem.message
    assert texts(read(path, "DXF", crs=CRS, encoding="UTF-8")) == {"Straße"}
    assert texts(read(path, "DXF", crs=CRS, encoding="cp1252")) == {"StraÃŸe"}, "what the manifest says holds"
    path = dxf(tmp_path / "a.dxf", b"Stra\x81e", "AC1015", "ANSI_1252")
    assert refused(path, "DXF", crs=CRS).code == "wrong_encoding"


@pytest.mark.parametrize("page", [None, "nonsense"])
def test_dxf_of_which_nothing_says_the_code_page(page: str | None, read: Reader, refused: Refuser, tmp_path: Path) -> None:
    assert texts(read(dxf(tmp_path / "a.dxf", b"Road", "AC1009", page), "DXF", crs=CRS)) == {"Road"}
    assert texts(read(dxf(tmp_path / "a.dxf", "Straße".encode(), None, page), "DXF", crs=CRS)) == {"Straße"}
    path = dxf(tmp_path / "a.dxf", "Straße".encode("cp1252"), "AC1009", page)
    problem = refused(path, "DXF", crs=CRS)
    assert problem.code == "wrong_encoding"
    assert "Nothing says" in problem.message
    assert texts(read(path, "DXF", crs=CRS, encoding="cp1252")) == {"Straße"}


def test_escapes_of_dxf_are_decoded_beside_text(read: Reader, tmp_path: Path) -> None:
    for version, codec in (("AC1015", "cp1252"), ("AC1032", "utf-8")):
        path = dxf(tmp_path / "a.dxf", r"Straße \U+9053\U+8DEF %%d \U+D800 \U+12".encode(codec), version, "ANSI_1252")
        got = read(path, "DXF", crs=CRS).table
        assert got.column("Text").to_pylist() == [r"Straße 道路 ° \U+D800 \U+12"]
        assert got.column("Layer").to_pylist() == [r"Straße 道路 %%d \U+D800 \U+12"]


# --- MapInfo


def mif(path: Path, charset: str, text: bytes, column: bytes = b"a") -> Path:
    head = f'Version 300\nCharset "{charset}"\nDelimiter ","\nCoordSys Earth Projection 1, 104\nColumns 1\n'.encode()
    path.write_bytes(head + b"  " + column + b" Char(20)\nData\n\nPoint 1 2\nPoint 3 4\n")
    path.with_suffix(".mid").write_bytes(b'"' + text + b'"\n"charset cp437"\n')
    return path


def tab(path: Path, charset: str, text: bytes, column: bytes = b"a") -> Path:
    """A table that GDAL wrote, with other text of the same length."""
    frame = gpd.GeoDataFrame({"a": ["x" * len(text), "charset"]}, geometry=shapely.points([[1, 2], [3, 4]]), crs="EPSG:4326")
    pyogrio.write_dataframe(frame, path, driver="MapInfo File")
    path.with_suffix(".dat").write_bytes(path.with_suffix(".dat").read_bytes().replace(b"x" * len(text), text))
    head = path.read_bytes().replace(b"Neutral", charset.encode()).replace(b" a Char", b" " + column + b" Char")
    path.write_bytes(head)
    return path


@pytest.fixture(params=["MIF", "TAB"])
def table(request: pytest.FixtureRequest, tmp_path: Path, read: Reader, refused: Refuser) -> Callable[..., Any]:
    """What is read of a MapInfo file, or the problem with it."""

    def table(charset: str, text: bytes, *, problem: bool = False, column: bytes = b"a", **spec: Any) -> Any:
        make = {"MIF": mif, "TAB": tab}[request.param]
        shutil.rmtree(tmp_path / "files", ignore_errors=True)
        (tmp_path / "files").mkdir()
        path = make(tmp_path / "files" / f"a.{request.param.lower()}", charset, text, column)
        before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
        got = refused(path, request.param, **spec) if problem else read(path, request.param, **spec)
        assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before, "left as it was"
        return got

    return table


@pytest.mark.parametrize(
    ("charset", "codec", "text"),
    [
        ("WindowsLatin1", "cp1252", "Straße 5 €"),
        ("WindowsCyrillic", "cp1251", "Дорога"),
        ("WindowsJapanese", "cp932", "道路"),
        ("UTF-8", "utf-8", "道路"),
        ("Neutral", "utf-8", "Straße"),
    ],
)
def test_mapinfo_says_its_character_set(charset: str, codec: str, text: str, table: Callable[..., Any]) -> None:
    assert table(charset, text.encode(codec)).table.column("a")[0].as_py() == text


@pytest.mark.parametrize("charset", ["Neutral", "WindowsLatin1", "WindowsCyrillic", "UTF-8"])
@pytest.mark.parametrize(
    ("encoding", "text"), [("cp1251", "Дорога"), ("UTF-8", "道路"), ("shift_jis", "道路"), ("cp850", "Straße")]
)
def test_the_manifest_wins_over_the_character_set_of_mapinfo(
    charset: str, encoding: str, text: str, table: Callable[..., Any]
) -> None:
    got = table(charset, text.encode(encoding), encoding=encoding)
    assert got.table.column("a").to_pylist()[0] == text
    assert got.table.num_rows == 2
    assert got.geometries == [shapely.Point(1, 2), shapely.Point(3, 4)]
    assert (got.warnings, list(got.tables)) == ([], ["a"])


def test_names_of_columns_of_mapinfo(table: Callable[..., Any]) -> None:
    got = table("WindowsLatin1", b"x", column="Größe".encode("cp1252"))
    assert got.table.column_names == ["Größe", "geom"]
    got = table("WindowsLatin1", b"x", column="имя".encode("cp1251"), encoding="cp1251")
    assert got.table.column_names == ["имя", "geom"]


def test_mapinfo_that_contradicts_its_character_set(table: Callable[..., Any]) -> None:
    problem = table("Neutral", "Straße".encode("cp1252"), problem=True)
    assert problem.code == "wrong_encoding"
    assert "Nothing says" in problem.message
    problem = table("WindowsLatin1", "Straße".encode(), problem=True)
    assert problem.code == "wrong_encoding"
    assert "WindowsLatin1" in problem.message
    assert table("WindowsLatin1", b"Stra\x81e", problem=True).code == "wrong_encoding"
    assert table("WindowsLatin1", "Straße".encode("cp1252"), problem=True, encoding="UTF-8").code == "wrong_encoding"


def test_an_archive_of_mapinfo_files(read: Reader, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        mif(tmp_path / "in" / f"{name}.mif", "WindowsLatin1", f"Дорога {name}".encode("cp1251"))
    archive = Path(shutil.make_archive(str(tmp_path / "all"), "zip", tmp_path / "in"))
    got = read(archive, "MIF", encoding="cp1251")
    assert {name: table.column("a")[0].as_py() for name, table in got.tables.items()} == {"a": "Дорога a", "b": "Дорога b"}


# --- CSV


def test_csv_whose_mark_the_manifest_contradicts(read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfname,n\nStra\xdfe,1\n")
    got = read(path, "CSV", type="tabular", encoding="cp1252")
    assert got.table.to_pydict() == {"name": ["Straße"], "n": [1]}
    (warning,) = got.warnings
    assert warning.code == "encoding_contradicted"
    for encoding, text in (("utf-8", b"\xef\xbb\xbfname\nx\n"), ("utf-16-le", "\ufeffname\nx\n".encode("utf-16-le"))):
        path.write_bytes(text)
        got = read(path, "CSV", type="tabular", encoding=encoding)
        assert (got.table.to_pydict(), got.warnings) == ({"name": ["x"]}, [])


# --- formats without a choice


@pytest.mark.parametrize(
    ("format_name", "driver", "name"),
    [
        ("GeoJSON", "GeoJSON", "a.geojson"),
        ("GPKG", "GPKG", "a.gpkg"),
        ("FlatGeobuf", "FlatGeobuf", "a.fgb"),
        ("GML", "GML", "a.gml"),
    ],
)
def test_an_encoding_where_there_is_no_choice(
    format_name: str, driver: str, name: str, read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame
) -> None:
    path = write(places[["text", "geometry"]], name, driver)
    got = read(path, format_name, encoding="cp1252")
    assert got.table.column("text")[0].as_py().startswith("Zürich")
    (warning,) = [each for each in got.warnings if each.code == "encoding_ignored"]
    assert warning.where == ("files[0]" if name == "a.geojson" else "files[0].encoding")
    codes = [each.code for each in read(path, format_name, encoding="utf-8").warnings]
    assert ("encoding_ignored" in codes) == (format_name == "GML"), "an XML file says it itself; the others agree"
