"""The same manifest on the same inputs gives the same bytes, whatever the machine around it is set to."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.buildings import FORMATS, file_of
from tests.plain_tiff import NODATA, plain_tiff

pytestmark = pytest.mark.integration

ROWS = 150_000
"""More than fits into one row group of the engine or of the file, so that threads have something to mix up."""

WORLDS: dict[str, dict[str, str]] = {
    "small": {
        "LC_ALL": "C",
        "TZ": "Asia/Kathmandu",
        "PYTHONHASHSEED": "1",
        "SPATIAL_ETL_THREADS": "1",
        "SPATIAL_ETL_MEMORY_MB": "192",
        "CORES": "1",
    },
    "usual": {"LC_ALL": "C.UTF-8", "TZ": "UTC"},
    "large": {
        "LC_ALL": "tr_TR.ISO-8859-9",
        "LANGUAGE": "tr",
        "TZ": "America/St_Johns",
        "PYTHONHASHSEED": "2",
        "SPATIAL_ETL_THREADS": "7",
        "SPATIAL_ETL_MEMORY_MB": "2000",
    },
}

RECIPES: dict[str, list[str]] = {
    "default": [],
    "explode": [],
    "clip": ["bbox=[8, 48, 10, 51]"],
    "dissolve": [
        'by=["kind", "floors"]',
        'aggregate={"heights": {"op": "sum", "column": "height"}, "name": {"op": "first", "column": "name"}}',
    ],
    "simplify": ['tolerance={"value": 2, "unit": "m"}'],
}


@contextmanager
def cores(number: int | None) -> Iterator[None]:
    """Commands started here see so many cores; all when None."""
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(all_cores)[:number])
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_cores)


def hashes(cli: Any, world: str, home: Path, *arguments: str | Path) -> list[str]:
    """The SHA-256 of every file that ``ingest`` writes on a fresh home."""
    environment = dict(WORLDS[world])
    with cores(int(environment.pop("CORES", "0")) or None):
        report = cli("ingest", *arguments, "--batch-id", "same", "--json", SPATIAL_ETL_HOME=str(home), **environment).json
    assert report["datasets"]
    return [file["sha256"] for dataset in report["datasets"] for file in dataset["files"]]


@pytest.fixture(scope="module")
def buildings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return file_of(ROWS, FORMATS["fgb"], tmp_path_factory.mktemp("buildings"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes(cli: Any, buildings: Path, tmp_path: Path, recipe: str) -> None:
    arguments = [buildings, "--intent", recipe, *(part for value in RECIPES[recipe] for part in ("--param", value))]
    found = {world: hashes(cli, world, tmp_path / world, *arguments) for world in WORLDS}
    assert len(set(map(tuple, found.values()))) == 1, found

    replayed = cli("replay", "buildings", "--json", SPATIAL_ETL_HOME=str(tmp_path / "small"), SPATIAL_ETL_THREADS="3").json
    assert replayed["identical"]


def test_names_and_texts_beyond_ascii(cli: Any, tmp_path: Path) -> None:
    feature = {
        "type": "Feature",
        "properties": {
            "Straße": "Ärmelkanal ı İ",
            "größe_m²": 1.5,
            "seen": "2024-03-31T02:30:00",
            "at": "2024-03-31T02:30:00+02:00",
        },
        "geometry": {"type": "Point", "coordinates": [9.1, 53.2]},
    }
    path = tmp_path / "straße.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}, ensure_ascii=False), encoding="utf-8")
    found = {world: hashes(cli, world, tmp_path / world, path) for world in WORLDS}
    assert len(set(map(tuple, found.values()))) == 1, found


def test_rasters(cli: Any, tmp_path: Path) -> None:
    """Each of several rows of tiles, with parts of tiles at the edges; means, classes, and a part without data."""
    random, (height, width) = np.random.default_rng(3), (1100, 1700)
    colours = random.integers(0, 255, (height, width, 3), "uint8")
    heights = (300 + 60 * np.sin(np.arange(height * width) / 977)).astype("<f4").reshape(height, width)
    heights[200:700, 300:900] = -9999
    files = {
        "colours.tif": plain_tiff(colours.tobytes(), width, height, 3),
        "heights.tif": plain_tiff(heights.tobytes(), width, height, bits=32, kind=3, tags={NODATA: b"-9999\0"}),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    found = {world: hashes(cli, world, tmp_path / world, *(tmp_path / name for name in files)) for world in WORLDS}
    assert [len(each) for each in found.values()] == [2] * len(WORLDS)
    assert len(set(map(tuple, found.values()))) == 1, found
    replayed = cli("replay", "heights", "--json", SPATIAL_ETL_HOME=str(tmp_path / "small"), SPATIAL_ETL_THREADS="3").json
    assert replayed["identical"]
