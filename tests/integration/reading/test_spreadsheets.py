"""Spreadsheets, written by other programs' writers: a sheet is a layer, cells mean what they say, nothing gets lost."""

import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import geopandas as gpd
import openpyxl
import pandas as pd
import pyogrio
import pytest
from openpyxl.styles import numbers
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from libs.models import Problem
from libs.spatial_utils.reading import ReadLimits

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
Rows = list[list[Any]]


def xlsx(folder: Path, sheets: dict[str, Rows], **changes: Callable[[Any], None]) -> Path:
    """A workbook; ``changes`` are made to its sheets before it is saved."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    for name, change in changes.items():
        change(book if name == "book" else book[name])
    path = folder / "a.xlsx"
    book.save(path)
    return path


_SPACES = "".join(
    f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text", "style")
)


def ods(folder: Path, sheets: dict[str, Rows], *, more: str = "", styles: str = "") -> Path:
    """The parts that matter, as LibreOffice writes them; ``more`` are rows at the end, as XML."""
    tables = "".join(
        f'<table:table table:name="{name}" table:style-name="ta1"><table:table-column/>'
        + "".join(f"<table:table-row>{''.join(map(ods_cell, row))}</table:table-row>" for row in rows)
        + f"{more}</table:table>"
        for name, rows in sheets.items()
    )
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content{_SPACES} office:version="1.3"><office:automatic-styles>'
        f"{styles}</office:automatic-styles><office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    path = folder / "a.ods"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
    return path


class Xml(str):
    """A cell that is written as it is."""

    __slots__ = ()


def ods_cell(value: Any) -> str:
    match value:
        case Xml():
            return value
        case None:
            return "<table:table-cell/>"
        case bool():
            said = f'"boolean" office:boolean-value="{str(value).lower()}"'
        case int() | float():
            said = f'"float" office:value="{value}"'
        case datetime() | date():
            said = f'"date" office:date-value="{value.isoformat()}"'
        case timedelta():
            seconds = int(value.total_seconds())
            said = f'"time" office:time-value="PT{seconds // 3600:02d}H{seconds // 60 % 60:02d}M{seconds % 60:02d}S"'
        case _:
            said = '"string"'
    return f"<table:table-cell office:value-type={said}><text:p>{escape(str(value))}</text:p></table:table-cell>"


WRITERS = {"XLSX": xlsx, "ODS": ods}


@pytest.fixture(params=["XLSX", "ODS"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def codes(got: Any) -> list[str]:
    return [warning.code for warning in got.warnings]


MOMENT = datetime(2024, 2, 29, 10, 11, 12)  # noqa: DTZ001 - cells have no zone


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, -2, None], "int64", [1, -2, None]),
        ([1.0, 2.0], "int64", [1, 2]),
        ([1.5, 2], "double", [1.5, 2.0]),
        ([0.1, 1e-300, 2e20], "double", [0.1, 1e-300, 2e20]),
        (["00123", "00456"], "string", ["00123", "00456"]),
        (["1", "2"], "string", ["1", "2"]),
        ([True, False], "bool", [True, False]),
        ([date(2024, 2, 29), None], "date32[day]", [date(2024, 2, 29), None]),
        ([MOMENT], "timestamp[us]", [MOMENT]),
        ([MOMENT, date(2024, 3, 1)], "timestamp[us]", [MOMENT, datetime(2024, 3, 1)]),  # noqa: DTZ001
        ([1, "x", 2.5, True], "string", ["1", "x", "2.5", "TRUE"]),
        ([date(2024, 2, 29), "later", 7], "string", ["2024-02-29", "later", "7"]),
        ([timedelta(hours=27, minutes=30)], "string", ["27:30:00"]),
        (["Zürich", "_x41_", "<&>"], "string", ["Zürich", "_x41_", "<&>"]),
    ],
)
def test_types(read: Reader, tmp_path: Path, form: str, values: list[Any], kind: str, expected: list[Any]) -> None:
    path = WRITERS[form](tmp_path, {"S": [["k", "v"], *(["x", value] for value in values)]})
    got = read(path, form, type="tabular")
    assert got.layer.columns[1] == ("v", kind)
    assert got.table.column("v").to_pylist() == expected
    assert ("sheet_mixed_types" in codes(got)) == (
        len({type(value) for value in values if value is not None}) > 1 and kind == "string"
    )


def test_sheets_are_layers(read: Reader, tmp_path: Path, form: str) -> None:
    path = WRITERS[form](tmp_path, {"Bäume": [["n"], [1]], "Leer": [], "Wege": [["m"], ["x"]]})
    got = read(path, form, type="tabular")
    assert list(got.layers) == ["Bäume", "Wege"]
    assert "sheet_empty" in codes(got)
    assert list(read(path, form, type="tabular", layer="Wege").layers) == ["Wege"]


def test_points(read: Reader, tmp_path: Path, form: str) -> None:
    path = WRITERS[form](tmp_path, {"S": [["name", "lon", "lat"], ["a", 8.5417, 47.3769], ["b", None, None]]})
    got = read(path, form, crs="EPSG:4326", options={"x": "lon", "y": "lat"})
    assert [None if shape is None else shape.wkt for shape in got.geometries] == ["POINT (8.5417 47.3769)", None]
    assert got.layer.columns == (("name", "string"), ("lon", "double"), ("lat", "double"))


def test_geometry_in_wkt(read: Reader, tmp_path: Path, form: str) -> None:
    path = WRITERS[form](tmp_path, {"S": [["wkt"], ["LINESTRING (0 0, 1 1)"]]})
    got = read(path, form, crs="EPSG:4326", options={"wkt": "wkt"})
    assert [shape.wkt for shape in got.geometries] == ["LINESTRING (0 0, 1 1)"]


def test_a_coordinate_that_is_text_is_named_by_its_row(refused: Refuser, tmp_path: Path, form: str) -> None:
    path = WRITERS[form](tmp_path, {"S": [["lon", "lat"], [8, 47], ["8,5", 47]]})
    problem = refused(path, form, crs="EPSG:4326", options={"x": "lon", "y": "lat"})
    assert problem.code == "csv_bad_geometry"
    assert problem.where == "files[0]: sheet S, row 3"


def test_columns_of_coordinates_are_told_or_found_by_name(read: Reader, refused: Refuser, tmp_path: Path, form: str) -> None:
    problem = refused(WRITERS[form](tmp_path, {"S": [["a", "b"], [8, 47]]}), form, crs="EPSG:4326")
    assert problem.code == "csv_geometry_unknown"
    got = read(WRITERS[form](tmp_path, {"S": [["lon", "lat"], [8, 47]]}), form, crs="EPSG:4326")
    assert ([shape.wkt for shape in got.geometries], got.warnings[0].code) == (["POINT (8 47)"], "csv_columns_found")


def test_titles_above_the_table_are_said(read: Reader, tmp_path: Path, form: str) -> None:
    rows: Rows = [
        ["Trees of the town"],
        ["As of", date(2024, 1, 1)],
        [],
        ["name", "height", "year"],
        ["a", 3, 1999],
        ["b", 4, 2001],
    ]
    got = read(WRITERS[form](tmp_path, {"S": rows}), form, type="tabular")
    assert got.table.to_pylist() == [{"name": "a", "height": 3, "year": 1999}, {"name": "b", "height": 4, "year": 2001}]
    (warning,) = got.warnings
    assert warning.code == "sheet_rows_above_header"
    assert "row 4" in warning.message
    assert "Trees of the town" in warning.message


def test_an_index_column_of_pandas_needs_no_name(read: Reader, tmp_path: Path, form: str) -> None:
    got = read(WRITERS[form](tmp_path, {"S": [[None, "a", "b"], [0, "x", "y"], [1, "z", "w"]]}), form, type="tabular")
    assert got.layer.columns == (("field_1", "int64"), ("a", "string"), ("b", "string"))


@pytest.mark.parametrize(
    "rows",
    [
        [["name", 2019, 2020], ["a", 1, 2]],
        [[1, 2], [3, 4]],
        [["a", 1], ["b", 2], ["title", "x"], ["c", "d"]],  # rows of data above what looks like a header
    ],
)
def test_no_header_is_guessed(read: Reader, refused: Refuser, tmp_path: Path, form: str, rows: Rows) -> None:
    path = WRITERS[form](tmp_path, {"S": rows})
    problem = refused(path, form, type="tabular")
    assert problem.code == "sheet_no_header"
    assert '"header": 3' in problem.remedy
    told = read(path, form, type="tabular", options={"header": 1})
    assert told.table.num_rows == len(rows) - 1
    none = read(path, form, type="tabular", options={"header": "none"})
    assert none.table.num_rows == len(rows)
    assert none.table.column_names == [f"field_{number + 1}" for number in range(len(rows[0]))]


def test_years_as_names(read: Reader, tmp_path: Path, form: str) -> None:
    path = WRITERS[form](tmp_path, {"S": [["name", 2019, 2020], ["a", 1, 2]]})
    assert read(path, form, type="tabular", options={"header": 1}).table.column_names == ["name", "2019", "2020"]


def test_a_header_row_that_is_empty(refused: Refuser, tmp_path: Path, form: str) -> None:
    problem = refused(WRITERS[form](tmp_path, {"S": [["a"], [1]]}), form, type="tabular", options={"header": 7})
    assert problem.code == "sheet_no_header"
    assert "Row 7" in problem.message


def test_empty_rows_between_are_skipped_and_said(read: Reader, tmp_path: Path, form: str) -> None:
    got = read(WRITERS[form](tmp_path, {"S": [["a", "b"], [1, 2], [], [3, 4]]}), form, type="tabular")
    assert got.table.to_pylist() == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    assert codes(got) == ["sheet_empty_rows"]
    assert "row 2" in got.warnings[0].message


def test_a_column_whose_values_begin_late(read: Reader, tmp_path: Path, form: str) -> None:
    rows: Rows = [["a", "b"], *([n, None] for n in range(40_000)), [40_000, "end"]]
    got = read(WRITERS[form](tmp_path, {"S": rows}), form, type="tabular")
    assert got.table.num_rows == 40_001
    assert got.table.column("b").null_count == 40_000
    assert got.table.column("b")[40_000].as_py() == "end"
    assert got.table.column("a").to_pylist() == list(range(40_001))


def test_an_error_in_a_cell_is_a_problem(refused: Refuser, tmp_path: Path, form: str) -> None:
    rows: Rows = [["a", "b"], [1, "#N/A"], [2, "#DIV/0!"]]
    if form == "ODS":
        cell = '<table:table-cell table:formula="of:=1/0" office:value-type="string"><text:p>{}</text:p></table:table-cell>'
        rows = [["a", "b"], *([number, Xml(cell.format(text))] for number, text in rows[1:])]
    problem = refused(WRITERS[form](tmp_path, {"S": rows}), form, type="tabular")
    assert problem.code == "sheet_error_cell"
    assert "B2" in problem.message
    assert "#N/A" in problem.message
    assert "B3" in problem.message
    assert problem.where == "files[0]: sheet S, cell B2"


def test_a_formula_that_was_never_calculated_is_a_problem(refused: Refuser, tmp_path: Path, form: str) -> None:
    """Its cell would be null: writers like openpyxl store none."""
    cell = "=1+1" if form == "XLSX" else Xml('<table:table-cell table:formula="of:=1+1"/>')
    problem = refused(WRITERS[form](tmp_path, {"S": [["a", "b"], [1, cell]]}), form, type="tabular")
    assert problem.code == "sheet_error_cell"
    assert "result is not stored" in problem.message


def test_formulas_are_their_stored_values(read: Reader, tmp_path: Path) -> None:
    path = rewritten(xlsx(tmp_path, {"S": [["a", "b"], [1, 2]]}), "xl/worksheets/sheet1.xml",
                     '<c r="B2" t="n"><v>2</v></c>', '<c r="B2"><f>A2*3</f><v>3.5</v></c>')  # fmt: skip
    assert read(path, "XLSX", type="tabular").table.to_pylist() == [{"a": 1, "b": 3.5}]


def test_merged_cells(read: Reader, tmp_path: Path) -> None:
    rows: Rows = [["a", "b"], ["x", 1], [None, 2]]
    got = read(xlsx(tmp_path, {"S": rows}, S=lambda sheet: sheet.merge_cells("A2:A3")), "XLSX", type="tabular")
    assert got.table.column("a").to_pylist() == ["x", None]
    assert codes(got) == ["sheet_merged_cells"]
    spanning = Xml(ods_cell("x").replace("<table:table-cell ", '<table:table-cell table:number-rows-spanned="2" ', 1))
    got = read(ods(tmp_path, {"S": [["a", "b"], [spanning, 1], [Xml("<table:covered-table-cell/>"), 2]]}), "ODS", type="tabular")
    assert got.table.column("a").to_pylist() == ["x", None]
    assert codes(got) == ["sheet_merged_cells"]


def test_hidden_sheets_are_read_and_said(read: Reader, tmp_path: Path) -> None:
    def hide(sheet: Any) -> None:
        sheet.sheet_state = "hidden"

    got = read(xlsx(tmp_path, {"A": [["a"], [1]], "B": [["a"], [2]]}, B=hide), "XLSX", type="tabular")
    assert list(got.layers) == ["A", "B"]
    assert codes(got) == ["sheet_hidden"]
    styles = '<style:style style:name="ta1" style:family="table"><style:table-properties table:display="false"/></style:style>'
    assert codes(read(ods(tmp_path, {"A": [["a"], [1]]}, styles=styles), "ODS", type="tabular")) == ["sheet_hidden"]


@pytest.mark.parametrize("epoch", [1900, 1904])
def test_both_date_systems(read: Reader, tmp_path: Path, epoch: int) -> None:
    def date_system(book: Any) -> None:
        if epoch == 1904:
            book.epoch = CALENDAR_MAC_1904

    days = [date(1904, 1, 2), date(1999, 12, 31), date(2024, 2, 29)]
    path = xlsx(tmp_path, {"S": [["k", "d"], *(["x", day] for day in days)]}, book=date_system)
    assert read(path, "XLSX", type="tabular").table.column("d").to_pylist() == days


def test_a_day_that_no_calendar_has(refused: Refuser, tmp_path: Path) -> None:
    """Excel's 29 February 1900."""

    def format_as_date(sheet: Any) -> None:
        sheet["B2"].number_format = numbers.FORMAT_DATE_YYYYMMDD2

    problem = refused(xlsx(tmp_path, {"S": [["k", "d"], ["x", 60]]}, S=format_as_date), "XLSX", type="tabular")
    assert problem.code == "sheet_bad_date"
    assert "B2" in problem.message


