from collections.abc import Callable
from datetime import timedelta

import pytest

from libs.ledger import Action
from libs.models import Decision, Status


def test_a_batch_is_claimed_once(open_worker: Callable) -> None:
    one, other = open_worker(), open_worker()
    first, second = one.receive(), other.receive()
    run = one.ledger.claim(first, {"python": "3"})
    assert (run.id, run.owner, run.software) == ("a#1", one.ledger.owner, {"python": "3"})
    assert one.ledger.owner != other.ledger.owner
    assert other.ledger.claim(second, {}) is None
    assert one.ledger.run("a#1") == run


def test_a_late_claim_does_not_repeat_a_failed_attempt(open_worker: Callable) -> None:
    one, late = open_worker(), open_worker()
    seen = late.receive()
    one.decide(one.claim(), Decision.FAILURE)
    assert late.ledger.claim(seen, {}) is None


def test_a_heartbeat_keeps_a_run_alive(worker, clock) -> None:
    run = worker.claim()
    for _ in range(3):
        clock.advance(50)
        assert worker.ledger.heartbeat(run)
    assert worker.receive().action is Action.LEAVE
    assert worker.ledger.give_up(run) is None  # though the lease of the run as it was claimed is long over
    clock.advance(61)
    assert worker.ledger.give_up(run).decision is Decision.FAILURE
    assert not worker.ledger.heartbeat(run)


def test_a_lost_run_is_taken_over_and_its_owner_finds_out(open_worker: Callable, clock) -> None:
    asleep, other = open_worker(), open_worker()
    run = asleep.claim()
    assert other.ledger.batch("a").status is Status.RUNNING
    clock.advance(61)
    assert other.ledger.batch("a").status is Status.LOST
    second = other.claim()
    assert second.id == "a#2"
    assert other.ledger.outcome("a#1").problems[0].code == "lease_expired"
    assert other.ledger.outcome("a#1").decided_by == other.ledger.owner
    assert not asleep.ledger.heartbeat(run)
    assert not asleep.decide(run, Decision.SUCCESS)
    assert other.decide(second, Decision.SUCCESS)


def test_a_run_that_wakes_up_before_it_is_given_up_goes_on(worker, clock) -> None:
    run = worker.claim()
    clock.advance(3600)
    assert worker.ledger.heartbeat(run)
    assert worker.receive().action is Action.LEAVE
    assert worker.ledger.give_up(worker.ledger.run(run.id)) is None
    assert worker.decide(run, Decision.SUCCESS)


def test_giving_up_a_run_that_succeeded_meanwhile_tells_so(worker, clock) -> None:
    run = worker.claim()
    clock.advance(61)
    worker.decide(run, Decision.SUCCESS)
    assert worker.ledger.give_up(run).decision is Decision.SUCCESS


def test_an_upload_gets_three_attempts_from_dying_workers_and_another_one_three_more(worker, clock) -> None:
    attempts = []
    for upload in ("upload 1", "upload 2"):
        for _ in range(3):
            attempts.append(worker.claim(upload=upload).attempt)
            clock.advance(61)
        last = worker.receive(upload=upload)
        assert last.action is Action.PROCESS  # nobody has decided yet that it is lost
        assert worker.ledger.claim(last, {}) is None
        assert worker.receive(upload=upload).action is Action.FINISH
        assert worker.ledger.batch("a").status is Status.FAILURE
    assert attempts == [1, 2, 3, 4, 5, 6]


def test_a_batch_of_a_lost_run_is_queued_again(worker, clock) -> None:
    run = worker.claim()
    clock.advance(61)
    worker.ledger.give_up(run)
    assert worker.ledger.batch("a").status is Status.QUEUED
    assert worker.receive().action is Action.PROCESS


def test_versions_are_taken_upwards_and_gaps_stay(worker) -> None:
    first, second = worker.claim("a"), worker.claim("b")
    assert [worker.reserve(run).version for run in (first, second, first)] == [1, 2, 3]
    assert worker.reserve(first, "other").id == "other@1"
    assert worker.reserve(first, "road").id == "road@1"
    worker.decide(first, Decision.FAILURE)
    assert worker.reserve(second).version == 4


def test_a_version_taken_in_the_same_moment_is_passed_over(open_worker: Callable) -> None:
    one, other = open_worker(), open_worker()
    first, second = one.claim("a"), other.claim("b")
    theirs = []

    def prefix(dataset_id: str, version: int) -> str:
        if version <= 3:  # just before our insert, another worker's
            theirs.append(other.reserve(second).version)
        return f"{dataset_id}/v{version}/"

    ours = one.ledger.reserve({"roads": ["data.parquet"]}, first, prefix)["roads"]
    assert theirs == [1, 2, 3]
    assert (ours.version, ours.keys) == (4, ("roads/v4/data.parquet",))


