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
from libs.ledger.records import LOST, MAX_LOST, PASSED_OVER, Records
from libs.ledger.store import DocumentStore, DocumentTooLarge
from libs.models import (
    Activity,
    Asset,
    Current,
    Decision,
    Grant,
    LedgerIdentity,
    Outcome,
    OwnLake,
    ParsedManifest,
    Problem,
    Receipt,
    Reservation,
    Run,
    in_reading_order,
    shortened,
    utc_now,
)

KEPT_PROBLEMS = 100
"""Of a list that makes a record too large for the store."""


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
        return {dataset_id: max(numbers, default=0) for dataset_id, numbers in self._reserved(dataset_ids).items()}

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

    def make_current(self, asset: Asset, by: str) -> Current | None:
        """Decide that a version is the current one of its dataset, until a newer one than there is now is committed.

        Args:
            asset: The version.
            by: Who decides it.

        Returns:
            The decision; None when the version is the current one already.
        """
        while True:
            last = self.decisions(asset.dataset_id).get(asset.dataset_id)
            standing = self.standing(asset.dataset_id)
            if asset.version == standing.current:
                return None
            decision = Current(
                dataset_id=asset.dataset_id,
                number=last.number + 1 if last else 1,
                version=asset.version,
                newest=max(standing.versions),
                decided_by=by,
                decided_at=self.clock(),
            )
            if self.store.insert("current", decision.id, decision.to_document()):
                self.log("made current", asset.id, actor=by, at=decision.decided_at, instead_of=standing.current)
                return decision

    def grant(self, dataset_id: str, to: str, by: str, *, allowed: bool = True) -> Grant | None:
        """Decide whether somebody may deliver versions of another's dataset.

        Args:
            dataset_id: The dataset.
            to: A project or an uploader.
            by: Who decides it.
            allowed: False takes it back.

        Returns:
            The decision; None when that holds already.
        """
        while True:
            known = self.grants(dataset_id).get(dataset_id, {})
            if ((last := known.get(to)) is not None and last.allowed == allowed) or (last is None and not allowed):
                return None
            number = max((each.number for each in known.values()), default=0) + 1
            decision = Grant(dataset_id=dataset_id, number=number, to=to, allowed=allowed, decided_by=by, decided_at=self.clock())
            if self.store.insert("grants", decision.id, decision.to_document()):
                self.log("granted" if allowed else "revoked", dataset_id, actor=by, at=decision.decided_at, to=to)
                return decision

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
