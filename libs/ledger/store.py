"""The document store seam: the little that the ledger needs, and every server can be trusted with.

Only an insert under an ``_id`` is atomic. No transaction, no compare-and-set, no secondary unique index is relied upon.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Protocol, TypeVar

Document = dict[str, Any]
"""Text keys; values: None, bool, int (64 bits), float, str, bytes, Decimal, aware datetime (whole milliseconds), lists and
documents of these. A store gives back what it was given, or refuses it with ``TypeError`` or ``ValueError``."""

ORDERED_BY = {"manifests": "received_at", "assets": "created_at", "activity_logs": "at"}
"""The field that a collection is listed by in order of time; a store keeps an index on it."""


GROUP = 500
"""Documents that are inserted by one command or transaction."""


class DocumentTooLarge(ValueError):  # noqa: N818 - a state of the document
    """A document is larger than the store keeps."""

    def __init__(self, size: int, limit: int) -> None:
        self.size, self.limit = size, limit
        super().__init__(f"The document has {size:,} bytes; the store keeps at most {limit:,}.")


class DocumentStore(Protocol):
    """Collections of documents, each under a text ``_id``, which is not part of the document.

    Safe to share between threads, and to use from many processes at once. Every method raises ``ServiceUnavailable``
    when the store cannot be reached, and ``DocumentTooLarge`` where it has a limit that a document exceeds.
    """

    def insert(self, collection: str, identity: str, document: Document) -> bool:
        """Insert a document, durably. Of several inserts under one ``_id``, in whatever process, exactly one wins.

        Returns:
            False when the ``_id`` was taken; the document there is left as it is.
        """
        ...

    def insert_missing(self, documents: Iterable[tuple[str, str, Document]]) -> None:
        """Insert ``(collection, _id, document)``s, passing over those whose ``_id`` is taken.

        For copies of what has been decided already: a crash may leave any of them, but of a collection none before all are there
        of those that come before it. However many there are, few are held in memory at a time.
        """
        ...

    def insert_new(self, collection: str, documents: Mapping[str, Document]) -> set[str]:
        """Insert many documents at once, durably, each as :meth:`insert` does it.

        Returns:
            The ``_id``s that were free. A crash may leave any of the documents.
        """
        ...

    def check_size(self, document: Document) -> None:
        """Make sure that a document of this size can be inserted, wherever that will be.

        Raises:
            DocumentTooLarge: when it cannot.
        """
        ...

    def remove(self, collection: str, identities: Iterable[str]) -> None:
        """Remove documents; those that are gone are no error."""
        ...

    def touch(self, collection: str, identity: str, fields: Document) -> None:
        """Set top-level fields of a document; nothing if there is none. For the one writer that a document may have."""
        ...

    def get(self, collection: str, identity: str) -> Document | None:
        """The document under an ``_id``."""
        ...

    def ids(self, collection: str, prefix: str = "") -> Iterator[str]:
        """All ``_id``s that begin with a prefix, in code point order, without reading the documents."""
        ...

    def find(
        self,
        collection: str,
        *,
        prefix: str = "",
        where: Mapping[str, str] | None = None,
        latest: bool = False,
        limit: int | None = None,
    ) -> Iterator[tuple[str, Document]]:
        """Documents with their ``_id``s.

        Args:
            collection: Where to look.
            prefix: What the ``_id`` begins with.
            where: Top-level text fields and what they equal.
            latest: Newest first, by the collection's field in :data:`ORDERED_BY`, then by ``_id`` backwards; in code
                point order of the ``_id`` otherwise.
            limit: At most so many.
        """
        ...

    @property
    def one_machine(self) -> bool:
        """Whether only processes of one machine can use the store."""
        ...

    @property
    def place(self) -> str:
        """Where the documents are, for people; known without a word to a server, and without a secret in it."""
        ...

    def describe(self) -> str:
        """What keeps the documents, in which version: for people."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


_T = TypeVar("_T")


def groups(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Items in lists of so many; the last one may be shorter."""
    left = iter(items)
    while group := list(islice(left, size)):
        yield group
