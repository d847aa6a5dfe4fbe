"""What ``verify`` says of lake objects and of the ledger's records."""

from enum import StrEnum
from typing import Literal

from libs.models.base import Model


class Finding(StrEnum):
    """What became of a recorded file, of an object that no record names, or of a record."""

    INTACT = "intact"
    """The file is there and unchanged, and is what its record says."""
    MISSING = "missing"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    UNEXPECTED = "unexpected"
    """An object that no record names."""

    EDITED = "edited"
    """A record that does not match its seal, the chain, another record or its file."""
    DELETED = "deleted"
    """A record that others name is gone."""
    DAMAGED = "damaged"
    """A record that cannot be read."""

    PENDING = "pending"
    """Work that is not finished: of a run that is not decided, or copies and links that `reconcile` adds."""
    REMOVABLE = "removable"
    """What a run that came to nothing has left: `gc` removes it."""
    UNSEALED = "unsealed"
    """A record without a seal, as releases before seals wrote them."""
    UNLOGGED = "unlogged"
    """What the audit log does not tell: a worker died before it could write it, or somebody removed the entry."""

    @property
    def damages(self) -> Literal["lake", "ledger"] | None:
        """What is damaged; None where nothing is."""
        if self in {Finding.MISSING, Finding.CHANGED, Finding.UNREADABLE, Finding.UNEXPECTED}:
            return "lake"
        return "ledger" if self in {Finding.EDITED, Finding.DELETED, Finding.DAMAGED} else None


class Verified(Model):
    """The verdict on one lake object or one record.

    Attributes:
        dataset_id: Of the version that it belongs to, where it belongs to one.
        version: Likewise.
        uri: The lake object, when it is about one.
        record: ``<collection>/<_id>`` of the record, when it is about one.
    """

    dataset_id: str | None = None
    version: int | None = None
    uri: str | None = None
    record: str | None = None
    finding: Finding
    message: str
