"""What every stored document has in common: its format, its seal, and the way to the store and back. No document lives here."""

import base64
import hashlib
import json
from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Self

from pydantic import ValidationError, model_validator

from libs.models.base import Record
from libs.models.problem import ServiceUnavailable

FORMAT = "2.1"
"""Of the documents that this release writes: ``<major>.<minor>``.

Fields that an older release may pass over raise the minor number. A change after which an older release would misread a document
raises the major one, and is a step in ``upgraded`` of the document's model.
"""

SEALED_SINCE = (2, 1)
"""Format of the first release whose documents carry a seal. From then on, a document without one is suspicious."""

SEAL = "seal"
"""The field of a stored document that holds the SHA-256 of all others. It belongs to the stored form, not to the model."""

_MAJOR = int(FORMAT.partition(".")[0])


class NewerFormat(ServiceUnavailable):
    """A document was written by a later release, in a format that this one cannot read."""

    code = "newer_format"

    def __init__(self, name: str, written: str) -> None:
        self.written = written
        super().__init__(
            "the ledger",
            f"{name} has the format {written}, which a later release of spatial-etl wrote; this one reads up to {_MAJOR}.x. "
            "Install that release here, too, or stop its workers.",
            "the versions of spatial-etl on all machines that share the ledger",
        )


class DamagedDocument(ServiceUnavailable):
    """A document of the ledger cannot be read: it is not what any release has written."""

    code = "damaged_record"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            "the ledger",
            f"{name} is damaged: {reason}. Restore the ledger from a backup.",
            "with `spatial-etl verify --chain`, which names every damaged record",
        )


class Document(Record):
    """A model that the ledger stores: its dump is the stored document, under ``_id``.

    Attributes:
        format: Of the release that wrote it, see :data:`FORMAT`. Documents of format 1 have no such field.
    """

    changing: ClassVar[frozenset[str]] = frozenset()
    """Fields that the owner of the stored document may still write."""

    format: str = FORMAT

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, document: Any) -> Any:
        return cls.upgraded(dict(document)) if isinstance(document, dict) else document

    @classmethod
    def upgraded(cls, document: dict[str, Any]) -> dict[str, Any]:
        """A document in this release's format. A model whose fields were renamed or moved says here how.

        Stored documents never change, and workers of several releases share them: so they are upgraded whenever they are read,
        and no migration rewrites them.
        """
        return document

    def unsealed(self) -> dict[str, Any]:
        """The fields as they are stored: Python values (datetimes stay datetimes), no tuples or enums."""
        document: dict[str, Any] = _plain(self.model_dump(mode="python"))
        return document

    def to_document(self) -> dict[str, Any]:
        """The stored form, without ``_id``: the fields and their seal."""
        document = self.unsealed()
        return document | {SEAL: digest(document)}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """The model again. A key ``_id`` is ignored: the model can derive it. The seal is not looked at: that is for ``verify``.

        Raises:
            NewerFormat: when a later release wrote the document in a format that this one cannot read.
            DamagedDocument: when no release can have written it.
        """
        written = str(document.get("format", "1.0"))
        if format_of(document)[0] > _MAJOR:
            raise NewerFormat(f"A record of the kind {cls.__name__}", written)
        try:
            return cls.model_validate({key: value for key, value in document.items() if key not in {"_id", SEAL}})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            reason = f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"
        except (ValueError, TypeError, KeyError, AttributeError) as error:  # of an upgrade that met what it does not know
            reason = f"{type(error).__name__}: {error}"
        raise DamagedDocument(f"a record of the kind {cls.__name__}", reason)


def format_of(document: dict[str, Any]) -> tuple[int, int]:
    """The format that a stored document says it has; what is not understood counts as one that is yet to come."""
    major, _, minor = str(document.get("format", "1.0")).partition(".")
    return (int(major), int(minor or 0)) if major.isdecimal() and (minor or "0").isdecimal() else (_MAJOR + 1, 0)


def was_changed(document: dict[str, Any]) -> bool:
    """Whether a stored document does not match its seal. Of one without a seal, nothing is known."""
    return SEAL in document and document[SEAL] != digest(document)


def digest(document: dict[str, Any], without: Collection[str] = ()) -> str:
    """SHA-256 of a stored document, whichever store it comes from and whatever order its keys have.

    Args:
        document: Any seal in it does not count.
        without: Further fields that do not count.
    """
    counting = {key: value for key, value in document.items() if key != SEAL and key not in without}
    return hashlib.sha256(json.dumps(counting, sort_keys=True, separators=(",", ":"), default=_spelled).encode()).hexdigest()


def _spelled(value: Any) -> Any:
    """A value that JSON has no word for, under a key that no document has."""
    match value:
        case datetime():
            return {"\0moment": value.astimezone(UTC).isoformat(timespec="milliseconds")}
        case bytes():
            return {"\0bytes": base64.b64encode(value).decode()}
        case Decimal():
            return {"\0decimal": str(value)}
    raise TypeError(f"A {type(value).__name__} is nothing that a document can hold.")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):  # most values are text, and not worth a call each
        return {key: item if type(item) is str else _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if type(item) is str else _plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value
