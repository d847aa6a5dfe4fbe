"""MapInfo files whose character set the manifest overrules."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from libs.spatial_utils.charset import charset_of, neutral_head
from libs.spatial_utils.reading.locate import Located

DRIVER = "MapInfo File"


def without_charset(located: Located, folder: Path) -> Located:
    """The same files in a folder of their own, naming no character set, so that GDAL leaves text as it is.

    Args:
        located: The files, which are left alone: they may be the uploader's own.
        folder: To be made, on the same file system. Main files are written again there; the others are hard links.
    """
    if all(charset_of(path) is None for path, _ in located.sources):
        return located
    sources = []
    for index, (path, prefix) in enumerate(located.sources):
        target = folder / str(index)
        target.mkdir(parents=True)
        head, length = neutral_head(path)
        with path.open("rb") as source, (target / path.name).open("xb") as copy:
            copy.write(head)
            source.seek(length)
            shutil.copyfileobj(source, copy)
        for file in path.parent.iterdir():
            if file.stem == path.stem and file != path and file.is_file():
                _link(file, target / file.name)
        sources.append((target / path.name, prefix))
    return replace(located, sources=tuple(sources), folder=folder)


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except OSError:  # a file system without links, or somebody else's file
        shutil.copyfile(file, target)
