"""The commit protocol under any interleaving of workers that die, sleep and wake up late."""

import json
from collections import defaultdict
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from libs.ledger import Action, Received
from libs.models import Decision, Outcome, Reservation, Run
from tests.sampling import examples

BATCHES, UPLOADERS = ["a", "b"], ["one", "two"]
LOST = "lease_expired"


PICK = st.integers(0, 1000)
"""Which of those there are."""


class Protocol(RuleBasedStateMachine):
    """Uploads come, workers do the steps of a batch in any order that they are free to, and time passes."""

    def __init__(self, open_worker, clock) -> None:
        super().__init__()
        self.clock = clock
        self.workers = [open_worker() for _ in range(3)]
        self.ledger = open_worker().ledger
        self.uploads = 0
        self.landing: dict[str, tuple[str, bytes]] = {}
        self.received: list[tuple[Any, Received]] = []
        self.running: list[tuple[Any, Run]] = []
        self.committed: list[tuple[Any, Outcome]] = []
        self.decided: dict[str, Outcome] = {}
        self.reserved: dict[str, list[Reservation]] = defaultdict(list)

    @initialize()
    def begin(self) -> None:
        for batch_id in BATCHES:
            self.upload(batch_id, "one")

    @rule(batch_id=st.sampled_from(BATCHES), uploader=st.sampled_from(UPLOADERS))
    def upload(self, batch_id: str, uploader: str) -> None:
        self.uploads += 1
        file = {"path": "s3://landing-zone/a.csv", "type": "tabular", "format": "CSV"}
        content = {"batch_id": batch_id, "uploader": uploader, "intent": "i", "files": [file]}
        self.landing[batch_id] = (f"upload {self.uploads}", json.dumps(content).encode())

    @rule(pick=PICK, batch_id=st.sampled_from(BATCHES))
    def receive(self, pick: int, batch_id: str) -> None:
        worker = picked(self.workers, pick)
        received = worker.receive(batch_id, *self.landing[batch_id])
        if received.action in {Action.PROCESS, Action.LEAVE}:
            assert self.succeeded(batch_id) <= {received.receipt.manifest_id}
        assert (received.action is Action.REJECT) == bool(received.receipt.problems)
        if received.action is Action.PROCESS:
            self.received.append((worker, received))

    @precondition(lambda self: self.received)
    @rule(pick=PICK)
    def claim(self, pick: int) -> None:
        worker, received = picked(self.received, pick)
        before = self.ledger.runs(received.receipt.batch_id)
        run = worker.ledger.claim(received, {})
        self.learn()
        if run is not None:
            assert run.attempt == len(before) + 1
            assert all(earlier.id in self.decided for earlier in before)
            self.running.append((worker, run))

    @precondition(lambda self: self.running)
    @rule(pick=PICK)
    def heartbeat(self, pick: int) -> None:
        worker, run = picked(self.running, pick)
        assert worker.ledger.heartbeat(run) == (run.id not in self.decided)

    @precondition(lambda self: self.running)
    @rule(pick=PICK, dataset_id=st.sampled_from(["roads", "rivers"]))
    def reserve(self, pick: int, dataset_id: str) -> None:
        worker, run = picked(self.running, pick)
        reservation = worker.reserve(run, dataset_id)
        taken = [each for all_of_run in self.reserved.values() for each in all_of_run if each.dataset_id == dataset_id]
        assert reservation.version > max((each.version for each in taken), default=0)
        self.reserved[run.id].append(reservation)

    @precondition(lambda self: self.running)
    @rule(pick=PICK, decision=st.sampled_from(list(Decision)))
    def decide(self, pick: int, decision: Decision) -> None:
        worker, run = picked(self.running, pick)
        reservations = tuple(self.reserved[run.id]) if decision is Decision.SUCCESS else ()
        outcome = worker.outcome(run, decision, reservations)
        won = worker.ledger.decide(outcome)
        assert won == (run.id not in self.decided)
        self.learn()
        if won:
            self.committed.append((worker, outcome))

    @precondition(lambda self: self.committed)
    @rule(pick=PICK)
    def publish(self, pick: int) -> None:
        worker, outcome = picked(self.committed, pick)
        worker.ledger.publish(outcome)

    @rule(seconds=st.integers(0, 100))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(pick=PICK, batch_id=st.sampled_from(BATCHES))
    def die(self, pick: int, batch_id: str) -> None:
        """A worker takes the batch, if it gets it, and is never heard of again."""
        self.receive(pick, batch_id)
        if self.received:
            self.claim(len(self.received) - 1)
        self.clock.advance(61)

    @rule(pick=PICK)
    def reconcile(self, pick: int) -> None:
        ledger = picked(self.workers, pick).ledger
        for run in ledger.undecided():
            ledger.give_up(run)
        self.learn()
        for outcome in ledger.unpublished():
            ledger.publish(outcome)
        assert ledger.unpublished() == []
        exist = {asset.id for asset in ledger.assets()}
        assert exist == {asset.id for outcome in self.decided.values() for asset in outcome.assets}
        lost = {each.id for run_id, all_of_run in self.reserved.items() if run_id in self.decided for each in all_of_run} - exist
        assert {reservation.id for reservation in ledger.abandoned()} == lost

    @invariant()
    def what_is_decided_stays(self) -> None:
        for run_id, outcome in self.decided.items():
            assert self.ledger.outcome(run_id) == outcome

    @invariant()
    def attempts_follow_one_another(self) -> None:
        for batch_id in BATCHES:
            runs = self.ledger.runs(batch_id)
            assert [run.attempt for run in runs] == list(range(1, len(runs) + 1))
            assert all(run.id in self.decided for run in runs[:-1])

    @invariant()
    def a_name_stands_for_the_manifest_that_succeeded(self) -> None:
        for batch_id in BATCHES:
            succeeded: set[str] = set()
            for run in self.ledger.runs(batch_id):
                assert succeeded <= {run.manifest_id}
                if run.id in self.decided and self.decided[run.id].decision is Decision.SUCCESS:
                    succeeded.add(run.manifest_id)

    @invariant()
    def an_upload_is_tried_until_a_living_worker_decides_or_three_die(self) -> None:
        for batch_id in BATCHES:
            attempts: dict[str, list[Outcome | None]] = defaultdict(list)
            for run in self.ledger.runs(batch_id):
                attempts[run.manifest_version].append(self.decided.get(run.id))
            for outcomes in attempts.values():
                assert len(outcomes) <= 3
                assert all(outcome and outcome.problems and outcome.problems[0].code == LOST for outcome in outcomes[:-1])

    def succeeded(self, batch_id: str) -> set[str]:
        """The manifests of a batch that succeeded."""
        done = {run_id for run_id, outcome in self.decided.items() if outcome.decision is Decision.SUCCESS}
        return {run.manifest_id for run in self.ledger.runs(batch_id) if run.id in done}

    def learn(self) -> None:
        """Take note of what has been decided, by whomever."""
        for batch_id in BATCHES:
            for run in self.ledger.runs(batch_id):
                if run.id not in self.decided and (outcome := self.ledger.outcome(run.id)):
                    self.decided[run.id] = outcome


def picked(choices: list[Any], pick: int) -> Any:
    return choices[pick % len(choices)]


def test_the_protocol_holds_under_any_interleaving(new_ledger, new_clock) -> None:
    def machine() -> Protocol:
        clock = new_clock()
        return Protocol(new_ledger(clock), clock)

    run_state_machine_as_test(machine, settings=settings(max_examples=examples(50), stateful_step_count=40))
