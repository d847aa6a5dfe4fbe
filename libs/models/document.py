"""What every stored document has in common: its format, and the way to the store and back. No document lives here."""

from enum import Enum
from typing import Any, Self

from pydantic import model_validator

from libs.models.base import Record
from libs.models.problem import ServiceUnavailable

FORMAT = "2.0"
"""Of the documents that this release writes: ``<major>.<minor>``.

Fields that an older release may pass over raise the minor number. A change after which an older release would misread a document
raises the major one, and is a step in ``upgraded`` of the document's model.
"""

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


class Document(Record):
    """A model that the ledger stores: its dump is the stored document, under ``_id``.

    Attributes:
        format: Of the release that wrote it, see :data:`FORMAT`. Documents of format 1 have no such field.
    """

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

    def to_document(self) -> dict[str, Any]:
        """The stored form, without ``_id``: Python values (datetimes stay datetimes), no tuples or enums."""
        document: dict[str, Any] = _plain(self.model_dump(mode="python"))
        return document

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """The model again. A key ``_id`` is ignored: the model can derive it.

        Raises:
            NewerFormat: when a later release wrote the document in a format that this one cannot read.
        """
        written = str(document.get("format", "1.0"))
        major = written.partition(".")[0]
        if not major.isdigit() or int(major) > _MAJOR:
            raise NewerFormat(f"A record of the kind {cls.__name__}", written)
        return cls.model_validate({key: value for key, value in document.items() if key != "_id"})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):  # most values are text, and not worth a call each
        return {key: item if type(item) is str else _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [item if type(item) is str else _plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value
