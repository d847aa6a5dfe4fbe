"""Counts are those of the ledger, whether they were made at once or step by step."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from libs.ledger.tally import Tally
from libs.models import Decision, Problem, Status
from tests.unit.ledger.conftest import LEASE, Worker, manifest

BAD = Problem(code="missing_file", where="files[0]", message="It is not there.", remedy="Upload it.")


def _life_of_a_platform(open_worker: Callable[[], Worker], clock: Any) -> Iterator[None]:
    """One thing after the other that changes where a batch stands."""
    worker = open_worker()
    worker.receive("waits")
    yield
    run = worker.claim("good")
    yield
    worker.decide(run, Decision.SUCCESS, worker.reserve(run))
    yield
    worker.receive("bad", check=lambda: [BAD])
    yield
    worker.receive("bad", upload="upload 2")  # its file has come
    yield
    run = worker.claim("bad", upload="upload 2")
    worker.decide(run, Decision.REJECTED)
    yield
    worker.claim("gone")
    yield
    other = open_worker()
    state = other.ledger.batch("gone")
    clock.advance(LEASE + 1)
    other.ledger.give_up(state.run)
    yield
    for upload in ("upload 2", "upload 3"):
        run = worker.claim("again", upload)
        worker.decide(run, Decision.FAILURE)
        yield
    worker.receive("good", "upload 3", manifest("good", metadata={"n": 2}))  # the name is taken
    yield
    received = worker.ledger.again("good")
    run = worker.ledger.claim(received, {})
    yield
    worker.decide(run, Decision.CANCELED)
    yield


def test_each_step_is_counted_as_all_of_them_are(open_worker, clock):
    ledger = open_worker().ledger
    kept = Tally(ledger)
    seen: set[Status] = set()
    for _ in _life_of_a_platform(open_worker, clock):
        kept.update()
        anew = Tally(ledger)
        anew.update()
        stand = Counter(state.status for state in ledger.batches())
        assert kept.batches == anew.batches == stand
        assert {**vars(kept), "_known": 0} == {**vars(anew), "_known": 0}
        seen |= stand.keys()
    assert seen >= {Status.QUEUED, Status.RUNNING, Status.SUCCESS, Status.REJECTED, Status.FAILURE, Status.CANCELED}
    assert kept.runs == {Decision.SUCCESS: 1, Decision.REJECTED: 1, Decision.FAILURE: 3, Decision.CANCELED: 1}
    assert kept.problems["missing_file"] == 1
    assert kept.problems["lease_expired"] == 1
    assert kept.features == 1


def test_what_is_decided_is_read_once(open_worker, monkeypatch):
    worker = open_worker()
    tally = Tally(worker.ledger)
    for number in range(40):
        run = worker.claim(f"b{number}")
        worker.decide(run, Decision.SUCCESS, worker.reserve(run, f"d{number}"))
    tally.update()
    read: list[str] = []
    store = worker.ledger.store
    for name in ("get", "find"):
        asked = getattr(store, name)
        monkeypatch.setattr(store, name, lambda *a, _asked=asked, **k: read.append(str(a)) or _asked(*a, **k))
    tally.update()
    assert read == []
    run = worker.claim("next")
    worker.decide(run, Decision.REJECTED)
    read.clear()
    tally.update()
    assert read == ["('outcomes', 'next#1')"]
    assert (tally.runs[Decision.SUCCESS], tally.runs[Decision.REJECTED]) == (40, 1)
