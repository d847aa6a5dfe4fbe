"""Holding the ledger's records against their seals, against the chain of decisions, and against each other.

Workers may be at it meanwhile. So the chain is read first, then copies, then decisions, then what led to these: what a record
names was there before it. What is missing nevertheless is looked for once more before it is called so.
"""

from collections.abc import Collection, Generator, Iterable, Iterator
from datetime import timedelta
from typing import Any

from libs.ledger import chain, parts
from libs.ledger.kinds import KINDS, Kind
from libs.ledger.records import Records, every_document
from libs.models import (
    NOTHING,
    SEAL,
    SEALED_SINCE,
    Activity,
    Asset,
    DamagedDocument,
    Decision,
    Document,
    Finding,
    Head,
    Lineage,
    Link,
    NewerFormat,
    Outcome,
    OutcomePart,
    Receipt,
    Reservation,
    Run,
    Use,
    Verified,
    digest,
    format_of,
    was_changed,
)

_MISSED_AFTER = timedelta(hours=1)
"""So long after a decision its link is missed: whoever works on has added by then what a dead worker could not."""

_MANY = 1_000
"""Numbers in a row that are looked for, at most, where they are missing."""

_RESTORE = "Restore the ledger from a backup."


def audit(records: Records) -> Iterator[Verified]:
    """What is wrong with the ledger in itself, and what is to be known of it. Nothing, when all is well.

    Reads every record once. No damage to records makes it fail.

    Raises:
        ServiceUnavailable: when the ledger cannot be reached.
    """
    return _Audit(records).findings()


def against_head(records: Records, head: Head) -> Iterator[Verified]:
    """What the chain's head of an earlier time tells against the chain of today; nothing when that still contains it."""
    name = f"{chain.COLLECTION}/{head.number:012}"
    try:
        own, _ = records.identity()
        link = records.store.get(*name.split("/"))
    except (DamagedDocument, NewerFormat):
        return  # the audit says so
    own_id = None if own is None else own.ledger_id
    if head.ledger_id != own_id:
        yield _verdict("identity/ledger", Finding.EDITED, f"This ledger is {own_id}; the head is of the ledger {head.ledger_id}.")
    if head.number == 0:
        return
    taken = f"The head of {head.taken_at:%Y-%m-%d %H:%M} UTC"
    if link is None:
        yield _verdict(name, Finding.DELETED, f"{taken} is link {head.number}, and the chain has none of that number. {_RESTORE}")
    elif (found := digest(link)) != head.sha256:
        message = f"{taken} has SHA-256 {head.sha256}, and link {head.number} now {found}: it, or what is before it, was changed."
        yield _verdict(name, Finding.EDITED, f"{message} {_RESTORE}")


