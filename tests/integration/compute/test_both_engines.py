"""The same recipe on the same rows gives the same on both engines: rows, order, schema, counts, coordinates within 1e-9 degrees.

In fact the same bytes, but for what lies in GEOS and PROJ, of which DuckDB brings its own and PostGIS uses the server's:

- A multi-geometry of one part that is repaired or put on a grid may come back as that part: GEOS 3.11 unwraps points on a grid,
  later ones do not; PostGIS wraps what it repaired again, DuckDB does not.
- PROJ 9.1 has the equator of EPSG:3857 at -7e-10 m, later releases at 0, which a grid of a metre counts as rounded.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.compute.engine import ComputeEngine, Source
from libs.models import FileSpec, Rejected
from libs.spatial_utils.reading import ReadLimits, open_source
from libs.transformations import Recipe, Registry
from tests.integration.compute.worker import ENGINES

CORPUS = os.environ.get("SPATIAL_ETL_CORPUS", "")
RUN = f"both-{os.getpid()}#1"
pytestmark = pytest.mark.integration

RECIPES: dict[str, list[dict[str, Any]]] = {
    "default": [{}],
    "raw": [{}],
    "keep_crs": [{}],
    "reproject": [{"crs": "EPSG:3035"}],
    "web_mercator": [{}],
    "simplify": [{"tolerance": {"value": 1, "unit": "m"}, "crs": "EPSG:3857"}],
    "set_precision": [{"grid": {"value": 1, "unit": "m"}, "crs": "EPSG:3857"}],
    "clip": [{"bbox": [-10, -10, 30, 60]}],
    "dissolve": [{"by": ["kind"]}, {}],
    "explode": [{}],
    "force_2d": [{}],
    "filter": [{"condition": {"column": "kind", "op": "ne", "value": "a"}}],
    "select": [{"columns": ["kind"]}],
    "rename": [{"columns": {"kind": "sort"}}],
    "cast": [{"columns": {"n": "string"}}],
    "ingest_tabular": [{}],
}


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
    """What each engine makes of a table: its result, or its problems."""

    def one(table: pa.Table, crs: str | None, recipe: Recipe, engine: ComputeEngine) -> Any:
        try:
            return through(Source(table.schema, crs, table.to_batches(), "files[0]"), recipe, run_id=RUN, on=engine)
        except Rejected as rejected:
            return [(problem.code, problem.where) for problem in rejected.problems]

    return lambda table, crs, recipe: [one(table, crs, recipe, engine) for engine in engines]


def difference(ours: Any, theirs: Any) -> str | None:
    """What two results differ in; None when they agree."""
    if isinstance(ours, list) or isinstance(theirs, list):
        said = [each if isinstance(each, list) else "made" for each in (ours, theirs)]
        return None if ours == theirs else f"{said}"
    for name in ("crs", "features", "changes"):
        if getattr(ours, name) != getattr(theirs, name):
            return f"{name}: {getattr(ours, name)} and {getattr(theirs, name)}"
    if ours.rows.schema != theirs.rows.schema:
        return "schema"
    if ours.rows.combine_chunks().equals(theirs.rows.combine_chunks()):
        return None
    columns = [name for name in ours.rows.column_names if name not in {"geom", "bbox"}]
    if repr(ours.rows.select(columns).to_pydict()) != repr(theirs.rows.select(columns).to_pydict()):
        return "attributes, or their order"
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
    """Not zero: see above."""
    return st.floats(low, high, allow_nan=False, allow_subnormal=False, width=32).filter(lambda value: abs(value) > 1e-6)


POINT = st.tuples(number(-20, 40), number(-20, 70))
LINE = st.lists(POINT, min_size=2, max_size=6)
RING = st.lists(POINT, min_size=3, max_size=7).map(lambda points: [*points, points[0]])
SHAPES = st.one_of(
    POINT.map(shapely.Point),
    LINE.map(shapely.LineString),
    RING.map(shapely.Polygon),
    st.lists(POINT, min_size=1, max_size=4).map(shapely.MultiPoint),
    st.lists(LINE, min_size=1, max_size=3).map(shapely.MultiLineString),
    st.sampled_from(["POINT EMPTY", "POLYGON EMPTY", "MULTIPOLYGON EMPTY", "GEOMETRYCOLLECTION EMPTY"]).map(shapely.from_wkt),
    st.none(),
)
ROWS = st.lists(st.tuples(SHAPES, st.sampled_from(["a", "b", None])), min_size=1, max_size=12)


def rows_of(drawn: list[tuple[Any, str | None]]) -> pa.Table:
    geometry = [None if shape is None else shapely.to_wkb(shape, byte_order=1, flavor="iso") for shape, _ in drawn]
    return pa.table({"n": range(len(drawn)), "kind": [kind for _, kind in drawn], "geom": pa.array(geometry, pa.binary())})


def test_every_built_in_recipe_is_tried() -> None:
    assert set(RECIPES) == set(Registry().recipes)


@pytest.mark.parametrize(("name", "parameters"), [(name, each) for name in RECIPES for each in RECIPES[name]], ids=str)
@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=ROWS)
def test_on_generated_geometry(name: str, parameters: dict[str, Any], drawn: list[Any], made: Made) -> None:
    recipe, table = Registry().recipes[name].bind(parameters), rows_of(drawn)
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


@pytest.mark.skipif(not CORPUS, reason="SPATIAL_ETL_CORPUS is not set: real files are not tried")
@pytest.mark.parametrize("name", ["default", "raw"])
def test_on_real_files(name: str, made: Made) -> None:
    root, recipe = Path(CORPUS), Registry().recipes[name].bind({})
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in FORMATS and path.stat().st_size < LARGEST)
    found: dict[str, str] = {}
    compared = 0
    for path in files:
        for layer, table, crs in layers(path):
            try:
                ours, theirs = made(table, crs, recipe)
            except ValueError:  # a name that the pipeline would have changed
                continue
            compared += 1
            said = difference(ours, theirs)
            if said:
                found[f"{path.relative_to(root)}: {layer}"] = said
    assert compared > 100
    assert not found
