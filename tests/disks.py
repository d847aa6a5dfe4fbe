"""Disks that are full: a folder on a small file system of its own, and something that takes what is left of it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BALLAST = "ballast"


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[None]:
    """Have a folder, with what is in it, on a file system of its own with some MiB to spare. Skips where none can be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    before = folder.with_name(f"{folder.name}-before")
    subprocess.run(["cp", "-a", folder, before], check=True)
    used = sum(path.lstat().st_blocks * 512 for path in before.rglob("*"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={used + mib * 1024 * 1024}", "tmpfs", folder]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk to fill cannot be mounted here, which takes root: {mounted.stderr.strip()}")
    try:
        subprocess.run(["cp", "-a", f"{before}/.", folder], check=True)
        shutil.rmtree(before)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, *, but: int) -> None:
    """Leave only some bytes of a folder's file system."""
    with (folder / BALLAST).open("wb") as ballast:
        free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
        while (rest := free - but - ballast.tell()) > 0:
            ballast.write(b"\0" * min(rest, 1024 * 1024))


def make_room(folder: Path) -> None:
    """Take the ballast away."""
    (folder / BALLAST).unlink()
