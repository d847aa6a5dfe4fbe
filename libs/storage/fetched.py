"""A raw object as a local file, and the proof of what was read."""

import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from io import FileIO
from pathlib import Path

from libs.models import InputObject, Rejected
from libs.storage.files import write
from libs.storage.store import Moved, ObjectInfo, ObjectStore


class Fetched:
    """An object that was brought to a local file, with the content that it had when it was looked up.

    It is hashed in a thread, while it is already being read. Where the file is the object itself, whoever asks for the hash
    afterwards learns whether somebody wrote into it meanwhile.
    """

    def __init__(self, store: ObjectStore, info: ObjectInfo, target: Path, *, copy: bool, moved: Moved) -> None:
        self._store, self._info, self._path = store, info, target
        self._lent: tuple[int, int] | None = None
        if not copy and store.link_local(info.key, target, info.stamp):
            self._lent = self._state()
        else:
            with target.open("xb", buffering=0) as file:
                for piece in store.stream(info.key, stamp=info.stamp):
                    write(file.fileno(), piece)
                    moved(len(piece))
        thread = ThreadPoolExecutor(1, "hash")
        try:
            self._hashed: Future[tuple[str, int]] = thread.submit(_hash, target.open("rb", buffering=0))
        finally:  # on Ctrl-C, too: the thread would wait for more to hash, and the program for the thread
            thread.shutdown(wait=False)
        if copy:  # it will be written to
            self._hashed.result()

    def object(self) -> InputObject:
        """What was read. Waits for the hash.

        Raises:
            Rejected: when the object was written into after it had been fetched.
        """
        sha256, size = self._hashed.result()
        if (self._lent != self._state()) if self._lent is not None else self._store.grew(self._info):
            raise changed(self._store.uri(self._info.key))
        return InputObject(key=self._info.key, sha256=sha256, bytes=size)

    def _state(self) -> tuple[int, int]:
        status = os.lstat(self._path)  # not the change time: that of a link changes with the number of links
        return status.st_mtime_ns, status.st_size


def changed(uri: str) -> Rejected:
    """What is said of an object that was not left alone while it was read."""
    return Rejected.because(
        "changed_while_read", uri, "It was written into, or replaced, while it was being read.",
        "Upload it whole, and the manifest after it.",
    )  # fmt: skip


def _hash(file: FileIO) -> tuple[str, int]:
    with file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
