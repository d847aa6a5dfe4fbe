"""Attempts: what follows what, what a worker leaves however it ends, and what is tried again."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from libs.ledger import Ledger, SqliteStore
from libs.models import Decision, ServiceUnavailable, Status, WorkerProcess, utc_now
from libs.pipeline.intake import claim, receive
from libs.pipeline.lease import Lease
from libs.pipeline.process import at_work, process, watch
from tests.disks import fill, make_room, small_disk
from tests.watching import long_watched

pytestmark = pytest.mark.integration

WORKER = Path(__file__).with_name("worker.py")


# Submitting again


def test_the_same_again_after_success_changes_nothing(platform: Any, geojson: Callable) -> None:
    entry = platform.entry(platform.put("in/a.geojson", geojson()))
    first = platform.ingest("b1", entry)
    again = platform.ingest("b1", entry)
    assert (again.status, again.unchanged_since, again.datasets) == (Status.SUCCESS, first.run_id, ())
    assert platform.lies_in("lake") == ["a/v1/data.parquet"]
    assert platform.stack.landing.waiting() == []


def test_other_content_after_success_is_rejected(platform: Any, geojson: Callable) -> None:
    entry = platform.entry(platform.put("in/a.geojson", geojson()))
    platform.ingest("b1", entry)
    report = platform.ingest("b1", entry, metadata={"project": "other"})
    assert [problem.code for problem in report.problems] == ["batch_done"]
    assert len(platform.stack.ledger.versions("a")) == 1
    assert platform.stack.ledger.batch("b1").status is Status.SUCCESS


def test_fixed_after_a_rejection(platform: Any, geojson: Callable) -> None:
    path = platform.put("in/a.geojson", "{")
    assert platform.ingest("b1", platform.entry(path)).status is Status.REJECTED
    platform.put("in/a.geojson", geojson())
    report = platform.ingest("b1", platform.entry(path))
    assert (report.status, report.run_id) == (Status.SUCCESS, "b1#2")
    archived = [key for key in platform.lies_in("landing") if key.startswith("archive/b1/")]
    assert archived == ["archive/b1/b1-1.json", "archive/b1/b1-2.json"]


def test_a_file_that_comes_after_its_manifest(platform: Any, geojson: Callable) -> None:
    entry = platform.entry("s3://landing-zone/in/a.geojson")
    assert platform.ingest("b1", entry).status is Status.REJECTED
    platform.put("in/a.geojson", geojson())
    assert platform.process() == [], "it was dealt with: nothing waits"
    assert platform.ingest("b1", entry).status is Status.SUCCESS


def test_many_batches_in_one_go_oldest_first(platform: Any, geojson: Callable) -> None:
    path = platform.put("in/a.geojson", geojson())
    for number in range(12):
        platform.submit(f"b{number:02}", platform.entry(path) if number % 3 else platform.entry(path, format="GPKG"))
    reports = platform.process()
    assert [report.batch_id for report in reports] == [f"b{number:02}" for number in range(12)]
    assert [report.status is Status.SUCCESS for report in reports] == [bool(number % 3) for number in range(12)]
    assert platform.stack.ledger.versions("a") == list(range(1, 9))


def test_only_what_is_asked_for(platform: Any, geojson: Callable) -> None:
    entry = platform.entry(platform.put("in/a.geojson", geojson()))
    keys = [platform.submit(f"b{number}", entry) for number in range(3)]
    assert [report.batch_id for report in process(platform.stack, keys=keys[1:2])] == ["b1"]
    assert [info.key for info in platform.stack.landing.waiting()] == [keys[0], keys[2]]


def test_workers_side_by_side(open_platform: Callable, geojson: Callable) -> None:
    """Four of them, one landing zone: every batch is done once, every version is whole."""
    platform = open_platform()
    entry = platform.entry(platform.put("in/a.geojson", geojson(50)), dataset_id="all")
    for number in range(16):
        platform.submit(f"b{number}", entry)
    workers = [open_platform() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        reports = [report for found in pool.map(lambda worker: worker.process(), workers) for report in found]
    decided = [report for report in reports if report.status is Status.SUCCESS]
    assert {report.batch_id for report in decided} == {f"b{number}" for number in range(16)}
    assert platform.stack.ledger.versions("all") == list(range(1, 17))
    assert all(len(platform.stack.ledger.runs(f"b{number}")) == 1 for number in range(16))
    assert [platform.read("all", version).num_rows for version in range(1, 17)] == [50] * 16
    assert platform.stack.landing.waiting() == []


# Interrupted


@pytest.fixture
def start(platform: Any) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        started.append(subprocess.Popen([sys.executable, WORKER, platform.home], stdout=-1, stderr=-1, text=True))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


@pytest.mark.parametrize("moment", ["read None", "read 65536", "read 400000", "write 400000"])
def test_ctrl_c_cancels_and_leaves_nothing(moment: str, platform: Any, geojson: Callable, start: Callable) -> None:
    """As a large file is opened, in its middle, at its end, and as it is written."""
    content = BytesIO()
    pq.write_table(pa.table({"n": range(400_000)}), content)
    big = platform.entry(platform.put("in/big.parquet", content.getvalue()), type="tabular")
    small = platform.entry(platform.put("in/small.geojson", geojson()))
    key = platform.submit("b1", small, big)
    worker = start()
    assert worker.stdout.readline() == "read None\n", "the small file"
    assert any(line.strip() == moment for line in worker.stdout)
    worker.send_signal(signal.SIGINT)
    pressed = time.monotonic()
    rest, errors = worker.communicate(timeout=60)
    assert "interrupted" in rest, errors
    assert time.monotonic() - pressed < 20
    outcome = platform.stack.ledger.outcome("b1#1")
    assert (outcome.decision, [problem.code for problem in outcome.problems]) == (Decision.CANCELED, ["canceled"])
    assert platform.lies_in("lake") == []
    assert platform.transient() == []
    assert [path.name for path in (platform.home / "scratch").glob("duckdb_*")] == []
    assert [info.key for info in platform.stack.landing.waiting()] == [key]
    # The next worker tells the uploader, and does not begin again unasked.
    (report,) = platform.process()
    assert report.status is Status.CANCELED
    assert platform.stack.landing.waiting() == []
    assert platform.ingest("b1", small).status is Status.SUCCESS


# Services that fail


def submit_too_large(platform: Any) -> str:
    content = BytesIO()
    geopandas.GeoDataFrame({"a": ["x" * (150 << 20)]}, geometry=[shapely.Point(1, 1)], crs=4326).to_parquet(content)
    entry = platform.entry(platform.put("in/a.parquet", content.getvalue()))
    return platform.submit("b1", entry, intent="dissolve", parameters={"by": ["a"]})


def test_an_engine_without_memory_is_said_and_tried_again(open_platform: Callable) -> None:
    platform = open_platform(spatial_etl_memory_mb=64)
    key = submit_too_large(platform)
    for attempt in (1, 2, 3):
        with pytest.raises(ServiceUnavailable, match="SPATIAL_ETL_MEMORY_MB"):
            platform.process()
        outcome = platform.stack.ledger.outcome(f"b1#{attempt}")
        assert [problem.code for problem in outcome.problems] == ["service_unavailable"]
        assert [info.key for info in platform.stack.landing.waiting()] == [key]
        assert platform.transient() == []
    (report,) = platform.process()
    assert (report.status, report.run_id) == (Status.FAILURE, "b1#3")
    assert platform.stack.landing.waiting() == []
    assert platform.lies_in("lake") == []


def test_a_watch_outlives_it_and_comes_to_the_next_batch(
    open_platform: Callable, geojson: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    platform = open_platform(spatial_etl_memory_mb=64)
    submit_too_large(platform)
    platform.submit("b2", platform.entry(platform.put("in/b.geojson", geojson(1))))
    reports = list(islice(watch(platform.stack, interval=0.01), 2))
    assert [(report.batch_id, report.status) for report in reports] == [("b1", Status.FAILURE), ("b2", Status.SUCCESS)]
    assert sum("SPATIAL_ETL_MEMORY_MB" in message for message in caplog.messages) == 3


@pytest.mark.parametrize("full", ["scratch", "home"])
def test_a_full_disk_is_said_and_tried_again(full: str, tmp_path: Path, open_platform: Callable, geojson: Callable) -> None:
    folders = {"home": tmp_path / "home", "scratch": tmp_path / "scratch"}
    with small_disk(folders[full], 24):
        platform = open_platform(spatial_etl_home=folders["home"], spatial_etl_scratch=folders["scratch"])
        points = "".join(f"{hashlib.sha256(b'%d' % n).hexdigest()},{n % 170},{n % 80}\n" for n in range(20_000))
        raw = platform.put("in/a.csv", f"text,lon,lat\n{points}")
        key = platform.submit("b1", platform.entry(raw, crs="EPSG:4326", options={"x": "lon", "y": "lat"}))
        fill(folders[full], but=300_000)
        with pytest.raises(ServiceUnavailable, match=r"space|full"):
            platform.process()
        assert platform.lies_in("lake") == []
        assert list(platform.stack.ledger.assets()) == []
        assert [info.key for info in platform.stack.landing.waiting()] == [key]
        runs = folders["scratch"] / "runs"
        assert not runs.exists() or list(runs.iterdir()) == []
        make_room(folders[full])
        (report,) = platform.process()
        assert report.status is Status.SUCCESS
        assert platform.read("a").num_rows == 20_000


def test_a_fault_of_the_platform_is_no_silence(
    platform: Any, geojson: Callable, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """Whatever goes wrong, there is an outcome, and the operator finds the traceback in the log."""
    from libs.spatial_utils import geoparquet

    entry = platform.entry(platform.put("in/a.geojson", geojson()))
    with monkeypatch.context() as broken:
        broken.setattr(
            geoparquet, "check", lambda *_, **__: (_ for _ in ()).throw(geoparquet.SelfCheckFailed("It reads back otherwise."))
        )
        report = platform.ingest("b1", entry)
    assert (report.status, [problem.code for problem in report.problems]) == (Status.FAILURE, ["internal_error"])
    assert "the run failed" in caplog.text
    assert platform.lies_in("lake") == []
    assert platform.ingest("b1", entry).status is Status.SUCCESS


# The same bytes


def test_the_same_bytes_on_every_try(open_platform: Callable, geojson: Callable, tmp_path: Path) -> None:
    """In folders, threads and time zones of their own."""
    hashes = set()
    for number, zone in enumerate(["UTC", "Asia/Kathmandu"]):
        platform = open_platform(spatial_etl_home=tmp_path / str(number), spatial_etl_threads=number + 1)
        platform.submit("b1", platform.entry(platform.put("in/a.geojson", geojson(5_000, at="2024-02-29T12:00:00+02:00"))))
        done = subprocess.run(
            [sys.executable, WORKER, platform.home],
            env={**os.environ, "TZ": zone, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "report success" in done.stdout
        hashes.add(platform.asset("a").files[0].sha256)
    assert len(hashes) == 1


def test_a_lease_that_runs_out_while_the_worker_lives(open_platform: Callable, geojson: Callable) -> None:
    """A worker that was thought dead finds its run decided, and commits nothing."""
    platform = open_platform()
    platform.submit("b1", platform.entry(platform.put("in/a.geojson", geojson())))

    def take_over(event: Any) -> None:
        if event.phase == "place":
            other = long_watched(platform.stack.ledger.store)
            assert [other.give_up(run).decision for run in other.undecided()] == [Decision.FAILURE]

    (robbed,) = process(platform.stack, progress=take_over)
    assert (robbed.run_id, robbed.status, robbed.problems[0].code) == ("b1#1", Status.LOST, "taken_over")
    assert platform.stack.landing.store.head("reports/b1.json") is None, "what becomes of the batch, others say"
    assert platform.stack.ledger.outcome("b1#1").decision is Decision.FAILURE
    assert list(platform.stack.ledger.assets()) == []
    (report,) = platform.process()
    assert (report.run_id, report.datasets[0].version) == ("b1#2", 2)


def test_a_batch_of_a_worker_that_was_killed_on_this_machine_is_taken_at_once(open_platform: Callable, geojson: Callable) -> None:
    platform = open_platform()
    platform.submit("b1", platform.entry(platform.put("in/a.geojson", geojson(20_000))))
    with subprocess.Popen([sys.executable, WORKER, platform.home], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        next(line for line in worker.stdout if line.startswith("read"))
        assert list(process(platform.stack)) == [], "it lives"
        worker.kill()
    (report,) = process(platform.stack)
    assert (report.run_id, report.status, report.worker) == ("b1#2", Status.SUCCESS, platform.stack.ledger.owner)
    assert "has ended without a word" in platform.stack.ledger.outcome("b1#1").problems[0].message


@pytest.mark.parametrize("lives", [True, False])
def test_a_worker_elsewhere_is_watched_before_its_batch_is_taken(
    lives: bool, open_platform: Callable, geojson: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a clock that is ten minutes behind, and a lease of a second."""
    monkeypatch.setattr(SqliteStore, "one_machine", False)
    platform = open_platform()
    platform.submit("b1", platform.entry(platform.put("in/a.geojson", geojson())))
    elsewhere = Ledger(platform.stack.ledger.store, lambda: utc_now() - timedelta(minutes=10), lease_seconds=1.0)
    with monkeypatch.context() as there:
        there.setattr("libs.ledger.ledger.this_process", lambda: WorkerProcess(host="elsewhere", pid=1, boot="another"))
        (info,) = platform.stack.landing.waiting()
        run = claim(replace(platform.stack, ledger=elsewhere), receive(platform.stack, info))
    watched = []
    with Lease(elsewhere, run) if lives else nullcontext():
        reports = list(process(platform.stack, progress=lambda event: watched.append(event.phase)))
    assert watched[0] == "watch"
    assert [report.run_id for report in reports] == ([] if lives else ["b1#2"])
    assert [each.owner for each in at_work(platform.stack)] == ([elsewhere.owner] if lives else [])


def test_reports_are_json_that_says_everything(platform: Any, geojson: Callable) -> None:
    platform.ingest("b1", platform.entry(platform.put("in/a.geojson", geojson())))
    written = json.loads(platform.stack.landing.store.read("reports/b1.json"))
    answer = ["batch_id", "manifest_sha256", "run_id", "status", "intent", "recipe", "problems", "warnings", "datasets"]
    assert list(written) == [*answer, "unchanged_since", "worker"]
    assert re.fullmatch("[0-9a-f]{64}", written["datasets"][0]["files"][0]["sha256"])
