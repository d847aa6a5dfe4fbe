"""The rules of the ledger: who may decide what, and when. Each decision is one insert under a natural ``_id``."""

import os
import secrets
import socket
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import Any

from libs.ledger import parts
from libs.ledger.receipt import batch_id_of, make_receipt
from libs.ledger.records import LOST, MAX_LOST, PASSED_OVER, Records, common_prefix
from libs.ledger.store import DocumentStore, DocumentTooLarge
from libs.models import (
    Activity,
    Decision,
    LedgerIdentity,
    Outcome,
    OwnLake,
    ParsedManifest,
    Problem,
    Rebuilding,
    Receipt,
    Reservation,
    Run,
    in_reading_order,
    shortened,
    utc_now,
)

KEPT_PROBLEMS = 100
"""Of a list that makes a record too large for the store."""

_ONE_BY_ONE = 8
"""Datasets whose versions are looked up each by itself."""


class Action(StrEnum):
    """What is to be done with a manifest that lies in the landing zone."""

    PROCESS = "process"
    """Claim its batch and process it: it is new, or is to be tried again."""
    LEAVE = "leave"
    """Nothing: a worker is at it."""
    FINISH = "finish"
    """Report on its outcome, and archive it: all else is done."""
    REJECT = "reject"
    """Report on its problems, and archive it."""


@dataclass(frozen=True)
class Received:
    """The ledger's word on a manifest.

    Attributes:
        action: What is to be done.
        receipt: Its record.
        upload: Version of its object, to claim it with.
        attempt: For ``PROCESS`` only: which attempt at the batch it would be.
        outcome: For ``FINISH`` only.
    """

    action: Action
    receipt: Receipt
    upload: str
    attempt: int = 0
    outcome: Outcome | None = None


def no_problems() -> list[Problem]:
    """Finds nothing wrong with a manifest."""
    return []


