"""A worker of "the next release": its documents have fields that this one does not know, and a higher number of their format.

With the number 2.0 it is one of the release before seals: its documents have none, and it knows of no chain.

A process of its own for ``test_two_releases.py``: ``next_release.py KIND PLACE FORMAT``. It works on one batch, and prints what
it reads of those that are there.
"""

import sys
from typing import Any

from libs.ledger import Action, Ledger
from libs.ledger.chain import Chain
from libs.models import Document
from tests.integration.ledger.racer import manifest, store_of, success

BATCH = "of-the-next"


def become_next(number: str) -> None:
    """Let all documents that this process writes be of the next release."""
    unsealed = Document.unsealed

    def written(document: Document) -> dict[str, Any]:
        return _grown(unsealed(document), number)

    Document.unsealed = written  # type: ignore[method-assign]


def become_earlier(number: str) -> None:
    """Let this process write as the release before seals did."""
    unsealed = Document.unsealed

    def written(document: Document) -> dict[str, Any]:
        return unsealed(document) | ({"format": number} if _is_new(document) else {})

    Document.unsealed = Document.to_document = written  # type: ignore[method-assign]
    Chain.add = lambda *_: None  # type: ignore[method-assign]


def _is_new(document: Document) -> bool:
    """Whether this process has made it: what it copies keeps the format of who wrote it."""
    return "format" not in document.model_fields_set


def _grown(document: dict[str, Any], number: str) -> dict[str, Any]:
    grown = document | {"format": number, "next_field": {"of": [number]}}
    for name in ("assets", "lineage"):
        if name in grown:
            grown[name] = [_grown(item, number) for item in grown[name]]
    return grown


def main() -> None:
    kind, place, number = sys.argv[1:]
    become_earlier(number) if number == "2.0" else become_next(number)
    ledger = Ledger(store_of(kind, place))
    for outcome in ledger.unpublished():
        ledger.publish(outcome)
    for asset in ledger.assets():
        print("read", asset.id, asset.kind, flush=True)
    for state in ledger.batches():
        print("batch", state.batch_id, state.status.value, flush=True)
    received = ledger.receive(f"manifests/{BATCH}.json", manifest(BATCH), "upload 1")
    assert received.action is Action.PROCESS
    run = ledger.claim(received, {})
    assert run is not None
    reservation = ledger.reserve({"dataset": ["data.parquet"]}, run, lambda name, version: f"{name}/v{version}/")["dataset"]
    assert ledger.heartbeat(run)
    assert ledger.decide(success(run, reservation))  # copying is left to the other release
    print("made", reservation.id, flush=True)


if __name__ == "__main__":
    main()
