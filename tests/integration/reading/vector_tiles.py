"""What the tests of formats with vector tiles have in common."""

import json
from typing import Any

import geopandas as gpd
import shapely


def require_features_of_zoom_2(got: Any) -> None:
    """Require that tiles of three features gave those of the highest zoom, where the second is cut by four tiles."""
    by_number: dict[int, list[Any]] = {1: [], 2: [], 3: []}
    for attributes, shape in zip(got.table["json"].to_pylist(), got.geometries, strict=True):
        by_number[json.loads(attributes)["n"]].append(shape)
    assert got.layer.crs.name == "EPSG:3857"
    assert [len(by_number[number]) for number in (1, 2, 3)] == [1, 4, 1]
    expected = gpd.GeoSeries([shapely.Point(1, 2), shapely.box(5, 5, 60, 60)], crs="EPSG:4326").to_crs("EPSG:3857")
    assert by_number[1][0].distance(expected[0]) < 5000  # a tile of 10,000 km has 4,096 steps
    assert by_number[3][0].hausdorff_distance(expected[1]) < 5000
    assert [each.code for each in got.warnings] == ["cut_by_tiles"]
    assert "zoom 2" in got.warnings[0].message
