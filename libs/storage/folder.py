"""An object store in a local folder, where people drop files by hand.

Not obstore's ``LocalStore``: that follows symbolic links out of the folder, stops listing at the first file name that it
cannot spell as a key, hides names that end in ``#1``, reads a whole file into memory to create an object, and does not
sync. Here every access walks down from the bucket's folder by directory descriptors and follows no link, so that nobody
who can write to the folder can make the platform read or write elsewhere, not even by swapping a folder for a link.
"""

import errno
import fcntl
import os
import secrets
import socket
import stat
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from libs.models import ServiceUnavailable
from libs.storage.files import copy, move, write
from libs.storage.store import (
    CHUNK,
    Moved,
    ObjectChanged,
    ObjectInfo,
    ObjectMissing,
    ObjectRefused,
    Refused,
    apart,
    begins,
    check_key,
    pass_over,
    untold,
)

PARTIAL = ".partial"
"""Folder in the bucket with what is being written; on the same file system, so that finished files can be linked."""

_SETTLED = 86_400.0
"""Seconds after which an unlocked partial file is a leftover. A day, as of all that gc removes: a folder that several machines
share may not tell each of the others' locks."""

_LINK = "is a symbolic link or lies behind one, which is not followed"
_IN_THE_WAY = "cannot be written: a file or folder of another kind is in its way"
_NOT_REGULAR = "is not a regular file"
_NO_KEY = "has a name that is not valid Unicode, or longer than 1024 bytes with its folders"
_CLOSED = "cannot be opened: Permission denied"

