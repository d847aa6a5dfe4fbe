"""The same recipe on the same rows gives the same on both engines: rows, order, schema, counts, coordinates within 1e-9 degrees.

In fact the same bytes, but for what lies in GEOS and PROJ, of which DuckDB brings its own and PostGIS uses the server's:

- A multi-geometry of one part that is repaired or put on a grid may come back as that part: GEOS 3.11 unwraps points on a grid,
  later ones do not; PostGIS wraps what it repaired again, DuckDB does not.
- PROJ 9.1 has the equator of EPSG:3857 at -7e-10 m, later releases at 0, which a grid of a metre counts as rounded.
- Simplified rings: the files in ``OTHERWISE_MADE`` come out otherwise. Most likely, not looked into one by one: later
  GEOS may leave out the vertex where a ring begins, too, and keeps parts from jumping over each other; 3.11 does neither.
- So does one file that is cut by its own features, where borders lie on each other. Not looked into.
"""

import math
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from libs.compute.engine import ComputeEngine, Source
from libs.models import FileSpec, Rejected
from libs.spatial_utils.reading import ReadLimits, open_source
from libs.transformations import Recipe, Registry
from tests.integration.compute.worker import ENGINES
from tests.sampling import examples

CORPUS = os.environ.get("SPATIAL_ETL_CORPUS", "")
RUN = f"both-{os.getpid()}#1"
pytestmark = pytest.mark.integration

AGGREGATE = {
    "rows": {"op": "count"}, "flags": {"op": "count", "column": "flag"}, "sum": {"op": "sum", "column": "big"},
    "total": {"op": "sum", "column": "double"}, "reals": {"op": "sum", "column": "real"},
    "least": {"op": "min", "column": "note"}, "last": {"op": "max", "column": "moment"},
    "earliest": {"op": "min", "column": "day"}, "most": {"op": "max", "column": "real"},
    "dear": {"op": "max", "column": "amount"},
    "first": {"op": "first", "column": "fine"}, "octets": {"op": "first", "column": "bytes"},
    "items": {"op": "first", "column": "list"}, "latest": {"op": "max", "column": "fine"},
    "soonest": {"op": "min", "column": "fine_clock"},
}  # fmt: skip
COMPARED = {
    "small": 5, "number": 0, "big": -3, "unsigned": 2**63, "real": 0.1, "double": 0.1, "amount": 1.5, "note": "b",
    "day": "2000-01-01", "clock": "12:00", "fine_clock": "12:00:00", "seconds": "2000-01-01T00:00:01",
    "local": "2000-01-01T00:00:00.5", "fine": "2000-01-01T00:00:00.000000001", "moment": "2000-01-01T00:00:00Z",
    "zoned": "2000-01-01T00:00:00+02:00",
}  # fmt: skip
CASTABLE = ["n", "small", "number", "big", "unsigned", "flag", "amount", "day", "clock", "local", "seconds", "moment", "zoned"]
CASTS = [
    ("note", "int32"), ("note", "double"), ("note", "bool"), ("note", "date"), ("double", "int64"), ("real", "int32"),
    ("big", "double"), ("unsigned", "int64"), ("small", "bool"), ("local", "date"), ("seconds", "date"), ("day", "timestamp"),
    ("flag", "int32"), ("fine", "string"), ("fine", "timestamp"), ("fine", "date"), ("fine_clock", "string"),
    ("seconds", "timestamp"), ("zoned", "timestamp_utc"),
]  # fmt: skip
RECIPES: dict[str, list[dict[str, Any]]] = {
    "default": [{}],
    "raw": [{}],
    "ingest_raster": [{}],
    "keep_crs": [{}],
    "reproject": [{"crs": "EPSG:3035"}],
    "web_mercator": [{}],
    "simplify": [{"tolerance": {"value": 1, "unit": "m"}, "crs": "EPSG:3857"}],
    "set_precision": [{"grid": {"value": 1, "unit": "m"}, "crs": "EPSG:3857"}],
    "clip": [{"bbox": [-10, -10, 30, 60]}],
    "dissolve": [{"by": ["kind"], "aggregate": AGGREGATE}, {"by": ["flag", "day"]}, {}],
    "explode": [{}],
    "force_2d": [{}],
    "filter": [
        {"condition": {"column": "kind", "op": "ne", "value": "a"}},
        {"condition": {"any": [{"column": name, "op": "le", "value": value} for name, value in COMPARED.items()]}},
        {"condition": {"all": [{"column": name, "op": "ne", "value": value} for name, value in COMPARED.items()]}},
    ],
    "select": [{"columns": ["kind", "list", "fine"]}, {"without": ["kind", "record"]}],
    "rename": [{"columns": {"kind": "list", "list": "kind", "bytes": "octets"}}],
    "cast": [
        {"columns": dict.fromkeys(CASTABLE, "string")},
        *({"columns": {name: target}, "on_error": "null"} for name, target in CASTS),
        {"columns": {"note": "int64"}},
    ],
    "ingest_tabular": [{}],
    "join": [
        {"on": [name], "columns": {"n": "their_n", "note": "their_note", "zoned": "when"}, "cardinality": "many", "how": how}
        for name, how in (
            ("kind", "left"),
            ("double", "inner"),
            ("real", "left"),
            ("unsigned", "inner"),
            ("amount", "left"),
            ("day", "left"),
            ("fine", "left"),
            ("zoned", "left"),
            ("flag", "anti"),
        )
    ]
    + [{"on": {"note": "kind"}, "columns": {"n": "their_n", "bytes": "their_bytes"}, "cardinality": "many"}],
    "spatial_join": [
        {"columns": {"n": "their_n", "kind": "their_kind"}, "take": "all"},
    ],
    "clip_by": [{}],
    "erase": [{}],
}
CUT_BY_THEMSELVES = ("clip_by", "erase")
"""Recipes that are tried on real files only. Of generated shapes, which cross themselves and each other, the engines leave other
rows and count other cuts. Why is not known in full. test_overlays.py holds both engines to Shapely on ordinary shapes."""


