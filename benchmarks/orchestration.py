"""How many small batches a second go through Dagster: as its sensor hands them out, and with one run for each manifest."""

import json
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.contenders import OURS, fresh_home
from benchmarks.measure import CommandFailed, Result
from benchmarks.small import fill_landing_zone
from services.dagster.processes import Processes

GOAL = 14.0
"""Batches a second, from the first run's start to the last report."""
SINGLE = 12
"""Batches for which one run each is measured: it takes seconds for each."""
PATIENCE = 600.0
"""Seconds to wait for the last report."""

_SENSOR = """{ sensorOrError(sensorSelector: {sensorName: "landing_zone", repositoryName: "__repository__",
  repositoryLocationName: "spatial-etl"}) { ... on Sensor { sensorState { id } } } }"""
_STOP = "mutation($id: String) { stopSensor(id: $id) { __typename } }"
_RUNS = '{ runsOrError(filter: {pipelineName: "ingest"}) { ... on Runs { results { startTime status } } } }'
_LAUNCH = """mutation($config: RunConfigData!) { launchRun(executionParams: {runConfigData: $config, selector: {
  repositoryLocationName: "spatial-etl", repositoryName: "__repository__", pipelineName: "ingest"}}) { __typename } }"""


def measure(batches: int, work: Path) -> Iterator[Result]:
    """Both ways, one after the other."""
    ours, single = _rate(batches, work, single=False), _rate(SINGLE, work, single=True)
    yield Result(
        what=f"{batches:,} batches through Dagster",
        values={OURS: f"{ours:.1f} /s"},
        judged=f"{ours:.1f} batches/s; one run for each: {single:.2f}",
        goal=f"≥ {GOAL:.0f} /s",
        met=ours >= GOAL,
        samples={OURS: [ours], "one run for each": [single]},
    )


def _rate(batches: int, work: Path, *, single: bool) -> float:
    with fresh_home(work) as environment:
        home = Path(environment["SPATIAL_ETL_HOME"])
        processes = Processes(home / "dagster", environment)
        try:
            processes.start()
            if single:
                sensor = _ask(processes, _SENSOR)["sensorOrError"]["sensorState"]["id"]
                _expect(_ask(processes, _STOP, id=sensor)["stopSensor"], "StopSensorMutationResult")
            fill_landing_zone(home, batches)
            for manifest in (home / "landing-zone" / "manifests").iterdir() if single else ():
                carried = {f"manifests/{manifest.name}": f"{manifest.stem}#1"}
                config = {"ops": {"ingest_batches": {"config": {"batches": carried}}}}
                _expect(_ask(processes, _LAUNCH, config=config)["launchRun"], "LaunchRunSuccess")
            last = _last_report(home / "landing-zone" / "reports", batches)
            runs = _ask(processes, _RUNS)["runsOrError"]["results"]
            return batches / (last - min(run["startTime"] for run in runs if run["startTime"]))
        finally:
            processes.stop()


def _last_report(reports: Path, batches: int) -> float:
    until = time.monotonic() + PATIENCE
    while len(found := list(reports.glob("*.json"))) < batches:
        if time.monotonic() > until:
            raise CommandFailed(f"{len(found)} of {batches} batches were reported on.")
        time.sleep(0.2)
    if any(json.loads(path.read_text())["status"] != "success" for path in found):
        raise CommandFailed("Not every batch succeeded.")
    return max(path.stat().st_mtime for path in found)


def _ask(processes: Processes, query: str, **variables: Any) -> Any:
    content = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{processes.url}/graphql", content, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = json.load(answer)
    if "errors" in found:
        raise CommandFailed(str(found["errors"]))
    return found["data"]


def _expect(answer: Mapping[str, Any], kind: str) -> None:
    if answer["__typename"] != kind:
        raise CommandFailed(f"Dagster answered {answer} instead of {kind}.")
