"""What the ledger knows: its documents as models, and what follows from them. Nothing here writes."""

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from libs.ledger import parts
from libs.ledger.life import Life, Signs
from libs.ledger.store import DocumentStore
from libs.models import (
    SEALED_SINCE,
    Activity,
    Asset,
    Current,
    DamagedDocument,
    Decision,
    Description,
    Document,
    Grant,
    LedgerIdentity,
    Lineage,
    NewerFormat,
    Outcome,
    Owner,
    OwnLake,
    Receipt,
    Reservation,
    Run,
    Status,
    format_of,
    utc_now,
)

MAX_LOST = 3
"""Attempts that one upload of a manifest gets when its workers keep dying."""

LOST = "lease_expired"
"""Code of the problem by which a run without a sign of life is given up."""

UNAVAILABLE = "service_unavailable"
"""Code of the problem of a run that failed because a service did."""

RUNNING, DONE, REPLACED = "batch_running", "batch_done", "manifest_replaced"

TAKEN = frozenset({RUNNING, DONE, REPLACED})
"""Codes of the answers to a manifest under a ``batch_id`` that is another's. They say nothing about the batch of this name."""

PASSED_OVER = "passed over"
"""Action of the audit log, on a lake key."""

_ONE_BY_ONE = 8
"""Datasets whose versions are looked up each by itself."""

_PASSED = 20
"""Documents that a server reads in one pass while it reads one by its ``_id``."""

_Kind = TypeVar("_Kind", bound=Document)


@dataclass(frozen=True)
class BatchState:
    """Where a batch stands.

    Attributes:
        status: Derived from the other attributes.
        receipt: The manifest that the status speaks of.
        run: Its last attempt, None when there was none.
        outcome: What was decided of that.
        made: What made its versions: the outcome, or an earlier one when that found nothing new.
    """

    batch_id: str
    status: Status
    receipt: Receipt
    run: Run | None
    outcome: Outcome | None
    made: Outcome | None = None


@dataclass(frozen=True)
class Standing:
    """Which versions a dataset has, and which of them is the current one.

    Attributes:
        versions: Those that exist, in order.
        decision: Who made the current one so; None when it is by being the newest.
    """

    versions: tuple[int, ...]
    current: int
    decision: Current | None