def test_publishing_copies_once_and_again_does_nothing(worker) -> None:
    run = worker.claim()
    outcome = worker.outcome(run, Decision.SUCCESS, (worker.reserve(run), worker.reserve(run, "rivers")))
    assert worker.ledger.asset("roads") is None
    worker.ledger.decide(outcome)
    assert worker.ledger.asset("roads") is None
    assert worker.ledger.unpublished() == [outcome]
    for _ in range(2):
        worker.ledger.publish(outcome)
        assert worker.ledger.unpublished() == []
        assert [worker.ledger.asset("roads"), worker.ledger.asset("rivers", 1)] == list(outcome.assets)
        assert worker.ledger.lineage("roads", 1) == outcome.lineage[0]
        assert list(worker.ledger.datasets()) == sorted(outcome.assets, key=lambda asset: asset.id)


def test_reservations_of_decided_runs_without_a_version_are_abandoned(worker) -> None:
    failed, running, succeeded = worker.claim("a"), worker.claim("b"), worker.claim("c")
    lost, _, kept = worker.reserve(failed), worker.reserve(running), worker.reserve(succeeded)
    worker.decide(failed, Decision.REJECTED)
    worker.decide(succeeded, Decision.SUCCESS, kept)
    assert worker.ledger.abandoned() == [lost]
    assert [run.id for run in worker.ledger.undecided()] == ["b#1"]


def test_datasets_show_their_latest_version(worker) -> None:
    for n in range(12):
        run = worker.claim(f"batch-{n}")
        outcome = worker.outcome(run, Decision.SUCCESS, (worker.reserve(run), worker.reserve(run, "roads.2")))
        worker.ledger.decide(outcome)
        worker.ledger.publish(outcome)
    assert worker.ledger.versions("roads") == list(range(1, 13))
    assert [asset.id for asset in worker.ledger.datasets()] == ["roads@12", "roads.2@12"]
    assert worker.ledger.asset("roads").version == 12
    assert worker.ledger.asset("roads", 9).id == "roads@9"
    assert worker.ledger.asset("roads", 13) is None
    assert worker.ledger.asset("road") is None
    assert len(list(worker.ledger.assets())) == 24


def test_batches_are_listed_with_the_last_to_arrive_first(worker) -> None:
    for name in ("a", "c", "b"):
        worker.receive(name)
    worker.receive("c", upload="upload 2", content=b"{}")
    assert [(state.batch_id, state.status) for state in worker.ledger.batches()] == [
        ("c", Status.REJECTED),
        ("b", Status.QUEUED),
        ("a", Status.QUEUED),
    ]
    assert [state.batch_id for state in worker.ledger.batches(2)] == ["c", "b"]


def test_everything_that_happens_is_in_the_audit_log(worker, clock) -> None:
    run = worker.claim()
    clock.advance(61)
    worker.decide(worker.claim(), Decision.SUCCESS)
    worker.receive("b", content=b"")
    worker.ledger.log("removed", "roads/v1/data.parquet", bytes=12)
    log = list(worker.ledger.activity())
    assert [(entry.action, entry.subject) for entry in log] == [
        ("removed", "roads/v1/data.parquet"),
        ("rejected", "b"),
        ("success", "a#2"),
        ("claimed", "a#2"),
        ("failure", "a#1"),
        ("claimed", "a#1"),
        ("received", "a"),
    ]
    assert log[0].details == {"bytes": 12}
    assert log[-1].actor == "someone"
    assert [entry.action for entry in worker.ledger.activity("a#1")] == ["failure", "claimed"]
    assert list(worker.ledger.activity(limit=2)) == log[:2]
    assert log[-2].at - run.started_at < timedelta(seconds=1)


@pytest.mark.parametrize("batch_id", ["a", "a.b", "a-1", "A"])
def test_batches_of_similar_names_do_not_mix(worker, batch_id: str) -> None:
    for each in ("a", "a.b", "a-1", "A"):
        worker.decide(worker.claim(each), Decision.FAILURE)
    assert [run.batch_id for run in worker.ledger.runs(batch_id)] == [batch_id]
    assert [receipt.batch_id for receipt in worker.ledger.receipts(batch_id)] == [batch_id]