class _Audit:
    """One pass over a ledger.

    Names are ``<collection>/<_id>``.

    Attributes:
        read: Collections that have been read.
        seen: Names of records that are there.
        flawed: Names of records with which something is wrong: nothing else is held against them.
        held: By name, the hash in the chain.
        last: Number of the last link.
        broken: Whether something is wrong with the chain itself.
        unlinked: By name, decisions that no link holds.
        unlinked_of_old: How many more there are, of releases before the chain.
        unsealed: Names of copies without a seal that should have one.
        unsealed_of_old: By collection, how many records are of releases before seals.
        copies: By name, the run of an asset or a lineage, its format, and the hash of the rest; until its outcome is met.
        outcomes: By run, what was decided.
        unclear: Runs of which not all that was decided can be read.
        runs: By run, the receipt.
        receipts: By receipt, uploader and intent of the manifest.
        versions: By ``<dataset>@<N>``, the run that has reserved it.
        made: By run, the versions in its outcome.
        said: By run, uploaders and intents as its lineage has them.
        parts: By ``_id``, the format of the outcome that names it.
        logged: Names of what the audit log tells of.
    """

    def __init__(self, records: Records) -> None:
        self.store, self.now = records.store, records.clock()
        self.read: set[str] = set()
        self.seen: set[str] = set()
        self.flawed: set[str] = set()
        self.held: dict[str, str] = {}
        self.last = 0
        self.broken = False
        self.unlinked: dict[str, Document] = {}
        self.unlinked_of_old = 0
        self.unsealed: list[str] = []
        self.unsealed_of_old: dict[str, int] = {}
        self.copies: dict[str, tuple[str, str, str]] = {}
        self.outcomes: dict[str, Decision] = {}
        self.unclear: set[str] = set()
        self.runs: dict[str, str] = {}
        self.receipts: dict[str, tuple[Any, Any]] = {}
        self.versions: dict[str, str] = {}
        self.made: dict[str, list[str]] = {}
        self.said: dict[str, set[tuple[str, str]]] = {}
        self.parts: dict[str, str] = {}
        self.logged: set[str] = set()

    def findings(self) -> Iterator[Verified]:
        yield from self._chain()
        for name in ("lineage", "uses", "assets"):
            yield from self._copied(name)
        yield from self._decided()
        yield from self._without_outcome()
        yield from self._parts()
        yield from self._attempts()
        yield from self._reserved()
        yield from self._received()
        yield from self._logged()
        for collection in sorted(KINDS.keys() - self.read):  # nothing is known of these but what is in each record
            for _, _, verdicts in self._read(collection):
                yield from verdicts
        yield from self._gone_from_chain()
        yield from self._not_in_chain()
        for name in self.unsealed:
            message = "A worker of a release before seals has copied it out of its outcome, or somebody removed its seal."
            yield from self._flaw(name, Finding.UNSEALED, message)
        for collection, count in self.unsealed_of_old.items():
            message = f"{count:,} records are of a release before seals: a change of one alone would not show."
            yield Verified(record=collection, finding=Finding.UNSEALED, message=message)

    def _chain(self) -> Iterator[Verified]:
        """Each link follows the one before it."""
        previous: str | None = NOTHING
        for identity, link, verdicts in self._read(chain.COLLECTION):
            self.broken |= bool(verdicts)
            yield from verdicts
            number = link.number if isinstance(link, Link) else int(identity) if identity.isdecimal() else self.last + 1
            for missing in _gap(self.last, number):
                name = f"{chain.COLLECTION}/{missing:012}"
                yield from self._flaw(name, Finding.DELETED, f"The chain has link {number}, and not this one. {_RESTORE}")
                previous, self.broken = None, True
            self.last = number
            if not isinstance(link, Link):
                previous = None
                continue
            if previous is not None and link.previous != previous:
                message = f"It does not follow link {number - 1}: one of the two was changed."
                yield from self._flaw(f"{chain.COLLECTION}/{identity}", Finding.EDITED, message)
                self.broken = True
            for name, sha256 in link.held:
                if self.held.setdefault(name, sha256) != sha256:
                    message = f"An earlier link holds another state of {name}."
                    yield from self._flaw(f"{chain.COLLECTION}/{identity}", Finding.EDITED, message)
            previous = digest(link.unsealed())

    def _copied(self, collection: str) -> Iterator[Verified]:
        """What assets and lineage say, to be held against the outcomes."""
        for identity, copy, verdicts in self._read(collection):
            yield from verdicts
            if isinstance(copy, Asset | Lineage | Use):
                self.copies[f"{collection}/{identity}"] = copy.run_id, copy.format, _said(copy)

    def _decided(self) -> Iterator[Verified]:
        """Outcomes: their parts are there, and what they have committed is copied as they say."""
        for identity, outcome, verdicts in self._read("outcomes"):
            yield from verdicts
            if not isinstance(outcome, Outcome):
                self.unclear.add(identity)
                continue
            self.outcomes[identity] = outcome.decision
            whole = yield from self._whole(outcome)
            if whole is None:
                self.unclear.add(identity)
            else:
                yield from self._committed(whole)

    def _whole(self, outcome: Outcome) -> Generator[Verified, None, Outcome | None]:
        """The outcome with its lists; None when a part of it is gone or changed."""
        self.parts.update((reference.id, outcome.format) for reference in outcome.parts)
        try:
            return parts.joined(self.store, outcome)
        except (DamagedDocument, NewerFormat) as error:
            verdicts = [each for reference in outcome.parts for each in self._part(outcome, reference.id, reference.sha256)]
            yield from verdicts or self._flaw(f"outcomes/{outcome.run_id}", Finding.DAMAGED, str(error))
        return None

    def _part(self, outcome: Outcome, identity: str, sha256: str) -> Iterator[Verified]:
        name = f"{parts.COLLECTION}/{identity}"
        try:
            document = self.store.get(parts.COLLECTION, identity)
        except DamagedDocument as error:
            yield from self._flaw(name, Finding.DAMAGED, str(error))
            return
        if document is None:
            yield from self._flaw(name, Finding.DELETED, f"The outcome of {outcome.run_id} names it, and it is gone. {_RESTORE}")
        elif parts.sha256_of(str(document.get("lists"))) != sha256:
            yield from self._flaw(name, Finding.EDITED, f"It is not what the outcome of {outcome.run_id} names. {_RESTORE}")

    def _committed(self, outcome: Outcome) -> Iterator[Verified]:
        run_id = outcome.run_id
        self.made[run_id] = [asset.id for asset in outcome.assets]
        self.said[run_id] = {(lineage.uploader, lineage.intent) for lineage in outcome.lineage}
        if run_id.rpartition("#")[0] != outcome.batch_id:
            yield from self._flaw(f"outcomes/{run_id}", Finding.EDITED, f"It is of the batch {outcome.batch_id!r}.")
        if sorted(self.made[run_id]) != sorted(lineage.id for lineage in outcome.lineage):
            yield from self._flaw(f"outcomes/{run_id}", Finding.EDITED, "It has not one lineage for each asset.")
        uses = [use for lineage in outcome.lineage for use in lineage.uses]
        for collection, committed in (("lineage", outcome.lineage), ("uses", uses), ("assets", outcome.assets)):
            for record in committed:
                yield from self._copy_of(run_id, f"{collection}/{record.id}", record)

    def _copy_of(self, run_id: str, name: str, committed: Asset | Lineage | Use) -> Iterator[Verified]:
        """What an outcome has committed, and the copy of it."""
        _, written, found = self.copies.pop(name, (None, None, None))
        if (committed.run_id, committed.batch_id) != (run_id, run_id.rpartition("#")[0]):
            yield from self._flaw(f"outcomes/{run_id}", Finding.EDITED, f"It names {name}, of the run {committed.run_id}.")
        elif isinstance(committed, Asset) and committed.features not in {None, _rows(committed)}:
            message = f"{name} has {committed.features} features, and its files have {_rows(committed)}."
            yield from self._flaw(f"outcomes/{run_id}", Finding.EDITED, message)
        if found is None and self._gone(name):
            if f"outcomes/{run_id}" in self.held:
                message = f"The outcome of {run_id} has committed it, and it was copied; now it is gone. {_RESTORE}"
                yield from self._flaw(name, Finding.DELETED, message)
            else:
                message = f"The outcome of {run_id} has committed it. It is not copied yet: `spatial-etl reconcile` does it."
                yield from self._flaw(name, Finding.PENDING, message)
        elif found is not None and (
            found != _said(committed) or ("format" in committed.model_fields_set and written != committed.format)
        ):
            yield from self._flaw(name, Finding.EDITED, f"It does not say what the outcome of {run_id} has committed. {_RESTORE}")

    def _without_outcome(self) -> Iterator[Verified]:
        for name, (run_id, *_) in self.copies.items():
            if self._gone(f"outcomes/{run_id}"):
                yield from self._flaw(f"outcomes/{run_id}", Finding.DELETED, f"{name} names it, and it is gone. {_RESTORE}")
            elif run_id in self.outcomes and run_id not in self.unclear:
                yield from self._flaw(name, Finding.EDITED, f"The outcome of {run_id} has not committed it.")
        self.copies.clear()

    def _parts(self) -> Iterator[Verified]:
        """Parts of outcomes that nothing names are leftovers."""
        for identity, part, verdicts in self._read(parts.COLLECTION):
            yield from verdicts
            if not isinstance(part, OutcomePart) or part.run_id in self.unclear:
                continue
            if identity not in self.parts:
                decided = part.run_id in self.outcomes
                finding = Finding.REMOVABLE if decided else Finding.PENDING
                message = "No outcome names it: `spatial-etl gc` removes it." if decided else f"{part.run_id} is not decided yet."
                yield from self._flaw(f"{parts.COLLECTION}/{identity}", finding, message)
            elif self.parts[identity] != part.format:
                message = f"It is of the format {part.format}, and its outcome of {self.parts[identity]}."
                yield from self._flaw(f"{parts.COLLECTION}/{identity}", Finding.EDITED, message)

    def _attempts(self) -> Iterator[Verified]:
        """Runs: each follows one that has been decided, and each outcome has one."""
        attempts: dict[str, set[int]] = {}
        for identity, run, verdicts in self._read("runs"):
            yield from verdicts
            if isinstance(run, Run):
                self.runs[identity] = run.receipt_id
                attempts.setdefault(run.batch_id, set()).add(run.attempt)
                if run.receipt_id.partition("@")[0] != run.batch_id:
                    yield from self._flaw(f"runs/{identity}", Finding.EDITED, f"It names the manifest {run.receipt_id}.")
        for batch_id, numbers in attempts.items():
            for number in _before_last(numbers):
                yield from self._named(f"runs/{batch_id}#{number}", "A later attempt has followed it")
                yield from self._named(f"outcomes/{batch_id}#{number}", "A later attempt has followed it")
        for run_id in self.outcomes:
            yield from self._named(f"runs/{run_id}", "Its outcome is there")

    def _reserved(self) -> Iterator[Verified]:
        """Reservations: their numbers have no gap, and each version that a run has made was its own."""
        reserved: dict[str, set[int]] = {}
        for identity, reservation, verdicts in self._read("versions"):
            yield from verdicts
            if isinstance(reservation, Reservation):
                self.versions[identity] = reservation.run_id
                reserved.setdefault(reservation.dataset_id, set()).add(reservation.version)
                yield from self._named(f"runs/{reservation.run_id}", f"versions/{identity} names it")
        for dataset_id, numbers in reserved.items():
            for number in _before_last(numbers):
                yield from self._named(f"versions/{dataset_id}@{number}", "A later version has followed it")
        for run_id, made in self.made.items():
            for version in made:
                yield from self._named(f"versions/{version}", f"The outcome of {run_id} has committed it")
                if self.versions.get(version, run_id) != run_id:
                    message = f"It is of the run {self.versions[version]}; {run_id} has committed the version."
                    yield from self._flaw(f"versions/{version}", Finding.EDITED, message)

    def _received(self) -> Iterator[Verified]:
        """Manifests: each run has one, and its lineage says who has sent it, and to what end."""
        for identity, receipt, verdicts in self._read("manifests"):
            yield from verdicts
            if isinstance(receipt, Receipt):
                content = receipt.content if isinstance(receipt.content, dict) else {}
                self.receipts[identity] = content.get("uploader"), content.get("intent")
                if receipt.uploader not in (None, content.get("uploader")):
                    yield from self._flaw(f"manifests/{identity}", Finding.EDITED, "Its uploader is not that of its content.")
        for run_id, receipt_id in self.runs.items():
            yield from self._named(f"manifests/{receipt_id}", f"runs/{run_id} names it")
            said, sent = self.said.get(run_id, set()), self.receipts.get(receipt_id)
            if sent is not None and any(each != sent for each in said):
                message = f"The lineage in it names other uploaders or intents than the manifest {receipt_id}: {sorted(said)}."
                yield from self._flaw(f"outcomes/{run_id}", Finding.EDITED, message)

    def _logged(self) -> Iterator[Verified]:
        """The audit log, and the rest: what it tells of is there, and it tells of all that it should."""
        for identity, entry, verdicts in self._read("activity_logs"):
            yield from verdicts
            if isinstance(entry, Activity) and (name := told_of(entry)):
                self.logged.add(name)
                yield from self._named(name, f"activity_logs/{identity} tells of it")
        should = [f"manifests/{each}" for each in self.receipts] + [f"runs/{each}" for each in self.runs]
        should += [
            f"{name}/{identity}"
            for name in ("current", "grants", "descriptions", "releases")
            for identity in self.store.ids(name)
        ]
        for name in [*should, *(f"outcomes/{run_id}" for run_id in self.outcomes)]:
            if name not in self.logged:
                message = "The audit log does not tell of it: a worker died before it could write that, or somebody removed it."
                yield from self._flaw(name, Finding.UNLOGGED, message)

    def _gone_from_chain(self) -> Iterator[Verified]:
        for name in self.held.keys() - self.seen:
            if name.partition("/")[0] in KINDS:
                yield from self._named(name, "The chain holds it")

    def _not_in_chain(self) -> Iterator[Verified]:
        """Decisions without a link. Where links are damaged or gone themselves, that follows from it, and is not said again."""
        later: Iterable[Link] = () if self.broken else self._later_links()
        for link in later:
            for name, _ in link.held:
                self.unlinked.pop(name, None)
        for name, document in {} if self.broken else self.unlinked.items():
            decided = next(
                getattr(document, each)
                for each in ("decided_at", "received_at", "made_at", "bound_at")
                if hasattr(document, each)
            )
            if self.now - decided < _MISSED_AFTER:
                message = (
                    "It has no link in the chain yet. A worker is about to add it; `spatial-etl reconcile` does it if that died."
                )
                yield from self._flaw(name, Finding.PENDING, message)
            else:
                message = (
                    f"No link of the chain holds it, and it is of {decided:%Y-%m-%d %H:%M} UTC: the chain was cut, or nobody has "
                    "run `spatial-etl reconcile` since a worker died."
                )
                yield from self._flaw(name, Finding.DELETED, message)
        if self.unlinked_of_old:
            message = (
                f"{self.unlinked_of_old:,} decisions are of a release before the chain: `spatial-etl reconcile` adds them to it."
            )
            yield Verified(record=chain.COLLECTION, finding=Finding.PENDING, message=message)

    def _later_links(self) -> Iterator[Link]:
        """Links that have come since the chain was read."""
        while document := self.store.get(chain.COLLECTION, f"{self.last + 1:012}"):
            self.last += 1
            yield Link.from_document(document)

    def _read(self, collection: str) -> Iterator[tuple[str, Document | None, list[Verified]]]:
        """Records with what is wrong with each by itself; None in place of one that is not to be trusted."""
        self.read.add(collection)
        for identity, document in every_document(self.store, collection):
            name = f"{collection}/{identity}"
            self.seen.add(name)
            found = self._checked(collection, identity, document)
            if isinstance(found, Document):
                yield identity, found, []
            else:
                yield identity, None, [*self._flaw(name, *found)]

    def _checked(
        self, collection: str, identity: str, document: dict[str, Any] | DamagedDocument
    ) -> Document | tuple[Finding, str]:
        """A record as its model, or what is wrong with it."""
        if isinstance(document, DamagedDocument):
            return Finding.DAMAGED, str(document)
        if was_changed(document):
            return Finding.EDITED, f"It does not match its seal: it was changed after it was written. {_RESTORE}"
        kind = KINDS[collection]
        try:
            record = kind.read(identity, document)
        except (DamagedDocument, NewerFormat) as error:
            return Finding.DAMAGED, str(error)
        if kind.identity(record) not in {None, identity}:
            return Finding.EDITED, f"By its content it is {kind.identity(record)}. {_RESTORE}"
        return self._against_chain(f"{collection}/{identity}", kind, document, record)

    def _against_chain(self, name: str, kind: Kind, document: dict[str, Any], record: Document) -> Document | tuple[Finding, str]:
        """A record that is right in itself, or what the chain and the release that wrote it say against it."""
        collection, old = name.partition("/")[0], format_of(document) < SEALED_SINCE
        found = digest(document, record.changing)
        if self.held.get(name, found) != found:
            return Finding.EDITED, f"It is not what the chain holds: it was changed, and sealed again. {_RESTORE}"
        if SEAL not in document and old:
            self.unsealed_of_old[collection] = self.unsealed_of_old.get(collection, 0) + 1
        elif SEAL not in document and kind.copied:
            self.unsealed.append(name)
        elif SEAL not in document:
            return Finding.EDITED, f"Its seal is gone. {_RESTORE}"
        if name not in self.held and kind.decides(document):
            self.unlinked_of_old += old
            self.unlinked |= {} if old else {name: record}
        return record

    def _named(self, name: str, by: str) -> Iterator[Verified]:
        """What is named elsewhere has to be there."""
        if self._gone(name):
            yield from self._flaw(name, Finding.DELETED, f"{by}, and it is gone. {_RESTORE}")

    def _gone(self, name: str) -> bool:
        if name in self.seen or name in self.flawed:
            return False
        collection, _, identity = name.partition("/")
        try:
            return self.store.get(collection, identity) is None
        except DamagedDocument:
            return False

    def _flaw(self, name: str, finding: Finding, message: str) -> Iterator[Verified]:
        """The verdict on a record, unless something is wrong with it already."""
        if name not in self.flawed:
            if finding.damages:
                self.flawed.add(name)
            yield _verdict(name, finding, message)