def test_times_of_day_are_text(read: Reader, tmp_path: Path) -> None:
    got = read(xlsx(tmp_path, {"S": [["k", "t"], ["x", time(8, 30)]]}), "XLSX", type="tabular")
    assert got.table.column("t").to_pylist() == ["08:30:00"]
    assert codes(got) == ["sheet_times_as_text"]


def test_number_formats_change_no_number(read: Reader, tmp_path: Path) -> None:
    def formats(sheet: Any) -> None:
        for cell, code in (("B2", '"day" 0.0'), ("B3", "[Red]0.00%"), ("B4", "#,##0.00 [$€-407]"), ("B5", '0.0\\h"s"')):
            sheet[cell].number_format = code

    rows: Rows = [["k", "n"], ["x", 1.5], ["x", 0.25], ["x", 1234.5], ["x", 2.5]]
    got = read(xlsx(tmp_path, {"S": rows}, S=formats), "XLSX", type="tabular")
    assert got.table.column("n").to_pylist() == [1.5, 0.25, 1234.5, 2.5]


def test_repeated_cells_and_rows_of_ods(read: Reader, tmp_path: Path) -> None:
    seven = ods_cell(7).replace("<table:table-cell ", '<table:table-cell table:number-columns-repeated="2" ', 1)
    empty = '<table:table-cell table:number-columns-repeated="{}"/>'
    more = (
        f'<table:table-row table:number-rows-repeated="3">{seven}{empty.format(16382)}</table:table-row>'
        f'<table:table-row table:number-rows-repeated="1048572">{empty.format(16384)}</table:table-row>'
    )
    got = read(ods(tmp_path, {"S": [["a", "b"]]}, more=more), "ODS", type="tabular")
    assert got.table.to_pylist() == [{"a": 7, "b": 7}] * 3


