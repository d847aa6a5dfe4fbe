"""MapInfo files whose character set the manifest overrules."""

import shutil
from dataclasses import replace
from pathlib import Path

from libs.spatial_utils.charset import charset_of, neutral_head
from libs.spatial_utils.reading.links import link
from libs.spatial_utils.reading.locate import Located
from libs.spatial_utils.reading.seamless import components

DRIVER = "MapInfo File"


def without_charset(located: Located, folder: Path, where: str) -> Located:
    """The same files in a folder of their own, naming no character set, so that GDAL leaves text as it is.

    Args:
        located: The files, which are left alone: they may be the uploader's own.
        folder: To be made, on the same file system. Main files are written again there; the others are hard links.
        where: Place of the file, for problems.
    """
    tables = {path: [path, *dict.fromkeys(components(path, where))] for path, _ in located.sources}
    if all(charset_of(table) is None for of_one in tables.values() for table in of_one):
        return located
    sources = []
    for index, (path, prefix) in enumerate(located.sources):
        target = folder / str(index)
        for table in tables[path]:
            _make(table, target / table.parent.relative_to(path.parent))
        sources.append((target / path.name, prefix))
    return replace(located, sources=tuple(sources), folder=folder)


def _make(table: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    head, length = neutral_head(table)
    with table.open("rb") as source, (target / table.name).open("xb") as copy:
        copy.write(head)
        source.seek(length)
        shutil.copyfileobj(source, copy)
    for file in table.parent.iterdir():
        if file.stem == table.stem and file != table and file.is_file():
            link(file, target / file.name)
