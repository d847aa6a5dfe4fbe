"""Runs and what was decided of them. The rules of who may insert what, and when, are the ledger's."""

from enum import StrEnum
from typing import Any, ClassVar

from libs.models.asset import Asset
from libs.models.base import Identifier, Moment, Record, Sha256
from libs.models.document import Document
from libs.models.lineage import Lineage
from libs.models.problem import Problem


class Status(StrEnum):
    """Where a batch stands, as users see it. Derived from the documents, never stored as such."""

    QUEUED = "queued"
    RUNNING = "running"
    LOST = "lost"
    SUCCESS = "success"
    FAILURE = "failure"
    CANCELED = "canceled"
    REJECTED = "rejected"


class Decision(StrEnum):
    """What can be decided of a run, once."""

    SUCCESS = "success"
    FAILURE = "failure"
    REJECTED = "rejected"
    CANCELED = "canceled"


class Receipt(Document):
    """A manifest that arrived (collection ``manifests``).

    Attributes:
        batch_id: As the manifest says; for one that cannot be parsed, derived from its object key.
        sha256: Of the manifest's bytes.
        key: Object key that it arrived under.
        received_at: When it was first seen.
        content: The manifest as uploaded, or None when it is not JSON.
        raw: The first bytes as text, only when it is not JSON.
        problems: Why it is rejected; empty when it is queued.
        revision: 1, 2, 3, ...: what is right or wrong with a manifest can change with its surroundings, as when a missing
            file has been uploaded; each new judgement on the same content is a document of its own.
    """

    batch_id: Identifier
    sha256: Sha256
    key: str
    received_at: Moment
    uploader: str | None = None
    content: dict[str, Any] | list[Any] | str | float | bool | None = None
    raw: str | None = None
    problems: tuple[Problem, ...] = ()
    revision: int = 1

    @classmethod
    def upgraded(cls, document: dict[str, Any]) -> dict[str, Any]:
        """In format 1, the revision was called ``verdict``."""
        return _renamed(document, "verdict", "revision")

    @property
    def manifest_id(self) -> str:
        """What all judgements on one manifest share: ``<batch_id>@<sha256, 16 hex>``."""
        return f"{self.batch_id}@{self.sha256[:16]}"

    @property
    def id(self) -> str:
        """``_id``: that of the manifest, from the second revision on with ``~<revision>``."""
        return self.manifest_id + (f"~{self.revision}" if self.revision > 1 else "")


class WorkerProcess(Record):
    """Where a worker runs, told so that another worker on the same machine can see whether it still does.

    Attributes:
        host: Name of the machine, for people.
        boot: Random, another one for each start of the machine's kernel. None where the system has none.
        namespace: In which process numbers ``pid`` is one: containers have their own. None where the system has none.
        started: When the process began, in ticks of the kernel since its start: numbers are used again.
    """

    host: str
    pid: int
    boot: str | None = None
    namespace: str | None = None
    started: int | None = None


class Run(Document):
    """One attempt to process a batch (collection ``runs``). Its heartbeat is the one field that changes.

    Attributes:
        attempt: 1, 2, 3, ... of the batch.
        receipt_id: ``_id`` of the manifest that it processes.
        manifest_version: Version of the manifest's object in the landing zone: tells a manifest that was uploaded again, for
            another try, from one that still lies there.
        owner: Host, process and a random part: who may write its heartbeat.
        heartbeat_at: Last sign of life, by the clock of its worker: others only see that it changes.
        lease_seconds: A run whose last sign of life has not changed for so long, by the clock of who watches it, counts as lost.
        process: Where its worker runs; None if a release wrote it that did not say.
        software: Versions of what it ran on, by name.
        forced: Whether it was asked for without a delivery: no manifest waits for it, and nobody tries it again by itself.
    """

    changing: ClassVar[frozenset[str]] = frozenset({"heartbeat_at"})

    batch_id: Identifier
    attempt: int
    receipt_id: str
    manifest_version: str
    owner: str
    started_at: Moment
    heartbeat_at: Moment
    lease_seconds: float
    software: dict[str, str] = {}
    process: WorkerProcess | None = None
    forced: bool = False

    @classmethod
    def upgraded(cls, document: dict[str, Any]) -> dict[str, Any]:
        """In format 1, the manifest's version was called ``upload``."""
        return _renamed(document, "upload", "manifest_version")

    @property
    def manifest_id(self) -> str:
        """The manifest, whichever judgement on it let the run begin: see :attr:`Receipt.manifest_id`."""
        return self.receipt_id.partition("~")[0]

    @property
    def id(self) -> str:
        """``_id`` and the run's name everywhere: ``<batch_id>#<attempt>``."""
        return f"{self.batch_id}#{self.attempt}"


class PartReference(Record):
    """A part of an outcome, as the outcome names it.

    Attributes:
        id: Its ``_id`` in ``outcome_parts``.
        sha256: Of its lists.
    """

    id: str
    sha256: Sha256


class OutcomePart(Document):
    """A piece of the lists of an outcome that is too large for one document (collection ``outcome_parts``).

    Its ``_id`` is ``<run_id>/<number>~<hash>``. It is inserted before the outcome, which lists all parts with their hashes: only
    then it counts.

    Attributes:
        lists: Items of the lists by their names, as JSON in the ledger's encoding: one value, which every server stores and reads
            at once, where thousands of nested documents take some of them seconds.
    """

    run_id: str
    number: int
    lists: str


class Outcome(Document):
    """The one decision on a run (collection ``outcomes``). Its insert is the commit point of the batch.

    Attributes:
        parts: Where its lists are, when they are too large for one document. As a user of the ledger gets it, an outcome has
            its lists.
        unchanged_since: Of a success that made nothing, because nothing had changed: the run that made the batch's versions.
    """

    run_id: str
    batch_id: Identifier
    decision: Decision
    decided_at: Moment
    decided_by: str
    intent: str | None = None
    recipe: str | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    assets: tuple[Asset, ...] = ()
    lineage: tuple[Lineage, ...] = ()
    parts: tuple[PartReference, ...] = ()
    unchanged_since: str | None = None

    @property
    def id(self) -> str:
        """``_id``: the run's."""
        return self.run_id


class Reservation(Document):
    """A version number taken by a run (collection ``versions``). Gaps are legal.

    Attributes:
        prefix: What it may write to in the lake, and nobody else: ``<dataset_id>/v<N>/``.
        names: Of the files that it is going to write there: what is unfinished of them, some servers tell only by their keys.
    """

    dataset_id: Identifier
    version: int
    run_id: str
    prefix: str
    names: tuple[str, ...] = ()
    reserved_at: Moment

    @classmethod
    def upgraded(cls, document: dict[str, Any]) -> dict[str, Any]:
        """In format 1, the key of the version's one file was reserved."""
        if "key" in document and "prefix" not in document:
            folder, _, name = document.pop("key").rpartition("/")
            document |= {"prefix": f"{folder}/", "names": [name]}
        return document

    @property
    def keys(self) -> tuple[str, ...]:
        """Lake keys of the files that the run is going to write."""
        return tuple(f"{self.prefix}{name}" for name in self.names)

    @property
    def id(self) -> str:
        """``_id``: ``<dataset_id>@<N>``."""
        return f"{self.dataset_id}@{self.version}"


def _renamed(document: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    if old in document and new not in document:
        document[new] = document.pop(old)
    return document
