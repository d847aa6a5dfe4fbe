"""The collections of the ledger in one table: what is in each. ``verify`` goes through it, and so does the chain of decisions.

A further collection is a further line. One whose documents are decisions says so by ``decides``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from libs.ledger import chain, parts
from libs.models import (
    Activity,
    Asset,
    Current,
    Description,
    Document,
    Grant,
    LedgerIdentity,
    Lineage,
    Link,
    Notice,
    NoticeEnd,
    NoticeTry,
    Outcome,
    OutcomePart,
    OwnLake,
    Rebuilding,
    Receipt,
    Reservation,
    Run,
    Use,
    UsedFormat,
)


def never(_: Mapping[str, Any]) -> bool:
    """No document of the kind is a decision."""
    return False


def always(_: Mapping[str, Any]) -> bool:
    """Every document of the kind is a decision."""
    return True


@dataclass(frozen=True)
class Kind:
    """What is in a collection.

    Attributes:
        models: Of its documents. Where there are several, the ``_id`` is the model's own.
        identity: The ``_id`` that follows from a document's content; None where it was generated.
        decides: Whether a stored document is a decision, which the chain holds.
        copied: Whether its documents are copies out of an outcome. A worker of an earlier release copies them without a seal.
    """

    models: tuple[type[Document], ...]
    identity: Callable[[Any], str | None]
    decides: Callable[[Mapping[str, Any]], bool] = never
    copied: bool = False

    def read(self, identity: str, document: dict[str, Any]) -> Document:
        """A document as its model.

        Raises:
            NewerFormat, DamagedDocument: when it cannot be read.
        """
        model = next((each for each in self.models if getattr(each, "id", None) == identity), self.models[0])
        return model.from_document(document)


def _own(document: Any) -> str:
    identity: str = document.id
    return identity


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "identity": Kind((LedgerIdentity, OwnLake, Rebuilding), _own, decides=always),
        "releases": Kind((UsedFormat,), _own),
        "manifests": Kind((Receipt,), _own, decides=lambda receipt: bool(receipt.get("problems"))),
        "runs": Kind((Run,), _own),
        "versions": Kind((Reservation,), _own),
        parts.COLLECTION: Kind((OutcomePart,), parts.identity_of),
        "outcomes": Kind((Outcome,), _own, decides=always),
        "lineage": Kind((Lineage,), _own, copied=True),
        "uses": Kind((Use,), _own, copied=True),
        "assets": Kind((Asset,), _own, copied=True),
        "current": Kind((Current,), _own, decides=always),
        "grants": Kind((Grant,), _own, decides=always),
        "descriptions": Kind((Description,), _own, decides=always),
        "notices": Kind((Notice,), _own),
        "notice_tries": Kind((NoticeTry,), _own),
        "notice_ends": Kind((NoticeEnd,), _own),
        "activity_logs": Kind((Activity,), lambda _: None),
        chain.COLLECTION: Kind((Link,), _own),
    }
)
