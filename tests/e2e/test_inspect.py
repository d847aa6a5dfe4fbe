"""``inspect`` through the installed command: it shows what is there, agrees with ``ingest``, and stores nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "data" / "cases"
COMMAND = Path(sys.executable).parent / "spatial-etl"


def run(home: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "SPATIAL_ETL_HOME": str(home), "COLUMNS": "100", "HOME": str(home.parent)}
    command = [str(COMMAND), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def as_json(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_a_file_with_two_layers(tmp_path: Path) -> None:
    done = run(tmp_path / "home", "inspect", ROOT / "demo/data/town.gpkg", "--json")
    assert done.returncode == 0
    (town,) = as_json(done)
    assert (town["format"], town["problems"]) == ("GPKG", [])
    buildings, roads = town["layers"]
    assert (buildings["features"], roads["features"]) == (144, 12)
    assert (buildings["crs"], buildings["crs_source"], buildings["geometry_types"]) == ("EPSG:25832", "file", ["Polygon"])
    height = next(column for column in buildings["columns"] if column["name"] == "height_m")
    assert (height["type"], height["least"], height["most"], height["samples"]) == (
        "double",
        "4.1",
        "17.9",
        ["5.7", "12.5", "4.3"],
    )
    note = next(column for column in buildings["columns"] if column["name"] == "note")
    assert note["nulls"] == 108
    assert any(ord(dot) > 0x2800 for row in buildings["picture"] for dot in row)
    assert not (tmp_path / "home").exists()


def test_it_is_shown_for_people(tmp_path: Path) -> None:
    done = run(tmp_path / "home", "inspect", ROOT / "demo/data/trees.csv", "--crs", "EPSG:25832")
    assert done.returncode == 0
    assert "200 features  Point" in done.stdout
    assert "EPSG:25832 (as given)" in done.stdout
    assert f"spatial-etl ingest {ROOT / 'demo/data/trees.csv'} --crs EPSG:25832" in done.stdout


@pytest.mark.parametrize(
    "file",
    ["projected_undeclared.geojson", "dates_invalid.shp", "utf8_truncated_fieldname.shp", "unknown_datum.shp", "networklink.kml",
     "epsg102100.geojson", "wfs_truncated_page.gml"],
)  # fmt: skip
def test_it_agrees_with_ingest(tmp_path: Path, file: str) -> None:
    (found,) = as_json(run(tmp_path / "unused", "inspect", CASES / file, "--json"))
    report = as_json(run(tmp_path / "home", "ingest", CASES / file, "--json"))
    for kind in ("problems", "warnings"):
        assert [said["code"] for said in found[kind]] == [said["code"] for said in report[kind]]
    if report["datasets"]:
        assert sum(layer["features"] for layer in found["layers"]) == sum(each["features"] for each in report["datasets"])


def test_what_ingesting_refuses_is_shown_all_the_same(tmp_path: Path) -> None:
    done = run(tmp_path / "home", "inspect", CASES / "dates_invalid.shp", "--json")
    assert done.returncode == 1
    (found,) = as_json(done)
    assert ([problem["code"] for problem in found["problems"]], found["layers"][0]["features"]) == (["value_lost"], 2)


def test_the_manifest_works_as_printed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    printed = run(home, "inspect", ROOT / "demo/data/trees.csv", "--crs", "EPSG:25832", "--manifest")
    (tmp_path / "trees.json").write_text(printed.stdout)
    assert run(home, "submit", tmp_path / "trees.json", ROOT / "demo/data/trees.csv").returncode == 0
    assert run(home, "process").returncode == 0
    assert "200 features" in run(home, "show", "trees").stdout.replace("features  200", "200 features")
