"""The scratch folders of runs: one each, gone with the run. A lock, which the kernel frees, tells which are in use."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RUNS = "runs"
_MARK = "+"
"""For the number sign of a run's id: that one, and a percent sign to quote it, mean something in SQLite's file names."""


@contextmanager
def run_folder(scratch: Path, run_id: str) -> Iterator[Path]:
    """A fresh folder for a run, removed when the context ends."""
    folder = _folder(scratch, run_id)
    unlocked = folder.with_name(f".{folder.name}")  # it gets its name when it is locked: nobody may take it for a leftover before
    for left in (folder, unlocked):
        shutil.rmtree(left, ignore_errors=True)
    unlocked.mkdir(parents=True)
    with _lock(unlocked):
        unlocked.rename(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def leftovers(scratch: Path) -> list[str]:
    """The runs whose folders still exist although nobody works in them."""
    return sorted(folder.name.replace(_MARK, "#") for folder in (scratch / RUNS).glob("*") if not _is_in_use(folder))


def remove(scratch: Path, run_id: str) -> None:
    """Remove a run's folder, if there is one."""
    shutil.rmtree(_folder(scratch, run_id), ignore_errors=True)


def _folder(scratch: Path, run_id: str) -> Path:
    return scratch / RUNS / run_id.replace("#", _MARK)


@contextmanager
def _lock(folder: Path, how: int = fcntl.LOCK_EX) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _is_in_use(folder: Path) -> bool:
    try:
        with _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return False
    except BlockingIOError:
        return True
    except (FileNotFoundError, NotADirectoryError):
        return False
