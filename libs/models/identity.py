"""Who belongs to whom: a lake and its ledger each carry the other's identity, from their first use on."""

from typing import ClassVar

from libs.models.base import Moment
from libs.models.document import Document


class LedgerIdentity(Document):
    """What a ledger is called (collection ``identity``, ``_id`` ``ledger``).

    Attributes:
        ledger_id: Random, made once.
        place: Where it was then, for people.
    """

    id: ClassVar[str] = "ledger"

    ledger_id: str
    place: str
    made_at: Moment


class OwnLake(Document):
    """The lake of a ledger (collection ``identity``, ``_id`` ``lake``).

    Attributes:
        lake_id: What the lake is called.
        place: Where it was then, for people.
    """

    id: ClassVar[str] = "lake"

    lake_id: str
    place: str
    bound_at: Moment


class Rebuilding(Document):
    """That a ledger was made again out of a lake (collection ``identity``, ``_id`` ``rebuilt``). It is inserted first.

    Attributes:
        lake_id: The lake; None when it said nothing of itself.
        lake: Where it was, for people.
        ledger_before: What the ledger was called that the lake had.
    """

    id: ClassVar[str] = "rebuilt"

    lake_id: str | None
    lake: str
    ledger_before: str | None
    started_at: Moment


class LakeIdentity(Document):
    """What a lake is called, and its ledger (object ``_spatial-etl/lake.json`` of the lake).

    Attributes:
        lake_id: Random, made once.
        ledger_id: What its ledger is called.
        ledger: Where the ledger was then, for people.
    """

    lake_id: str
    ledger_id: str
    ledger: str
    bound_at: Moment
