"""Adding decisions to the chain, each with all that led to it."""

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from libs.ledger.chain import Chain
from libs.ledger.kinds import KINDS, never
from libs.ledger.records import Records
from libs.ledger.store import Document, DocumentStore, groups
from libs.logs import extra
from libs.models import Activity, Run, digest, utc_now

_LOG = logging.getLogger(__name__)
_AT_ONCE = 500
"""Decisions that are added to the chain at once, when many have no link."""


class Linking(Records):
    """Records that a worker adds to: what it decides becomes a link of the chain, and what it does an entry of the audit log.

    Args:
        store: Where the documents are.
        clock: The present, aware, in whole milliseconds.
        monotonic: Seconds from any moment on, to time heartbeats with.

    Attributes:
        owner: This worker's name: host, process, and a random part.
        chain: The chain of decisions.
    """

    def __init__(
        self, store: DocumentStore, clock: Callable[[], datetime] = utc_now, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(store, clock, monotonic)
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.chain = Chain(store, clock, self.owner)
        self._own: dict[str, dict[str, str]] = {}
        """Of runs of this worker that have no link yet: what they have reserved, as the chain will hold it."""
        self._linked: set[str] = set()
        """Runs whose outcomes this worker has added to the chain."""

    def log(self, action: str, subject: str, *, actor: str | None = None, at: datetime | None = None, **details: Any) -> None:
        """Write an entry of the audit log."""
        entry = Activity(at=at or self.clock(), actor=actor or self.owner, action=action, subject=subject, details=details)
        identity = f"{time.time_ns():016x}-{secrets.token_hex(4)}"  # entries of one millisecond keep their order
        self.store.insert_missing([("activity_logs", identity, entry.to_document())])
        _LOG.info("%s %s", action, subject, extra=extra(action=action, subject=subject, actor=entry.actor, **details))

    def link_missing(self) -> list[str]:
        """Add the decisions to the chain that have no link: those of workers that died, and of releases before the chain.

        Returns:
            Their ``<collection>/<_id>``.
        """
        unlinked = self._without_link()
        outcomes = [name for name in unlinked if name.startswith("outcomes/")]
        if outcomes:
            reserved: dict[str, dict[str, str]] = {}
            for identity, document in self.store.find("versions"):
                reserved.setdefault(str(document.get("run_id")), {})[f"versions/{identity}"] = digest(document)
            for group in groups(outcomes, _AT_ONCE):
                self._link({run_id: reserved.get(run_id, {}) for _, run_id in map(_split, group)})
        added = [*outcomes]
        for group in groups([name for name in unlinked if not name.startswith("outcomes/")], _AT_ONCE):
            found = {name: self.store.get(*_split(name)) for name in group}
            records = {name: digest(each) for name, each in found.items() if each and KINDS[_split(name)[0]].decides(each)}
            self.chain.add(records)
            added += records
        return added

    def unlinked(self) -> list[str]:
        """The decisions that :meth:`link_missing` would add. Changes nothing."""

        def decides(name: str) -> bool:
            collection, identity = _split(name)
            if collection == "outcomes":
                return True
            document = self.store.get(collection, identity)
            return document is not None and KINDS[collection].decides(document)

        return [name for name in self._without_link() if decides(name)]

    def _without_link(self) -> list[str]:
        """What has no link, of the collections that hold decisions."""
        deciding = [name for name, kind in KINDS.items() if kind.decides is not never]
        return self.chain.without([f"{name}/{identity}" for name in deciding for identity in self.store.ids(name)])

    def _insert_decision(self, collection: str, identity: str, document: Document) -> bool:
        """Insert a document that was made just now, and add it to the chain if it is a decision by itself."""
        inserted = self.store.insert(collection, identity, document)
        if inserted and KINDS[collection].decides(document):
            self.chain.add({f"{collection}/{identity}": digest(document)})
        return inserted

    def _link(self, reserved: Mapping[str, Mapping[str, str] | None], made: Mapping[str, Document] | None = None) -> None:
        """Add outcomes to the chain, with all that led to them: the run, its manifest, its reservations.

        Args:
            reserved: The runs, and what each has reserved; None where that is to be looked up.
            made: Outcomes that were inserted just now, by run.
        """
        records: dict[str, str] = {}
        for run_id, reservations in reserved.items():
            outcome = (made or {}).get(run_id) or self.store.get("outcomes", run_id)
            run = self.store.get("runs", run_id)
            if outcome is None:
                continue
            records[f"outcomes/{run_id}"] = digest(outcome)
            if run is not None:
                records[f"runs/{run_id}"] = digest(run, Run.changing)
                receipt_id = str(run.get("receipt_id"))
                if receipt := self.store.get("manifests", receipt_id):
                    records[f"manifests/{receipt_id}"] = digest(receipt)
            if reservations is not None:
                records.update(reservations)
            else:
                taken = self.store.find("versions", where={"run_id": run_id})
                records.update((f"versions/{identity}", digest(document)) for identity, document in taken)
        self.chain.add(records)
        for run_id in reserved:
            self._own.pop(run_id, None)
            self._linked.add(run_id)


def _split(name: str) -> tuple[str, str]:
    """Collection and ``_id`` of a record as the chain names it."""
    collection, _, identity = name.partition("/")
    return collection, identity
