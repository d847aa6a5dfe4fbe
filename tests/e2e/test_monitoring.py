"""What a worker tells about itself: metrics, health, log lines."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.integration


def values(text: str) -> dict[str, dict[str, float]]:
    """Metrics as Prometheus's own parser reads them: by name and label."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type in {"counter", "gauge"}
        for sample in family.samples:
            assert len(sample.labels) <= 1
            found.setdefault(sample.name.removeprefix("spatial_etl_"), {})["".join(sample.labels.values())] = sample.value
    return found


@contextmanager
def watching(cli: Any, *options: str, **environment: str) -> Iterator[tuple[str, Path]]:
    """A worker; gives where it tells metrics, and the file with its log lines."""
    log = cli.folder / "watch.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*cli.command, "watch", "--interval", "0.2", "--metrics", "0", *options],
            cwd=cli.folder, env={**cli.environment, **environment}, stdout=subprocess.DEVNULL, stderr=file,
        )  # fmt: skip
    try:
        wait_for(lambda: "/metrics" in log.read_text())
        yield re.search(r"http://127\.0\.0\.1:\d+", log.read_text())[0], log
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def wait_for(happened: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (result := happened()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return result


def asked(address: str) -> tuple[int, str]:
    try:
        with urlopen(address, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_a_worker_tells_what_it_does_while_it_does_it(cli, points):
    with watching(cli) as (address, _):
        assert values(asked(f"{address}/metrics")[1])["batches"]["success"] == 0
        assert asked(f"{address}/health") == (200, '{"status": "ok"}\n')
        manifest = {
            "batch_id": "b", "uploader": "u", "intent": "ingest_vector",
            "files": [{"path": "s3://landing-zone/b/points.geojson", "type": "vector", "format": "GeoJSON"}],
        }  # fmt: skip
        (cli.folder / "b.json").write_text(json.dumps(manifest))
        cli("submit", "b.json", points)
        (cli.folder / "none.json").write_text(json.dumps(manifest | {"batch_id": "none"}).replace("b/points", "none/points"))
        cli("submit", "none.json")
        wait_for(lambda: sum(values(asked(f"{address}/metrics")[1])["batches"].values()) == 2)
        found = wait_for(lambda: (v := values(asked(f"{address}/metrics")[1]))["waiting_manifests"][""] == 0 and v)
        assert (found["batches"]["success"], found["batches"]["rejected"]) == (1, 1)
        assert found["problems_total"]["missing_file"] == 1
        assert found["features_total"][""] == 2
        assert found["read_bytes_total"][""] == points.stat().st_size
        (written,) = (cli.home / "data-lake").glob("*/v1/data.parquet")
        assert found["written_bytes_total"][""] == written.stat().st_size
        assert abs(found["last_run_timestamp_seconds"]["success"] - time.time()) < 60
        assert found["phase_seconds_total"].keys() >= {"write", "place"}
        assert asked(f"{address}/other")[0] == 404
        assert values(cli("metrics").out)["batches"] == found["batches"]


def test_a_worker_that_cannot_work_says_so(cli, points):
    with watching(cli) as (address, _):
        landing = cli.home / "landing-zone"
        wait_for(landing.exists)
        landing.rename(cli.home / "gone")
        landing.write_text("a file")
        _, said = wait_for(lambda: (a := asked(f"{address}/health"))[0] == 503 and a)
        assert "landing-zone" in json.loads(said)["message"]
        assert asked(f"{address}/metrics")[0] == 503
        landing.unlink()
        (cli.home / "gone").rename(landing)
        wait_for(lambda: asked(f"{address}/health")[0] == 200)
        assert asked(f"{address}/metrics")[0] == 200


def test_its_log_is_json_and_names_batches_and_runs(cli, points):
    cli("ingest", points, "--batch-id", "before")
    with watching(cli, SPATIAL_ETL_LOG="json") as (_, log):
        (manifest,) = (cli.home / "landing-zone" / "archive" / "before").glob("*.json")
        (cli.folder / "again.json").write_bytes(manifest.read_bytes())
        cli("submit", "again.json")
        wait_for(lambda: "success before#2" in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(line.keys() >= {"time", "level", "message", "logger"} for line in lines)
    actions = {line["action"]: line for line in lines if "action" in line}
    assert actions["claimed"]["batch_id"] == actions["success"]["batch_id"] == "before"
    assert actions["success"]["run_id"] == "before#2"


def test_errors_are_json_there_too(cli):
    told = cli("status", code=3, SPATIAL_ETL_LOG="json").err
    (line,) = map(json.loads, told.splitlines())
    assert (line["level"], "Cannot go on: no home here" in line["message"]) == ("error", True)
    told = cli("status", code=3, SPATIAL_ETL_LOG="json", SPATIAL_ETL_THREADS="-1").err
    assert "SPATIAL_ETL_THREADS" in json.loads(told)["message"]
    assert "SPATIAL_ETL_LOG is wrong" in cli("status", code=3, SPATIAL_ETL_LOG="xml").err


def test_a_file_for_the_collector_is_replaced_at_once(cli, points):
    cli("ingest", points)
    target = cli.folder / "spatial_etl.prom"
    target.write_text("old")
    cli("metrics", "--to", target)
    assert values(target.read_text())["batches"]["success"] == 1
    assert [path.name for path in cli.folder.iterdir() if "prom" in path.name] == [target.name]
    assert "--to" in cli("metrics", "--to", cli.folder / "none" / "m.prom", code=3).err


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_wrong_usage(cli, address):
    assert "[HOST:]PORT" in cli("watch", "--metrics", address, code=2).err


def test_an_address_that_is_taken_is_told(cli, points):
    with watching(cli) as (address, _):
        taken = address.removeprefix("http://")
        assert f"the address {taken}" in cli("watch", "--metrics", taken, code=3).err
