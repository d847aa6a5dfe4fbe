"""Dagster as it is run: code server, daemon and webserver as processes, seen through GraphQL, fed from outside."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.dagster.processes import CODE_SERVER, DAEMON, WEBSERVER, Processes
from tests.orchestrated import Orchestrated, graphql, points, until

pytestmark = pytest.mark.integration

SPATIAL = ("pyarrow", "_duckdb", "duckdb", "pyogrio", "gdal", "pyproj", "adbc", "arrow_dataset")
"""What must not be mapped into a process that serves pages or looks at the clock. libpq is Dagster's own, for its storage."""

DATASETS = """query($key: AssetKeyInput!) { assetOrError(assetKey: $key) { ... on Asset { assetMaterializations {
  runId metadataEntries { label ... on IntMetadataEntry { intValue } ... on MarkdownMetadataEntry { mdStr } } } } } }"""
CHECKS = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { assetChecksOrError {
  ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } } } } }"""
DEFINED = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { groupName description } } }"""
RUNS = """query($job: String!) { runsOrError(filter: {pipelineName: $job}) { ... on Runs { results { runId status } } } }"""
FAILED = """{ runsOrError(filter: {pipelineName: "ingest", statuses: [FAILURE]}) { ... on Runs { results { eventConnection {
  events { ... on ExecutionStepFailureEvent { failureMetadata { description } } } } } } } }"""
TERMINATE = """mutation($id: String!) { terminateRun(runId: $id) { __typename ... on TerminateRunSuccess { run { status } } } }"""


def mapped_libraries(pid: int) -> str:
    """The installed files that a process has mapped. Only their paths: a name like `adbc` is found in addresses now and then."""
    mapped = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return "\n".join({path for line in mapped if "site-packages/" in line for path in line.split(maxsplit=5)[5:]}).lower()


def runs(url: str, job: str = "ingest") -> dict[str, str]:
    """Those of a job, and how they stand."""
    return {run["runId"]: run["status"] for run in graphql(url, RUNS, job=job)["runsOrError"]["results"]}


def seen(url: str, dataset_id: str) -> list[dict[str, Any]]:
    """What a dataset's page shows of its versions, the last one first."""
    found = graphql(url, DATASETS, key={"path": [dataset_id]})["assetOrError"].get("assetMaterializations", ())
    return [{entry["label"]: entry.get("intValue", entry.get("mdStr")) for entry in each["metadataEntries"]} for each in found]


class Platform:
    """The processes and the command on one embedded home."""

    def __init__(self, cli: Any) -> None:
        self.cli = cli
        self.home: Path = cli.home
        self.processes = Processes(self.home / "dagster", cli.environment)

    def ask(self, query: str, **variables: Any) -> Any:
        """GraphQL."""
        return graphql(self.processes.url, query, **variables)

    def runs(self) -> dict[str, str]:
        return runs(self.processes.url)

    def seen(self, dataset_id: str) -> list[dict[str, Any]]:
        return seen(self.processes.url, dataset_id)

    def checks(self, dataset_id: str) -> list[dict[str, Any]]:
        """What the page of a dataset that has a definition shows on its tab of checks."""
        node = self.ask(CHECKS, key={"path": [dataset_id]})["assetNodeOrError"]
        return node.get("assetChecksOrError", {}).get("checks", [])

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
    until(lambda: "SUCCESS" in runs(processes.url, "reconcile").values(), 120)  # it is asked for at each start

    started = time.monotonic()
    platform.submit("first", points(3))
    platform.submit("careless", "{")
    (shown,) = until(lambda: platform.seen("first"), 60)
    took = time.monotonic() - started
    assert took < 15 or os.getloadavg()[0] > 2 * len(os.sched_getaffinity(0)), f"{took:.1f} s on a machine that is free"
    assert (shown["dagster/row_count"], shown["version"]) == (3, 1)
    assert "data:image/svg+xml;base64," in shown["preview"]
    assert until(lambda: platform.report("careless"), 60)["status"] == "rejected"

    for name in (DAEMON, WEBSERVER):
        mapped = mapped_libraries(processes.running[name].pid)
        assert [library for library in SPATIAL if library in mapped] == [], name
    loading = [
        processes.running[CODE_SERVER].pid,
        *(each.pid for each in psutil.Process(processes.running[CODE_SERVER].pid).children()),
    ]
    assert any("duckdb" in mapped_libraries(pid) for pid in loading)

    assert processes.reload() is None
    checks = until(lambda: platform.checks("first"), 60)
    assert {"name": "self_check", "executionForLatestMaterialization": {"status": "SUCCEEDED"}} in checks

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
    assert sorted(path.name for path in (platform.home / "data-lake").iterdir() if path.name[0] not in "._") == ["first"]
    assert list((platform.home / "landing-zone" / "manifests").iterdir()) == []


def test_an_uploader_delivers_repeats_and_corrects(orchestrated: Orchestrated) -> None:
    """From outside, on both stacks: an S3 client with the uploader's keys, or a folder."""

    def report(batch_id: str, status: str) -> Any:
        return until(lambda: (found := orchestrated.report(batch_id)) and found["status"] == status and found)

    with orchestrated.running(), orchestrated.stack() as stack:
        orchestrated.deliver("first", points(3))
        (shown,) = until(lambda: seen(orchestrated.url, "first"))
        assert (shown["dagster/row_count"], shown["version"]) == (3, 1)
        assert "data:image/svg+xml;base64," in shown["preview"]
        assert report("first", "success")["datasets"][0]["features"] == 3
        group, description = until(lambda: defined(orchestrated.url, "first"))
        assert (group, description[:22]) == ("no_project", "3 features, EPSG:4326,"), "without a restart"

        orchestrated.deliver("careless", points(2), format="FlatGeobuf")
        assert report("careless", "rejected")["problems"]
        (line,) = until(lambda: failed(orchestrated.url))
        assert line.startswith("careless rejected: files[0]")

        before = runs(orchestrated.url)
        orchestrated.deliver("first", points(3))
        until(lambda: not stack.landing.waiting())
        orchestrated.deliver("careless", points(2))
        assert report("careless", "success")["run_id"] == "careless#2"
        (shown,) = until(lambda: seen(orchestrated.url, "careless"))
        assert (shown["dagster/row_count"], shown["version"]) == (2, 1)
        assert len(runs(orchestrated.url)) == len(before) + 2, "what was repeated is compared in a run, and makes nothing"
        assert stack.ledger.outcome("first#2").unchanged_since == "first#1"
        assert len(seen(orchestrated.url, "first")) == 1


def defined(url: str, dataset_id: str) -> tuple[str, str] | None:
    """The group and the description of a dataset, when it has a definition."""
    node = graphql(url, DEFINED, key={"path": [dataset_id]})["assetNodeOrError"]
    return (node["groupName"], node["description"]) if "groupName" in node else None


def failed(url: str) -> list[str]:
    """The first lines of what runs say that failed."""
    found = graphql(url, FAILED)["runsOrError"]["results"]
    events = [event for run in found for event in run["eventConnection"]["events"] if event.get("failureMetadata")]
    return [event["failureMetadata"]["description"].splitlines()[0] for event in events]