class Records:
    """Queries on the ledger.

    Where documents are looked for by the beginning of their ``_id``, the field that says the same is named too: not every server
    has an index for the one, or a quick way for the other.

    Args:
        store: Where the documents are.
        clock: The present, aware, in whole milliseconds.
        monotonic: Seconds from any moment on, to time heartbeats with.
    """

    def __init__(
        self, store: DocumentStore, clock: Callable[[], datetime] = utc_now, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.store, self.clock = store, clock
        self._signs = Signs(one_machine=store.one_machine, monotonic=monotonic)

    def identity(self) -> tuple[LedgerIdentity | None, OwnLake | None]:
        """What the ledger is called, and its lake, as far as they have been decided."""
        known = dict(self.store.find("identity"))
        own, lake = known.get(LedgerIdentity.id), known.get(OwnLake.id)
        return LedgerIdentity.from_document(own) if own else None, OwnLake.from_document(lake) if lake else None

    def receipt(self, receipt_id: str) -> Receipt | None:
        """A manifest that arrived."""
        return self._get(Receipt, "manifests", receipt_id)

    def receipts(self, batch_id: str) -> list[Receipt]:
        """The manifests that arrived for a batch, newest last."""
        documents = self.store.find("manifests", prefix=f"{batch_id}@", where={"batch_id": batch_id})
        found = [Receipt.from_document(document) for _, document in documents]
        return sorted(found, key=lambda receipt: (receipt.received_at, receipt.revision))

    def arrivals(self) -> Iterator[Receipt]:
        """The manifests that arrived, the last one first."""
        return (Receipt.from_document(document) for _, document in self.store.find("manifests", latest=True))

    def run(self, run_id: str) -> Run | None:
        """A run."""
        return self._get(Run, "runs", run_id)

    def runs(self, batch_id: str) -> list[Run]:
        """The attempts of a batch, in order."""
        documents = self.store.find("runs", prefix=f"{batch_id}#", where={"batch_id": batch_id})
        found = [Run.from_document(document) for _, document in documents]
        return sorted(found, key=lambda run: run.attempt)

    def outcome(self, run_id: str) -> Outcome | None:
        """What was decided of a run, with all its lists; None while nothing is."""
        outcome = self._get(Outcome, "outcomes", run_id)
        return None if outcome is None else parts.joined(self.store, outcome)

    def outcomes(self, run_ids: Collection[str], total: int) -> Iterator[Outcome]:
        """What was decided of some runs, with all lists. What nothing is decided of is left out.

        Args:
            run_ids: The runs.
            total: How many outcomes there are, about: many are looked up in one pass.
        """
        found = self._documents("outcomes", [*run_ids], total)
        return (parts.joined(self.store, Outcome.from_document(document)) for document in found)

    def decided(self, run_id: str) -> bool:
        """Whether anything was decided of a run."""
        return self.store.get("outcomes", run_id) is not None

    def life(self, run: Run) -> Life:
        """What is known of a run's worker; the run is as the ledger has it now. A decided one may still seem alive."""
        return self._signs.of(run)

    def alive(self, run: Run) -> bool:
        """Whether a run is to be left to its worker: nobody knows for certain that this is gone."""
        return self.life(run) is not Life.GONE

    def undecided(self) -> list[Run]:
        """Runs without an outcome, alive or lost."""
        open_ids = sorted(set(self.store.ids("runs")) - set(self.store.ids("outcomes")))
        return [run for run in map(self.run, open_ids) if run]

    def unpublished(self) -> list[Outcome]:
        """Committed outcomes whose assets have not all been copied."""
        run_ids = dict.fromkeys(reservation.run_id for reservation, kept in self._loose() if kept)
        return [outcome for run_id in run_ids if (outcome := self.outcome(run_id))]

    def reservations(self) -> Iterator[Reservation]:
        """All versions that were ever taken, whether or not anything came of them."""
        return (Reservation.from_document(document) for _, document in self.store.find("versions"))

    def reservations_of(self, dataset_id: str) -> list[Reservation]:
        """The same of one dataset."""
        found = self.store.find("versions", prefix=f"{dataset_id}@", where={"dataset_id": dataset_id})
        return [Reservation.from_document(document) for _, document in found]

    def abandoned(self) -> list[Reservation]:
        """Reservations that no version will ever follow: their runs have been decided, and did not commit them."""
        return [reservation for reservation, kept in self._loose() if not kept]

    def unused_parts(self) -> list[str]:
        """``_id``s of parts of outcomes that will never count: their runs were decided without them."""
        by_run: dict[str, list[str]] = {}
        for identity in self.store.ids(parts.COLLECTION):
            by_run.setdefault(identity.rpartition("/")[0], []).append(identity)
        unused: list[str] = []
        for run_id, identities in by_run.items():
            if outcome := self._get(Outcome, "outcomes", run_id):
                used = {reference.id for reference in outcome.parts}
                unused += [identity for identity in identities if identity not in used]
        return unused

    def was_passed_over(self, key: str) -> bool:
        """Whether a run found this object in the place of the version that it had reserved."""
        return any(entry.action == PASSED_OVER for entry in self.activity(key))

    def last_success(self, run: Run) -> Outcome | None:
        """What an earlier run of a batch made, the last one that made anything; None when none did."""
        for attempt in range(run.attempt - 1, 0, -1):
            found = self._get(Outcome, "outcomes", f"{run.batch_id}#{attempt}")
            if found is not None and found.decision is Decision.SUCCESS:
                return self.outcome(found.unchanged_since or found.run_id)
        return None

    def batch(self, batch_id: str, sha256: str | None = None) -> BatchState | None:
        """Where a batch stands; None when none of that name ever arrived.

        Args:
            batch_id: Its name.
            sha256: Look at the manifest with this hash only: several may have come under one name.
        """
        runs = self.runs(batch_id)  # before the receipts: each run's is there then
        arrived = self.receipts(batch_id)
        if sha256 is not None:
            arrived = [receipt for receipt in arrived if receipt.sha256 == sha256]
            runs = [run for run in runs if run.manifest_id == f"{batch_id}@{sha256[:16]}"]
        if not arrived:
            return None
        receipts = {receipt.id: receipt for receipt in arrived}
        speaking = arrived if sha256 else [receipt for receipt in arrived if not is_refused_the_name(receipt)]
        newest = (speaking or arrived)[-1]
        if not runs:
            return BatchState(batch_id, _received(newest), newest, None, None)
        run = runs[-1]
        outcome = self.outcome(run.id)
        if outcome is None:
            status = Status.RUNNING if self.alive(run) else Status.LOST
        elif (
            newest.received_at > run.started_at
            and newest.id != run.receipt_id
            and (outcome.decision is not Decision.SUCCESS or newest.manifest_id == run.manifest_id)
        ):
            return BatchState(batch_id, _received(newest), newest, run, outcome)
        elif self.to_be_retried(runs, outcome):
            status = Status.QUEUED
        else:
            status = Status(outcome.decision)
        since = outcome.unchanged_since if outcome else None
        return BatchState(batch_id, status, receipts[run.receipt_id], run, outcome, self.outcome(since) if since else outcome)

    def batch_ids(self) -> list[str]:
        """The batches that ever arrived, in the order of their ids. Reads no documents."""
        return sorted({identity.rpartition("@")[0] for identity in self.store.ids("manifests")})

    def batches(self, limit: int | None = None) -> Iterator[BatchState]:
        """Where all batches stand, the last to arrive first."""
        seen: set[str] = set()
        for _, document in self.store.find("manifests", latest=True):
            if limit is not None and len(seen) == limit:
                return
            batch_id: str = document["batch_id"]
            if batch_id not in seen and (state := self.batch(batch_id)):
                seen.add(batch_id)
                yield state

    def to_be_retried(self, runs: list[Run], outcome: Outcome) -> bool:
        """Whether a batch is to be tried again without anybody asking: its last run was lost, and not for the third time.

        Args:
            runs: All of the batch.
            outcome: Of the last of them.
        """
        if not lost(outcome) or runs[-1].forced:
            return False
        attempts = [run for run in runs[:-1] if run.manifest_version == runs[-1].manifest_version]
        outcomes = [self.outcome(run.id) for run in attempts[1 - MAX_LOST :]]
        return len(attempts) + 1 < MAX_LOST or not all(earlier and lost(earlier) for earlier in outcomes)

    def version_ids(self) -> Iterator[str]:
        """``_id``s of all versions that exist. Reads no documents."""
        return self.store.ids("assets")

    def versions(self, dataset_id: str) -> list[int]:
        """The versions of a dataset that exist, in order."""
        return sorted(_version(identity) for identity in self.store.ids("assets", f"{dataset_id}@"))

    def asset(self, dataset_id: str, version: int | None = None) -> Asset | None:
        """A version of a dataset, the current one unless told otherwise."""
        if version is None:
            version = self.standing(dataset_id).current
        return self._get(Asset, "assets", f"{dataset_id}@{version}")

    def is_before_records(self, dataset_id: str, version: int) -> bool:
        """Whether a release recorded the version whose versions carry no record of their own in the lake."""
        document = self.store.get("assets", f"{dataset_id}@{version}")
        return document is not None and format_of(document) < SEALED_SINCE

    def assets(self) -> Iterator[Asset]:
        """All versions of all datasets."""
        return (Asset.from_document(document) for _, document in self.store.find("assets"))

    def assets_named(self, identities: Collection[str]) -> Iterator[Asset]:
        """Some versions, by ``<dataset_id>@<N>``; those of one dataset one after the other, if they are named so."""
        total = sum(1 for _ in self.store.ids("assets", common_prefix(identities)))
        return map(Asset.from_document, self._documents("assets", [*identities], total))

    def datasets(self, *, retired: bool = False) -> Iterator[Asset]:
        """The current version of each dataset, in the order of their ids.

        Args:
            retired: Also of those that are not in use any more.
        """
        there = self.newest_versions()
        out = set() if retired else {name for name, each in self.descriptions().items() if each.about.retired is not None}
        return iter(self.current([name for name in there if name not in out]).values())

    def current(self, dataset_ids: Collection[str]) -> dict[str, Asset]:
        """The current versions of some datasets, in the order of their ids; those that have none are left out."""
        wanted = {*dataset_ids}
        ids = [*self.store.ids("assets", common_prefix(wanted))]
        newest: dict[str, int] = {}
        for identity in ids:
            dataset_id = identity.rpartition("@")[0]
            if dataset_id in wanted:
                newest[dataset_id] = max(newest.get(dataset_id, 0), _version(identity))
        current = self._in_force(newest)
        found = self._documents("assets", [f"{dataset_id}@{version}" for dataset_id, version in current.items()], len(ids))
        assets = map(Asset.from_document, found)
        return dict(sorted((asset.dataset_id, asset) for asset in assets))

    def standing(self, dataset_id: str) -> Standing:
        """Which version of a dataset is the current one."""
        versions = self.versions(dataset_id)
        newest = max(versions, default=0)
        decision = self.decisions(dataset_id).get(dataset_id)
        if decision is None or decision.newest < newest:
            return Standing(tuple(versions), newest, None)
        return Standing(tuple(versions), decision.version, decision)

    def namesakes(self, dataset_ids: Collection[str]) -> dict[str, str]:
        """Of identifiers, the dataset that differs from each by case alone, where there is one."""
        wanted = {dataset_id.casefold(): dataset_id for dataset_id in dataset_ids}
        known = {identity.rpartition("@")[0] for identity in self.store.ids("assets")} if wanted else set()
        return {same: each for each in sorted(known) if (same := wanted.get(each.casefold())) is not None and same != each}

    def decisions(self, dataset_id: str | None = None) -> dict[str, Current]:
        """The last decision on which version is the current one, by dataset, whether or not it still holds.

        Args:
            dataset_id: Of this dataset only.
        """
        prefix, where = ("", None) if dataset_id is None else (f"{dataset_id}#", {"dataset_id": dataset_id})
        found = (Current.from_document(document) for _, document in self.store.find("current", prefix=prefix, where=where))
        return {each.dataset_id: each for each in sorted(found, key=lambda each: each.number)}

    def owners(self, assets: Mapping[str, Asset]) -> dict[str, Owner]:
        """The owners of datasets: where the versions do not say, who delivered the first one. What nobody knows is left out.

        Args:
            assets: A version of each dataset, by dataset.
        """
        owners = {dataset_id: asset.owner for dataset_id, asset in assets.items() if asset.owner is not None}
        if unsaid := assets.keys() - owners.keys():
            ids = [*self.store.ids("assets", common_prefix(unsaid))]
            first: dict[str, int] = {}
            for identity in ids:
                dataset_id, version = identity.rpartition("@")[0], _version(identity)
                if dataset_id in unsaid:
                    first[dataset_id] = min(first.get(dataset_id, version), version)
            documents = self._documents("lineage", [f"{dataset_id}@{version}" for dataset_id, version in first.items()], len(ids))
            for lineage in map(Lineage.from_document, documents):
                project = lineage.manifest.get("metadata", {}).get("project")
                owners[lineage.dataset_id] = Owner(project=None if project is None else str(project), uploader=lineage.uploader)
        return owners

    def grants(self, dataset_id: str | None = None) -> dict[str, dict[str, Grant]]:
        """The last decision on who else may deliver a dataset, by dataset and name.

        Args:
            dataset_id: Of this dataset only.
        """
        prefix, where = ("", None) if dataset_id is None else (f"{dataset_id}#", {"dataset_id": dataset_id})
        found = (Grant.from_document(document) for _, document in self.store.find("grants", prefix=prefix, where=where))
        decided: dict[str, dict[str, Grant]] = {}
        for each in sorted(found, key=lambda each: each.number):
            decided.setdefault(each.dataset_id, {})[each.to] = each
        return decided

    def descriptions(self, dataset_id: str | None = None) -> dict[str, Description]:
        """The last decision on what is said of a dataset, by dataset.

        Args:
            dataset_id: Of this dataset only.
        """
        return {each.dataset_id: each for each in self.said_of(dataset_id)}

    def said_of(self, dataset_id: str | None = None) -> list[Description]:
        """All decisions on what is said of a dataset, or of all datasets, in their order."""
        prefix, where = ("", None) if dataset_id is None else (f"{dataset_id}#", {"dataset_id": dataset_id})
        found = (Description.from_document(each) for _, each in self.store.find("descriptions", prefix=prefix, where=where))
        return sorted(found, key=lambda each: each.number)

    def _in_force(self, newest: Mapping[str, int]) -> dict[str, int]:
        """The current versions of datasets, by the newest version of each."""
        decisions = self.decisions(next(iter(newest)) if len(newest) == 1 else None) if newest else {}
        return {
            dataset_id: decision.version if (decision := decisions.get(dataset_id)) and decision.newest >= version else version
            for dataset_id, version in newest.items()
        }

    def before(self, numbers: Mapping[str, int]) -> tuple[dict[str, Asset], list[Reservation]]:
        """The versions that were current before numbers that have been reserved. What was committed counts, copied or not.

        Numbers are taken in order. So no version can be committed below a number but those of the reservations that are there.

        Args:
            numbers: By dataset.

        Returns:
            The versions by dataset, where there is one; and the reservations above the newest of them, of runs that are not
            decided yet.
        """
        reserved = self._reserved(numbers)
        ids = [*self.store.ids("assets", common_prefix(numbers))]
        newest: dict[str, int] = {}
        for identity in ids:
            dataset_id, version = identity.rpartition("@")[0], _version(identity)
            if version < numbers.get(dataset_id, 0):
                newest[dataset_id] = max(newest.get(dataset_id, 0), version)
        loose = [
            f"{dataset_id}@{version}"
            for dataset_id, number in numbers.items()
            for version in reserved[dataset_id]
            if newest.get(dataset_id, 0) < version < number
        ]
        copied = self._documents("assets", [f"{dataset_id}@{version}" for dataset_id, version in newest.items()], len(ids))
        committed, pending = self._what_became_of(loose, sum(map(len, reserved.values())))
        before: dict[str, Asset] = {}
        for asset in sorted((*map(Asset.from_document, copied), *committed), key=lambda asset: asset.version):
            before[asset.dataset_id] = asset
        pending = [each for each in pending if each.dataset_id not in before or each.version > before[each.dataset_id].version]
        for dataset_id, version in self._in_force({name: asset.version for name, asset in before.items()}).items():
            if version != before[dataset_id].version:
                before[dataset_id] = self.asset(dataset_id, version) or before[dataset_id]
        return before, pending

    def _what_became_of(self, reserved: list[str], total: int) -> tuple[list[Asset], list[Reservation]]:
        """Of reservations, the versions that were committed, and those whose runs are not decided yet.

        Args:
            reserved: Their ``_id``s.
            total: As many begin as these do, at most.
        """
        outcomes: dict[str, Outcome | None] = {}
        pending: list[Reservation] = []
        for reservation in map(Reservation.from_document, self._documents("versions", reserved, total)):
            if reservation.run_id not in outcomes:
                outcomes[reservation.run_id] = self.outcome(reservation.run_id)
            if outcomes[reservation.run_id] is None:
                pending.append(reservation)
        wanted = {*reserved}
        return [asset for outcome in outcomes.values() if outcome for asset in outcome.assets if asset.id in wanted], pending

    def _reserved(self, dataset_ids: Iterable[str]) -> dict[str, list[int]]:
        """The version numbers of some datasets that were ever reserved. Many datasets are looked up in one pass."""
        reserved: dict[str, list[int]] = {dataset_id: [] for dataset_id in dataset_ids}
        if len(reserved) <= _ONE_BY_ONE:
            for dataset_id, numbers in reserved.items():
                taken = self.store.find("versions", prefix=f"{dataset_id}@", where={"dataset_id": dataset_id})
                numbers += [document["version"] for _, document in taken]
            return reserved
        for identity in self.store.ids("versions", common_prefix(reserved)):
            dataset_id, _, version = identity.rpartition("@")
            if dataset_id in reserved:
                reserved[dataset_id].append(int(version))
        return reserved

    def newest_versions(self) -> dict[str, int]:
        """The number of the newest version of each dataset, in the order of their ids. Reads no documents."""
        return {dataset_id: numbers[-1] for dataset_id, numbers in self.all_versions().items()}

    def all_versions(self) -> dict[str, list[int]]:
        """The versions of each dataset, in order, in the order of their ids. Reads no documents."""
        found: dict[str, list[int]] = {}
        for identity in self.store.ids("assets"):
            found.setdefault(identity.rpartition("@")[0], []).append(_version(identity))
        return {dataset_id: sorted(numbers) for dataset_id, numbers in sorted(found.items())}

    def lineage(self, dataset_id: str, version: int) -> Lineage | None:
        """How a version was made."""
        return self._get(Lineage, "lineage", f"{dataset_id}@{version}")

    def uses_of(self, dataset_id: str, version: int) -> list[str]:
        """The versions that were made from a version, as ``<dataset_id>@<N>``."""
        return [identity.rpartition(">")[2] for identity in self.store.ids("uses", f"{dataset_id}@{version}>")]

    def all_lineage(self) -> Iterator[Lineage]:
        """How all versions were made."""
        return (Lineage.from_document(document) for _, document in self.store.find("lineage"))

    def lineages(self, identities: Collection[str]) -> dict[str, Lineage]:
        """How some versions were made, by ``<dataset_id>@<N>``."""
        found = self._documents("lineage", [*identities], sum(1 for _ in self.store.ids("lineage", common_prefix(identities))))
        return {lineage.id: lineage for lineage in map(Lineage.from_document, found)}

    def legible_versions(self) -> Iterator[tuple[Asset, Lineage | DamagedDocument | NewerFormat | None]]:
        """All versions whose records can be read, in the order of their ``_id``s, each with how it was made.

        In one pass over each of the two collections. In place of a lineage that cannot be read stands why.
        """
        lineages = every_document(self.store, "lineage")
        made = next(lineages, None)
        for identity, document in every_document(self.store, "assets"):
            asset = _legible(Asset, document)
            while made is not None and made[0] < identity:
                made = next(lineages, None)
            if isinstance(asset, Asset):
                # One that is not there yet may have come since this part of the collection was read.
                found = made[1] if made is not None and made[0] == identity else _got(self.store, "lineage", identity)
                yield asset, None if found is None else _legible(Lineage, found)

    def activity(self, subject: str | None = None, limit: int | None = None) -> Iterator[Activity]:
        """The audit log, newest first; of one subject, if one is named."""
        where = None if subject is None else {"subject": subject}
        found = self.store.find("activity_logs", where=where, latest=True, limit=limit)
        return (Activity.from_document(document) for _, document in found)

    def _loose(self) -> Iterator[tuple[Reservation, bool]]:
        """Reservations of decided runs that have no asset, and whether they will have: not copied yet, or never to be."""
        committed: dict[str, frozenset[str] | None] = {}
        ids = {*self.store.ids("versions")}
        for document in self._documents("versions", sorted(ids - {*self.store.ids("assets")}), len(ids)):
            reservation = Reservation.from_document(document)
            if reservation.run_id not in committed:
                outcome = self._get(Outcome, "outcomes", reservation.run_id)
                committed[reservation.run_id] = parts.asset_ids(self.store, outcome) if outcome else None
            if (kept := committed[reservation.run_id]) is not None:
                yield reservation, reservation.id in kept

    def _documents(self, collection: str, identities: list[str], total: int) -> Iterator[dict[str, Any]]:
        """Documents under some ``_id``s: each by itself, or all in one pass where that is quicker.

        Args:
            collection: Where they are.
            identities: Their ``_id``s.
            total: As many documents begin as these do, at most.
        """
        if not identities or len(identities) * _PASSED < total:
            found = (self.store.get(collection, identity) for identity in identities)
            return (document for document in found if document is not None)
        wanted = {*identities}
        everything = self.store.find(collection, prefix=common_prefix(wanted))
        return (document for identity, document in everything if identity in wanted)

    def _get(self, model: type[_Kind], collection: str, identity: str) -> _Kind | None:
        document = self.store.get(collection, identity)
        return None if document is None else model.from_document(document)


def every_document(store: DocumentStore, collection: str) -> Iterator[tuple[str, dict[str, Any] | DamagedDocument]]:
    """All documents of a collection with their ``_id``s. In place of one that cannot be decoded stands why."""
    last: str | None = None
    try:
        for last, document in store.find(collection):
            yield last, document
    except DamagedDocument:
        for identity in store.ids(collection):
            if last is None or identity > last:
                found = _got(store, collection, identity)
                yield identity, found or DamagedDocument(f"the record {collection}/{identity}", "it is empty")


def _got(store: DocumentStore, collection: str, identity: str) -> dict[str, Any] | DamagedDocument | None:
    try:
        return store.get(collection, identity)
    except DamagedDocument as error:
        return error


def _legible(model: type[_Kind], document: dict[str, Any] | DamagedDocument) -> _Kind | DamagedDocument | NewerFormat:
    if isinstance(document, DamagedDocument):
        return document
    try:
        return model.from_document(document)
    except (DamagedDocument, NewerFormat) as error:
        return error


def is_refused_the_name(receipt: Receipt) -> bool:
    """Whether a manifest was answered that its ``batch_id`` is another's, see :data:`TAKEN`."""
    return any(problem.code in TAKEN for problem in receipt.problems)


def lost(outcome: Outcome) -> bool:
    """Whether a run failed through no fault of its batch: its worker or a service was gone."""
    return any(problem.code in {LOST, UNAVAILABLE} for problem in outcome.problems)


def common_prefix(names: Iterable[str]) -> str:
    """What all names begin with; empty for no names."""
    return os.path.commonprefix([*names])  # noqa: RUF071 - of texts


def _received(receipt: Receipt) -> Status:
    return Status.REJECTED if receipt.problems else Status.QUEUED


def _version(identity: str) -> int:
    return int(identity.rpartition("@")[2])
