"""The chain of decisions: what makes a ledger that was changed or cut afterwards tell so."""

from collections.abc import Iterator, Mapping
from typing import Self

from libs.models.base import Model, Moment, Sha256
from libs.models.document import Document

NOTHING = "0" * 64
"""What the first link says of the one before."""


class Link(Document):
    """A link (collection ``chain``). Its ``_id`` is its number, in twelve digits; of those that want the same one, one gets it.

    Attributes:
        number: 1, 2, 3, ... without a gap.
        previous: SHA-256 of the link before.
        added_at: When.
        added_by: The worker that added it: not always the one that decided.
        records: The records that it holds: a line each with its SHA-256, two spaces, its collection, ``/`` and its ``_id``. One
            text, which every server stores and reads at once, as :class:`~libs.models.OutcomePart` has it.
    """

    number: int
    previous: Sha256
    added_at: Moment
    added_by: str
    records: str

    @classmethod
    def holding(cls, records: Mapping[str, str], *, number: int, previous: str, added_at: Moment, added_by: str) -> Self:
        """A link that holds records, given as ``<collection>/<_id>`` and SHA-256."""
        text = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(records.items()))
        return cls(number=number, previous=previous, added_at=added_at, added_by=added_by, records=text)

    @property
    def id(self) -> str:
        """``_id``: the number in twelve digits."""
        return f"{self.number:012}"

    @property
    def held(self) -> Iterator[tuple[str, str]]:
        """``<collection>/<_id>`` and SHA-256 of each record that it holds."""
        return ((line[66:], line[:64]) for line in self.records.splitlines())


class Head(Model):
    """The end of the chain at a moment. Kept outside of the ledger, it proves that nothing before it was changed or cut since.

    Attributes:
        ledger_id: What the ledger is called; None for one that has no name yet.
        number: Of the last link; 0 when there is none.
        sha256: Of that link.
        taken_at: When it was the last one.
    """

    ledger_id: str | None
    number: int
    sha256: Sha256
    taken_at: Moment
