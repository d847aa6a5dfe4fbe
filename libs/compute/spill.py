"""Folders that an embedded engine spills into: each is alive as long as its owner, however that ends."""

import errno
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from libs.models import ServiceUnavailable
from libs.models.settings import SPILL

_OURS = re.compile(rf"{SPILL}[0-9]+_[0-9a-f]{{8}}")
"""What these folders are called: scratch may be a folder in which others have theirs."""


class SpillFolder:
    """A fresh folder that a lock marks as alive: the kernel frees it when the process ends.

    Raises:
        ServiceUnavailable: when it cannot be made.
    """

    def __init__(self, scratch: Path) -> None:
        self.path = scratch / f"{SPILL}{os.getpid()}_{secrets.token_hex(4)}"
        try:
            scratch.mkdir(parents=True, exist_ok=True)
            with _exclusive_access(scratch):
                self.path.mkdir()
                self._lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR, 0o600)
                fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            raise ServiceUnavailable(f"the folder {scratch}", f"{error.strerror}.", "SPATIAL_ETL_SCRATCH") from error

    def remove(self) -> None:
        """Remove the folder and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def abandoned(scratch: Path) -> list[str]:
    """Names of the folders whose owner is gone."""
    if not scratch.is_dir():
        return []
    with _exclusive_access(scratch):
        return [folder.name for folder in sorted(scratch.iterdir()) if _OURS.fullmatch(folder.name) and not _is_alive(folder)]


def remove(scratch: Path, name: str) -> None:
    """Remove an abandoned folder; one that is gone is no error."""
    shutil.rmtree(scratch / name, ignore_errors=True)


@contextmanager
def _exclusive_access(scratch: Path) -> Iterator[None]:
    """Others must not look between the creation of a folder and of its lock: the folder would seem abandoned."""
    descriptor = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_alive(folder: Path) -> bool:
    try:
        with suppress(FileNotFoundError), (folder / "lock").open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True  # somebody works there, or it is another account's: not ours to remove
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return True
    return False
