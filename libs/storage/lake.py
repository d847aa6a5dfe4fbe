"""The data lake: immutable versions, each written once."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from libs.models import LakeIdentity
from libs.storage.store import OWN, ObjectInfo, ObjectMissing, ObjectRefused, ObjectStore

IDENTITY = f"{OWN}lake.json"
"""The object that says what the lake is called, and which ledger is its own."""

_MAX_IDENTITY = 64 * 1024

_VERSION = re.compile(r"[^/]+/v\d+/(?=.)")


class DataLake:
    """Where versions lie in the lake bucket. Which of them exist is the ledger's to say."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def prefix(self, dataset_id: str, version: int) -> str:
        """What all object keys of a version's files begin with."""
        return f"{dataset_id}/v{version}/"

    def prefix_of(self, key: str) -> str | None:
        """The prefix of the version that an object belongs to, by its key; None for what somebody put there by hand."""
        found = _VERSION.match(key)
        return found[0] if found else None

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
            key: In the version's prefix.
            path: A finished file, which is given away: it is gone when it has been placed.

        Returns:
            False when something lies there already; that and the file are left as they are.
        """
        return self.store.create(key, path, give=True)

    def restore(self, key: str, path: Path) -> None:
        """Write a version's file again, in place of what lies there.

        Args:
            key: In the version's prefix.
            path: A file with the bytes that the version's record names.
        """
        self.store.put(key, path)

    def fetch(self, key: str, path: Path) -> None:
        """Copy a file of a version to a local one, replacing it.

        Raises:
            ObjectMissing, ObjectRefused: when it cannot be read.
        """
        with path.open("wb") as file:
            for piece in self.store.stream(key):
                file.write(piece)

    def objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Everything in the lake, recorded or not, in the order of keys; what the platform keeps there for itself aside."""
        return (info for info in self.store.list(prefix) if not info.key.startswith(OWN))

    def identity(self) -> LakeIdentity | None:
        """What the lake says of itself; None when it says nothing yet.

        Raises:
            ObjectRefused: when it cannot be understood.
        """
        try:
            content = self.store.read(IDENTITY, _MAX_IDENTITY)
        except ObjectMissing:
            return None
        try:
            return LakeIdentity.model_validate_json(content)
        except ValidationError as error:
            raise ObjectRefused(self.uri(IDENTITY), "is not the identity of a lake: it was changed or damaged") from error

    def identify(self, identity: LakeIdentity) -> bool:
        """Give the lake its identity, once and for all. False when it has one."""
        return self.store.create(IDENTITY, identity.model_dump_json(indent=2).encode() + b"\n")

    def remove(self, key: str, upload: str | None = None) -> bool:
        """Remove an object that no version will ever be; with ``upload``, only if it is still that one.

        Returns:
            Whether it was removed.
        """
        return self.store.delete(key, upload)

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
