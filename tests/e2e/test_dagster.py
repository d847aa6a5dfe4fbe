"""Dagster as it is run: code server, daemon and webserver as processes, seen through GraphQL, fed by the installed command."""

import json
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.dagster.processes import CODE_SERVER, DAEMON, WEBSERVER, Processes

pytestmark = pytest.mark.integration

SPATIAL = ("pyarrow", "_duckdb", "duckdb", "pyogrio", "gdal", "pyproj", "adbc", "arrow_dataset")
"""What must not be mapped into a process that serves pages or looks at the clock. libpq is Dagster's own, for its storage."""

DATASETS = """query($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset { assetMaterializations(limit: 1) {
  runId metadataEntries { label ... on IntMetadataEntry { intValue } ... on MarkdownMetadataEntry { mdStr } } } } } }"""
RUNS = """{ runsOrError(filter: {pipelineName: "ingest"}) { ... on Runs { results { runId status } } } }"""
TERMINATE = """mutation($id: String!) { terminateRun(runId: $id) { __typename ... on TerminateRunSuccess { run { status } } } }"""


class Platform:
    """The processes and the command on one embedded home."""

    def __init__(self, cli: Any) -> None:
        self.cli = cli
        self.home: Path = cli.home
        self.processes = Processes(self.home / "dagster", cli.environment)

    def ask(self, query: str, **variables: Any) -> Any:
        """GraphQL."""
        content = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.processes.url}/graphql", content, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = json.load(answer)
        assert "errors" not in found, found
        return found["data"]

    def runs(self) -> dict[str, str]:
        return {run["runId"]: run["status"] for run in self.ask(RUNS)["runsOrError"]["results"]}

    def seen(self, dataset_id: str) -> dict[str, Any] | None:
        """The metadata of a dataset's last materialization."""
        found = self.ask(DATASETS, key={"path": [dataset_id]})["assetOrError"].get("assetMaterializations")
        if not found:
            return None
        return {entry["label"]: entry.get("intValue", entry.get("mdStr")) for entry in found[0]["metadataEntries"]}

    def submit(self, batch_id: str, content: str) -> None:
        """As an uploader would: the file first, then the manifest."""
        folder = self.home / "landing-zone" / batch_id
        folder.mkdir(parents=True)
        (folder / f"{batch_id}.geojson").write_text(content)
        path = f"s3://landing-zone/{batch_id}/{batch_id}.geojson"
        manifest = {"batch_id": batch_id, "uploader": "tester", "intent": "ingest_vector",
                    "files": [{"path": path, "type": "vector", "format": "GeoJSON"}]}  # fmt: skip
        written = self.home.parent / f"{batch_id}.json"
        written.write_text(json.dumps(manifest))
        self.cli("submit", written)

    def report(self, batch_id: str) -> dict[str, Any] | None:
        path = self.home / "landing-zone" / "reports" / f"{batch_id}.json"
        return json.loads(path.read_text()) if path.exists() else None


def until(true: Callable[[], Any], seconds: float) -> Any:
    """What ``true`` returns when it is true at last."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.2)
    return found


def points(count: int) -> str:
    feature = {"type": "Feature", "properties": {"n": 1}, "geometry": {"type": "Point", "coordinates": [9, 53]}}
    return json.dumps({"type": "FeatureCollection", "features": [feature] * count})


@pytest.fixture
def platform(cli: Any) -> Iterator[Platform]:
    platform = Platform(cli)
    try:
        yield platform
    finally:
        platform.processes.stop()


def test_submitted_files_are_seen_and_a_run_that_is_ended_leaves_nothing(platform: Platform) -> None:
    processes = platform.processes
    processes.start()
    until(lambda: "Checking for new runs" in processes.log(DAEMON), 60)

    started = time.monotonic()
    platform.submit("first", points(3))
    platform.submit("careless", "{")
    seen = until(lambda: platform.seen("first"), 60)
    assert time.monotonic() - started < 15 or os.getloadavg()[0] > 2 * len(os.sched_getaffinity(0)), "a machine that is free"
    assert (seen["dagster/row_count"], seen["version"]) == (3, 1)
    assert "data:image/svg+xml;base64," in seen["preview"]
    assert until(lambda: platform.report("careless"), 60)["status"] == "rejected"

    for name in (DAEMON, WEBSERVER):
        mapped = Path(f"/proc/{processes.running[name].pid}/maps").read_text().lower()
        assert [library for library in SPATIAL if library in mapped] == [], name
    assert "duckdb" in Path(f"/proc/{processes.running[CODE_SERVER].pid}/maps").read_text().lower()

    before = platform.runs().keys()
    platform.submit("long", points(400_000))
    run = until(
        lambda: next((run for run, status in platform.runs().items() if run not in before and status == "STARTED"), None), 60
    )
    until(lambda: list((platform.home / "scratch" / "runs").glob("*")), 60)
    assert platform.ask(TERMINATE, id=run)["terminateRun"]["__typename"] == "TerminateRunSuccess"
    until(lambda: platform.runs()[run] == "CANCELED", 60)
    report = until(lambda: platform.report("long"), 30)
    assert (report["status"], report["run_id"]) == ("canceled", "long#1")
    assert list((platform.home / "scratch" / "runs").glob("*")) == []
    assert sorted(path.name for path in (platform.home / "data-lake").iterdir() if path.name != ".partial") == ["first"]
    assert list((platform.home / "landing-zone" / "manifests").iterdir()) == []
