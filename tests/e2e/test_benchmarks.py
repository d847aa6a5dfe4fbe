"""The benchmarks, small: that they measure the real command, check its result, and say what they found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.local import throwaway_services
from tests.services import start

pytestmark = pytest.mark.integration


def measured(folder: Path, *parts: str) -> list[str]:
    """What a small run of some parts measured. That each figure is one, and is shown, is checked here."""
    sizes = ["--rows", "2000", "--large-rows", "4000", "--batches", "2", "--rounds", "1", "--formats", "fgb", "geojson"]
    command = [sys.executable, "-m", "benchmarks", *parts, *sizes, "--folder", folder]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads((folder / "benchmarks.json").read_text())["results"]
    for result in results:
        assert all(value > 0 for values in result["samples"].values() for value in values)
        assert result["what"] in done.stdout.replace("\n", " ")
    return [result["what"].split(" (")[0] for result in results]


def test_a_small_run(tmp_path: Path) -> None:
    assert measured(tmp_path, "speed", "memory", "throughput") == [
        "FlatGeobuf, 2,000 polygons",
        "GeoJSON, 2,000 polygons",
        "memory, 2,000 polygons",
        "memory, 4,000 polygons",
        "2 batches of one feature",
    ]


def test_a_small_run_on_servers(tmp_path: Path) -> None:
    with throwaway_services() as services:
        for service in services.all:  # the programs must be here
            start(service)
    found = measured(tmp_path, "servers")
    assert [what for what in found if "ogr2ogr" not in what] == [
        "FlatGeobuf, 2,000 polygons, on servers, beside GeoPandas",
        "FlatGeobuf, 2,000 polygons, on servers, beside least PostGIS",
        "GeoJSON, 2,000 polygons, on servers, beside GeoPandas",
        "GeoJSON, 2,000 polygons, on servers, beside least PostGIS",
        "memory, 4,000 polygons, on servers",
    ]