class Ledger(Records):
    """The ledger, as one worker sees it.

    Args:
        store: Where the documents are.
        clock: The present, aware, in whole milliseconds.
        lease_seconds: How long a run of this worker counts as alive after a heartbeat.

    Attributes:
        owner: This worker's name: host, process, and a random part.
    """

    def __init__(self, store: DocumentStore, clock: Callable[[], datetime] = utc_now, lease_seconds: float = 60.0) -> None:
        super().__init__(store, clock)
        self.lease_seconds = lease_seconds
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"

    def identify(self) -> LedgerIdentity:
        """What the ledger is called; decided now, if it has not been."""
        new = LedgerIdentity(ledger_id=str(uuid.uuid4()), place=self.store.place, made_at=self.clock())
        while True:
            own, _ = self.identity()
            if own is not None:
                return own
            self.store.insert("identity", new.id, new.to_document())

    def bind(self, lake: OwnLake) -> OwnLake:
        """Make a lake this ledger's, for good. Returns its lake: another one, if that has been decided before."""
        while True:
            _, bound = self.identity()
            if bound is not None:
                return bound
            self.store.insert("identity", lake.id, lake.to_document())

    def receive(
        self,
        key: str,
        parsed: ParsedManifest,
        upload: str,
        check: Callable[[], list[Problem]] = no_problems,
    ) -> Received:
        """Record a manifest, and say what is to be done with it.

        Args:
            key: Its object key. The file's name is the batch's id, and the manifest must agree.
            parsed: The manifest.
            upload: Version of the object, another one for each upload.
            check: Finds what is wrong with the manifest in its surroundings (files that are missing, parameters that the recipe
                does not know), so that it is reported together with what is wrong in itself. Called only for JSON, and only
                when the batch is to be processed.
        """
        batch_id = batch_id_of(key)
        found = make_receipt(key, parsed, self.clock())
        runs = self.runs(batch_id)
        last = runs[-1] if runs else None
        outcome = self.outcome(last.id) if last else None
        problems = list(found.problems)
        if last and last.receipt_id.partition("~")[0] == found.id:
            receipt = self.receipt(last.receipt_id) or found
            if outcome is None and self.alive(last):
                return Received(Action.LEAVE, receipt, upload)
            if outcome is not None and not self._may_follow(runs, outcome, upload):
                return Received(Action.FINISH, receipt, upload, outcome=outcome)
        elif last:
            problems += self._in_the_way(last, outcome)
        problems += check() if parsed.is_json else []
        receipt = self._record(found.model_copy(update={"problems": tuple(shortened(in_reading_order(problems)))}))
        if receipt.problems:
            return Received(Action.REJECT, receipt, upload)
        return Received(Action.PROCESS, receipt, upload, attempt=len(runs) + 1)

    def refuse(self, key: str, problem: Problem) -> Receipt:
        """Record a manifest that cannot be read: its name is all that is known.

        Args:
            key: Its object key.
            problem: Why.
        """
        unread = ParsedManifest(b"", None, is_json=False, manifest=None, problems=(problem,))
        return self._record(make_receipt(key, unread, self.clock()))

    def claim(self, received: Received, software: dict[str, str]) -> Run | None:
        """Begin an attempt at a batch. Of all workers that try, one gets it.

        A run without a sign of life is given up first.

        Args:
            received: What :meth:`receive` said, with the action ``PROCESS``.
            software: Versions of what it will run on, by name.

        Returns:
            The run, which is this worker's; None when the batch is another's, done, or not to be tried again.
        """
        batch_id = received.receipt.batch_id
        runs = self.runs(batch_id)
        if runs:
            outcome = self.outcome(runs[-1].id) or self.give_up(runs[-1])
            if outcome is None or not self._may_follow(runs, outcome, received.upload):
                return None
        now = self.clock()
        run = Run(
            batch_id=batch_id,
            attempt=len(runs) + 1,
            receipt_id=received.receipt.id,
            manifest_version=received.upload,
            owner=self.owner,
            started_at=now,
            heartbeat_at=now,
            lease_seconds=self.lease_seconds,
            software=software,
        )
        if not self.store.insert("runs", run.id, run.to_document()):
            return None
        self.log("claimed", run.id, at=now)
        return run

    def heartbeat(self, run: Run) -> bool:
        """Give a sign of life of a run of this worker.

        Returns:
            False when the run has been decided by others: nothing that it still does will count.
        """
        if self.decided(run.id):
            return False
        self.store.touch("runs", run.id, {"heartbeat_at": self.clock()})
        return True

    def give_up(self, run: Run) -> Outcome | None:
        """Decide a run whose worker is gone, as ``failure``.

        Returns:
            What is decided of it, by whomever; None while its lease lasts.
        """
        run = self.run(run.id) or run  # its heartbeat may have come since it was read
        if self.alive(run):
            return None
        problem = Problem(
            code=LOST, where=run.id,
            message=f"The worker {run.owner} gave no sign of life for {run.lease_seconds:g} s in attempt {run.attempt}.",
            remedy=f"It is tried again, {MAX_LOST} times in all for one upload. After that: look at the memory and the log of "
            "the worker, and upload the manifest again.",
        )  # fmt: skip
        outcome = Outcome(
            run_id=run.id, batch_id=run.batch_id, decision=Decision.FAILURE, decided_at=self.clock(), decided_by=self.owner,
            problems=(problem,),
        )  # fmt: skip
        if self.decide(outcome):
            return outcome
        return self.outcome(run.id)

    def decide(self, outcome: Outcome) -> bool:
        """Decide a run: with ``success``, this is the commit point of its batch.

        An outcome that is too large for one document goes into parts first. They count when the outcome that names them is there.

        Returns:
            False when it has been decided otherwise before; this outcome is void.

        Raises:
            DocumentTooLarge: when a single dataset's record is larger than the store keeps.
        """
        document, pieces = parts.split(outcome, self.store)
        for identity, part in pieces:
            self.store.insert(parts.COLLECTION, identity, part)
        if not self.store.insert("outcomes", outcome.id, document):
            return False
        self.log(outcome.decision, outcome.run_id, at=outcome.decided_at)
        return True

    def reserve(self, names: Mapping[str, Sequence[str]], run: Run, prefix: Callable[[str, int], str]) -> dict[str, Reservation]:
        """Take the next version number of each dataset for a run; nobody else will get them.

        Args:
            names: By dataset, the names of the files that the run is going to write.
            run: The run.
            prefix: The lake prefix of a dataset's version.

        Returns:
            The reservations by dataset.
        """
        latest = self._latest_reserved(names)
        reserved: dict[str, Reservation] = {}
        while len(reserved) < len(latest):
            wanted: dict[str, Reservation] = {}
            for dataset_id in [each for each in latest if each not in reserved]:
                version = latest[dataset_id] = latest[dataset_id] + 1
                reservation = Reservation(
                    dataset_id=dataset_id,
                    version=version,
                    run_id=run.id,
                    prefix=prefix(dataset_id, version),
                    names=tuple(names[dataset_id]),
                    reserved_at=self.clock(),
                )
                wanted[reservation.id] = reservation
            won = self.store.insert_new("versions", {each.id: each.to_document() for each in wanted.values()})
            reserved |= {each.dataset_id: each for each in wanted.values() if each.id in won}
        return reserved

    def next_versions(self, dataset_ids: Collection[str]) -> dict[str, int]:
        """The version number that each dataset would get now. Nothing is reserved."""
        return {name: number + 1 for name, number in self._latest_reserved(dataset_ids).items()}

    def _latest_reserved(self, dataset_ids: Collection[str]) -> dict[str, int]:
        """The highest version of each dataset that was ever reserved, 0 for a new one. Many are looked up in one pass."""
        latest = dict.fromkeys(dataset_ids, 0)
        if len(latest) <= _ONE_BY_ONE:
            for dataset_id in latest:
                taken = self.store.find("versions", prefix=f"{dataset_id}@", where={"dataset_id": dataset_id})
                latest[dataset_id] = max((document["version"] for _, document in taken), default=0)
            return latest
        for identity in self.store.ids("versions", common_prefix(latest)):
            dataset_id, _, version = identity.rpartition("@")
            if dataset_id in latest:
                latest[dataset_id] = max(latest[dataset_id], int(version))
        return latest

    def pass_over(self, reservation: Reservation, keys: Iterable[str]) -> None:
        """Record what lay in the place of a reserved version: it is not this run's, and nobody may remove it."""
        for key in keys:
            self.log(PASSED_OVER, key, run_id=reservation.run_id)

    def remove_unused_parts(self) -> int:
        """Remove parts of outcomes that will never count. Returns how many."""
        unused = self.unused_parts()
        self.store.remove(parts.COLLECTION, unused)
        return len(unused)

    def publish(self, outcome: Outcome) -> None:
        """Copy the assets and the lineage of a committed outcome to where they are looked for. Doing it again does nothing.

        The assets come last: where they are, all is copied.
        """
        lineage = (("lineage", lineage.id, lineage.to_document()) for lineage in outcome.lineage)
        assets = (("assets", asset.id, asset.to_document()) for asset in outcome.assets)
        self.store.insert_missing(chain(lineage, assets))

    def begin_rebuilding(self, rebuilding: Rebuilding) -> bool:
        """Note that this ledger is being made out of a lake. It has to be empty, or one that this was begun with before.

        Returns:
            False when it holds something else. Nothing is changed then.
        """
        known = dict(self.store.find("identity"))
        if begun := known.get(Rebuilding.id):
            return Rebuilding.from_document(begun).lake_id == rebuilding.lake_id
        collections = ("manifests", "runs", "versions", parts.COLLECTION, "outcomes", "assets", "lineage", "activity_logs")
        if known or any(True for name in collections for _ in self.store.ids(name)):
            return False
        self.store.insert("identity", rebuilding.id, rebuilding.to_document())
        return True

    def restore(self, receipt: Receipt, run: Run, reservations: Iterable[Reservation], outcome: Outcome) -> None:
        """Insert what is known of a decided run again, when a ledger is made out of a lake. Doing it again does nothing.

        Raises:
            DocumentTooLarge: when a single dataset's record is larger than the store keeps.
        """
        if self.store.insert("manifests", receipt.id, receipt.to_document()):
            self.log(
                "received", receipt.batch_id, actor=receipt.uploader or "unknown", at=receipt.received_at, receipt=receipt.id
            )
        if self.store.insert("runs", run.id, run.to_document()):
            self.log("claimed", run.id, at=run.started_at)
        self.store.insert_missing(("versions", each.id, each.to_document()) for each in reservations)
        self.decide(outcome)
        if outcome.decision is Decision.SUCCESS:
            self.publish(outcome)

    def log(self, action: str, subject: str, *, actor: str | None = None, at: datetime | None = None, **details: Any) -> None:
        """Write an entry of the audit log."""
        entry = Activity(at=at or self.clock(), actor=actor or self.owner, action=action, subject=subject, details=details)
        identity = f"{time.time_ns():016x}-{secrets.token_hex(4)}"  # entries of one millisecond keep their order
        self.store.insert_missing([("activity_logs", identity, entry.to_document())])

    def _may_follow(self, runs: list[Run], outcome: Outcome, upload: str) -> bool:
        """Whether another attempt may follow the last one.

        It may when that did not succeed, and either someone uploaded the manifest since, asking for it, or the worker was lost.
        """
        if outcome.decision is Decision.SUCCESS:
            return False
        if upload not in {run.manifest_version for run in runs}:
            return True
        return runs[-1].manifest_version == upload and self.to_be_retried(runs, outcome)

    def _in_the_way(self, last: Run, outcome: Outcome | None) -> list[Problem]:
        """Why another manifest may not take a batch's id; nothing when it may."""
        if outcome is None and self.alive(last):
            message = f"The batch {last.batch_id!r} is being processed, with another manifest."
            remedy = "Upload this one under another 'batch_id', or again when that one has failed."
            return [Problem(code="batch_running", where="batch_id", message=message, remedy=remedy)]
        if outcome is not None and outcome.decision is Decision.SUCCESS:
            message = f"The batch {last.batch_id!r} has been processed already, with another manifest."
            remedy = "Choose another 'batch_id': each stands for one manifest that succeeded."
            return [Problem(code="batch_done", where="batch_id", message=message, remedy=remedy)]
        return []

    def _record(self, receipt: Receipt) -> Receipt:
        """The receipt with these problems of this content: the last one recorded, if it says the same, or a new one."""
        while True:
            known = sorted(
                (each for each in self.receipts(receipt.batch_id) if each.sha256 == receipt.sha256),
                key=lambda each: each.revision,
            )
            if known and known[-1].problems == receipt.problems:
                return known[-1]
            new = receipt.model_copy(update={"revision": len(known) + 1})
            try:
                recorded = self.store.insert("manifests", new.id, new.to_document())
            except DocumentTooLarge as error:
                return self._record(_shortened(receipt, error))
            if recorded:
                action = "rejected" if new.problems else "received"
                self.log(action, new.batch_id, actor=new.uploader or "unknown", at=new.received_at, receipt=new.id)
                return new


def _shortened(receipt: Receipt, error: DocumentTooLarge) -> Receipt:
    """A receipt that fits: without the manifest, and rejected."""
    problem = Problem(
        code="manifest_too_large", where="manifest",
        message=f"The record of this manifest and of its {len(receipt.problems):,} problems would have {error.size:,} bytes; the "
        f"ledger keeps at most {error.limit:,}.",
        remedy="Split the batch into several manifests.",
    )  # fmt: skip
    return receipt.model_copy(update={"content": None, "problems": (problem, *receipt.problems[:KEPT_PROBLEMS])})
