"""The uploader's files under other names, without a copy where the file system has links."""

import os
import shutil
from pathlib import Path


def link(file: Path, target: Path) -> None:
    """Make a file appear under another name too, on the same file system."""
    try:
        os.link(file, target)
    except OSError:  # a file system without links, or somebody else's file
        shutil.copyfile(file, target)
