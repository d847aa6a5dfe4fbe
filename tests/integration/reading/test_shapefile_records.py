"""Records of Shapefiles are parsed by columns where they are ordinary: what comes out is what GDAL reads, or GDAL reads it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyogrio
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from libs.spatial_utils.worker.formats.shapefile.parts import FastPathUnsupported
from libs.spatial_utils.worker.formats.shapefile.records import batches
from tests.integration.reading.shapefiles import LINE, NULL_SHAPE, POINT, POLYGON, parts, point, write_shapes, write_table
from tests.sampling import examples

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
FIELDS = [("C", 20, 0), ("N", 9, 0), ("N", 18, 0), ("N", 24, 15), ("F", 13, 3), ("D", 8, 0), ("L", 1, 0)]
TYPES = [pa.string(), pa.int32(), pa.int64(), pa.float64(), pa.float64(), pa.date32(), pa.bool_()]
ROWS = [
    [b"Z\xc3\xbcrich", b"1", b"123456789012345678", b"0.100000000000000", b"1.5", b"20240229", b"T"],
    [b"", b"", b"", b"", b"", b"", b"?"],
    [b" a  b", b"-7", b"-0", b"-1.5e-300", b"+.5", b"99991231", b"f"],
    [b"x" * 20, b"*********", b"*" * 18, b"****", b"***", b"00000000", b"?"],
    [b"nan", b"007", b"0", b"9007199254740993", b"5.", b"00010101", b"y"],
]
RING = [(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.0)]
HOLE = [(0.1, 0.4), (0.3, 0.9), (0.1, 0.9), (0.1, 0.4)]
FAR = [(5.0, 5.0), (5.0, 6.0), (6.0, 6.0), (5.0, 5.0)]


def refuses(number: int) -> bytes | None:
    pytest.fail(f"asked for record {number}")


def parsed(path: Path, ask: Callable[[int], bytes | None] = refuses, types: Sequence[pa.DataType] = TYPES) -> pa.Table:
    return pa.Table.from_batches(batches(path, types, geometry=path.suffix == ".shp", ask=ask))


def as_gdal(path: Path) -> list[list[Any]]:
    """GDAL's columns; numbers in words, as a NaN is not like itself."""
    return [[repr(value) for value in column.to_pylist()] for column in pyogrio.read_arrow(path)[1].columns]


def values(table: pa.Table) -> list[list[Any]]:
    return [[repr(value) for value in column.to_pylist()] for column in table.columns]


@pytest.mark.parametrize(
    ("kind", "contents"),
    [
        (POINT, [point(8.5, 47.4), point(-0.0, 1e300), point(0, 0), point(1, 2), point(3, 4)]),
        (LINE, [parts(LINE, line) for line in (RING, RING[:2], [(1, 1), (1, 1)], FAR, HOLE)]),
        (POLYGON, [parts(POLYGON, ring) for ring in (RING, RING[::-1], FAR, HOLE, [*RING[:3], *FAR, RING[0]])]),
    ],
    ids=["points", "lines", "polygons"],
)
def test_ordinary_records_are_what_gdal_reads(tmp_path: Path, kind: int, contents: list[bytes]) -> None:
    path = tmp_path / "a.shp"
    write_shapes(path, kind, contents)
    write_table(path, FIELDS, ROWS)
    assert values(parsed(path)) == as_gdal(path)


def test_columns_without_a_value(tmp_path: Path) -> None:
    path = tmp_path / "a.dbf"
    write_table(path, FIELDS, [ROWS[1]] * 3)
    assert values(parsed(path)) == as_gdal(path)


def test_a_table_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.dbf"
    write_table(path, FIELDS, ROWS)
    assert values(parsed(path)) == as_gdal(path)


