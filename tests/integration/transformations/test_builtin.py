"""Every built-in recipe on a real DuckDB."""

from typing import Any

import pyarrow as pa
import pytest
import shapely

from libs.transformations import Registry

pytestmark = pytest.mark.integration

Transform = Any
SCHEMA = pa.schema([("id", pa.int64()), ("kind", pa.string())])
ROWS = [
    {"id": 1, "kind": "a", "geom": shapely.Polygon([(500_000, 0), (500_100, 100), (500_100, 0), (500_000, 100)])},
    {"id": 2, "kind": "a", "geom": shapely.MultiPoint([(500_000, 0), (500_000, 100_000)])},
    {"id": 3, "kind": "b", "geom": shapely.LineString([(500_000, 0), (500_050, 0.1), (500_100, 0)])},
    {"id": 4, "kind": None, "geom": None},
]
PARAMETERS: dict[str, dict[str, Any]] = {
    "reproject": {"crs": "EPSG:3035"},
    "simplify": {"tolerance": {"value": 1, "unit": "m"}},
    "set_precision": {"grid": {"value": 1e-4, "unit": "deg"}, "crs": "EPSG:4326"},
    "clip": {"area": {"type": "Polygon", "coordinates": [[[8, -1], [10, -1], [10, 0.5], [8, 0.5], [8, -1]]]}},
    "dissolve": {"by": ["kind"], "aggregate": {"n": {"op": "count"}}},
    "filter": {"condition": {"column": "kind", "op": "eq", "value": "a"}},
    "select": {"columns": ["kind"]},
    "rename": {"columns": {"kind": "what"}},
    "cast": {"columns": {"id": "string"}},
    "join": {"on": ["id"], "columns": {"kind": "their_kind"}, "how": "inner"},
    "spatial_join": {"columns": {"kind": "zone"}, "crs": "EPSG:32632", "take": "all"},
}
INPUTS = {
    "other": [
        {"id": 1, "kind": "x", "geom": shapely.box(499_000, -1_000, 500_060, 1_000)},
        {"id": 9, "kind": "y", "geom": shapely.box(500_040, -1_000, 500_070, 1_000)},
    ]
}
EXPECTED: dict[str, tuple[str, int, dict[str, Any]]] = {
    "default": ("EPSG:4326", 4, {"repaired": 1}),
    "ingest_tabular": ("EPSG:32632", 4, {}),
    "raw": ("EPSG:32632", 4, {}),
    "ingest_raster": ("EPSG:32632", 4, {}),
    "keep_crs": ("EPSG:32632", 4, {"repaired": 1}),
    "reproject": ("EPSG:3035", 4, {"repaired": 1}),
    "web_mercator": ("EPSG:3857", 4, {"repaired": 1}),
    "simplify": ("EPSG:32632", 4, {"repaired": 1, "counts": {"simplified": 1}}),
    "set_precision": ("EPSG:4326", 4, {"repaired": 1, "counts": {"rounded": 3}}),
    "clip": ("EPSG:4326", 3, {"repaired": 1, "dropped": {"clip": 1}, "counts": {"clipped": 1}}),
    "dissolve": ("EPSG:4326", 3, {"repaired": 1, "counts": {"dissolved": 1, "columns_dropped": 1}}),
    "explode": ("EPSG:4326", 6, {"repaired": 1, "counts": {"exploded": 2}}),
    "force_2d": ("EPSG:4326", 4, {"repaired": 1}),
    "filter": ("EPSG:4326", 2, {"repaired": 1, "dropped": {"filter": 2}}),
    "select": ("EPSG:4326", 4, {"repaired": 1, "counts": {"columns_dropped": 1}}),
    "rename": ("EPSG:4326", 4, {"repaired": 1, "renamed": {"kind": "what"}}),
    "cast": ("EPSG:4326", 4, {"repaired": 1}),
    "join": ("EPSG:4326", 1, {"repaired": 1, "dropped": {"join": 3}, "counts": {"other_matched": 1, "other_unmatched": 3}}),
    "spatial_join": (
        "EPSG:32632",
        6,
        {"repaired": 1, "counts": {"other_matched": 3, "other_unmatched": 1, "other_doubled": 2}},
    ),
    "clip_by": (
        "EPSG:4326",
        3,
        {"repaired": 1, "dropped": {"clip_by": 1}, "counts": {"clipped": 3, "other_reprojected_from_epsg_32632": 2}},
    ),
    "erase": (
        "EPSG:4326",
        4,
        {"repaired": 1, "counts": {"erased": 3, "other_reprojected_from_epsg_32632": 2}},
    ),
}


def test_every_recipe_is_tried() -> None:
    """Those for rasters: see tests/integration/pipeline/rasters/test_steps.py."""
    assert EXPECTED.keys() == {name for name, recipe in Registry().recipes.items() if not recipe.for_rasters}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recipe_does_what_it_says_and_counts_it(transform: Transform, name: str) -> None:
    crs, features, changes = EXPECTED[name]
    recipe = Registry().recipes[name].bind(PARAMETERS.get(name, {}))
    result = transform(recipe, ROWS, schema=SCHEMA, inputs=INPUTS)
    assert result.relation.crs == crs
    assert len(result.rows) == features
    assert result.changes.model_dump(exclude_defaults=True) == changes
    if name not in {"raw", "ingest_tabular", "ingest_raster"}:
        assert all(shape is None or shape.is_valid for shape in result.shapes)


@pytest.mark.parametrize("name", sorted(EXPECTED.keys() - {"clip", "dissolve", "explode", "spatial_join", "clip_by", "erase"}))
def test_a_table_goes_through_what_needs_no_geometry(transform: Transform, name: str) -> None:
    rows = [{key: value for key, value in row.items() if key != "geom"} for row in ROWS]
    result = transform(Registry().recipes[name].bind(PARAMETERS.get(name, {})), rows, schema=SCHEMA, inputs=INPUTS)
    assert len(result.rows) == {"filter": 2, "join": 1}.get(name, 4)
