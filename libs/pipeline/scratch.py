"""The scratch folders of runs: one each, gone with the run. A lock, which the kernel frees, tells which are in use."""

import fcntl
import os
import re
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from libs.disk import is_full
from libs.models import Problem, ServiceUnavailable
from libs.models.settings import RUNS

_MARK = "+"
"""For the number sign of a run's id: that one, and a percent sign to quote it, mean something in SQLite's file names."""
_LEAST = 16 * 1024 * 1024
"""Bytes: where less is free, no batch can work."""
_OURS = re.compile(rf"\.?(?:.+{re.escape(_MARK)}[0-9]+|(?:replay|catalog|export)-[0-9a-f]+)", re.DOTALL)
"""What the folder of a run is called: scratch may be a folder in which others have one called ``runs``, too."""


@contextmanager
def run_folder(scratch: Path, run_id: str) -> Iterator[Path]:
    """A fresh folder for a run, removed when the context ends.

    Raises:
        ServiceUnavailable: when it cannot be made.
    """
    folder = _folder(scratch, run_id)
    unlocked = folder.with_name(f".{folder.name}")  # it gets its name when it is locked: nobody may take it for a leftover before
    for left in (folder, unlocked):
        shutil.rmtree(left, ignore_errors=True)
    try:
        unlocked.mkdir(parents=True)
    except OSError as error:
        raise _unavailable(scratch, error) from error
    with _lock(unlocked):
        unlocked.rename(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def check(scratch: Path) -> None:
    """Make sure that runs can have their folders, before one is begun.

    Raises:
        ServiceUnavailable: when they cannot.
    """
    try:
        (scratch / RUNS).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=scratch / RUNS).close()
    except OSError as error:
        raise _unavailable(scratch, error) from error


def too_small(scratch: Path, error: Exception) -> Problem | None:
    """What to say of a run that filled scratch, once its folder is gone. Others can go on.

    Returns:
        None for another error, and where scratch is as good as full without the run: no other could work then, either.
    """
    if not is_full(error):
        return None
    _let_go(error)
    free = shutil.disk_usage(scratch).free
    if free < _LEAST:
        return None
    return Problem(
        code="scratch_full", where="files",
        message=f"The batch needs more room for temporary files than there is: {free:,} bytes are free in scratch without it.",
        remedy="Split the batch into smaller ones; or make room on the disk of scratch, or set SPATIAL_ETL_SCRATCH to one "
        "on a larger disk. Then upload the manifest again.",
    )  # fmt: skip


def _let_go(error: BaseException | None) -> None:
    """Let the failed calls, which the error remembers, let go of their files: what is removed takes space until then."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def leftovers(scratch: Path) -> list[str]:
    """The runs whose folders still exist although nobody works in them."""
    found = (folder for folder in (scratch / RUNS).glob("*") if _OURS.fullmatch(folder.name))
    return sorted(folder.name.replace(_MARK, "#") for folder in found if not _is_in_use(folder))


def remove(scratch: Path, run_id: str) -> None:
    """Remove a run's folder, if there is one."""
    shutil.rmtree(_folder(scratch, run_id), ignore_errors=True)


def _folder(scratch: Path, run_id: str) -> Path:
    return scratch / RUNS / run_id.replace("#", _MARK)


def _unavailable(scratch: Path, error: OSError) -> ServiceUnavailable:
    return ServiceUnavailable(f"the folder {scratch}", f"{error.strerror}.", "SPATIAL_ETL_SCRATCH")


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