def test_shapes_that_need_judgement_are_asked_for(tmp_path: Path) -> None:
    odd = {
        1: NULL_SHAPE,
        30: parts(POLYGON, RING, HOLE),
        50: parts(POLYGON, RING, FAR),
        60: parts(POLYGON, RING[:3]),  # not closed
        61: parts(POLYGON, [RING[0], RING[1], RING[0]]),
        99: parts(POLYGON, RING) + bytes(8),
    }
    path, asked = tmp_path / "a.shp", list[int]()
    write_shapes(path, POLYGON, [odd.get(number, parts(POLYGON, RING)) for number in range(100)])
    write_table(path, FIELDS, ROWS * 20)

    def ask(number: int) -> bytes | None:
        asked.append(number)
        return b"asked"

    geometries = parsed(path, ask).columns[-1].to_pylist()
    assert asked == list(odd)
    assert {number for number, geometry in enumerate(geometries) if geometry == b"asked"} == {*odd}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_point_that_is_nowhere_is_asked_for(tmp_path: Path, number: float) -> None:
    path, asked = tmp_path / "a.shp", list[int]()
    write_shapes(
        path, POINT, [point(number, 1) if row == 5 else point(1, number) if row == 7 else point(1, 1) for row in range(20)]
    )
    write_table(path, FIELDS, ROWS * 4)
    parsed(path, asked.append)  # type: ignore[arg-type] - which gives None
    assert asked == [5, 7]


@pytest.mark.parametrize(
    ("field", "cell"),
    [
        *((0, cell) for cell in (b"a\0b", b"\0" * 20)),
        *((1, cell) for cell in (b"1.0", b"+5", b"0x1F", b"1e3", b"-", b"1 2", b"1,5", b"a", b"*1")),
        (2, b"9" * 18 + b"9"),
        *((3, cell) for cell in (b"nan", b"inf", b"-Infinity", b"1,5", b"1e400", b"1.5.5", b"1e", b"0x10", b".")),
        *((5, cell) for cell in (b"20230230", b"20231301", b"2023013", b"0", b"2023 1 1", b"00000101", b"01/31/23", b"*" * 8)),
        *((6, cell) for cell in (b"1", b"x", b"\0", b"TF")),
    ],
)
def test_other_spellings_are_left_to_gdal(tmp_path: Path, field: int, cell: bytes) -> None:
    path = tmp_path / "a.dbf"
    fields = [
        (kind, max(width, len(cell)) if number == field else width, digits) for number, (kind, width, digits) in enumerate(FIELDS)
    ]
    write_table(path, fields, [*ROWS, [cell if number == field else value for number, value in enumerate(ROWS[0])]])
    with pytest.raises(FastPathUnsupported):
        parsed(path)


def test_other_layouts_are_left_to_gdal(tmp_path: Path) -> None:
    path = tmp_path / "a.shp"
    shapes, polygon = [point(1, 2)] * 5, parts(POLYGON, RING)
    write_table(path, FIELDS, ROWS)
    for contents, kind, gap in (
        (shapes, POINT, 4),
        (shapes, 11, 0),
        ([NULL_SHAPE, *shapes[1:]], POINT, 0),
        ([polygon] * 5, 8, 0),
    ):
        write_shapes(path, kind, contents, gap=gap)
        with pytest.raises(FastPathUnsupported):
            parsed(path)
    write_shapes(path, POINT, shapes)
    for part, begin, content in ((".shx", 104, b"\x7f\xff\xff\xff"), (".shx", 104, bytes(4)), (".shp", 107, b"\x09")):
        whole = path.with_suffix(part).read_bytes()
        path.with_suffix(part).write_bytes(whole[:begin] + content + whole[begin + len(content) :])
        with pytest.raises(FastPathUnsupported):
            parsed(path)
        path.with_suffix(part).write_bytes(whole)
    assert parsed(path).num_rows == len(shapes)
    write_table(path, FIELDS, ROWS, deleted=[3])
    with pytest.raises(FastPathUnsupported):
        parsed(path)
    write_table(path, [*FIELDS, ("M", 10, 0)], [[*row, b""] for row in ROWS])
    with pytest.raises(FastPathUnsupported):
        parsed(path, types=[*TYPES, pa.string()])


