"""A second daemon beside the first, a mistake people make: every batch is done exactly once."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from services.dagster.processes import CODE_SERVER, DAEMON, Processes

pytestmark = [pytest.mark.integration, pytest.mark.slow]

POINT = {"type": "Feature", "properties": {"n": 1}, "geometry": {"type": "Point", "coordinates": [9, 53]}}
CONTENT = json.dumps({"type": "FeatureCollection", "features": [POINT]})
LEASE = 5


def deliver(home: Path, batches: range) -> None:
    landing = home / "landing-zone"
    (landing / "manifests").mkdir(parents=True, exist_ok=True)
    for number in batches:
        batch_id = f"b{number:03}"
        (landing / batch_id).mkdir()
        (landing / batch_id / "points.geojson").write_text(CONTENT)
        entry = {"path": f"s3://landing-zone/{batch_id}/points.geojson", "type": "vector", "format": "GeoJSON"}
        manifest = {
            "batch_id": batch_id,
            "uploader": "tester",
            "intent": "ingest_vector",
            "files": [entry | {"dataset_id": batch_id}],
        }
        (landing / "manifests" / f"{batch_id}.json").write_text(json.dumps(manifest))


def wait_for_all(home: Path, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any((home / "landing-zone" / "manifests").iterdir()):
        assert time.monotonic() < deadline, f"{len(list((home / 'landing-zone' / 'manifests').iterdir()))} still wait"
        time.sleep(0.5)
    assert len(list((home / "landing-zone" / "reports").iterdir())) == count


def exactly_once(cli: Any, count: int) -> None:
    """Every batch succeeded once, and after upkeep nothing is left of what was killed."""
    time.sleep(LEASE)
    cli("reconcile")
    cli("gc")
    states = cli("status", "--json").json
    assert {(state["status"]) for state in states} == {"success"}
    datasets = cli("datasets", "--json").json
    assert sorted(dataset["dataset_id"] for dataset in datasets) == [f"b{number:03}" for number in range(count)]
    assert cli("gc", "--json").json["unknown"] == []
    verified = cli("verify", "--json").json
    assert [item["finding"] for item in verified] == ["intact"] * count
    lake = [path for path in (cli.home / "data-lake").rglob("*.parquet") if ".partial" not in path.parts]
    assert len(lake) == count
    assert list((cli.home / "scratch" / "runs").glob("*")) == []


def test_two_daemons(cli: Any) -> None:
    first = Processes(cli.home / "dagster", cli.environment)
    second = Processes(cli.home / "another", cli.environment)
    try:
        first.start(CODE_SERVER, DAEMON)
        second.start(CODE_SERVER, DAEMON)
        deliver(cli.home, range(60))
        wait_for_all(cli.home, 60, 400)
    finally:
        first.stop()
        second.stop()
    exactly_once(cli, 60)
