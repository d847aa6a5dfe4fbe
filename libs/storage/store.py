"""The object store seam: what a bucket offers, whatever keeps it."""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from libs.models import SpatialEtlError
from libs.models.manifest import MAX_KEY_BYTES

Moved = Callable[[int], None]
"""Told of a number of bytes each time when so many have been moved."""


def untold(_: int) -> None:
    """For those who do not count."""


CHUNK = 1024 * 1024
"""Bytes moved at once when objects are streamed.

What is written at once, Linux keeps in pages up to this large. Those of 2 MiB and more are the dearest to get on a virtual
machine that gives free memory back: four times as dear here.
"""


@dataclass(frozen=True)
class ObjectInfo:
    """What is known of an object without reading it.

    Attributes:
        key: Name in the bucket; parts are separated by ``/``.
        size: Bytes.
        modified: When it came to lie there as it is; aware, UTC.
        version: Opaque; another one after each upload under the same key, even of the same content.
        stamp: Opaque; another one when the content may be another.
        written: When its content was written, by the same clock as ``modified``, where the store knows that better; aware, UTC.
    """

    key: str
    size: int
    modified: datetime
    version: str
    stamp: str
    written: datetime


OWN = "_spatial-etl/"
"""What the platform keeps in the lake beside versions. No dataset's id begins so, and readers of Parquet pass such names over."""


class ObjectMissing(SpatialEtlError):  # noqa: N818 - a state of the store
    """There is no object under this key."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        super().__init__(f"There is no object {uri}.")


class ObjectRefused(SpatialEtlError):  # noqa: N818 - a verdict on the object
    """What lies there is not read, written, listed or removed: a link, a device, or closed to us. ``reason`` says which."""

    def __init__(self, uri: str, reason: str) -> None:
        self.uri, self.reason = uri, reason
        super().__init__(f"{uri} {reason}.")


class ObjectChanged(SpatialEtlError):  # noqa: N818 - a state of the object
    """The object is being written or replaced. Another look will show it whole."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        super().__init__(f"{uri} is still being written, or was replaced just now.")


Refused = Callable[[ObjectRefused], None]
"""Told of each object or folder that a listing passes over: a folder's URI ends with ``/``. The rest is listed."""


def pass_over(_: ObjectRefused) -> None:
    """For those to whom it does not matter that a listing may be incomplete."""


