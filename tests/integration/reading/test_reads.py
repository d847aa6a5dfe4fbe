"""How often a file is read from end to end: counted by the kernel, and limited.

What is counted is what the reading process reads of the file (``rchar`` of ``/proc/<pid>/io``), divided by the file's size. The
fork server takes over the counts of its children when they have ended. Not counted: the one read by which staging hashes the
file, in the other process, and the first 64 KiB by which a file is recognised.
"""

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from libs.spatial_utils.reading import SchemaInferenceFailed
from libs.spatial_utils.reading.launcher import LAUNCHER

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Feature = dict[str, Any]
FEATURES = 36_000
"""So many make a file that is large enough for the fast way."""
ENDS = 2 * 1024 * 1024
"""Bytes that may be read besides, of a file of any size: by drivers that look at its beginning several times."""
SAMPLES = 3 * 1024 * 1024
"""The same for large GeoJSON, of whose features a sample is read, too."""


def _server() -> int:
    LAUNCHER.features()
    process = LAUNCHER._process
    assert process is not None
    return process.pid


def _bytes_read(pid: int) -> int:
    counts = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines())
    return int(counts["rchar"])


def _settled(pid: int) -> int:
    """What has been read once all children have ended: the server reaps them a moment after their last word."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    for _ in range(500):
        if not children.read_text(encoding="ascii").strip():
            break
        time.sleep(0.01)
    return _bytes_read(pid)


@pytest.fixture
def times_read(read: Reader, tmp_path: Path) -> Callable[..., float]:
    """How often reading a file reads it, with everything that is read for it."""

    def count(path: Path, format: str, *, parts: tuple[str, ...] = (), **spec: Any) -> float:  # noqa: A002
        start = tmp_path / "start.geojson"  # what the server imports is not counted
        start.write_text('{"type": "FeatureCollection", "features": []}', encoding="utf-8")
        read(start, "GeoJSON")
        pid = _server()
        before = _settled(pid)
        try:
            read(path, format, **spec)
        except SchemaInferenceFailed:
            read(path, format, **{**spec, "full_scan": True})
        size = sum(path.with_suffix(suffix).stat().st_size for suffix in (path.suffix, *parts))
        times = (_settled(pid) - before) / size
        print(f"{path.name}: {size:,} bytes, read {times:.2f} times")
        return times - (ENDS + (SAMPLES if format.startswith("GeoJSON") else 0)) / size

    return count


def _features(odd: Callable[[int], Feature]) -> list[Feature]:
    dice = random.Random(17)
    features = []
    for number in range(FEATURES):
        x, y = dice.uniform(5, 10), dice.uniform(45, 48)
        ring = [[x, y], [x + 0.001, y], [x, y + 0.001], [x, y]]
        whole = {
            "type": "Feature",
            "properties": {"number": number, "name": f"building {number}", "seen": "2024-05-01T10:00:00Z", "pad": "x" * 100},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        more = odd(number)
        features.append({**whole, **more, "properties": {**whole["properties"], **more.get("properties", {})}})
    return features


def _geojson(path: Path, odd: Callable[[int], Feature] = lambda _: {}) -> Path:
    features = ",\n".join(map(json.dumps, _features(odd)))
    path.write_text(f'{{"type": "FeatureCollection", "features": [\n{features}\n]}}\n', encoding="utf-8")
    return path


def test_ordinary_features_are_read_once(times_read: Callable[..., float], tmp_path: Path) -> None:
    assert 0.5 < times_read(_geojson(tmp_path / "a.geojson"), "GeoJSON", full_scan=False) <= 1


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda _: {"remark": "not in the properties"}, id="refused at once"),
        pytest.param(lambda _: {"remark": "", "properties": {"at": "2024-05-01T10:00:00.123456 UTC"}}, id="times that GDAL cuts"),
    ],
)
def test_what_gdal_reads_is_read_three_times(
    times_read: Callable[..., float], tmp_path: Path, odd: Callable[[int], Feature]
) -> None:
    """Once to look at it, and by GDAL once for the types and once for the features."""
    assert 1 < times_read(_geojson(tmp_path / "a.geojson", odd), "GeoJSON", full_scan=False) <= 3


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda number: {"properties": {"mixed": number if number % 2 else f"{number}"}}, id="values made again"),
        pytest.param(lambda number: {"properties": {"late": 1} if number == FEATURES * 15 // 32 else {}}, id="refused late"),
    ],
)
def test_what_is_begun_again_is_read_once_more(
    times_read: Callable[..., float], tmp_path: Path, odd: Callable[[int], Feature]
) -> None:
    """Values of several types are made of the text beside GDAL; and a guess that fails late has read the file."""
    assert 1 < times_read(_geojson(tmp_path / "a.geojson", odd), "GeoJSON", full_scan=False) <= 4


def test_a_sequence_is_read_three_times(times_read: Callable[..., float], tmp_path: Path) -> None:
    path = tmp_path / "a.geojsonl"
    lines = map(json.dumps, _features(lambda _: {"remark": "not in the properties"}))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    assert 1 < times_read(path, "GeoJSONSeq", full_scan=False) <= 3


@pytest.fixture
def frame() -> gpd.GeoDataFrame:
    points = shapely.points(np.linspace(5, 10, FEATURES), np.linspace(45, 48, FEATURES))
    return gpd.GeoDataFrame(
        {"number": np.arange(FEATURES), "text": [f"Zürich {number}" for number in range(FEATURES)]},
        geometry=points,
        crs="EPSG:4326",
    )


@pytest.mark.parametrize(
    ("name", "driver", "parts", "limit"),
    [
        ("a.kml", "KML", (), 2),
        ("a.gml", "GML", (), 3),
        ("a.gpx", "GPX", (), 3),
        ("a.shp", "ESRI Shapefile", (".dbf", ".shx"), 1.5),
        ("a.csv", "CSV", (), 3),
        ("a.gpkg", "GPKG", (), 1),
        ("a.fgb", "FlatGeobuf", (), 1),
    ],
)
def test_other_formats(
    times_read: Callable[..., float], frame: gpd.GeoDataFrame, tmp_path: Path, name: str, driver: str, parts: tuple[str, ...],
    limit: float,
) -> None:  # fmt: skip
    path = tmp_path / name
    if driver == "CSV":
        pd.concat([frame.drop(columns="geometry")] * 5).to_csv(path, index=False)
    elif driver == "GPX":
        gpd.GeoDataFrame(pd.concat([frame[["geometry"]]] * 4)).to_file(path, driver=driver, engine="pyogrio", layer="waypoints")
    else:
        frame.to_file(path, driver=driver, engine="pyogrio")
        path.with_suffix(".xsd").unlink(missing_ok=True)  # then GDAL looks through a GML for its types
    assert times_read(path, driver, parts=parts, **({"type": "tabular"} if driver == "CSV" else {})) <= limit
