"""Which layers are read: by name, or by a pattern."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest

from libs.models import Problem

pytestmark = pytest.mark.integration

NAMES = ("road_a", "road_b", "Road_c", "rail", "layer_styles")


@pytest.fixture
def path(places: gpd.GeoDataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "a.gpkg"
    for number, name in enumerate(NAMES, 1):
        frame = places[["text", "geometry"]].head(number)
        if name == "layer_styles":  # as QGIS keeps it
            for column in ("f_table_name", "f_geometry_column", "stylename", "styleqml"):
                frame = frame.assign(**{column: "x"})
        frame.to_file(path, layer=name, engine="pyogrio")
    return path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("road_*", {"road_a": 1, "road_b": 2}),
        ("?o?d_?", {"road_a": 1, "road_b": 2, "Road_c": 3}),
        ("*", {"road_a": 1, "road_b": 2, "Road_c": 3, "rail": 4}),
        ("rail", {"rail": 4}),
        ("layer_styles", {"layer_styles": 5}),
    ],
)
def test_a_pattern(read: Callable[..., Any], path: Path, pattern: str, found: dict[str, int]) -> None:
    got = read(path, "GPKG", layer=pattern)
    assert {name: table.num_rows for name, table in got.tables.items()} == found


@pytest.mark.parametrize(
    ("wanted", "found"), [("road_*", ["road_*"]), ("road_?", ["road_*", "road_1"]), ("[m]*", ["[m] x"]), ("[m] x", ["[m] x"])]
)
def test_an_exact_name_wins_and_brackets_are_plain(
    read: Callable[..., Any], tmp_path: Path, wanted: str, found: list[str]
) -> None:
    path = tmp_path / "a.topojson"
    point = {"type": "Point", "coordinates": [8, 47]}
    objects = dict.fromkeys(("road_*", "road_1", "road_12", "[m] x", "m x"), point)
    path.write_text(json.dumps({"type": "Topology", "objects": objects, "arcs": []}))
    assert list(read(path, "TopoJSON", layer=wanted).tables) == found


def test_a_pattern_that_fits_nothing(refused: Callable[..., Problem], path: Path) -> None:
    problem = refused(path, "GPKG", layer="river_*")
    assert problem.code == "unknown_layer"
    assert "'rail'" in problem.message