@pytest.fixture(scope="session", params=["postgis"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both engines, so the server is needed."""
    return request.param


@pytest.fixture(scope="module")
def engines(server: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ComputeEngine]]:
    engines = [ENGINES[kind](tmp_path_factory.mktemp(kind)) for kind in sorted(ENGINES)]
    yield engines
    for engine in engines:
        engine.close()


Made = Callable[[pa.Table, str | None, Recipe], list[Any]]


@pytest.fixture
def made(engines: list[ComputeEngine], through: Callable, source: Callable) -> Made:
    """What each engine makes of a table, which is every named input, too: its result, or its problems."""

    def one(table: pa.Table, crs: str | None, recipe: Recipe, engine: ComputeEngine) -> Any:
        try:
            inputs = {each.name: Source(table.schema, crs, table.to_batches(), "files[1]") for each in recipe.inputs}
            source = Source(table.schema, crs, table.to_batches(), "files[0]")
            return through(source, recipe, run_id=RUN, on=engine, inputs=inputs)
        except Rejected as rejected:
            return [(problem.code, problem.where) for problem in rejected.problems]

    return lambda table, crs, recipe: [one(table, crs, recipe, engine) for engine in engines]


def difference(ours: Any, theirs: Any) -> str | None:
    """What two results differ in; None when they agree."""
    if isinstance(ours, list) or isinstance(theirs, list):
        said = [each if isinstance(each, list) else "made" for each in (ours, theirs)]
        return None if ours == theirs else f"{said}"
    for name in ("crs", "features", "changes", "warnings"):
        if getattr(ours, name) != getattr(theirs, name):
            return f"{name}: {getattr(ours, name)} and {getattr(theirs, name)}"
    if ours.rows.schema != theirs.rows.schema:
        return "schema"
    if ours.rows.combine_chunks().equals(theirs.rows.combine_chunks()):
        return None
    for name in set(ours.rows.column_names) - {"geom", "bbox"}:
        one, other = (rows[name].combine_chunks() for rows in (ours.rows, theirs.rows))
        if not one.equals(other) and repr(one.to_pylist()) != repr(other.to_pylist()):  # NaN equals nothing
            return f"{name}, or the order of rows: {one} and {other}"
    return different_shape(ours, theirs) if "geom" in ours.rows.column_names else None


def different_shape(ours: Any, theirs: Any) -> str | None:
    tolerance = 1e-9 if ours.crs == "EPSG:4326" else 1e-4  # degrees, metres
    pairs = zip(*(map(shapely.from_wkb, rows["geom"].to_pylist()) for rows in (ours.rows, theirs.rows)), strict=True)
    for row, (one, other) in enumerate(pairs):
        if one is not other and not shapely.equals_exact(unwrapped(one), unwrapped(other), tolerance, normalize=True):
            return f"geometry of row {row}: {one} and {other}"[:300]
    return None


def unwrapped(shape: Any) -> Any:
    return shape.geoms[0] if hasattr(shape, "geoms") and len(shape.geoms) == 1 else shape


def number(low: float, high: float) -> st.SearchStrategy[float]:
    """Not next to zero: see above."""
    near = 2.0**-20
    return st.floats(near, high, width=32) | st.floats(low, -near, width=32) if low < 0 else st.floats(low, high, width=32)


def shapes(heights: bool) -> st.SearchStrategy[Any]:
    """Geometries of every type, valid and not, full and empty."""
    point = st.tuples(number(-20, 40), number(-20, 70), *[number(-100, 9000)] * heights)
    line = st.lists(point, min_size=2, max_size=6)
    ring = st.lists(point, min_size=3, max_size=7).map(lambda points: [*points, points[0]])
    polygon = ring.map(shapely.Polygon) | st.builds(pierced, point, number(1, 5))
    single = st.one_of(point.map(shapely.Point), line.map(shapely.LineString), polygon)
    several = st.one_of(
        st.lists(point, min_size=1, max_size=4).map(shapely.MultiPoint),
        st.lists(line, min_size=1, max_size=3).map(shapely.MultiLineString),
        st.lists(polygon, min_size=1, max_size=3).map(shapely.MultiPolygon),
    )
    mixed = st.lists(single | several, min_size=1, max_size=3).map(shapely.GeometryCollection)
    kinds = ("POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION")
    empty = st.sampled_from([f"{kind}{' Z' * heights} EMPTY" for kind in kinds]).map(shapely.from_wkt)
    return st.one_of(single, several, mixed, empty, *[prisms(point)] * heights)


def prisms(point: st.SearchStrategy[tuple[float, ...]]) -> st.SearchStrategy[Any]:
    """Walls, and houses of several faces."""

    def prism(ends: list[tuple[float, ...]], rise: float, roof: bool) -> Any:
        corners = [*ends, ends[0]]
        walls = [
            shapely.Polygon([(*one, 0), (*other, 0), (*other, rise), (*one, rise)])
            for (*one, _), (*other, _) in pairwise(corners)
        ]
        return shapely.MultiPolygon([*walls, *[shapely.Polygon([(*end[:2], rise) for end in corners])] * roof])

    return st.builds(prism, st.lists(point, min_size=3, max_size=5), number(1, 300), st.booleans())


def pierced(corner: tuple[float, ...], size: float) -> Any:
    """A square with a hole."""
    x, y, *height = corner
    outer, inner = (
        [(x + a * scale, y + b * scale, *height) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))]
        for scale in (size, size / 2)
    )
    shift = size / 4
    return shapely.Polygon(outer, [[(a + shift, b + shift, *height) for a, b, *_ in inner]])


def whole(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


MOMENTS = st.datetimes()
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5)
ATTRIBUTES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "kind": (pa.string(), st.sampled_from(["a", "b", "B", "ä", "a b", ""])),
    "small": (pa.int16(), whole(16)),
    "number": (pa.int32(), whole(32)),
    "big": (pa.int64(), st.integers(-(2**50), 2**50)),
    "unsigned": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "real": (pa.float32(), st.floats(width=32)),
    "double": (pa.float64(), st.floats() | number(-1e6, 1e6)),
    "amount": (pa.decimal128(10, 2), st.decimals(-(10**7), 10**7, places=2)),
    "flag": (pa.bool_(), st.booleans()),
    "note": (pa.string(), TEXTS | st.sampled_from(["1", " -2 ", "1.5", "2024-02-30", "2024-02-29", "true"])),
    "day": (pa.date32(), st.dates()),
    "clock": (pa.time64("us"), st.times()),
    "fine_clock": (pa.time64("ns"), st.integers(0, 86_400 * 10**9 - 1)),
    "seconds": (pa.timestamp("s"), MOMENTS.map(lambda moment: moment.replace(microsecond=0))),
    "local": (pa.timestamp("us"), MOMENTS),
    "fine": (pa.timestamp("ns"), whole(62)),
    "moment": (pa.timestamp("us", "UTC"), MOMENTS),
    "zoned": (pa.timestamp("ms", "Europe/Berlin"), st.integers(-(2**40), 2**40)),
    "fine_moment": (pa.timestamp("ns", "UTC"), whole(62)),
    "bytes": (pa.binary(), st.binary(max_size=4)),
    "list": (pa.list_(pa.int32()), st.lists(whole(32) | st.none(), max_size=3)),
    "texts": (pa.list_(pa.string()), st.lists(TEXTS, max_size=2)),
    "record": (pa.struct({"a": pa.int32(), "b": pa.string()}), st.fixed_dictionaries({"a": whole(32), "b": TEXTS})),
}
ROW = st.fixed_dictionaries({name: values | st.none() for name, (_, values) in ATTRIBUTES.items()})


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    heights = draw(st.sampled_from([[False], [True], [False, True]]))
    shape = st.one_of(*[shapes(each) for each in heights], st.none())
    rows = draw(st.lists(st.tuples(ROW, shape), min_size=1, max_size=12))
    geometry = [None if shape is None else shapely.to_wkb(shape, byte_order=1, flavor="iso") for _, shape in rows]
    columns = {name: pa.array([row[name] for row, _ in rows], type_) for name, (type_, _) in ATTRIBUTES.items()}
    return pa.table({"n": range(len(rows)), **columns, "geom": pa.array(geometry, pa.binary())})


POLYGON = "POLYGON ((0 0, 2 2, 2 0, 0 0))"
SPARSE = [
    f"GEOMETRYCOLLECTION (POINT EMPTY, {POLYGON})",
    "GEOMETRYCOLLECTION (POINT EMPTY, POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0)))",
    "GEOMETRYCOLLECTION Z (POINT Z EMPTY, POLYGON Z ((0 0 1, 2 2 1, 2 0 1, 0 0 1)))",
    "GEOMETRYCOLLECTION (POINT EMPTY, LINESTRING (0 0, 2 2))",
    f"GEOMETRYCOLLECTION (POINT EMPTY, GEOMETRYCOLLECTION (LINESTRING EMPTY, POINT EMPTY), {POLYGON})",
    f"GEOMETRYCOLLECTION (GEOMETRYCOLLECTION (POINT EMPTY), {POLYGON})",
    f"GEOMETRYCOLLECTION (MULTIPOINT (EMPTY), {POLYGON})",
    f"GEOMETRYCOLLECTION (MULTIPOINT (EMPTY, (5 1)), {POLYGON})",
    "GEOMETRYCOLLECTION (POINT EMPTY, POINT (1 1))",
    "GEOMETRYCOLLECTION (LINESTRING EMPTY, POINT (1 1))",
    "GEOMETRYCOLLECTION (POLYGON EMPTY, LINESTRING (0 0, 2 2))",
    "GEOMETRYCOLLECTION (POINT EMPTY)",
    "MULTIPOINT (EMPTY, (1 1))",
    "MULTILINESTRING (EMPTY, (0 0, 2 2))",
    "MULTIPOLYGON (EMPTY, ((0 0, 2 2, 2 0, 0 0)))",
]
"""Geometries with members that are empty: PostgreSQL goes down with GEOS at some."""


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("dissolve", {"by": ["n"]}),
        ("dissolve", {"by": ["flat"]}),
        ("clip", {"bbox": [-1, -1, 1, 1]}),
        ("simplify", {"tolerance": {"value": 0.1, "unit": "deg"}}),
        ("set_precision", {"grid": {"value": 1, "unit": "deg"}}),
        ("explode", {}),
    ],
    ids=str,
)
def test_on_empty_members(name: str, parameters: dict[str, Any], made: Made, wkb: Callable) -> None:
    table = pa.table({"n": range(len(SPARSE)), "flat": [" Z " not in shape for shape in SPARSE], "geom": wkb(*SPARSE)})
    ours, theirs = made(table, "EPSG:4326", Registry().recipes[name].bind(parameters))
    assert difference(ours, theirs) is None


def line(*positions: tuple[float, ...]) -> bytes:
    """As WKB: Shapely warns of coordinates that are not finite."""
    ordinates = [ordinate for position in positions for ordinate in position]
    return struct.pack(f"<BII{len(ordinates)}d", 1, 1002 if len(positions[0]) > 2 else 2, len(positions), *ordinates)


def endless(height: float) -> bytes:
    return line((0, 0, height), (1, 1, 5), (2, 3, 7))


COMPUTING = ["simplify", "set_precision", "clip", "dissolve"]
BOWTIE = struct.pack("<BIII15d", 1, 1003, 1, 5, 0, 0, math.nan, 4, 4, 1, 4, 0, 1, 0, 4, 2, 0, 0, math.nan)
SUM = {"aggregate": {"sum": {"op": "sum", "column": "value"}}}
INTS = [2**63 - 1, 2]
REFUSED: list[tuple[str, dict[str, Any], pa.Array, list[bytes | str], str]] = [
    *((name, {}, pa.array([1, 2]), ["POINT (1 1)", line((0, 0), (math.nan, 1), (2, 2))], "irreparable") for name in COMPUTING),
    *((name, {}, pa.array([1]), [endless(math.nan)], "height_not_finite") for name in COMPUTING),
    *((name, {}, pa.array([1]), [endless(-math.inf)], "height_not_finite") for name in COMPUTING),
    ("keep_crs", {}, pa.array([1]), [BOWTIE], "irreparable"),
    *(("dissolve", SUM, pa.array(INTS, type_), ["POINT (1 1)"] * 2, "sum_too_large") for type_ in (pa.int64(), pa.uint64())),
    ("dissolve", SUM, pa.array([-(2**63), -1]), ["POINT (1 1)"] * 2, "sum_too_large"),
    ("dissolve", SUM, pa.array([1e308, 1e308]), ["POINT (1 1)"] * 2, "sum_too_large"),
    ("dissolve", SUM, pa.array([-1e308, -1e308, 1e308, 1e308]), ["POINT (1 1)"] * 4, "sum_too_large"),
    ("dissolve", {"by": ["value"]}, pa.array([[1], [1]]), ["POINT (1 1)"] * 2, "cannot_group"),
    ("dissolve", {"by": ["value"]}, pa.array([{"a": 1}] * 2), ["POINT (1 1)"] * 2, "cannot_group"),
]


@pytest.mark.parametrize(("name", "parameters", "values", "shapes", "code"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_computed_is_refused(
    name: str, parameters: dict[str, Any], values: pa.Array, shapes: list[bytes | str], code: str, made: Made, wkb: Callable
) -> None:
    geometry = [shape if isinstance(shape, bytes) else wkb(shape)[0].as_py() for shape in shapes]
    recipe = Registry().recipes[name].bind(parameters or RECIPES[name][-1])
    ours, theirs = made(pa.table({"value": values, "geom": pa.array(geometry, pa.binary())}), "EPSG:4326", recipe)
    assert [problem[0] for problem in ours] == [code]
    assert ours == theirs


@pytest.mark.parametrize("name", ["raw", "default", "keep_crs", "explode"])
@pytest.mark.parametrize("height", [math.nan, math.inf])
def test_heights_that_are_no_numbers_stay_where_nothing_is_computed(name: str, height: float, made: Made) -> None:
    recipe = Registry().recipes[name].bind({})
    for result in made(pa.table({"geom": pa.array([endless(height)], pa.binary())}), "EPSG:4326", recipe):
        assert result.rows["geom"].to_pylist() == [endless(height)]


@pytest.mark.parametrize(
    ("values", "total"),
    [
        (pa.array([math.inf, 1.0]), math.inf), (pa.array([1.5e308, 2.5e307]), 1.75e308), (pa.array([5e-324, 5e-324]), 1e-323),
        (pa.array([-1.7976931348623157e308, None]), -1.7976931348623157e308), (pa.nulls(2, pa.float64()), None),
        (pa.array([3.4028234663852886e38] * 2, pa.float32()), 6.805646932770577e38), (pa.array([0.1, 0.2, 0.3]), 0.1 + 0.2 + 0.3),
        (pa.array([2**63 - 1, -1, None]), 2**63 - 2), (pa.array([2**63 - 1, 0], pa.uint64()), 2**63 - 1),
    ],
    ids=str,
)  # fmt: skip
def test_sums_to_the_last_digit(values: pa.Array, total: float | None, made: Made, wkb: Callable) -> None:
    table = pa.table({"value": values, "geom": wkb(*["POINT (1 1)"] * len(values))})
    for result in made(table, "EPSG:4326", Registry().recipes["dissolve"].bind(SUM)):
        assert result.rows["sum"].to_pylist() == [total]


D = Decimal
FILTERED: dict[str, tuple[pa.Array, list[tuple[str, Any, list[int]]]]] = {
    "decimal(12, 8)": (
        pa.array([D("0.00000012"), D(0), D("1.2345678"), D("1.234568"), None], pa.decimal128(12, 8)),
        [
            ("eq", 1.2345678, [2]), ("eq", 0.00000012, [0]), ("gt", 0.0000005, [2, 3]), ("le", 1.2e-7, [0, 1]),
            ("in", [1.234568, 1.2345678, 1e300, 0.1], [2, 3]), ("ne", 1.23456785, [0, 1, 2, 3, 4]), ("lt", 1.23456785, [0, 1, 2]),
            ("ge", 1.23456785, [3]), ("between", [-1e300, 1.23456785], [0, 1, 2]), ("not_in", [9e99], [0, 1, 2, 3, 4]),
        ],
    ),
    "decimal(38, 0)": (
        pa.array([D(2**60), D(2**60 + 1), D(9 * 10**37), D(-9 * 10**37), None], pa.decimal128(38, 0)),
        [
            ("eq", 2**60, [0]), ("eq", 9e37, [2]), ("lt", 0.5, [3]), ("ge", 1e38, []), ("lt", 1e38, [0, 1, 2, 3]),
            ("gt", -1e38, [0, 1, 2, 3]), ("ne", 9e37, [0, 1, 3, 4]), ("eq", 1e-10, []),
        ],
    ),
    "decimal(38, 30)": (
        pa.array([D("0.1"), D("0.1000000000000000000000001"), D(-1), None], pa.decimal128(38, 30)),
        [("eq", 0.1, [0]), ("gt", 0.1, [1]), ("lt", 1e20, [0, 1, 2]), ("eq", 123456789012, []), ("ge", -1e-31, [0, 1])],
    ),
    "float": (
        pa.array([1.5, 0.0, math.inf, -math.inf, math.nan, 3.4028234663852886e38, 1e-45, None], pa.float32()),
        [
            ("lt", 1e300, [0, 1, 3, 5, 6]), ("eq", 1e300, []), ("gt", 1e300, [2, 4]), ("gt", -1e300, [0, 1, 2, 4, 5, 6]),
            ("eq", 1e-300, []), ("gt", 1e-300, [0, 2, 4, 5, 6]), ("lt", 1e-300, [1, 3]), ("in", [1.5, 1e300, 0], [0, 1]),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILTERED)
def test_a_number_is_compared_exactly_whatever_the_column_can_hold(name: str, made: Made) -> None:
    values, cases = FILTERED[name]
    table = pa.table({"n": range(len(values)), "value": values})
    for op, value, kept in cases:
        recipe = Registry().recipes["filter"].bind({"condition": {"column": "value", "op": op, "value": value}})
        assert [result.rows["n"].to_pylist() for result in made(table, None, recipe)] == [kept, kept], (op, value)


def test_every_built_in_recipe_is_tried() -> None:
    """Those for rasters need no engine: see test_steps.py of the rasters."""
    assert set(RECIPES) == {name for name, recipe in Registry().recipes.items() if not recipe.for_rasters}


@pytest.mark.parametrize(
    ("name", "parameters"), [(name, each) for name in RECIPES if name not in CUT_BY_THEMSELVES for each in RECIPES[name]], ids=str
)
# Not shrunk: with so many columns that takes minutes, for every recipe that fails.
@settings(
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    max_examples=examples(5),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(table=tables())
def test_on_generated_geometry(name: str, parameters: dict[str, Any], table: pa.Table, made: Made) -> None:
    recipe = Registry().recipes[name].bind(parameters)
    ours, theirs = made(table, "EPSG:4326", recipe)
    assert difference(ours, theirs) is None


FORMATS = {
    ".geojson": "GeoJSON", ".gpkg": "GPKG", ".shp": "ESRI Shapefile", ".fgb": "FlatGeobuf", ".kml": "KML", ".gml": "GML",
    ".parquet": "GeoParquet", ".gpx": "GPX", ".tab": "MapInfo TAB",
}  # fmt: skip
LARGEST = 20_000_000


def layers(path: Path) -> Iterator[tuple[str, pa.Table, str | None]]:
    """What can be read of a file; what cannot is the reading tests' business."""
    for crs in (None, "EPSG:4326"):
        spec = FileSpec(path=f"s3://landing-zone/{path.name}", type="vector", format=FORMATS[path.suffix.lower()], crs=crs)
        try:
            with open_source(path, spec, "files[0]", ReadLimits()) as source:
                for stream in source.streams():
                    table = pa.Table.from_batches(list(stream), stream.schema)
                    if len({name.casefold() for name in table.column_names}) == len(table.column_names):
                        yield stream.layer.name, table, stream.layer.crs.name if stream.layer.crs else None
        except (Rejected, ValueError):
            continue
        return


SMALL = 300_000
OTHERWISE_MADE = {
    "simplify": {"coutwildrnp.shp", "mosselzaad.gpkg", "LGA_2013_AUST.shp", "olinda1.shp"},
    "clip_by": {"two_states_mercator.shp"},
}


def files(most: int) -> list[Path]:
    """Those of the corpus up to a size."""
    found = Path(CORPUS).rglob("*")
    return sorted(path for path in found if path.suffix.lower() in FORMATS and path.stat().st_size < most)


@pytest.fixture(scope="module")
def spread() -> list[tuple[str, pa.Table, str | None]]:
    """Layers of small files, each of which has something that none before it has: a CRS, a type of column, a kind of geometry."""
    found, seen = [], set[Any]()
    for path in files(SMALL):
        for layer, table, crs in layers(path):
            shapes = shapely.from_wkb(table["geom"].to_pylist()) if "geom" in table.column_names else []
            kinds = {(shapely.get_type_id(shape), shapely.has_z(shape), shapely.is_empty(shape)) for shape in shapes}
            new = {crs, *map(str, table.schema.types), *kinds} - seen
            if new:
                seen |= new
                found.append((f"{path.name}: {layer}", table, crs))
    return found


def fitting(name: str, columns: list[str]) -> dict[str, Any] | None:
    """Parameters for a file of these columns; None where it has none to speak of."""
    if name in {"filter", "select", "rename", "cast"}:
        if not columns:
            return None
        first = columns[0]
        return {
            "filter": {"condition": {"column": first, "op": "not_null"}},
            "select": {"columns": columns[-1:]},
            "rename": {"columns": {first: "a new name"}},
            "cast": {"columns": {first: "string"}},
        }[name]
    return {"by": columns[:1]} if name == "dissolve" and columns else RECIPES[name][-1]


def differences(name: str, sources: Iterable[tuple[str, pa.Table, str | None]], made: Made) -> tuple[int, dict[str, str]]:
    """How many layers were compared, and what was found in some of them."""
    found: dict[str, str] = {}
    compared = 0
    for what, table, crs in sources:
        parameters = fitting(name, [column for column in table.column_names if column != "geom"])
        if parameters is None:
            continue
        try:
            ours, theirs = made(table, crs, Registry().recipes[name].bind(parameters))
        except ValueError:  # a name that the pipeline would have changed
            continue
        compared += 1
        said = difference(ours, theirs)
        if said:
            found[what] = said
    return compared, found


@pytest.mark.skipif(not CORPUS, reason="SPATIAL_ETL_CORPUS is not set: real files are not tried")
@pytest.mark.parametrize("name", ["default", "raw"])
def test_on_all_real_files(name: str, made: Made) -> None:
    sources = ((f"{path}: {layer}", table, crs) for path in files(LARGEST) for layer, table, crs in layers(path))
    compared, found = differences(name, sources, made)
    assert compared > 100
    assert not found


@pytest.mark.skipif(not CORPUS, reason="SPATIAL_ETL_CORPUS is not set: real files are not tried")
@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"default", "raw"}))
def test_on_a_spread_of_real_files(name: str, made: Made, spread: list[Any]) -> None:
    compared, found = differences(name, spread, made)
    assert compared > 20
    assert {what.partition(":")[0] for what in found} <= OTHERWISE_MADE.get(name, set()), found
