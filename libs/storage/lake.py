"""The data lake: immutable versions, each written once."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from libs.storage.store import ObjectInfo, ObjectStore


class DataLake:
    """Where versions lie in the lake bucket. Which of them exist is the ledger's to say."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def key(self, dataset_id: str, version: int, name: str = "data.parquet") -> str:
        """The object key of a version's file."""
        return f"{dataset_id}/v{version}/{name}"

    def uri(self, key: str) -> str:
        """``s3://<lake bucket>/<key>``."""
        return self.store.uri(key)

    def key_of(self, uri: str) -> str:
        """The object key of a lake URI from a ledger record.

        Raises:
            ValueError: when the URI names another bucket.
        """
        start = self.store.uri("")
        if not uri.startswith(start):
            raise ValueError(f"{uri!r} does not lie in the data lake {start}.")
        return uri.removeprefix(start)

    def place(self, key: str, path: Path) -> bool:
        """Write a version's file, create-only and durable.

        Args:
            key: From :meth:`key`.
            path: A finished file, which is given away: it is gone when it has been placed.

        Returns:
            False when something lies there already; that and the file are left as they are.
        """
        return self.store.create(key, path, give=True)

    def objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Everything in the lake, recorded or not, in the order of keys."""
        return self.store.list(prefix)

    def remove(self, key: str) -> None:
        """Remove an object that no record speaks of."""
        self.store.delete(key)

    def hash(self, key: str) -> tuple[str, int]:
        """SHA-256 and size in bytes of an object, read now.

        Raises:
            ObjectMissing, ObjectRefused: when it cannot be read.
        """
        digest, size = hashlib.sha256(), 0
        for piece in self.store.stream(key):
            digest.update(piece)
            size += len(piece)
        return digest.hexdigest(), size
