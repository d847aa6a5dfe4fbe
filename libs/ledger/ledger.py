"""The rules of the ledger: who may decide what, and when. Each decision is one insert under a natural ``_id``."""

import re
import secrets
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain

from libs.ledger import parts
from libs.ledger.dataset_decisions import DatasetDecisions
from libs.ledger.kinds import KINDS
from libs.ledger.life import exists, this_process
from libs.ledger.receipt import batch_id_of, make_receipt
from libs.ledger.records import (
    DONE,
    LOST,
    MAX_LOST,
    PASSED_OVER,
    REPLACED,
    RUNNING,
    is_refused_the_name,
)
from libs.ledger.store import DocumentStore, DocumentTooLarge
from libs.models import (
    FORMAT,
    SEAL,
    Decision,
    LedgerIdentity,
    NewerRelease,
    Outcome,
    OwnLake,
    ParsedManifest,
    Problem,
    Rebuilding,
    Receipt,
    Rejected,
    Reservation,
    Run,
    UsedFormat,
    digest,
    format_of,
    in_reading_order,
    shortened,
    utc_now,
)

KEPT_PROBLEMS = 100
"""Of a list that makes a record too large for the store."""
_IS_FORMAT = re.compile(r"[0-9]+\.[0-9]+")


class Action(StrEnum):
    """What is to be done with a manifest that lies in the landing zone."""

    PROCESS = "process"
    """Claim its batch and process it: it is new, or is to be tried again."""
    LEAVE = "leave"
    """Nothing: a worker is at it."""
    FINISH = "finish"
    """Report on its outcome, and archive it: all else is done. The same manifest, delivered anew, is processed."""
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
        running: For ``LEAVE`` only: the run that a worker is at.
        replaced: Manifests that lay under the same key, waited, and were not processed before this one took their place.
        forced: Whether nobody delivered it: see :meth:`Ledger.again`.
    """

    action: Action
    receipt: Receipt
    upload: str
    attempt: int = 0
    outcome: Outcome | None = None
    running: Run | None = None
    replaced: tuple[Receipt, ...] = ()
    forced: bool = False


def no_problems() -> list[Problem]:
    """Finds nothing wrong with a manifest."""
    return []


class Ledger(DatasetDecisions):
    """The ledger, as one worker sees it.

    Args:
        store: Where the documents are.
        clock: The present, aware, in whole milliseconds.
        lease_seconds: A run of this worker counts as lost when its heartbeat has not changed for so long.
        monotonic: Seconds from any moment on, to time heartbeats with.
    """

    def __init__(
        self,
        store: DocumentStore,
        clock: Callable[[], datetime] = utc_now,
        lease_seconds: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(store, clock, monotonic)
        self.lease_seconds = lease_seconds

    def identify(self) -> LedgerIdentity:
        """What the ledger is called; decided now, if it has not been."""
        new = LedgerIdentity(ledger_id=str(uuid.uuid4()), place=self.store.place, made_at=self.clock())
        while True:
            own, _ = self.identity()
            if own is not None:
                return own
            self._insert_decision("identity", new.id, new.to_document())

    def bind(self, lake: OwnLake) -> OwnLake:
        """Make a lake this ledger's, for good. Returns its lake: another one, if that has been decided before."""
        while True:
            _, bound = self.identity()
            if bound is not None:
                return bound
            self._insert_decision("identity", lake.id, lake.to_document())

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
        if last and last.manifest_id == found.manifest_id:
            receipt = self.receipt(last.receipt_id) or found
            if outcome is None and self.alive(last):
                return Received(Action.LEAVE, receipt, upload, running=last)
            if outcome is not None and not self._may_follow(runs, outcome, found.manifest_id, upload):
                return Received(Action.FINISH, receipt, upload, outcome=outcome)
        problems += self._in_the_way(runs, outcome, found.manifest_id)
        problems += check() if parsed.is_json else []
        arrived = self.receipts(batch_id)
        receipt = self._record(found.model_copy(update={"problems": tuple(shortened(in_reading_order(problems)))}), arrived)
        replaced = () if is_refused_the_name(receipt) else _replaced(receipt, arrived, runs)
        if receipt.problems:
            return Received(Action.REJECT, receipt, upload, replaced=replaced)
        return Received(Action.PROCESS, receipt, upload, attempt=len(runs) + 1, replaced=replaced)

    def replace(self, received: Received) -> list[Receipt]:
        """Record of manifests that they were replaced before they were processed, so that their uploaders get an answer.

        Args:
            received: The manifest that took their place: rejected, or claimed by this worker.
        """
        by = received.receipt
        problem = Problem(
            code=REPLACED, where="batch_id",
            message=f"Before it was processed, a manifest of {by.uploader or 'somebody unknown'!r} took its place as {by.key!r} "
            f"(SHA-256 {by.sha256[:16]}…).",
            remedy="Nothing of it was processed. Upload it again under another 'batch_id'.",
        )  # fmt: skip
        return [self._record(each.model_copy(update={"problems": (problem,)})) for each in received.replaced]

    def again(self, batch_id: str) -> Received:
        """What processes a batch once more from its recorded manifest, although nobody delivered it again.

        Raises:
            Rejected: when a worker is at it, or nothing of this name was ever processed.
        """
        runs = self.runs(batch_id)
        receipt = self.receipt(runs[-1].receipt_id) if runs else None
        if receipt is None:
            raise Rejected.because(
                "never_processed", batch_id, f"No manifest of the batch {batch_id!r} was ever accepted.",
                f"`spatial-etl status {batch_id}` says what became of it. Deliver it first.",
            )  # fmt: skip
        outcome = self.outcome(runs[-1].id)
        if outcome is None and self.alive(runs[-1]):
            raise Rejected([_running(runs[-1])])
        upload = f"forced {secrets.token_hex(8)}"
        return Received(Action.PROCESS, receipt, upload, attempt=len(runs) + 1, forced=True)

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
            if outcome is None or not self._may_follow(runs, outcome, received.receipt.manifest_id, received.upload):
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
            process=this_process(),
            forced=received.forced,
        )
        if not self.store.insert("runs", run.id, run.to_document()):
            return None
        self._own[run.id] = {}
        self._signs.note(run)
        self.log("claimed", run.id, at=now)
        return run

    def heartbeat(self, run: Run) -> bool:
        """Give a sign of life of a run of this worker.

        Returns:
            False when the run has been decided by others: nothing that it still does will count.
        """
        if self.decided(run.id):
            return False
        now = self.clock()
        beaten = run.model_copy(update={"heartbeat_at": now})
        self.store.touch("runs", run.id, {"heartbeat_at": now, SEAL: digest(beaten.unsealed())})
        self._signs.note(beaten)
        return True

    def give_up(self, run: Run) -> Outcome | None:
        """Decide a run whose worker is gone, as ``failure``.

        Returns:
            What is decided of it, by whomever; None while nothing is, and it may be alive.
        """
        run = self.run(run.id) or run  # its heartbeat may have come since it was read
        if self.alive(run):
            return self.outcome(run.id)
        ended = run.process is not None and exists(run.process, one_machine=self.store.one_machine) is False
        how = "has ended without a word" if ended else f"gave no sign of life for {run.lease_seconds:g} s"
        problem = Problem(
            code=LOST, where=run.id,
            message=f"The worker {run.owner} {how} in attempt {run.attempt}.",
            remedy=f"Look at the memory and the log of the worker, then run `spatial-etl reprocess {run.batch_id}` again."
            if run.forced
            else f"It is tried again, {MAX_LOST} times in all for one upload. After that: look at the memory and the log of "
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
        self._signs.forget(outcome.run_id)
        self.log(outcome.decision, outcome.run_id, at=outcome.decided_at)
        if outcome.decision is not Decision.SUCCESS:  # else when it has been copied: what has a link has its copies
            self._link({outcome.run_id: self._own.get(outcome.run_id)}, {outcome.run_id: document})
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
            documents = {each.id: each.to_document() for each in wanted.values()}
            won = self.store.insert_new("versions", documents)
            reserved |= {each.dataset_id: each for each in wanted.values() if each.id in won}
            own = self._own.setdefault(run.id, {})
            own |= {f"versions/{identity}": digest(documents[identity]) for identity in won}
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
        """Copy the assets and the lineage of an outcome to where they are looked for, and add it to the chain. May be repeated.

        The assets come last: where they are, all is copied. An outcome other than ``success`` has none of them.
        """
        self._copy(outcome)
        if outcome.run_id in self._own:  # decided just now, by this worker
            self._link({outcome.run_id: self._own[outcome.run_id]})
        elif outcome.run_id not in self._linked and self.chain.without([f"outcomes/{outcome.run_id}"]):
            self._link({outcome.run_id: None})

    def require_release(self) -> None:
        """Make sure that this release may write to the ledger.

        Raises:
            NewerRelease: when a later one has brought it to a format that this one must not write.
        """
        known = [name for name in self.store.ids("releases") if _IS_FORMAT.fullmatch(name)]  # `verify` names what is damaged
        used = max(known, key=lambda name: format_of({"format": name}), default=FORMAT)
        if format_of({"format": used})[0] > format_of({"format": FORMAT})[0]:
            raise NewerRelease(self.store.place, used)

    def uses_format(self) -> bool:
        """Whether it is noted that the ledger is used with the format of this release."""
        return self.store.get("releases", FORMAT) is not None

    def note_format(self, release: str) -> bool:
        """Note that. False when it was noted before.

        Args:
            release: This one.
        """
        used = UsedFormat(release=release, noted_at=self.clock(), by=self.owner)
        if not self.store.insert("releases", used.id, used.to_document()):
            return False
        self.log("upgraded", used.id, release=release, decision=f"releases/{used.id}")
        return True

    def begin_rebuilding(self, rebuilding: Rebuilding) -> bool:
        """Note that this ledger is being made out of a lake. It has to be empty, or one that this was begun with before.

        Returns:
            False when it holds something else. Nothing is changed then.
        """
        known = dict(self.store.find("identity"))
        if begun := known.get(Rebuilding.id):
            return Rebuilding.from_document(begun).lake_id == rebuilding.lake_id
        if known or any(True for name in KINDS for _ in self.store.ids(name)):
            return False
        self._insert_decision("identity", rebuilding.id, rebuilding.to_document())
        return True

    def restore(self, receipt: Receipt, run: Run, reservations: Iterable[Reservation], outcome: Outcome) -> None:
        """Insert what is known of a decided run again, when a ledger is made out of a lake. Doing it again does nothing.

        Nothing of a success becomes a link of the chain: that is for :meth:`link_missing`, for all of them at once.

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
        self._copy(outcome)

    def in_the_way(self, batch_id: str, sha256: str) -> list[Problem]:
        """Why the manifest with this hash may not be delivered for a batch now; nothing when it may."""
        runs = self.runs(batch_id)
        outcome = self.outcome(runs[-1].id) if runs else None
        if runs and outcome is None and self.alive(runs[-1]):
            return [_running(runs[-1])]
        return self._in_the_way(runs, outcome, f"{batch_id}@{sha256[:16]}")

    def _copy(self, outcome: Outcome) -> None:
        lineage = (("lineage", lineage.id, lineage.to_document()) for lineage in outcome.lineage)
        assets = (("assets", asset.id, asset.to_document()) for asset in outcome.assets)
        uses = (("uses", use.id, use.to_document()) for lineage in outcome.lineage for use in lineage.uses)
        self.store.insert_missing(chain(lineage, uses, assets))

    def _may_follow(self, runs: list[Run], outcome: Outcome, manifest_id: str, upload: str) -> bool:
        """Whether another attempt may follow the last one, which is decided.

        It may when someone delivered the manifest since, asking for it, or when the worker was lost. After a success, only the
        manifest that succeeded may: its run finds out whether its files are others now, and makes nothing if they are not.
        """
        if upload in {run.manifest_version for run in runs}:
            return runs[-1].manifest_version == upload and self.to_be_retried(runs, outcome)
        return not self._succeeded_with_another(runs, manifest_id)

    def _in_the_way(self, runs: Sequence[Run], outcome: Outcome | None, manifest_id: str) -> list[Problem]:
        """Why a manifest may not take a batch's id, which is another's; nothing when it may.

        Args:
            runs: Of the batch.
            outcome: Of the last of them.
            manifest_id: The manifest.
        """
        if runs and runs[-1].manifest_id != manifest_id and outcome is None and self.alive(runs[-1]):
            return [_running(runs[-1])]
        if self._succeeded_with_another(runs, manifest_id):
            message = f"The batch {runs[-1].batch_id!r} has been processed already, with another manifest."
            remedy = "Choose another 'batch_id': each stands for one manifest that succeeded."
            return [Problem(code=DONE, where="batch_id", message=message, remedy=remedy)]
        return []

    def _succeeded_with_another(self, runs: Sequence[Run], manifest_id: str) -> bool:
        """Whether a batch succeeded with another manifest than this one: then its name is taken for good."""
        others = [run.id for run in reversed(runs) if run.manifest_id != manifest_id]
        return any((found := self._get(Outcome, "outcomes", each)) and found.decision is Decision.SUCCESS for each in others)

    def _record(self, receipt: Receipt, arrived: Sequence[Receipt] | None = None) -> Receipt:
        """The receipt with these problems of this content: the last one recorded, if it says the same, or a new one.

        Args:
            receipt: The receipt.
            arrived: All receipts of its batch, when they have just been read.
        """
        while True:
            arrived = self.receipts(receipt.batch_id) if arrived is None else arrived
            known = sorted((each for each in arrived if each.sha256 == receipt.sha256), key=lambda each: each.revision)
            if known and known[-1].problems == receipt.problems:
                return known[-1]
            new = receipt.model_copy(update={"revision": len(known) + 1})
            try:
                recorded = self._insert_decision("manifests", new.id, new.to_document())
            except DocumentTooLarge as error:
                return self._record(_shortened(receipt, error))
            if recorded:
                action = "rejected" if new.problems else "received"
                self.log(action, new.batch_id, actor=new.uploader or "unknown", at=new.received_at, receipt=new.id)
                return new
            arrived = None  # another worker was faster


def _running(run: Run) -> Problem:
    message = f"The batch {run.batch_id!r} is being processed, from a manifest that was delivered before."
    remedy = f"Wait for its end, which `spatial-etl status {run.batch_id}` shows, or choose another 'batch_id'."
    return Problem(code=RUNNING, where="batch_id", message=message, remedy=remedy)


def _replaced(receipt: Receipt, arrived: Sequence[Receipt], runs: Sequence[Run]) -> tuple[Receipt, ...]:
    """Manifests that waited under the key of this one, and of which there is no run: it took their place."""
    begun = {run.manifest_id for run in runs} | {receipt.manifest_id}
    last = {each.manifest_id: each for each in sorted(arrived, key=lambda each: each.revision)}
    return tuple(
        each for each in last.values() if each.manifest_id not in begun and each.key == receipt.key and not each.problems
    )


def _shortened(receipt: Receipt, error: DocumentTooLarge) -> Receipt:
    """A receipt that fits: without the manifest, and rejected."""
    problem = Problem(
        code="manifest_too_large", where="manifest",
        message=f"The record of this manifest and of its {len(receipt.problems):,} problems would have {error.size:,} bytes; the "
        f"ledger keeps at most {error.limit:,}.",
        remedy="Split the batch into several manifests.",
    )  # fmt: skip
    return receipt.model_copy(update={"content": None, "problems": (problem, *receipt.problems[:KEPT_PROBLEMS])})
