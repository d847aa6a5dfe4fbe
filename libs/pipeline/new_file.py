"""Files that people ask for outside the lake: made beside their place, and put there when they are whole."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from libs.models import Rejected


def require_room(target: Path, *, overwrite: bool) -> None:
    """Look, before any work, whether a file can get its place.

    Raises:
        Rejected: when there is no such folder, or something has the name and may not be replaced.
    """
    if not target.parent.is_dir():
        raise Rejected.because("export_no_folder", str(target), f"There is no folder {str(target.parent)!r}.",
                               "Make it first, or name a file in another folder.")  # fmt: skip
    if target.is_dir() or (os.path.lexists(target) and not overwrite):
        raise _exists(target)


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A path for the file in the making, on the disk where it is to be. A crash leaves a hidden folder there at most."""
    folder = target.with_name(f".{target.name[:100]}.{secrets.token_hex(4)}")
    folder.mkdir()
    try:
        yield folder / target.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def synced(path: Path) -> str:
    """Have a file's content on the disk. Returns its SHA-256."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def put(made: Path, target: Path, *, overwrite: bool) -> None:
    """Give a file that is whole its place.

    Raises:
        Rejected: when something has got the name meanwhile, and may not be replaced.
    """
    if overwrite:
        made.replace(target)
        return
    try:
        os.link(made, target)
    except FileExistsError as error:
        raise _exists(target) from error


def _exists(target: Path) -> Rejected:
    return Rejected.because("export_exists", str(target), "There is something of this name. It was left as it is.",
                            "Name another file, or say that this one may be replaced.")  # fmt: skip
