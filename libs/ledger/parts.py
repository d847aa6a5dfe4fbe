"""Outcomes that are too large for one document: their lists go into parts, which are inserted before the outcome that names them.

The outcome's insert stays the one decision. Parts that no outcome names are leftovers of a worker that died; gc removes them.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from libs.ledger.store import Document, DocumentStore
from libs.models import Outcome, OutcomePart, PartReference, ServiceUnavailable

COLLECTION = "outcome_parts"

PART_BYTES = 2 * 1024 * 1024
"""As JSON, of an outcome in one document, and of a part. As BSON it is at most some four times as much; a server keeps 16 MiB."""

_LISTS = ("problems", "warnings", "assets", "lineage")


def split(outcome: Outcome, size: int = PART_BYTES) -> tuple[Document, list[tuple[str, Document]]]:
    """The outcome's document, and its parts with their ``_id``s; none for an outcome that fits one document.

    Args:
        outcome: With its lists.
        size: Bytes, as JSON, of what fits.
    """
    document = outcome.to_document()
    items = [(name, item, len(json.dumps(item, default=_text))) for name in _LISTS for item in document[name]]
    if sum(item_size for _, _, item_size in items) <= size:
        return document, []
    parts: list[tuple[str, Document]] = []
    references: list[dict[str, Any]] = []
    for group in _grouped(items, size):
        lists: dict[str, list[Any]] = {}
        for name, item in group:
            lists.setdefault(name, []).append(item)
        part = OutcomePart(run_id=outcome.run_id, number=len(parts)).to_document() | lists
        sha256 = digest(part)
        reference = PartReference(id=f"{outcome.run_id}/{len(parts):06}~{sha256[:16]}", sha256=sha256)
        parts.append((reference.id, part))
        references.append(reference.model_dump())
    return document | {name: [] for name in _LISTS} | {"parts": references}, parts


def joined(store: DocumentStore, outcome: Outcome) -> Outcome:
    """An outcome with its lists.

    Raises:
        ServiceUnavailable: when a part is gone or damaged.
    """
    if not outcome.parts:
        return outcome
    lists: dict[str, list[Any]] = {name: [] for name in _LISTS}
    for document in _documents(store, outcome):
        part = OutcomePart.from_document(document)
        for name in _LISTS:
            lists[name] += getattr(part, name)
    return outcome.model_copy(update={name: tuple(items) for name, items in lists.items()} | {"parts": ()})


def asset_ids(store: DocumentStore, outcome: Outcome) -> frozenset[str]:
    """``_id``s of the assets of an outcome as it is stored, without reading each into its model.

    Raises:
        ServiceUnavailable: when a part is gone or damaged. What it names is committed: nobody may take it for abandoned.
    """
    documents = _documents(store, outcome)
    in_parts = (f"{asset['dataset_id']}@{asset['version']}" for document in documents for asset in document.get("assets", ()))
    return frozenset([*(asset.id for asset in outcome.assets), *in_parts])


def digest(document: Document) -> str:
    """SHA-256 of a document, the same whatever store it went through."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=_text).encode()).hexdigest()


def _documents(store: DocumentStore, outcome: Outcome) -> Iterator[Document]:
    for reference in outcome.parts:
        document = store.get(COLLECTION, reference.id)
        if document is None or digest(document) != reference.sha256:
            state = "is gone" if document is None else "was changed"
            message = f"the part {reference.id} of the outcome of {outcome.run_id} {state}: restore the ledger from a backup."
            raise ServiceUnavailable("the ledger", message, store.place)
        yield document


def _grouped(items: Iterable[tuple[str, Any, int]], size: int) -> Iterator[list[tuple[str, Any]]]:
    group: list[tuple[str, Any]] = []
    used = 0
    for name, item, item_size in items:
        if group and used + item_size > size:
            yield group
            group, used = [], 0
        group.append((name, item))
        used += item_size
    if group:
        yield group


def _text(value: Any) -> str:
    """What JSON has no word for, the same whatever store it went through."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else repr(value)
