"""A worker of this release and one of the next share a ledger: each reads what the other wrote."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.ledger import Action, DocumentStore, Ledger
from libs.ledger.audit import audit
from libs.models import Finding, NewerFormat, Status
from tests.integration.ledger.racer import manifest, success

pytestmark = pytest.mark.integration

PROGRAM = Path(__file__).with_name("next_release.py")


@pytest.fixture
def next_release(kind: str, place: str, environment: dict[str, str]) -> Callable[[str], list[str]]:
    """Runs a worker of the next release, in a process of its own; the lines that it printed."""

    def next_release(number: str) -> list[str]:
        surroundings = {**os.environ, **environment, "PYTHONPATH": str(Path(__file__).parents[3])}
        command = [sys.executable, str(PROGRAM), kind, place, number]
        return subprocess.run(command, env=surroundings, check=True, capture_output=True, text=True).stdout.splitlines()

    return next_release


def work(ledger: Ledger, batch_id: str, *, publish: bool = True) -> str:
    """Commit a batch with one version, of this release; the version's ``_id``."""
    received = ledger.receive(f"manifests/{batch_id}.json", manifest(batch_id), "upload 1")
    assert received.action is Action.PROCESS
    run = ledger.claim(received, {})
    assert run is not None
    reservation = ledger.reserve({"dataset": ["data.parquet"]}, run, lambda name, version: f"{name}/v{version}/")["dataset"]
    outcome = success(run, reservation)
    assert ledger.decide(outcome)
    if publish:
        ledger.publish(outcome)
    return reservation.id


def test_each_reads_what_the_other_wrote(store: DocumentStore, next_release: Callable[[str], list[str]]) -> None:
    ledger = Ledger(store)
    assert work(ledger, "ours") == "dataset@1"
    assert next_release("2.9") == ["read dataset@1 table", "batch ours success", "made dataset@2"]
    state = ledger.batch("of-the-next")
    assert (state.status, state.run.attempt, state.outcome.assets[0].version) == (Status.SUCCESS, 1, 2)
    (outcome,) = ledger.unpublished()
    ledger.publish(outcome)
    for collection in ("assets", "lineage"):
        copied = store.get(collection, "dataset@2")
        assert (copied["format"], copied["next_field"]) == ("2.9", {"of": ["2.9"]}), "copied by this release, and whole"
    assert ledger.asset("dataset").version == 2
    assert work(ledger, "ours-again") == "dataset@3"
    received = ledger.receive("manifests/of-the-next.json", manifest("of-the-next"), "upload 1")
    assert received.action is Action.FINISH
    assert len(list(ledger.activity())) > 0


def test_a_heartbeat_keeps_what_the_next_release_wrote(store: DocumentStore, next_release: Callable[[str], list[str]]) -> None:
    next_release("2.9")
    store.remove("outcomes", ["of-the-next#1"])
    ledger = Ledger(store)
    assert ledger.heartbeat(ledger.run("of-the-next#1"))
    document: dict[str, Any] = store.get("runs", "of-the-next#1")
    assert (document["format"], document["next_field"]) == ("2.9", {"of": ["2.9"]})


def test_a_format_that_cannot_be_read_says_what_to_install(
    store: DocumentStore, next_release: Callable[[str], list[str]]
) -> None:
    next_release("3.0")
    ledger = Ledger(store)
    for look in (lambda: ledger.outcome("of-the-next#1"), lambda: list(ledger.batches()), ledger.unpublished):
        with pytest.raises(NewerFormat, match=r"format 3\.0, .* this one reads up to 2\.x\. Install that release here"):
            look()


def test_one_of_the_release_before_seals_may_still_be_at_it(
    store: DocumentStore, next_release: Callable[[str], list[str]]
) -> None:
    """It copies what this release has committed, and commits itself: all of it without a seal, and none of it is damage."""
    ledger = Ledger(store)
    assert work(ledger, "ours", publish=False) == "dataset@1"
    assert next_release("2.0")[-1] == "made dataset@2"
    for outcome in ledger.unpublished():
        ledger.publish(outcome)
    found = {each.record: each.finding for each in audit(ledger)}
    assert not any(finding.damages for finding in found.values()), found
    assert found["assets/dataset@1"] is found["lineage/dataset@1"] is found["outcomes"] is Finding.UNSEALED
    assert "outcomes/ours#1" in ledger.link_missing()
    assert not any(each.finding.damages for each in audit(ledger))
    assert Finding.PENDING not in {each.finding for each in audit(ledger)}