def test_repetitions_without_end_are_refused(refused: Refuser, tmp_path: Path) -> None:
    seven = ods_cell(7).replace("<table:table-cell ", '<table:table-cell table:number-columns-repeated="99999999" ', 1)
    path = ods(tmp_path, {"S": [["a", "b"]]}, more=f"<table:table-row>{seven}</table:table-row>")
    assert refused(path, "ODS", type="tabular").code == "damaged"


def test_blanks_and_remarks_of_ods(read: Reader, tmp_path: Path) -> None:
    cell = (
        '<table:table-cell office:value-type="string"><office:annotation><text:p>a remark</text:p></office:annotation>'
        '<text:p>x</text:p>\n<text:p>  a\n  <text:s text:c="2"/><text:span>b</text:span></text:p></table:table-cell>'
    )
    got = read(ods(tmp_path, {"S": [["k"], [Xml(cell)]]}), "ODS", type="tabular")
    assert got.table.column("k").to_pylist() == ["x\na   b"]


def test_other_prefixes_are_not_taken_for_empty_cells(refused: Refuser, tmp_path: Path) -> None:
    path = ods(tmp_path, {"S": [["a"], [1]]})
    rewritten(path, "content.xml", "office:", "o:", times=-1)
    assert refused(rewritten(path, "content.xml", "xmlns:office", "xmlns:o"), "ODS", type="tabular").code == "damaged"


