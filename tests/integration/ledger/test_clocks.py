"""Workers whose clocks disagree: none takes a batch from one that lives, and none waits longer for one that is gone."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from libs.ledger import Action, DocumentStore, Ledger, Life, Received
from libs.models import Decision, Run, Status, WorkerProcess, parse_manifest, utc_now

pytestmark = pytest.mark.integration

MINUTES = [-10, 0, 10]
"""Of another worker's clock, ahead of this one's."""
FILE = {"path": "s3://landing-zone/a/b.geojson", "type": "vector", "format": "GeoJSON"}
MANIFEST = json.dumps({"batch_id": "a", "uploader": "someone", "intent": "ingest_vector", "files": [FILE]}).encode()


class Time:
    """What passes for all workers alike, whatever their clocks say."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return self.passed

    def clock(self, minutes: float) -> Callable[[], datetime]:
        """A clock that is this much ahead."""
        began = utc_now() + timedelta(minutes=minutes)
        return lambda: began + timedelta(seconds=self.passed)


@pytest.fixture
def time() -> Time:
    return Time()


def delivered(ledger: Ledger) -> Received:
    return ledger.receive("manifests/a.json", parse_manifest(MANIFEST, landing_bucket="landing-zone"), "upload 1")


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is claimed now is claimed on another machine, as far as anybody can tell."""
    process = WorkerProcess(host="elsewhere", pid=1, boot="another", namespace="pid:[1]", started=1)
    monkeypatch.setattr("libs.ledger.ledger.this_process", lambda: process)


@pytest.mark.parametrize("minutes", MINUTES)
def test_a_live_run_is_left_alone_and_a_dead_one_given_up_a_lease_after_its_last_sign(
    minutes: float, time: Time, store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Ledger(store, time.clock(minutes), 60, time)
    run = worker.claim(delivered(worker), {})
    time.passed += 3600  # asleep, all of them
    other = Ledger(store, time.clock(0), 60, time)
    for _ in range(10):
        assert other.give_up(run) is None
        assert delivered(other).action is Action.LEAVE
        assert other.batch("a").status is Status.RUNNING
        time.passed += 50
        assert worker.heartbeat(run)
    assert other.give_up(run) is None
    time.passed += 59
    assert other.give_up(run) is None
    time.passed += 1
    assert other.batch("a").status is Status.LOST
    assert other.claim(delivered(other), {}).id == "a#2"
    assert other.outcome(run.id).decision is Decision.FAILURE
    assert not worker.heartbeat(run)


@pytest.mark.parametrize("minutes", MINUTES)
def test_who_has_just_started_is_not_sure_of_a_worker_elsewhere_until_it_gives_a_sign(
    minutes: float, time: Time, store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(store), "one_machine", False)
    worker = Ledger(store, time.clock(minutes), 60, time)
    with monkeypatch.context() as there:
        elsewhere(there)
        run = worker.claim(delivered(worker), {})
    time.passed += 3600
    new = Ledger(store, time.clock(0), 60, time)
    assert new.life(new.run(run.id)) is Life.UNSURE
    time.passed += 59
    assert new.life(new.run(run.id)) is Life.UNSURE
    assert worker.heartbeat(run)
    assert new.life(new.run(run.id)) is Life.ALIVE
    time.passed += 60
    assert new.life(new.run(run.id)) is Life.GONE


def test_a_run_of_the_machine_before_it_was_started_anew_is_lost_at_once_if_no_other_can_reach_the_ledger(
    time: Time, store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(store, time.clock(0), 60, time)
    with monkeypatch.context() as there:
        elsewhere(there)
        run = ledger.claim(delivered(ledger), {})
    assert Ledger(store).life(run) is (Life.GONE if store.one_machine else Life.UNSURE)


def test_a_run_of_a_release_that_did_not_say_where_it_runs_is_watched(time: Time, store: DocumentStore) -> None:
    ledger = Ledger(store, time.clock(0), 60, time)
    run: Run = ledger.claim(delivered(ledger), {}).model_copy(update={"process": None})
    new = Ledger(store, time.clock(10), 60, time)
    assert new.life(run) is Life.UNSURE
    time.passed += 60
    assert new.life(run) is Life.GONE
