"""Coordinates that cannot lie in their CRS, or are unlikely there: the same on every engine."""

import math
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyproj
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.compute.engine import ComputeEngine
from libs.models import Problem, Rejected
from tests.sampling import examples

pytestmark = pytest.mark.integration

HAMBURG, SWAPPED = "POINT (565000 5934000)", "POINT (5934000 565000)"
NO_DATA = "-1.7976931348623157e308"
IMPOSSIBLE, OUTSIDE, DOUBTFUL = "coordinates_impossible", "coordinates_outside_crs", "coordinates_doubtful"


@pytest.fixture
def warned(engine: ComputeEngine, recipe: Callable, source: Callable, tmp_path: Path) -> Callable[..., list[Problem]]:
    """Takes a geometry column through a recipe and gives the warnings."""

    def warned(geometry: pa.Array, crs: str | None, by: str = "default") -> list[Problem]:
        with engine.workspace("run#1", tmp_path) as workspace:
            table = workspace.dataset(recipe(by))
            table.load(source(pa.table({"geom": geometry}), crs))
            processed = table.finish()
            assert sum(batch.num_rows for batch in processed.batches()) == len(geometry)
            return list(processed.warnings)

    return warned


REFUSED = [
    ("EPSG:4326", [HAMBURG], IMPOSSIBLE, "look like metres"),
    ("EPSG:4326", ["POINT (10 53.5)", "POINT (10 460.5)"], IMPOSSIBLE, "beyond ±180 or ±90"),
    ("EPSG:4326", ["POINT (10 53.5)", "LINESTRING (10 53, 10 54, 460.5 54)"], IMPOSSIBLE, "beyond ±180 or ±90"),
    ("EPSG:4326", ["POINT (10 53.5)", "POINT (-36.8 174.7)"], IMPOSSIBLE, "swapped"),
    ("EPSG:4326", ["POINT (10 53.5)", "POINT (190 10)"], IMPOSSIBLE, "from 0 to 360"),
    ("EPSG:4326", ["POINT (10 53.5)", f"POINT ({NO_DATA} {NO_DATA})"], IMPOSSIBLE, "no data"),
    ("EPSG:4258", ["POINT (10 53.5)", "POINT (10 460.5)"], IMPOSSIBLE, "beyond ±180 or ±90"),
    ("EPSG:4258", ["POINT (53.5 10)"] * 2, OUTSIDE, "swapped"),
    ("EPSG:25832", [HAMBURG, f"POINT ({NO_DATA} {NO_DATA})"], IMPOSSIBLE, "no data"),
    ("EPSG:25832", [HAMBURG, f"LINESTRING (565000 5934000, 565000 {NO_DATA})"], IMPOSSIBLE, "no data"),
    ("EPSG:25832", [SWAPPED, None, "POINT EMPTY", SWAPPED], OUTSIDE, "swapped"),
    ("EPSG:25832", ["POINT (10 53.5)"], OUTSIDE, "look like degrees"),
    ("EPSG:2056", ["POINT (600000 200000)"], OUTSIDE, "lies far outside"),
    ("EPSG:31468", ["POINT (3565000 5934000)"], OUTSIDE, "lies far outside"),
]


@pytest.mark.parametrize("by", ["default", "keep_crs", "web_mercator"])
@pytest.mark.parametrize(("crs", "shapes", "code", "word"), REFUSED)
def test_what_cannot_be(warned: Callable, wkb: Callable, crs: str, shapes: list, code: str, word: str, by: str) -> None:
    bad = 1 if len(shapes) > 1 and shapes[0] != shapes[-1] else 0
    with pytest.raises(Rejected) as caught:
        warned(wkb(*shapes), crs, by)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == (code, f"files[0]: layer a, feature {bad + 1}")
    assert word in problem.message
    assert "'raw'" in problem.remedy


@pytest.mark.parametrize(("crs", "shapes", "code", "word"), REFUSED)
def test_raw_keeps_it_and_says_so(warned: Callable, wkb: Callable, crs: str, shapes: list, code: str, word: str) -> None:
    (warning,) = warned(wkb(*shapes), crs, "raw")
    assert warning.code == code
    assert word in warning.message


@pytest.mark.parametrize("number", [math.inf, -math.inf])
def test_what_is_not_finite(warned: Callable, number: float) -> None:
    shapes = pa.array([shapely.to_wkb(shapely.Point(1, 2)), shapely.to_wkb(shapely.Point(1, number))], pa.binary())
    with pytest.raises(Rejected) as caught:
        warned(shapes, "EPSG:4326")
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [(IMPOSSIBLE, "files[0]: layer a, feature 2")]
    assert [warning.code for warning in warned(shapes, "EPSG:4326", "raw")] == [IMPOSSIBLE]