@pytest.mark.parametrize("form", ["XLSX", "ODS"])
def test_what_gdal_writes(read: Reader, tmp_path: Path, places: gpd.GeoDataFrame, form: str) -> None:
    path = tmp_path / f"b.{form.lower()}"
    pyogrio.write_dataframe(pd.DataFrame(places.drop(columns="geometry")), path, driver=form, layer="places", use_arrow=True)
    got = read(path, form, type="tabular")
    assert got.layer.name == "places"
    assert got.layer.columns == (
        ("number", "int64"), ("large", "int64"), ("real", "double"), ("text", "string"),
        ("day", "date32[day]"),
    )  # fmt: skip
    assert got.table.column("number").to_pylist() == [None if row == 3 else row for row in range(100)]
    assert got.table.column("text").to_pylist() == [None if row == 5 else f"Zürich {row}" for row in range(100)]
    assert got.table.column("day").to_pylist() == list(places["day"])


def rewritten(path: Path, part: str, old: str, new: str, times: int = 1) -> Path:
    """A package with one of its parts changed."""
    with zipfile.ZipFile(path) as archive:
        parts = {info: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in parts.items():
            if info.filename == part:
                assert old in content.decode(), content.decode()
                content = content.decode().replace(old, new, times).encode()  # noqa: PLW2901
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<sheetData>", "<sheetDat>"),
        ('r="A2"', 'r="ZZZ2"'),
        ('r="A2"', 'r="A9"'),
        ('<row r="2"', '<row r="x"'),
        ('<c r="A2" t="n"><v>1</v>', '<c r="A2" t="s"><v>-1</v>'),
        ('<c r="A2" t="n"><v>1</v>', '<c r="A2" t="s"><v>99</v>'),
        ('<c r="A2" t="n"><v>1</v>', '<c r="A2" t="zz"><v>99</v>'),
    ],
)
def test_damage_is_said(refused: Refuser, tmp_path: Path, old: str, new: str) -> None:
    path = rewritten(xlsx(tmp_path, {"S": [["a"], [1]]}), "xl/worksheets/sheet1.xml", old, new)
    assert refused(path, "XLSX", type="tabular").code == "damaged"


