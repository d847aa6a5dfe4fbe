"""Files that belong to a Shapefile and are missing, made again: the index from the shapes, a table of nothing but numbers.

Rules: ESRI Shapefile Technical Description (1998), "Organization of the Main File", "Organization of the Index File".
"""

import os
import shutil
import struct
from dataclasses import replace
from pathlib import Path

from libs.models import Problem, Rejected
from libs.spatial_utils.reading.locate import Located

_HEADER, _RECORD_HEADER, _WORD = 100, 8, 2
COLUMN = "row"
"""Of the table: the number of the shape, from 1."""
_DIGITS = 9


def completed(located: Located, folder: Path, where: str) -> Located:
    """The same files, each Shapefile that lacks a part in a folder of its own, with an index and a table.

    Args:
        located: Shapefiles, or MapInfo's interchange files, which are left alone: they may be the uploader's own.
        folder: To be made, on the same file system: hard links, and what is made.
        where: Place of the file, for problems.

    Raises:
        Rejected: ``damaged``, where the shapes cannot be numbered.
    """
    sources, warnings = [], []
    for index, (path, prefix) in enumerate(located.sources):
        beside = {file.suffix.lower() for file in path.parent.iterdir() if file.stem == path.stem}
        if path.suffix.lower() == ".mif":  # which is read without a table
            warnings += [] if ".mid" in beside else [_told(path, [".mid"], where)]
            sources.append((path, prefix))
            continue
        missing = [suffix for suffix in (".shx", ".dbf") if suffix not in beside]
        if missing:
            target = folder / str(index)
            target.mkdir(parents=True)
            for file in path.parent.iterdir():
                if file.stem == path.stem and file.is_file():
                    _link(file, target / file.name)
            _make(target / path.name, missing, where)
            warnings.append(_told(path, missing, where))
            path = target / path.name  # noqa: PLW2901 - the same file
        sources.append((path, prefix))
    if not folder.exists():
        return replace(located, warnings=(*located.warnings, *warnings))
    # the reading process sees one folder
    common = Path(os.path.commonpath([path.parent for path, _ in sources]))
    return replace(located, sources=tuple(sources), folder=common, warnings=(*located.warnings, *warnings))


def _make(shapes: Path, missing: list[str], where: str) -> None:
    records = _records(shapes, where)
    if ".shx" in missing:
        with shapes.open("rb") as file:
            header = bytearray(file.read(_HEADER))
        header[24:28] = struct.pack(">i", (_HEADER + _RECORD_HEADER * len(records)) // _WORD)
        shapes.with_suffix(".shx").write_bytes(bytes(header) + b"".join(struct.pack(">ii", *record) for record in records))
    if ".dbf" in missing:
        field = struct.pack("<11sc4xBB14x", COLUMN.encode(), b"N", _DIGITS, 0)
        length = 32 + len(field) + 1
        header_ = struct.pack("<4BIHH20x", 3, 100, 1, 1, len(records), length, 1 + _DIGITS)
        rows = b"".join(b" %*d" % (_DIGITS, number) for number in range(1, len(records) + 1))
        shapes.with_suffix(".dbf").write_bytes(header_ + field + b"\r" + rows + b"\x1a")


def _records(shapes: Path, where: str) -> list[tuple[int, int]]:
    """Where each shape begins, and how long it is, in words of two bytes: they follow each other without a gap."""
    records: list[tuple[int, int]] = []
    size = shapes.stat().st_size
    with shapes.open("rb") as file:
        header = file.read(_HEADER)
        end = struct.unpack(">i", header[24:28])[0] * _WORD if len(header) == _HEADER else -1
        at = _HEADER
        while at < end <= size:
            file.seek(at)
            number, length = struct.unpack(">ii", file.read(_RECORD_HEADER).ljust(_RECORD_HEADER, b"\xff"))
            # Some programs number from 0. The numbers say nothing that the order does not say.
            if number not in {len(records), len(records) + 1} or length < _WORD:
                break
            records.append((at // _WORD, length))
            at += _RECORD_HEADER + length * _WORD
    if at != end or len(records) >= 10**_DIGITS:
        raise Rejected.because(
            "damaged",
            where,
            f"The shapes of {shapes.name!r} cannot be numbered: after {len(records):,} of them the file does not go on as its "
            "head says.",
            "Upload the .shp again, with the .shx and the .dbf that belong to it.",
        )
    return records


def _told(path: Path, missing: list[str], where: str) -> Problem:
    made = {
        ".shx": "The index (.shx) was made again from the shapes.",
        ".mid": "Without a table (.mid) all attributes are null.",
        ".dbf": f"Without a table (.dbf) the features have no attributes, only their number, as {COLUMN!r}.",
    }
    return Problem(
        code="sidecars_made",
        where=where,
        message=f"{path.name!r} lacks files that belong to it. {' '.join(made[suffix] for suffix in missing)}",
        remedy=f"Upload them beside the {path.suffix.lower()}, if there are any.",
    )


def _link(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except OSError:  # a file system without links, or somebody else's file
        shutil.copyfile(file, target)
