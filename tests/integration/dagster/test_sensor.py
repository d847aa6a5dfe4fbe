"""The sensor: what it asks for, what it answers by itself, and what it leaves alone."""

import hashlib
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from libs.ledger import Action
from libs.ledger.life import Watch
from libs.models import Status
from libs.pipeline.intake import receive, take_in
from services.dagster.etl_pipelines.jobs.ingest import batches_of
from services.dagster.etl_pipelines.sensors.start import START, start
from services.dagster.etl_pipelines.worker import WORKER_TAG, tag

pytestmark = pytest.mark.integration


SAYS_WHERE = "import sys; from services.dagster.etl_pipelines.worker import *; print(tag(sys.argv[1])[WORKER_TAG])"


def carried(result: dg.SensorResult) -> list[dict[str, str]]:
    requests = result.run_requests or []
    return [dict(request.run_config["ops"]["ingest_batches"]["config"]["batches"]) for request in requests]


def test_what_waits_shares_a_run(orchestra: Any) -> None:
    path = orchestra.put("a.geojson")
    keys = [orchestra.submit(f"b{number}", path) for number in range(3)]
    assert carried(orchestra.tick()) == [{key: f"b{number}#1" for number, key in enumerate(keys)}]


def test_where_a_look_is_slow_a_run_still_carries_its_share(orchestra: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine under load looks at few manifests in the usual time; runs of these few would never catch up with what waits."""
    monkeypatch.setattr("services.dagster.etl_pipelines.sensors.landing_zone.LOOKING", 0.0)
    path = orchestra.put("a.geojson")
    keys = [orchestra.submit(f"b{number}", path) for number in range(5)]
    (request,) = orchestra.tick().run_requests
    assert [*batches_of(orchestra.create(request, dg.DagsterRunStatus.STARTING))] == keys
    orchestra.submit("b5", path)
    (request,) = orchestra.tick().run_requests
    orchestra.create(request, dg.DagsterRunStatus.STARTING)
    orchestra.submit("b6", path)
    orchestra.submit("b7", path)
    assert orchestra.tick().skip_reason.skip_message == "2 runs at work or queued with 6 batches; 2 more wait."


def test_nothing_waits(orchestra: Any) -> None:
    result = orchestra.tick()
    assert (carried(result), result.skip_reason.skip_message) == ([], "0 runs at work or queued with 0 batches; 0 more wait.")


def test_a_rejected_manifest_is_answered_without_a_run(orchestra: Any) -> None:
    orchestra.submit("careless", "s3://landing-zone/in/nothing.geojson")
    assert carried(orchestra.tick()) == []
    assert b'"status": "rejected"' in orchestra.stack.landing.store.read("reports/careless.json")
    assert orchestra.stack.ledger.batch("careless").status is Status.REJECTED
    assert orchestra.stack.landing.waiting() == []
    (row,) = orchestra.instance.get_runs()
    assert (row.status, row.tags["spatial-etl/batch"]) == (dg.DagsterRunStatus.FAILURE, "careless")


def test_definitions_that_are_loaded_anew_are_no_start(orchestra: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that loads them is another one each time; what started the first of them tells it its name."""

    def asked() -> str | None:
        with dg.build_sensor_context(instance=orchestra.instance, resources={"stack": orchestra.stack}) as context:
            return start(context).run_key

    monkeypatch.setenv(START, "the first")
    first = asked()
    monkeypatch.setattr(orchestra.stack.ledger, "owner", "another process")
    assert asked() == first
    monkeypatch.setenv(START, "the second")
    assert asked() != first


def test_what_is_in_hand_is_not_asked_for_again_and_what_came_since_is(orchestra: Any) -> None:
    path = orchestra.put("a.geojson")
    orchestra.submit("first", path)
    (request,) = orchestra.tick().run_requests
    orchestra.create(request, dg.DagsterRunStatus.STARTING)
    second = orchestra.submit("second", path)
    assert carried(orchestra.tick()) == [{second: "second#1"}]


def test_a_manifest_uploaded_again_is_compared_and_a_corrected_one_is_run(orchestra: Any) -> None:
    path = orchestra.put("a.geojson")
    orchestra.submit("b1", path)
    assert orchestra.run(orchestra.tick().run_requests[0]).success
    orchestra.submit("b1", path)
    (request,) = orchestra.tick().run_requests
    assert carried(dg.SensorResult(run_requests=[request])) == [{"manifests/b1.json": "b1#2"}]
    again = orchestra.run(request)
    assert again.success
    assert not again.asset_materializations_for_node("ingest_batches")
    assert any("Nothing new: already processed as a@1" in each.user_message for each in orchestra.instance.all_logs(again.run_id))
    assert orchestra.stack.landing.waiting() == []
    assert orchestra.stack.ledger.versions("a") == [1]

    broken = orchestra.put("broken.geojson", "{")
    orchestra.submit("b2", broken)
    assert not orchestra.run(orchestra.tick().run_requests[0]).success
    key = orchestra.submit("b2", path)
    (request,) = orchestra.tick().run_requests
    assert batches_of(orchestra.create(request, dg.DagsterRunStatus.STARTING)) == {key: "b2#2"}


def test_a_manifest_that_is_overwritten_before_its_run_begins_is_answered(orchestra: Any) -> None:
    key = orchestra.submit("b1", orchestra.put("a.geojson"))
    store = orchestra.stack.landing.store
    first = store.read(key)
    (request,) = orchestra.tick().run_requests
    store.put(key, first.replace(b"someone", b"another"))
    assert orchestra.run(request).success
    answer = store.read(f"reports/b1/rejected-{hashlib.sha256(first).hexdigest()[:16]}~2.json")
    assert b"manifest_replaced" in answer
    store.put(key, first)
    assert carried(orchestra.tick()) == []
    assert b"batch_done" in store.read(f"reports/b1/rejected-{hashlib.sha256(first).hexdigest()[:16]}~3.json")
    assert b'"status": "success"' in store.read("reports/b1.json")


def watched_for_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour passes between two looks at a run of Dagster's."""
    monkeypatch.setattr("services.dagster.etl_pipelines.sensors.in_hand._WATCH", Watch(count(step=3600).__next__))


def test_a_run_whose_process_has_ended_is_ended_at_once(orchestra: Any) -> None:
    key = orchestra.submit("b1", orchestra.put("a.geojson"))
    run = orchestra.create(orchestra.tick().run_requests[0], dg.DagsterRunStatus.STARTED)
    orchestra.instance.add_run_tags(run.run_id, tag(run.run_id))
    assert carried(orchestra.tick()) == []
    ended = subprocess.run([sys.executable, "-c", SAYS_WHERE, run.run_id], capture_output=True, text=True, check=True).stdout
    orchestra.instance.add_run_tags(run.run_id, {WORKER_TAG: ended.replace(run.run_id, "of the run before, whose tags it has")})
    assert carried(orchestra.tick()) == []
    orchestra.instance.add_run_tags(run.run_id, {WORKER_TAG: ended})
    orchestra.tick()
    assert orchestra.instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    assert orchestra.stack.landing.store.head(key) is not None, "its batch still waits, and is run again"


def test_a_run_whose_worker_is_gone_is_ended_and_its_batches_are_run_again(
    orchestra: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = orchestra.submit("b1", orchestra.put("a.geojson"))
    run = orchestra.create(orchestra.tick().run_requests[0], dg.DagsterRunStatus.STARTED)
    assert carried(orchestra.tick()) == []

    watched_for_an_hour(monkeypatch)
    orchestra.tick()
    assert orchestra.instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.STARTED, "it is watched from now on"
    orchestra.tick()
    assert orchestra.instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr("services.dagster.etl_pipelines.sensors.landing_zone.utc_now", lambda: in_an_hour)
    result = orchestra.tick()
    assert carried(result) == [{key: "b1#1"}]
    assert result.run_requests[0].run_key == "b1#1~1", "the key of the run that died would be taken for done"


def test_a_long_batch_shows_that_its_worker_lives(orchestra: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    orchestra.submit("b1", orchestra.put("a.geojson"))
    orchestra.create(orchestra.tick().run_requests[0], dg.DagsterRunStatus.STARTED)
    (info,) = orchestra.stack.landing.waiting()
    ready = receive(orchestra.stack, info)
    assert ready.received.action is Action.PROCESS
    orchestra.stack.ledger.claim(ready.received, {})
    watched_for_an_hour(monkeypatch)
    orchestra.tick()
    assert orchestra.tick().skip_reason.skip_message.startswith("1 runs")


def test_a_store_that_is_down_is_said_and_outlived(orchestra: Any, tmp_path: Path) -> None:
    orchestra.submit("b1", orchestra.put("a.geojson"))
    landing = tmp_path / "home" / "landing-zone"
    landing.rename(tmp_path / "away")
    assert "SPATIAL_ETL_HOME" in orchestra.tick().skip_reason.skip_message
    (tmp_path / "away").rename(landing)
    assert len(carried(orchestra.tick())) == 1


def test_manifests_that_may_not_be_read_or_are_still_written_hold_no_other_up_and_are_told_once(orchestra: Any) -> None:
    orchestra.stack.landing.settle_seconds = 3600.0
    manifests = Path(orchestra.stack.landing.store.root) / "manifests"
    manifests.mkdir()
    for number in range(200):
        (manifests / f"link-{number}.json").symlink_to("nowhere")
        (manifests / f"cut-{number}.json").write_text("{")
    key = orchestra.submit("good", orchestra.put("a.geojson"))
    handed_out = []
    while not handed_out or any(orchestra.stack.ledger.batch(f"link-{number}") is None for number in range(200)):
        handed_out += carried(orchestra.tick())
    assert handed_out[0] == {key: "good#1"}
    assert orchestra.stack.ledger.batch("link-0").status is Status.REJECTED
    assert b"symbolic link" in orchestra.stack.landing.store.read("reports/link-0.json")
    assert len(list(manifests.iterdir())) == 401
    assert take_in(orchestra.stack, seconds=60).reports == ()


@pytest.mark.slow
def test_ten_thousand_waiting_manifests(orchestra: Any) -> None:
    manifests = Path(orchestra.stack.landing.store.root) / "manifests"
    key = orchestra.submit("b", orchestra.put("a.geojson"))
    content = (manifests.parent / key).read_text()
    for number in range(10_000):
        (manifests / f"b{number}.json").write_text(content.replace('"b"', f'"b{number}"'))
    orchestra.tick()  # the first one imports what it needs
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        result = orchestra.tick()
        seconds.append(time.perf_counter() - started)
        for request in result.run_requests or []:
            orchestra.create(request, dg.DagsterRunStatus.STARTING)
    assert sorted(seconds)[2] < 1.0, seconds
