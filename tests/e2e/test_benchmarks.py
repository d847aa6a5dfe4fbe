"""The benchmarks, small: that they measure the real command, check its result, and say what they found."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_a_small_run(tmp_path: Path) -> None:
    sizes = ["--rows", "2000", "--large-rows", "4000", "--batches", "2", "--rounds", "1", "--formats", "fgb", "geojson"]
    command = [sys.executable, "-m", "benchmarks", "speed", "memory", "throughput", *sizes, "--folder", tmp_path]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "benchmarks.json").read_text())
    assert [result["what"].split(" (")[0] for result in figures["results"]] == [
        "FlatGeobuf, 2,000 polygons",
        "GeoJSON, 2,000 polygons",
        "memory, 2,000 polygons",
        "memory, 4,000 polygons",
        "2 batches of one feature",
    ]
    for result in figures["results"]:
        assert all(value > 0 for values in result["samples"].values() for value in values)
        assert result["what"] in done.stdout.replace("\n", " ")
