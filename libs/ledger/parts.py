"""Outcomes that are too large for one document: their lists go into parts, which are inserted before the outcome that names them.

The outcome's insert stays the one decision. Parts that no outcome names are leftovers of a worker that died; gc removes them.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from libs.ledger.encoding import decode, encode
from libs.ledger.store import Document, DocumentStore
from libs.models import Asset, DamagedDocument, Lineage, Outcome, OutcomePart, PartReference, Problem

COLLECTION = "outcome_parts"

PART_BYTES = 2 * 1024 * 1024
"""As JSON, of an outcome in one document, and of a part. As BSON it is at most some six times as much; a server keeps 16 MiB."""

_LISTS: Mapping[str, Callable[[Any], Problem | Asset | Lineage]] = {
    "problems": Problem.model_validate,
    "warnings": Problem.model_validate,
    "assets": Asset.from_document,
    "lineage": Lineage.from_document,
}
"""The lists of an outcome, and what makes an item out of its document."""


def split(outcome: Outcome, store: DocumentStore, size: int = PART_BYTES) -> tuple[Document, list[tuple[str, Document]]]:
    """The outcome's document, and its parts with their ``_id``s; none for an outcome that fits one document.

    Args:
        outcome: With its lists.
        store: Where they are to go.
        size: Bytes, as JSON, of what fits.

    Raises:
        DocumentTooLarge: when a single item is larger than the store keeps: it could not be copied to where it is looked for.
    """
    items: list[tuple[str, str, int]] = []
    for name, document in _documents(outcome):
        text = encode(document)
        items.append((name, text, len(text.encode())))
        if items[-1][2] > size:
            store.check_size(document)
    if sum(item_size for _, _, item_size in items) <= size:
        return outcome.to_document(), []
    parts: list[tuple[str, Document]] = []
    references: list[PartReference] = []
    for number, lists in enumerate(_grouped(items, size)):
        part = OutcomePart(run_id=outcome.run_id, number=number, lists=lists)
        references.append(PartReference(id=identity_of(part), sha256=sha256_of(lists)))
        parts.append((references[-1].id, part.to_document()))
    head = outcome.model_copy(update=dict.fromkeys(_LISTS, ()) | {"parts": tuple(references)})
    return head.to_document(), parts


def identity_of(part: OutcomePart) -> str:
    """``_id`` of a part."""
    return f"{part.run_id}/{part.number:06}~{sha256_of(part.lists)[:16]}"


def joined(store: DocumentStore, outcome: Outcome) -> Outcome:
    """An outcome with its lists.

    Raises:
        DamagedDocument: when a part is gone or damaged.
    """
    if not outcome.parts:
        return outcome
    lists: dict[str, list[Problem | Asset | Lineage]] = {name: [] for name in _LISTS}
    for part in _parts(store, outcome):
        for name, item_of in _LISTS.items():
            lists[name] += [item_of(item) for item in part.get(name, ())]
    return outcome.model_copy(update={name: tuple(items) for name, items in lists.items()} | {"parts": ()})


def asset_ids(store: DocumentStore, outcome: Outcome) -> frozenset[str]:
    """``_id``s of the assets of an outcome as it is stored, without reading each into its model.

    Raises:
        DamagedDocument: when a part is gone or damaged. What it names is committed: nobody may take it for abandoned.
    """
    in_parts = (
        f"{asset['dataset_id']}@{asset['version']}" for part in _parts(store, outcome) for asset in part.get("assets", ())
    )
    return frozenset([*(asset.id for asset in outcome.assets), *in_parts])


def _documents(outcome: Outcome) -> Iterator[tuple[str, Document]]:
    """The items of the lists with the names of these, one at a time: all at once take several times the memory."""
    for name in ("problems", "warnings"):
        yield from ((name, problem.model_dump()) for problem in getattr(outcome, name))
    for name in ("assets", "lineage"):
        yield from ((name, record.unsealed()) for record in getattr(outcome, name))


def _parts(store: DocumentStore, outcome: Outcome) -> Iterator[Document]:
    """The lists of each part."""
    for reference in outcome.parts:
        document = store.get(COLLECTION, reference.id)
        lists = "" if document is None else OutcomePart.from_document(document).lists
        if sha256_of(lists) != reference.sha256:
            state = "it is gone" if document is None else "it was changed"
            raise DamagedDocument(f"the part {reference.id} of the outcome of {outcome.run_id}", state)
        yield decode(lists)


def _grouped(items: Iterable[tuple[str, str, int]], size: int) -> Iterator[str]:
    """The lists of each part, as JSON."""
    lists: dict[str, list[str]] = {}
    used = 0
    for name, text, item_size in items:
        if lists and used + item_size > size:
            yield _json(lists)
            lists, used = {}, 0
        lists.setdefault(name, []).append(text)
        used += item_size
    if lists:
        yield _json(lists)


def _json(lists: dict[str, list[str]]) -> str:
    return "{" + ",".join(f'"{name}":[{",".join(items)}]' for name, items in lists.items()) + "}"


def sha256_of(text: str) -> str:
    """Of the lists of a part."""
    return hashlib.sha256(text.encode()).hexdigest()
