"""Getting whole content into files: written, copied or moved."""

import errno
import os
from pathlib import Path

from libs.storage.store import CHUNK, Moved, untold

_AT_ONCE = 64 * 1024 * 1024
"""Bytes that the kernel is asked to copy at a time."""


def write(descriptor: int, content: bytes) -> None:
    """Write all of it, however little the kernel takes at once."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def move(source: Path, name: str, parent: int) -> bool:
    """Give a file its place in a folder; its old name is the caller's to remove. False where that takes a copy.

    So it is on another file system, and of a file that is another account's.
    """
    with source.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(source, name, dst_dir_fd=parent)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}:
            raise
        return False
    return True


def copy(source: Path, descriptor: int, moved: Moved = untold) -> None:
    """Copy inside the kernel; file systems that can share blocks until one side is written do so."""
    with source.open("rb") as file:
        try:
            while octets := os.copy_file_range(file.fileno(), descriptor, _AT_ONCE):
                moved(octets)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:
                raise
        while piece := file.read(CHUNK):  # what the kernel would not copy
            write(descriptor, piece)
            moved(len(piece))