def test_rows_of_nothing(read: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.dbf"
    write_table(path, [], [[]] * 3)
    assert read(path, "dBASE", type="tabular").table.num_rows == 3


@pytest.mark.parametrize("odd", ["deleted", "spelling", "hole", "holes"])
def test_gdal_reads_on_where_records_become_odd(read: Reader, tmp_path: Path, odd: str) -> None:
    """Beyond the first window, so that what GDAL reads follows what was parsed."""
    path, number, count = tmp_path / "a.shp", 40_000, 70_000
    rows = [[b"%d" % row, b"%d" % row, b"", b"", b"", b"", b"?"] for row in range(count)]
    if odd == "spelling":
        rows[number][0] = b"a\0"
    many = {*range(33_000, 60_000)} if odd == "holes" else {number} if odd == "hole" else set[int]()
    polygon, with_hole = parts(POLYGON, RING), parts(POLYGON, RING, HOLE)
    write_shapes(path, POLYGON, [with_hole if row in many else polygon for row in range(count)])
    write_table(path, FIELDS, rows, deleted=[number] if odd == "deleted" else [])
    got, expected = read(path, "ESRI Shapefile", crs="EPSG:4326").table, pyogrio.read_arrow(path)[1]
    assert got.num_rows == count - (odd == "deleted")
    assert got["f0"].to_pylist() == expected["f0"].to_pylist()
    assert got["f1"].to_pylist() == expected["f1"].to_pylist()
    assert got["geom"].to_pylist() == expected["wkb_geometry"].to_pylist()


coordinates = st.floats(-1e6, 1e6, width=32)
positions = st.tuples(coordinates, coordinates)
rings = st.lists(positions, min_size=3, max_size=6).map(lambda ring: [*ring, ring[0]])
lines = st.lists(positions, min_size=2, max_size=4)
SHAPES = {
    POINT: positions.map(lambda position: point(*position)),
    LINE: lines.map(lambda line: parts(LINE, line)),
    POLYGON: rings.map(lambda ring: parts(POLYGON, ring)),
}
SEVERAL = {
    POINT: st.just(NULL_SHAPE),
    LINE: st.lists(lines, min_size=2, max_size=3).map(lambda each: parts(LINE, *each)) | st.just(NULL_SHAPE),
    POLYGON: st.lists(rings, min_size=2, max_size=3).map(lambda each: parts(POLYGON, *each)) | st.just(NULL_SHAPE),
}
CELLS = [
    st.text(st.characters(codec="utf-8", min_codepoint=32), max_size=5).map(str.encode),
    st.integers(-(10**8) + 1, 10**9 - 1).map(b"%d".__mod__),
    st.integers(-(10**17) + 1, 10**18 - 1).map(b"%d".__mod__),
    st.floats(-1e308, 1e308).map(lambda number: f"{number:.15g}".encode()),
    st.floats(-1e6, 1e6).map(lambda number: f"{number:.3f}".encode()),
    st.dates().map(lambda day: f"{day:%Y%m%d}".rjust(8, "0").encode()),
    st.sampled_from([bytes([letter]) for letter in b"TtYyFfNn"]),
]


@pytest.mark.filterwarnings("ignore:.*(winding order|simple geometry|organizePolygons).*:RuntimeWarning")
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from([POINT, LINE, POLYGON]), rows=st.integers(1, 30))
def test_whatever_is_written_is_what_gdal_reads(
    read: Reader, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, kind: int, rows: int
) -> None:
    path = tmp_path_factory.mktemp("written") / "a.shp"
    write_shapes(path, kind, [data.draw(SEVERAL[kind] if row % 8 == 7 else SHAPES[kind]) for row in range(rows)])
    write_table(
        path,
        FIELDS,
        [[data.draw(st.just(empty) | cells) for empty, cells in zip(ROWS[1], CELLS, strict=True)] for _ in range(rows)],
    )
    try:
        parsed(path, lambda _: None)
        event("parsed here")
    except FastPathUnsupported as odd:
        event(str(odd))
    assert values(read(path, "ESRI Shapefile", crs="EPSG:4326").table) == as_gdal(path)