@pytest.mark.parametrize(
    ("crs", "shapes", "code", "word"),
    [
        ("EPSG:25832", [HAMBURG, SWAPPED, SWAPPED], OUTSIDE, "swapped (and 1 more)"),
        ("EPSG:25832", [HAMBURG, "POINT (10 53.5)"], OUTSIDE, "look like degrees"),
        ("EPSG:25832", [HAMBURG, "POINT (1500000 6000000)"], OUTSIDE, "lies far outside"),
        ("EPSG:25833", ["POINT (-32000 6740000)"], OUTSIDE, "or reaches out of it"),  # Bergen: Norway has one zone for all of it
        ("EPSG:4258", ["POINT (10 53.5)", "POINT (-74 40.7)"], OUTSIDE, "lies far outside"),
        ("EPSG:4269", ["POINT (-74 40.7)", "POINT (10 53.5)"], OUTSIDE, "lies far outside"),
        ("EPSG:3857", ["POINT (10 53.5)", "POINT (11 53.5)"], DOUBTFUL, "as longitudes and latitudes"),
    ],
)
def test_what_is_unlikely(warned: Callable, wkb: Callable, crs: str, shapes: list, code: str, word: str) -> None:
    (warning,) = warned(wkb(*shapes), crs)
    assert (warning.code, warning.where) == (code, f"files[0]: layer a, feature {min(2, len(shapes)) if code == OUTSIDE else 1}")
    assert word in warning.message
    assert warning.remedy


@pytest.mark.parametrize(
    ("crs", "shapes"),
    [
        (
            "EPSG:4326",
            ["POINT (180.0000001 -90.0000001)", "POINT (-180 90)", None, "POINT EMPTY", "GEOMETRYCOLLECTION (POINT EMPTY)"],
        ),
        ("EPSG:4269", ["POINT (-170 60)", "POINT (172 53)", "MULTIPOINT (-179.9 52, 179.9 52)"]),
        ("EPSG:25832", [HAMBURG, "POINT (798000 5820000)"]),  # Berlin, as Germany has one zone for all of it
        ("EPSG:3857", ["POINT (10 53.5)", "POINT (1000000 6000000)"]),
        ("EPSG:3413", ["POINT (0 0)", "POINT (1000000 -1000000)"]),
        ("+proj=laea +lat_0=50 +lon_0=10 +datum=WGS84", ["POINT (0 0)", "POINT (1 1)"]),
        ("EPSG:4807", ["POINT (2 54)"]),
        ("EPSG:25832", ["POINT Z (565000 5934000 1e300)"]),
    ],
)
@pytest.mark.parametrize("by", ["default", "raw"])
def test_what_is_fine(warned: Callable, wkb: Callable, crs: str, shapes: list, by: str) -> None:
    assert warned(wkb(*shapes), crs, by) == []


def test_what_a_filter_leaves_out_does_no_harm(
    engine: ComputeEngine, recipe: Callable, source: Callable, wkb: Callable, tmp_path: Path
) -> None:
    table = pa.table({"name": ["good", "bad"], "geom": wkb("POINT (10 53.5)", "POINT (10 460.5)")})
    with engine.workspace("run#1", tmp_path) as workspace:
        made = workspace.dataset(recipe("filter", condition={"column": "name", "op": "ne", "value": "bad"}))
        made.load(source(table))
        processed = made.finish()
        assert (processed.features, processed.warnings) == (1, ())


@pytest.mark.parametrize("by", ["explode", "dissolve"])
def test_features_are_counted_not_their_parts(warned: Callable, wkb: Callable, by: str) -> None:
    with pytest.raises(Rejected) as caught:
        warned(wkb("MULTIPOINT (10 460, 11 460)", "POINT (10 53.5)", "POINT (10 460)"), "EPSG:4326", by)
    (problem,) = caught.value.problems
    assert problem.where == "files[0]: layer a, feature 1"
    assert "(and 1 more)" in problem.message


@given(
    crs=st.sampled_from(
        ["EPSG:4326", "EPSG:4258", "EPSG:4269", "EPSG:25832", "EPSG:32733", "EPSG:2056", "EPSG:3857", "EPSG:2193"]
    ),
    places=st.lists(st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)), min_size=1, max_size=5),
)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_good_coordinates_never_warn(warned: Callable, crs: str, places: list[tuple[float, float]]) -> None:
    """Places in the area of use, projected by PROJ."""
    west, south, east, north = pyproj.CRS(crs).area_of_use.bounds
    width = (east - west) % 360 or 360
    project = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform
    lon_lat = [((west + x * width + 180) % 360 - 180, south + y * (north - south)) for x, y in places]
    shapes = shapely.to_wkb(shapely.points([project(*place) for place in lon_lat]))
    assert warned(pa.array(shapes.tolist(), pa.binary()), crs, "raw") == []
