"""The data lake: immutable versions, each written once."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from libs.models import SEAL, SEALED_SINCE, DamagedDocument, LakeIdentity, format_of
from libs.storage.store import OWN, Moved, ObjectInfo, ObjectMissing, ObjectRefused, ObjectStore, untold

IDENTITY = f"{OWN}lake.json"
"""The object that says what the lake is called, and which ledger is its own."""

RAW = "raw/sha256/"
"""What the keys of raw files begin with that are kept by their hash. No version of a dataset lies there."""

_MAX_IDENTITY = 64 * 1024

RECORD = "_version.json"
"""The record of a version in its prefix. Whoever reads the folder as a table of Parquet files passes such a name over."""

_MAX_RECORD = 64 * 1024 * 1024

_VERSION = re.compile(r"[^/]+/v\d+/(?=.)")


_END = 256 * 1024
"""More than nearly all footers of Parquet."""


@dataclass(frozen=True)
class Hashed:
    """An object that was read.

    Attributes:
        size: In bytes.
        end: Its last bytes, where formats keep what they say of themselves.
    """

    sha256: str
    size: int
    end: bytes


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

    def record_key(self, dataset_id: str, version: int) -> str:
        """Where the record of a version lies."""
        return f"{self.prefix(dataset_id, version)}{RECORD}"

    def record(self, dataset_id: str, version: int) -> bytes:
        """The record of a version, as it lies there.

        Raises:
            ObjectMissing, ObjectRefused: when it cannot be read.
        """
        return self.store.read(self.record_key(dataset_id, version), _MAX_RECORD)

    def describe(self, dataset_id: str, version: int, record: bytes) -> bool:
        """Write the record of a version, create-only and durable. False when something lies there already.

        Raises:
            ObjectRefused: when it may not be written.
        """
        return self.store.create(self.record_key(dataset_id, version), record)

    def uri(self, key: str) -> str:
        """``s3://<lake bucket>/<key>``."""
        return self.store.uri(key)

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
        """Everything in the lake, recorded or not, in the order of keys.

        What the platform keeps there for itself is left out, and so are raw files.
        """
        return (info for info in self.store.list(prefix) if not info.key.startswith((OWN, RAW)))

    def raw_key(self, sha256: str) -> str:
        """The key of a raw file that is kept."""
        return f"{RAW}{sha256[:2]}/{sha256}"

    def has_raw(self, sha256: str) -> bool:
        """Whether a raw file of this content is kept."""
        return self.store.head(self.raw_key(sha256)) is not None

    def keep_raw(self, sha256: str, path: Path) -> None:
        """Keep a raw file by its hash, create-only and durable.

        Args:
            sha256: Of the file, which names it.
            path: The file, which is given away.
        """
        self.store.create(self.raw_key(sha256), path, give=True)

    def raw_objects(self) -> Iterator[tuple[str, ObjectInfo]]:
        """The raw files that are kept, each with its hash."""
        return ((info.key.rpartition("/")[2], info) for info in self.store.list(RAW))

    def identity(self) -> LakeIdentity | None:
        """What the lake says of itself; None when it says nothing yet.

        Raises:
            ObjectRefused: when it cannot be understood.
        """
        content = self._identity()
        try:
            return None if content is None else LakeIdentity.from_document(dict(json.loads(content)))
        except (ValueError, TypeError, DamagedDocument) as error:
            raise ObjectRefused(self.uri(IDENTITY), "is not the identity of a lake: it was changed or damaged") from error

    def identity_was_changed(self) -> bool:
        """Whether the object is not what was written. Those of earlier releases have no seal: nobody knows.

        Raises:
            ObjectRefused: when it cannot be understood.
        """
        content, identity = self._identity(), self.identity()
        if content is None or identity is None:
            return False
        document = json.loads(content)
        return (SEAL in document or format_of(document) >= SEALED_SINCE) and content != _written(identity)

    def identify(self, identity: LakeIdentity) -> bool:
        """Give the lake its identity, once and for all. False when it has one."""
        return self.store.create(IDENTITY, _written(identity))

    def give_to(self, identity: LakeIdentity) -> None:
        """Replace the lake's identity: another ledger is its own from now on. For whoever made that out of this lake."""
        self.store.put(IDENTITY, _written(identity))

    def _identity(self) -> bytes | None:
        try:
            return self.store.read(IDENTITY, _MAX_IDENTITY)
        except ObjectMissing:
            return None

    def remove(self, key: str, upload: str | None = None) -> bool:
        """Remove an object that no version will ever be; with ``upload``, only if it is still that one.

        Returns:
            Whether it was removed.
        """
        return self.store.delete(key, upload)

    def hash(self, key: str, moved: Moved = untold) -> Hashed:
        """Read an object now, from end to end.

        Args:
            key: The object.
            moved: Told of the bytes as they are read. What it raises ends the reading.

        Raises:
            ObjectMissing, ObjectRefused: when it cannot be read.
        """
        digest, size, end = hashlib.sha256(), 0, b""
        for piece in self.store.stream(key):
            digest.update(piece)
            size += len(piece)
            end = piece[-_END:] if len(piece) >= _END else (end + piece)[-_END:]
            moved(len(piece))
        return Hashed(digest.hexdigest(), size, end)

    def end(self, key: str, size: int) -> bytes:
        """The last bytes of an object, so many at most. The object is read for it.

        Raises:
            ObjectMissing, ObjectRefused: when it cannot be read.
        """
        end = b""
        for piece in self.store.stream(key):
            end = (end + piece)[-size:]
        return end


def _written(identity: LakeIdentity) -> bytes:
    """An identity as the object has it, with its seal."""
    sealed = identity.model_dump(mode="json") | {SEAL: identity.to_document()[SEAL]}
    return json.dumps(sealed, indent=2).encode() + b"\n"