_NOTHING_THERE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""What says that there is no file under a name, and nothing about the folder as a whole."""

_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN}
"""Errors that say nothing about the object which was to be opened."""

_CAP_FOWNER = 3

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class FolderStore:
    """A bucket that is a folder.

    Args:
        root: The folder; made when it is missing.
        bucket: The bucket's name in URIs.
        setting: Which chose the folder, for messages.
    """

    def __init__(self, root: Path, bucket: str, setting: str = "SPATIAL_ETL_HOME") -> None:
        self.bucket = check_key(bucket)
        self.root, self._setting = root.resolve(), setting
        try:
            (self.root / PARTIAL).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if not self.root.is_dir():  # else it may be one that can be read only
                raise self._unavailable(error) from error

    @property
    def place(self) -> str:
        """See :class:`~libs.storage.store.ObjectStore`."""
        return f"the folder {self.root} on {socket.gethostname()}"

    def uri(self, key: str) -> str:
        """See :class:`~libs.storage.store.ObjectStore`."""
        return f"s3://{self.bucket}/{key}"

    def check(self) -> None:
        """See :class:`~libs.storage.store.ObjectStore`. Of creating, the kernel keeps the promise."""
        partials = self.root / PARTIAL
        if not os.access(partials if partials.exists() else self.root, os.W_OK):
            raise self._unavailable(OSError(errno.EROFS, "It cannot be written to"))

    def clock(self) -> datetime:
        """See :class:`~libs.storage.store.ObjectStore`. A file is made: on a share, its server tells the time."""
        with self._speaking():
            partials, name = self._folder(PARTIAL, make=True), secrets.token_hex(16)
            try:
                descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=partials)
                try:
                    os.unlink(name, dir_fd=partials)
                    return moment(os.fstat(descriptor).st_ctime)
                finally:
                    os.close(descriptor)
            finally:
                os.close(partials)

    def settled(self, info: ObjectInfo, seconds: float) -> bool:
        """See :class:`~libs.storage.store.ObjectStore`. What is written further gets the time of the present clock.

        A file from the future is therefore old: the clock was set back since.
        """
        now = self.head(info.key)
        if now is None or now.version != info.version:
            return False
        return abs((self.clock() - info.modified).total_seconds()) >= seconds

    def list(self, prefix: str = "", refused: Refused = pass_over) -> Iterator[ObjectInfo]:
        """See :class:`~libs.storage.store.ObjectStore`. Names that are no Unicode, links and devices are no objects."""
        found: list[ObjectInfo] = []
        for above, _, names, descriptor in self._walk(prefix[: prefix.rfind("/") + 1], refused):
            for name in names:
                key = f"{above}{name}"
                if key.startswith(prefix) and (info := self._listed(key, name, descriptor, refused)):
                    found.append(info)
        yield from sorted(found, key=lambda info: info.key)

    def look(
        self, prefixes: Iterable[str], refused: Refused = pass_over, limit: int | None = None
    ) -> tuple[Sequence[ObjectInfo], Collection[str]]:
        """See :class:`~libs.storage.store.ObjectStore`. Each folder is read once."""
        found: list[ObjectInfo] = []
        found_folders: set[str] = set()
        for folder, wanted in apart(prefixes):
            for _, folders, names, descriptor in self._walk(folder, refused, below=False):
                found_folders |= {key for name in folders if begins(key := f"{folder}{name}", wanted)}
                for name in names:
                    if limit is not None and len(found) >= limit:
                        break
                    key = f"{folder}{name}"
                    if begins(key, wanted) and (info := self._listed(key, name, descriptor, refused)):
                        found.append(info)
        return sorted(found, key=lambda info: info.key), found_folders

    def head(self, key: str) -> ObjectInfo | None:
        """See :class:`~libs.storage.store.ObjectStore`."""
        try:
            with self._opened(key) as descriptor:
                return _described(key, os.fstat(descriptor))
        except ObjectMissing:
            return None

    def read(self, key: str, limit: int | None = None) -> bytes:
        """See :class:`~libs.storage.store.ObjectStore`."""
        with self._opened(key) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(-1 if limit is None else limit)

    def stream(
        self, key: str, chunk: int = CHUNK, stamp: str | None = None, *, start: int = 0, end: int | None = None
    ) -> Iterator[bytes]:
        """See :class:`~libs.storage.store.ObjectStore`."""
        with self._opened(key) as descriptor:
            self._require(key, stamp, descriptor)
            while piece := os.pread(descriptor, chunk if end is None else min(chunk, end - start), start):
                start += len(piece)
                yield piece
            self._require(key, stamp, descriptor)

    def link_local(self, key: str, target: Path, stamp: str | None = None) -> bool:
        """See :class:`~libs.storage.store.ObjectStore`. A hard link, where file system and owner allow it."""
        with self._opened(key) as descriptor, self._parent(key) as (parent, name):
            self._require(key, stamp, descriptor)
            try:
                os.link(name, target, src_dir_fd=parent, follow_symlinks=False)
            except OSError:
                return False
            if os.path.samestat(os.fstat(descriptor), os.lstat(target)):
                return True
            target.unlink()  # replaced since it was looked at
            return False

    def grew(self, info: ObjectInfo) -> bool:
        """See :class:`~libs.storage.store.ObjectStore`."""
        try:
            now = self.head(info.key)
        except ObjectRefused:
            return False
        return now is not None and now.stamp != info.stamp and _inode(now) == _inode(info)

    def put(self, key: str, source: bytes | Path, moved: Moved = untold) -> None:
        """See :class:`~libs.storage.store.ObjectStore`."""
        self.check()
        with (
            self._speaking(key),
            self._parent(key, make=True) as (parent, name),
            self._partial(source, moved) as (partials, partial),
        ):
            try:
                os.rename(partial, name, src_dir_fd=partials, dst_dir_fd=parent)
            except IsADirectoryError as error:
                raise ObjectRefused(self.uri(key), _IN_THE_WAY) from error
            os.fsync(parent)

    def create(self, key: str, source: bytes | Path, *, give: bool = False, moved: Moved = untold) -> bool:
        """See :class:`~libs.storage.store.ObjectStore`. A hard link is what makes it atomic and the winner single."""
        self.check()
        with self._speaking(key), self._parent(key, make=True) as (parent, name):
            if _exists(name, parent):
                return False  # saves the copy; the link decides
            try:
                if not (give and isinstance(source, Path) and move(source, name, parent)):
                    with self._partial(source, moved) as (partials, partial):
                        os.link(partial, name, src_dir_fd=partials, dst_dir_fd=parent, follow_symlinks=False)
            except FileExistsError:
                return False
            os.fsync(parent)
        if give and isinstance(source, Path):
            source.unlink(missing_ok=True)
        return True

    def replace(self, key: str, source: Path, stamp: str, moved: Moved = untold) -> bool:
        """See :class:`~libs.storage.store.ObjectStore`. Those who replace are alone in the folder, where it can be locked."""
        self.check()
        try:
            with (
                self._speaking(key),
                self._parent(key) as (parent, name),
                self._partial(source, moved) as (partials, partial),
            ):
                with suppress(OSError):  # some network file systems lock no folders: microseconds are left then
                    fcntl.flock(parent, fcntl.LOCK_EX)
                if (info := self._listed(key, name, parent)) is None or info.stamp != stamp:
                    return False
                os.rename(partial, name, src_dir_fd=partials, dst_dir_fd=parent)
                os.fsync(parent)
        except _NOTHING_THERE:
            return False
        return True

    def delete(self, key: str, version: str | None = None) -> bool:
        """See :class:`~libs.storage.store.ObjectStore`.

        Between the look at the version and the removal lie microseconds, in which an upload would be lost: POSIX has no
        conditional removal.
        """
        try:
            with self._speaking(key, "removed"), self._parent(key) as (parent, name):
                if version is not None and ((info := self._listed(key, name, parent)) is None or info.version != version):
                    return False
                os.unlink(name, dir_fd=parent)
                os.fsync(parent)
        except _NOTHING_THERE:
            return False
        return True

    def removable(self, key: str) -> bool:
        """See :class:`~libs.storage.store.ObjectStore`. In a sticky folder, only owners remove."""
        try:
            with self._parent(key) as (parent, name):
                if not os.access(".", os.W_OK | os.X_OK, dir_fd=parent, effective_ids=True):
                    return False
                folder, file = os.fstat(parent), os.stat(name, dir_fd=parent, follow_symlinks=False)
        except (OSError, ObjectRefused):
            return False
        return not folder.st_mode & stat.S_ISVTX or os.geteuid() in {folder.st_uid, file.st_uid} or _acts_for_owners()

    def sweep(self, abandoned: Collection[str] = (), *, look_only: bool = False) -> int:  # noqa: ARG002 - a lock tells who writes
        """See :class:`~libs.storage.store.ObjectStore`. A writer holds a lock on its file for as long as it lives."""
        removed = 0
        partials = self.root / PARTIAL
        with self._speaking():
            for path in partials.iterdir() if partials.exists() else ():
                try:
                    with path.open("rb") as file:
                        if time.time() - os.fstat(file.fileno()).st_ctime < _SETTLED:
                            continue
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        if not look_only:
                            path.unlink()
                        removed += 1
                except (FileNotFoundError, BlockingIOError):
                    continue
        return removed

    def _folder(self, key: str, *, make: bool = False) -> int:
        """A descriptor of a folder in the bucket, reached without following a link; the caller closes it."""
        try:
            descriptor = os.open(self.root, _DIRECTORY)
        except OSError as error:
            # Not a missing object: a disk that is gone must not look like an empty bucket.
            raise self._unavailable(error) from error
        passed = ""
        for part in check_key(key).split("/") if key else ():
            passed = f"{passed}/{part}".removeprefix("/")
            try:
                below = self._enter(descriptor, part, passed, make=make)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor

    def _enter(self, folder: int, name: str, key: str, *, make: bool) -> int:
        if make and not _exists(name, folder):
            with suppress(FileExistsError):  # when another writer was faster
                os.mkdir(name, dir_fd=folder)
                os.fsync(folder)
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise ObjectRefused(self.uri(key), _LINK)
        return os.open(name, _DIRECTORY, dir_fd=folder)

    def _walk(
        self, folder: str, refused: Refused, *, below: bool = True
    ) -> Iterator[tuple[str, Sequence[str], Sequence[str], int]]:
        """A folder and those below it: what its keys begin with, the names of folders and of all else, its descriptor.

        Each is reached from the top: one that is swapped for a link meanwhile is not followed.
        """
        pending = [folder]
        while pending:
            above = pending.pop()
            descriptor = None if above.split("/", 1)[0] == PARTIAL else self._reached(above, refused)
            if descriptor is None:
                continue
            folders: list[str] = []
            names: list[str] = []
            try:
                with self._speaking(), os.scandir(descriptor) as entries:
                    for entry in entries:
                        (folders if entry.is_dir(follow_symlinks=False) else names).append(entry.name)
                if not above and PARTIAL in folders:
                    folders.remove(PARTIAL)
                yield above, folders, names, descriptor
            finally:
                os.close(descriptor)
            if below:
                pending += [f"{above}{name}/" for name in folders]

    def _reached(self, above: str, refused: Refused) -> int | None:
        """A descriptor of a folder that is to be listed; None when there is none, or none that may be listed, which is told."""
        try:
            return self._folder(above.removesuffix("/"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ObjectRefused as error:
            reason = error.reason
        except ValueError:
            reason = _NO_KEY
        except OSError as error:
            if error.errno in _OURS:
                raise self._unavailable(error) from error
            reason = f"cannot be listed: {error.strerror}"
        refused(ObjectRefused(self.uri(_shown(above)), reason))
        return None

    def _listed(self, key: str, name: str, parent: int, refused: Refused = pass_over) -> ObjectInfo | None:
        """What a listing says of a name in a folder; None for what is no object, and is told."""
        try:
            check_key(key)
            status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except ValueError:
            reason = _NO_KEY
        except PermissionError as error:
            reason = f"cannot be looked at: {error.strerror}"
        else:
            readable = refused is pass_over or os.access(name, os.R_OK, dir_fd=parent, effective_ids=True)
            if stat.S_ISREG(status.st_mode) and readable:
                return _described(key, status)
            reason = _LINK if stat.S_ISLNK(status.st_mode) else _CLOSED if stat.S_ISREG(status.st_mode) else _NOT_REGULAR
        refused(ObjectRefused(self.uri(_shown(key)), reason))
        return None

    def _require(self, key: str, stamp: str | None, descriptor: int) -> None:
        if stamp is not None and _described(key, os.fstat(descriptor)).stamp != stamp:
            raise ObjectChanged(self.uri(key))

    @contextmanager
    def _parent(self, key: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        folder, _, name = check_key(key).rpartition("/")
        if key.split("/", 1)[0] == PARTIAL:
            if make:
                raise ValueError(f"The key {key!r} lies in {PARTIAL}/, which the store keeps for itself.")
            raise FileNotFoundError(errno.ENOENT, "What is being written is no object", key)
        try:
            descriptor = self._folder(folder, make=make)
        except NotADirectoryError as error:
            if not make:
                raise
            raise ObjectRefused(self.uri(key), _IN_THE_WAY) from error
        try:
            yield descriptor, name
        finally:
            os.close(descriptor)

    @contextmanager
    def _opened(self, key: str) -> Iterator[int]:
        try:
            with self._parent(key) as (parent, name):
                if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                    raise ObjectRefused(self.uri(key), _LINK)
                # Without O_NONBLOCK, opening a named pipe would wait for its writer.
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectMissing(self.uri(key)) from error
        except OSError as error:
            if error.errno in _OURS:
                raise self._unavailable(error) from error
            raise ObjectRefused(self.uri(key), f"cannot be opened: {error.strerror}") from error
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise ObjectMissing(self.uri(key))
            if not stat.S_ISREG(mode):
                raise ObjectRefused(self.uri(key), _NOT_REGULAR)
            with self._speaking():
                yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _partial(self, source: bytes | Path, moved: Moved = untold) -> Iterator[tuple[int, str]]:
        """A finished, synced copy of the source under a temporary name: the descriptor of its folder and its name."""
        partials, name = self._folder(PARTIAL, make=True), secrets.token_hex(16)
        try:
            try:
                descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=partials)
            except PermissionError as error:  # then nothing at all can be written
                raise self._unavailable(error) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if isinstance(source, bytes):
                    write(descriptor, source)
                else:
                    copy(source, descriptor, moved)
                os.fsync(descriptor)
                yield partials, name
            finally:
                with suppress(FileNotFoundError):  # when it was renamed into its place
                    os.unlink(name, dir_fd=partials)
                os.close(descriptor)
        finally:
            os.close(partials)

    @contextmanager
    def _speaking(self, key: str = "", what: str = "written") -> Iterator[None]:
        """Failures in words: of an object that is closed to us, else of the folder. A missing file is the caller's to judge."""
        try:
            yield
        except _NOTHING_THERE:
            raise
        except PermissionError as error:
            if not key:
                raise self._unavailable(error) from error
            raise ObjectRefused(self.uri(key), f"cannot be {what}: {error.strerror}") from error
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> ServiceUnavailable:
        return ServiceUnavailable(f"the folder {self.root}", f"{error.strerror}.", self._setting)


def _shown(key: str) -> str:
    """A key of bytes that are no Unicode, as text."""
    return os.fsencode(key).decode("utf-8", "backslashreplace")


def _inode(info: ObjectInfo) -> str:
    return info.stamp.partition("-")[0]


def _acts_for_owners() -> bool:
    """Whether this process may do with others' files what their owners may (CAP_FOWNER). In containers, root often may not."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:  # not Linux
        return os.geteuid() == 0
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) & 1 << _CAP_FOWNER)


def _exists(name: str, parent: int) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _described(key: str, status: os.stat_result) -> ObjectInfo:
    # The change time, not the modification time: a file moved here keeps its modification time, yet arrives now.
    return ObjectInfo(
        key=key,
        size=status.st_size,
        modified=moment(status.st_ctime),
        version=f"{status.st_ino:x}-{status.st_ctime_ns:x}-{status.st_size:x}",
        # Without the change time: that of a file changes with the number of its links.
        stamp=f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}",
        written=moment(status.st_mtime),
    )


def moment(seconds: float) -> datetime:
    """A time of a file, by the clock of its file system."""
    return datetime.fromtimestamp(seconds, UTC)