def _verdict(name: str, finding: Finding, message: str) -> Verified:
    collection, _, identity = name.partition("/")
    dataset_id, _, version = identity.rpartition("@")
    if collection in {"assets", "lineage", "versions"} and version.isdecimal():
        return Verified(dataset_id=dataset_id, version=int(version), record=name, finding=finding, message=message)
    return Verified(record=name, finding=finding, message=message)


def _said(record: Asset | Lineage | Use) -> str:
    """The hash of what a record says. Where its outcome names no format, the release that copied it gave it its own."""
    return digest(record.unsealed(), {"format"})


def _rows(asset: Asset) -> int | None:
    rows = [file.features for file in asset.data]
    return None if None in rows else sum(each for each in rows if each is not None)


def _gap(before: int, after: int) -> range:
    """The numbers between two. Of very many the first: one of the two is not what it seems."""
    return range(before + 1, min(after, before + _MANY))


def _before_last(numbers: Collection[int]) -> Iterator[int]:
    """All numbers from 1 to the last but one of those that are there, and of gaps between them."""
    before = 0
    for number in sorted(numbers):
        yield from _gap(before, number)
        if before:
            yield before
        before = number


def told_of(entry: Activity) -> str | None:
    """The record that an entry of the audit log tells of."""
    if "receipt" in entry.details:
        return f"manifests/{entry.details['receipt']}"
    if "decision" in entry.details:
        return f"{entry.details['decision']}"
    if entry.action == "claimed":
        return f"runs/{entry.subject}"
    return f"outcomes/{entry.subject}" if entry.action in {*Decision} else None