def test_entities_are_refused(refused: Refuser, tmp_path: Path) -> None:
    path = rewritten(xlsx(tmp_path, {"S": [["a"], [1]]}), "xl/worksheets/sheet1.xml", "<worksheet",
                     '<!DOCTYPE x [<!ENTITY a "aaaa">]><worksheet')  # fmt: skip
    problem = refused(path, "XLSX", type="tabular")
    assert problem.code == "damaged"
    assert "DOCTYPE" in problem.message


def test_a_zip_bomb_is_refused(refused: Refuser, tmp_path: Path) -> None:
    path = xlsx(tmp_path, {"S": [["a"], [1]]})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/media/x.xml", "w") as file:
        for _ in range(100):
            file.write(bytes(1024 * 1024))
    assert refused(path, "XLSX", type="tabular").code == "archive_too_large"
    assert refused(path, "XLSX", type="tabular", limits=ReadLimits(seconds=60, unpacked_mb=10)).code == "archive_too_large"


def test_a_spreadsheet_in_an_archive(read: Reader, tmp_path: Path, form: str) -> None:
    """Stored without compression, so that its first bytes are among the archive's first bytes."""
    path = WRITERS[form](tmp_path, {"S": [["a"], [1]]})
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_STORED) as archive:
        archive.write(path, path.name)
    path.unlink()
    assert read(tmp_path / "b.zip", form, type="tabular").table.to_pylist() == [{"a": 1}]


def test_another_format_is_said(refused: Refuser, tmp_path: Path, form: str) -> None:
    path = WRITERS[form](tmp_path, {"S": [["a"], [1]]})
    problem = refused(path, "GeoJSON")
    assert problem.code == "format_mismatch"
    assert f'"format": "{form}"' in problem.remedy


def test_xls_is_refused_with_a_remedy(refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000))
    problem = refused(path, "XLSX", type="tabular")
    assert problem.code == "format_mismatch"
    assert "password" in problem.message
    assert "save it as XLSX" in refused(path, "XLS", type="tabular").remedy


def test_options_of_text_are_said_to_be_idle(read: Reader, tmp_path: Path, form: str) -> None:
    got = read(WRITERS[form](tmp_path, {"S": [["a"], [1]]}), form, type="tabular", options={"delimiter": ";"})
    assert codes(got) == ["options_ignored"]
    assert re.search("delimiter", got.warnings[0].message)
