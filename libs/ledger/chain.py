"""The chain of decisions: each link holds hashes of records and of the link before.

A link is one insert under its number, so that of several writers each gets a place of its own, and nobody waits: who finds a
number taken reads that link and takes the next number. The decision is the insert of the outcome; its link follows. A crash
between the two leaves a decision without a link, which ``reconcile`` or the next worker adds.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from itertools import count

from libs.ledger.store import DocumentStore, groups
from libs.models import NOTHING, Link, digest

COLLECTION = "chain"

_RECORDS = 5_000
"""Held by one link at most; more of them go into several."""


class Chain:
    """The chain, as one worker sees it.

    Args:
        store: Where the links are.
        clock: The present.
        owner: The worker's name.
    """

    def __init__(self, store: DocumentStore, clock: Callable[[], datetime], owner: str) -> None:
        self._store, self._clock, self._owner = store, clock, owner
        self._last: tuple[int, str] | None = None

    def add(self, records: Mapping[str, str]) -> None:
        """Hold records, given as ``<collection>/<_id>`` and SHA-256. To hold one again does no harm."""
        for group in groups(sorted(records.items()), _RECORDS):
            while not self._add(dict(group)):
                pass

    def head(self) -> tuple[int, str]:
        """Number and SHA-256 of the last link; 0 when there is none."""
        number, sha256 = self._last or _end(self._store)
        for following in count(number + 1):
            document = self._store.get(COLLECTION, _id(following))
            if document is None:
                break
            number, sha256 = following, digest(document)
        self._last = number, sha256
        return number, sha256

    def without(self, names: Collection[str]) -> list[str]:
        """Those of some records that no link holds, in order."""
        left = {*names}
        for link in self._links() if left else ():
            left.difference_update(name for name, _ in link.held)
        return sorted(left)

    def _links(self) -> Iterator[Link]:
        return (Link.from_document(document) for _, document in self._store.find(COLLECTION))

    def _add(self, records: Mapping[str, str]) -> bool:
        """Try to be the next link. Of those that try the same number one succeeds, so that all together always get on."""
        number, previous = self._last or _end(self._store)
        link = Link.holding(records, number=number + 1, previous=previous, added_at=self._clock(), added_by=self._owner)
        document = link.to_document()
        added = self._store.insert(COLLECTION, link.id, document)
        there = document if added else self._store.get(COLLECTION, link.id)
        if there is None:  # nobody removes a link but by hand: look for the end again
            self._last = None
        else:
            self._last = link.number, digest(there)
        return added


def _id(number: int) -> str:
    return f"{number:012}"


def _end(store: DocumentStore) -> tuple[int, str]:
    """Number and SHA-256 of the last link, by few looks under an ``_id``: what every server does at once."""
    known, beyond, sha256 = 0, 1, NOTHING
    step = 1
    while (document := store.get(COLLECTION, _id(beyond))) is not None:
        known, sha256 = beyond, digest(document)
        step *= 2
        beyond = known + step
    while beyond - known > 1:
        middle = (known + beyond) // 2
        if (document := store.get(COLLECTION, _id(middle))) is None:
            beyond = middle
        else:
            known, sha256 = middle, digest(document)
    return known, sha256
