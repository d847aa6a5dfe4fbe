"""Reading all of a ledger while work goes on, and filling an empty one with it.

There is no snapshot that every server knows. But a record is there before another one names it, and decisions are never removed.
So what names others is read before what it names. What came while its collection was read, and was not met, is looked up by its
``_id`` if another record names it. What came later than all that is left out. The result is the ledger of a moment.
"""

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from libs.ledger import chain, parts
from libs.ledger.audit import told_of
from libs.ledger.encoding import decode, encode
from libs.ledger.kinds import KINDS
from libs.ledger.ledger import Ledger
from libs.ledger.store import Document, DocumentStore
from libs.models import Activity, DamagedDocument, Outcome, utc_now

_NAMED = ("assets", "lineage", "outcomes", parts.COLLECTION, "versions", "runs", "manifests")
"""Collections whose records others name, each before those that it names itself."""

_LOG = "activity_logs"

_MARK, _MARKED = "restoring", "backup"
"""Collection and ``_id`` of the note that a ledger is being filled. It is gone when that is done."""


class Copied(NamedTuple):
    """A record with its name."""

    collection: str
    identity: str
    document: Document


def records(store: DocumentStore) -> Iterator[Copied]:
    """All records of a ledger as of one moment; what the ledger is called comes last.

    Raises:
        DamagedDocument: when one cannot be read. A copy without it would be taken for whole.
    """
    first = [chain.COLLECTION, *(name for name in KINDS if name not in {chain.COLLECTION, "identity", _LOG, *_NAMED})]
    met: set[str] = set()
    named: list[str] = []
    for collection in (*first, *_NAMED):
        for identity, document in store.find(collection):
            met.add(f"{collection}/{identity}")
            named += _before(collection, identity)
            yield Copied(collection, identity, document)
    while named:
        name = named.pop()
        if name in met:
            continue
        met.add(name)
        collection, _, identity = name.partition("/")
        found = store.get(collection, identity)
        if found is not None:  # else it is gone, which `verify` says of both
            named += [*_before(collection, identity), *_names(store, collection, found)]
            yield Copied(collection, identity, found)
    for identity, document in store.find(_LOG):
        told = told_of(Activity.from_document(document))
        if told is None or told in met:
            yield Copied(_LOG, identity, document)
    for identity, document in store.find("identity"):
        yield Copied("identity", identity, document)


def line(record: Copied) -> bytes:
    """A record as a line of JSON."""
    name = json.dumps({"collection": record.collection, "id": record.identity}, ensure_ascii=False)
    return f'{name[:-1]}, "document": {encode(record.document)}}}\n'.encode()


def record_of(text: bytes) -> Copied:
    """The record again.

    Raises:
        DamagedDocument: when it is none.
    """
    try:
        found = json.loads(text)
        return Copied(str(found["collection"]), str(found["id"]), decode(json.dumps(found["document"])))
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise DamagedDocument("a line of the backup", str(error)) from error


def may_fill(ledger: Ledger, backup: str) -> bool:
    """Whether a ledger may be filled: it is empty, or this was begun with the same backup and did not end.

    Args:
        ledger: The ledger. Nothing is changed in it.
        backup: What tells this backup from all others.
    """
    mark = ledger.store.get(_MARK, _MARKED)
    if mark is not None:
        return mark.get("backup") == backup
    return not any(True for name in KINDS for _ in ledger.store.ids(name))


def fill(ledger: Ledger, backup: str, copies: Iterable[Copied]) -> None:
    """Put all records into a ledger that may be filled. What the ledger is called comes last: before that, nobody works with it.

    Args:
        ledger: The ledger.
        backup: See :func:`may_fill`.
        copies: As :func:`records` gives them.
    """
    store = ledger.store
    store.insert(_MARK, _MARKED, {"backup": backup, "begun_at": utc_now()})
    names: list[Copied] = []

    def others() -> Iterator[tuple[str, str, Document]]:
        for copy in copies:
            if copy.collection == "identity":
                names.append(copy)
            else:
                yield copy

    store.insert_missing(others())
    for name in names:
        store.insert(*name)
    ledger.log("restored", store.place, backup=backup)
    store.remove(_MARK, [_MARKED])


def _before(collection: str, identity: str) -> Iterator[str]:
    """What must be there before an attempt or a version with the next number."""
    stem, mark, number = identity.rpartition("#" if collection == "runs" else "@")
    if collection not in {"runs", "versions"} or not mark or not number.isdecimal() or int(number) <= 1:
        return
    before = f"{stem}{mark}{int(number) - 1}"
    yield f"{collection}/{before}"
    if collection == "runs":
        yield f"outcomes/{before}"


def _names(store: DocumentStore, collection: str, document: Document) -> Iterator[str]:
    """What a record names that came after its collection was read."""
    if collection == "runs":
        yield f"manifests/{document.get('receipt_id')}"
    elif collection == "versions":
        yield f"runs/{document.get('run_id')}"
    elif collection == "outcomes":
        outcome = Outcome.from_document(document)
        yield f"runs/{outcome.run_id}"
        yield from (f"{parts.COLLECTION}/{reference.id}" for reference in outcome.parts)
        yield from (f"versions/{asset_id}" for asset_id in parts.asset_ids(store, outcome))
