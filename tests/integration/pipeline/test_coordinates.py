"""Coordinates that are not in their CRS, from the file to the report."""

from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely

from libs.models import Status

pytestmark = pytest.mark.integration

CSV = {"crs": "EPSG:4326", "options": {"x": "lon", "y": "lat"}}


def test_a_latitude_of_460(platform: Any) -> None:
    path = platform.put("in/out_of_range.csv", "id,lon,lat\n1,7.5,46.5\n2,7.6,460.5\n")
    report = platform.ingest("b1", platform.entry(path, **CSV))
    (problem,) = report.problems
    assert (problem.code, problem.where) == ("coordinates_impossible", "files[0]: layer out_of_range, feature 2")
    assert "beyond ±180 or ±90" in problem.message


def test_what_the_remedy_says_works(platform: Any) -> None:
    path = platform.put("in/out_of_range.csv", "id,lon,lat\n1,7.5,46.5\n2,7.6,460.5\n")
    entry = platform.entry(path, **CSV)
    raw = platform.ingest("b1", entry, intent="raw")
    assert (raw.status, raw.datasets[0].features) == (Status.SUCCESS, 2)
    assert [(warning.code, warning.where) for warning in raw.warnings] == [
        ("coordinates_impossible", "files[0]: layer out_of_range, feature 2")
    ]
    condition = {"column": "lat", "op": "le", "value": 90}
    filtered = platform.ingest("b2", entry, intent="filter", parameters={"condition": condition})
    assert (filtered.status, filtered.datasets[0].features, filtered.warnings) == (Status.SUCCESS, 1, ())
    assert filtered.datasets[0].changes.dropped == {"filter": 1}


def test_metres_without_a_crs(platform: Any) -> None:
    feature = '{"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [434843.55, 5791841.9]}}'
    path = platform.put("in/a.geojson", f'{{"type": "FeatureCollection", "features": [{feature}]}}')
    (problem,) = platform.ingest("b1", platform.entry(path)).problems
    assert problem.code == "coordinates_impossible"
    assert "look like metres" in problem.message
    assert '"crs": "EPSG:25832"' in problem.remedy


@pytest.mark.parametrize(("suffix", "driver"), [(".gpkg", "GPKG"), (".shp", "ESRI Shapefile"), (".fgb", "FlatGeobuf")])
def test_swapped_and_missing_in_other_formats(suffix: str, driver: str, platform: Any, tmp_path: Path) -> None:
    no_data = -1.7976931348623157e308
    points = {"swapped": [(5934000, 565000)] * 2, "one": [(565000, 5934000), (5934000, 565000)], "null": [(no_data, no_data)]}
    found = {}
    for name, coordinates in points.items():
        file = tmp_path / f"{name}{suffix}"
        geometry = shapely.points(coordinates)
        geopandas.GeoDataFrame({"id": range(len(geometry))}, geometry=geometry, crs="EPSG:25832").to_file(
            file, driver=driver, **({"SPATIAL_INDEX": "NO"} if suffix == ".fgb" else {})
        )
        report = platform.ingest(name, platform.entry(platform.put(f"in/{name}{suffix}", file)))
        found[name] = (
            report.status,
            [(told.code, "swapped" in told.message, told.where[-9:]) for told in (*report.problems, *report.warnings)],
        )
    assert found == {
        "swapped": (Status.REJECTED, [("coordinates_outside_crs", True, "feature 1")]),
        "one": (Status.SUCCESS, [("coordinates_outside_crs", True, "feature 2")]),
        "null": (Status.REJECTED, [("coordinates_impossible", False, "feature 1")]),
    }