class ObjectStore(Protocol):
    """One bucket.

    Every method takes keys in normal form and raises ``ValueError`` for others (see :func:`check_key`), and raises
    ``ServiceUnavailable`` when the store itself does not work.
    """

    bucket: str

    @property
    def place(self) -> str:
        """Where the bucket is, for people."""
        ...

    def uri(self, key: str) -> str:
        """``s3://<bucket>/<key>``: the object's name in manifests, reports and the ledger, whatever the store is."""
        ...

    def check(self) -> None:
        """Make sure that the store can be written to and creates no object twice, before work begins that would be lost."""
        ...

    def clock(self) -> datetime:
        """The present, by the clock that tells ``modified``. It may be another machine's: never wait for it."""
        ...

    def settled(self, info: ObjectInfo, seconds: float) -> bool:
        """Whether an object is whole: it has not changed for so long; always, where objects appear only when they are whole."""
        ...

    def list(self, prefix: str = "", refused: Refused = pass_over) -> Iterator[ObjectInfo]:
        """All objects whose key begins with ``prefix`` (any text, not only whole parts), in the order of their keys.

        Args:
            prefix: What the keys begin with.
            refused: Told of what lies there and is passed over: a link, a device, what may not be read or listed, a name that
                cannot be a key.
        """
        ...

    def look(
        self, prefixes: Iterable[str], refused: Refused = pass_over, limit: int | None = None
    ) -> tuple[Sequence[ObjectInfo], Collection[str]]:
        """What begins with one of many prefixes, what lies in folders behind them not.

        The cost grows with the number of prefixes or with that of the objects in their folders, whichever is less; never with
        the product.

        Args:
            prefixes: What the keys begin with.
            refused: As for :meth:`list`.
            limit: Objects after which it is enough.

        Returns:
            The objects, and the keys of the folders that begin so.
        """
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """What is known of an object; None when there is none.

        Raises:
            ObjectRefused: when what lies there is not read.
        """
        ...

    def read(self, key: str, limit: int | None = None) -> bytes:
        """The object's content, or its first ``limit`` bytes.

        Raises:
            ObjectMissing, ObjectRefused: when it cannot be read.
        """
        ...

    def stream(
        self, key: str, chunk: int = CHUNK, stamp: str | None = None, *, start: int = 0, end: int | None = None
    ) -> Iterator[bytes]:
        """The object's content in pieces of at most ``chunk`` bytes.

        Args:
            key: The object.
            chunk: Bytes.
            stamp: Of the content that is meant. It is compared before and after.
            start: First byte that is wanted; in the object.
            end: The byte after the last one that is wanted; greater than ``start``.

        Raises:
            ObjectMissing, ObjectRefused: when it cannot be read.
            ObjectChanged: when it has another content, or got one meanwhile.
        """
        ...

    def link_local(self, key: str, target: Path, stamp: str | None = None) -> bool:
        """Make the object itself appear as a local file, where that takes no copy.

        Uploads replace an object and leave what was lent as it is; only whoever writes into it in its place changes both.

        Args:
            key: The object.
            target: The file; its folder exists, it does not.
            stamp: Of the content that is meant.

        Returns:
            False when the object has to be copied.

        Raises:
            ObjectMissing, ObjectRefused: when it cannot be read.
            ObjectChanged: when it has another content.
        """
        ...

    def grew(self, info: ObjectInfo) -> bool:
        """Whether somebody has written into an object since; an upload that took its place is none of its content."""
        ...

    def put(self, key: str, source: bytes | Path, moved: Moved = untold) -> None:
        """Write an object, replacing one that is there. Readers see the old content or the new, never a mixture.

        Args:
            key: The object.
            source: Its content, or the file with it.
            moved: Told of the bytes of a file as they are moved, from any thread.

        Raises:
            ObjectRefused: when something is in its way.
        """
        ...

    def create(self, key: str, source: bytes | Path, *, give: bool = False, moved: Moved = untold) -> bool:
        """Write an object unless there is one; of several writers, one wins. Durable, and never seen in part.

        Args:
            key: The object.
            source: Its content, or the file with it.
            give: The file is given away: when the object has been written, it is gone. A store may move it then.
            moved: Told of the bytes of a file as they are copied, from any thread.

        Returns:
            False when the key was taken; the object there and the file are left as they are.

        Raises:
            ObjectRefused: when something is in its way.
        """
        ...

    def replace(self, key: str, source: Path, stamp: str, moved: Moved = untold) -> bool:
        """Write an object in the place of a certain content; of several writers that mean the same one, one wins.

        Args:
            key: The object.
            source: The file with its new content.
            stamp: Of the content that is to be replaced.
            moved: As for :meth:`put`.

        Returns:
            False when something else lies there, or nothing; that is left as it is.

        Raises:
            ObjectRefused: when something is in its way.
        """
        ...

    def delete(self, key: str, version: str | None = None) -> bool:
        """Remove an object; one that is gone is no error.

        Args:
            key: The object.
            version: Remove it only if it is still this version.

        Returns:
            Whether it was removed.

        Raises:
            ObjectRefused: when it may not be removed.
        """
        ...

    def removable(self, key: str) -> bool:
        """Whether the object may be removed, as far as that can be told without doing it."""
        ...

    def sweep(self, abandoned: Collection[str] = (), *, look_only: bool = False) -> int:
        """Remove what killed writers left behind; what is being written or younger than a day is not touched.

        Args:
            abandoned: Keys that nobody writes to any more: what is unfinished under them is not waited for.
            look_only: Remove nothing.

        Returns:
            How many pieces there are to remove, or were.
        """
        ...


def check_key(key: str) -> str:
    """The key, if it is in normal form.

    Raises:
        ValueError: for an empty, ``.`` or ``..`` part, a NUL, text that is not Unicode, or more than 1024 bytes.
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"{key!r} is not a key: it is not valid Unicode.") from error
    if size > MAX_KEY_BYTES or "\0" in key or any(part in {"", ".", ".."} for part in key.split("/")):
        raise ValueError(f"{key!r} is not a key in normal form.")
    return key


def apart(prefixes: Iterable[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Prefixes by the folder in which they look, each folder's in order; one that begins with another is left out.

    >>> dict(apart(["a/x.", "b", "a/w.", "a/x.y."]))
    {'': ['b'], 'a/': ['a/w.', 'a/x.']}
    """
    folders: dict[str, list[str]] = {}
    for prefix in sorted(set(prefixes)):
        wanted = folders.setdefault(prefix[: prefix.rfind("/") + 1], [])
        if not wanted or not prefix.startswith(wanted[-1]):
            wanted.append(prefix)
    return iter(sorted(folders.items()))


def begins(key: str, prefixes: Sequence[str]) -> bool:
    """Whether a key begins with one of sorted prefixes, of which none begins with another."""
    at = bisect_right(prefixes, key)
    return at > 0 and key.startswith(prefixes[at - 1])
