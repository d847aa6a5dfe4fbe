"""The record that a version carries in the lake, so that a lake explains itself, and a lost ledger can be made again."""

import json
from collections.abc import Mapping
from typing import Any, Self

from pydantic_core import to_json

from libs.models.asset import Asset
from libs.models.base import Moment
from libs.models.document import FORMAT, SEAL, DamagedDocument, Document, digest
from libs.models.lineage import Lineage
from libs.models.run import Outcome, Receipt, Run

_KEPT_MANIFEST = 4 * 1024
"""Bytes of a manifest that each version of its batch carries whole; of a larger one, what is not the list of files."""


class DamagedRecord(ValueError):  # noqa: N818 - a state of the record
    """The record of a version was changed, or is none."""


class VersionRecord(Document):
    """What the ledger says of a version (object ``<dataset_id>/v<N>/_version.json``), written when it has been committed.

    Attributes:
        ledger_id: What the ledger is called.
        receipt: The manifest. Of a large one, its list of files is left out: the lineage has those of this version.
        run: The attempt that made it, without its heartbeats.
        decided_at: When its batch was committed.
        decided_by: By which worker.
        intent: Of the batch.
        recipe: Likewise.
        datasets: How many versions the batch has made.
    """

    ledger_id: str | None
    receipt: Receipt
    run: Run
    decided_at: Moment
    decided_by: str
    intent: str | None
    recipe: str | None
    datasets: int
    asset: Asset
    lineage: Lineage

    @classmethod
    def shared(cls, ledger_id: str | None, receipt: Receipt, run: Run, outcome: Outcome) -> dict[str, Any]:
        """What all versions of a batch have in common."""
        return {
            "ledger_id": ledger_id,
            "receipt": _shortened(receipt),
            "run": run.model_copy(update={"heartbeat_at": run.started_at}),
            "decided_at": outcome.decided_at,
            "decided_by": outcome.decided_by,
            "intent": outcome.intent,
            "recipe": outcome.recipe,
            "datasets": len(outcome.assets),
        }

    def content(self) -> bytes:
        """The object, with a seal by which a change is found. The same record gives the same bytes."""
        fields = self.model_dump(mode="json")
        return to_json(fields | {SEAL: digest(fields)}, indent=2) + b"\n"

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """The record that an object holds.

        Raises:
            DamagedRecord: when it is not as it was written.
            NewerFormat: when a later release wrote it in a format that this one cannot read.
        """
        try:
            fields = json.loads(content)
            seal = fields.get(SEAL)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedRecord("is not the record of a version") from error
        if seal != digest(fields):
            raise DamagedRecord("does not match its seal: it was changed after it was written")
        try:
            record = cls.from_document(fields)
        except DamagedDocument as error:
            raise DamagedRecord("is not the record of a version") from error
        # Held against the fields as they are read: a later release's models have more of them, with defaults.
        if record.format == FORMAT and to_json(fields, indent=2) + b"\n" != content:
            raise DamagedRecord("is not as it was written, though it says the same")
        return record


def _shortened(receipt: Receipt) -> Receipt:
    content = receipt.content
    if not isinstance(content, dict) or len(to_json(content)) <= _KEPT_MANIFEST:
        return receipt
    rest = {name: value for name, value in content.items() if name != "files"}
    return receipt.model_copy(update={"content": rest if len(to_json(rest)) <= _KEPT_MANIFEST else _identifying(content)})


def _identifying(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: content[name] for name in ("batch_id", "uploader", "intent") if name in content}
