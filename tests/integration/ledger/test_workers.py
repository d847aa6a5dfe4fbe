"""The ledger under processes that all want the same work."""

import random
import time

import pytest

from libs.ledger import DocumentStore, Ledger
from libs.ledger.audit import audit
from libs.models import Decision, Status, Verified

pytestmark = pytest.mark.integration


def damage(store: DocumentStore) -> list[Verified]:
    return [found for found in audit(Ledger(store)) if found.finding.damages]


def test_eight_workers_claim_each_of_200_batches_once_and_take_distinct_versions(race, store: DocumentStore) -> None:
    done = [word.split(":") for words in race(8, "work") for word in words]
    assert sorted(batch_id for batch_id, _ in done) == sorted(f"batch-{i}" for i in range(200))
    assert sorted(int(version) for _, version in done) == list(range(1, 201))
    ledger = Ledger(store)
    assert len(list(store.ids("runs"))) == 200
    assert ledger.undecided() == []
    assert {state.status for state in ledger.batches()} == {Status.SUCCESS}
    assert list(store.ids("chain")) == [f"{number:012}" for number in range(1, 201)]
    assert list(audit(ledger)) == [], "each decision has its link, and each link follows the one before"


def test_workers_that_are_killed_at_any_moment_lose_and_double_nothing(start, store: DocumentStore) -> None:
    dice = random.Random(7)
    workers = start(3, "work_until_done")
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for _ in range(8):
        time.sleep(dice.uniform(0.02, 0.1))
        at_work = {int(run.owner.split(":")[1]) for run in Ledger(store).undecided()}
        dice.choice([worker for worker in workers if worker.pid in at_work and worker.poll() is None] or workers).kill()
        (another,) = start(1, "work_until_done")
        another.stdin.write("go\n")
        another.stdin.flush()
        workers.append(another)
    assert damage(store) == [], "work that is under way is no damage"
    for worker in workers:
        worker.wait(60)

    ledger = Ledger(store)
    for outcome in ledger.unpublished():
        ledger.publish(outcome)
    assert ledger.undecided() == []
    ledger.link_missing()
    assert damage(store) == []
    committed, lost = {}, 0
    for i in range(120):
        runs = ledger.runs(f"batch-{i}")
        outcomes = [ledger.outcome(run.id) for run in runs]
        assert all(outcome.problems[0].code == "lease_expired" for outcome in outcomes[:-1])
        lost += len(runs) - 1
        if outcomes[-1].decision is Decision.SUCCESS:
            committed[runs[-1].id] = outcomes[-1].assets[0]
        else:
            assert len(runs) == 3
    assert lost > 0, "nobody was killed at work"
    assert len(committed) > 100
    assert {asset.run_id: asset for asset in ledger.assets()} == committed
    assert len({asset.id for asset in committed.values()}) == len(committed)
    versions = {int(identity.rpartition("@")[2]) for identity in store.ids("versions")}
    assert {reservation.version for reservation in ledger.abandoned()} == versions - {
        asset.version for asset in committed.values()
    }
