"""Files that belong to a Shapefile or a MIF and are missing, made again: the index from the shapes, a table of mere numbers.

Rules: ESRI Shapefile Technical Description (1998), "Organization of the Main File", "Organization of the Index File"; MapInfo
Reference, "MapInfo Data Interchange Format".
"""

import os
import re
import struct
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from libs.models import Problem, Rejected
from libs.spatial_utils.reading.links import link
from libs.spatial_utils.reading.locate import Located
from libs.spatial_utils.siblings import Folders

_HEADER, _RECORD_HEADER, _WORD = 100, 8, 2
COLUMN = "row"
"""Of the table: the number of the shape, from 1."""
_DIGITS = 9
_MID = ".mid"
_MIF_COLUMNS, _MIF_DATA = re.compile(rb"(?i)\s*columns\s+(\d+)"), re.compile(rb"(?i)\s*data\s*$")
_MIF_OBJECT = re.compile(
    rb"(?i)\s*(?:point|line|pline|region|arc|text|rect|roundrect|ellipse|multipoint|none|collection(?:\s+(\d+))?)\b"
)
"""How an object begins. A collection is followed by the number of its parts, each of which begins like an object."""


def completed(located: Located, parts: Collection[str], folder: Path, where: str) -> Located:
    """The same files in a folder of their own, each with an index and a table.

    Args:
        located: Shapefiles or MIFs, which are left alone: they may be the uploader's own.
        parts: Extensions of what is made.
        folder: To be made, on the same file system: hard links, and what is made.
        where: Place of the file, for problems.

    Raises:
        Rejected: ``damaged``, where the shapes cannot be numbered.
    """
    sources, warnings, folders = [], [], Folders()
    for index, (path, prefix) in enumerate(located.sources):
        own = [file for name in folders.beside(path) if (file := path.with_name(name)).stem == path.stem]
        beside = {file.suffix.lower() for file in own}
        missing = [suffix for suffix in sorted(parts, reverse=True) if suffix not in beside]
        if missing:
            target = folder / str(index)
            target.mkdir(parents=True)
            for file in own:
                if file.is_file():
                    link(file, target / file.name)
            if missing == [_MID]:
                _make_numbered(path, target / path.name)
            else:
                _make(target / path.name, missing, where)
            warnings.append(_told(path, missing, where))
            path = target / path.name  # noqa: PLW2901 - the same file
        sources.append((path, prefix))
    if not warnings:
        return located
    # the reading process sees one folder
    common = Path(os.path.commonpath([path.parent for path, _ in sources]))
    return replace(located, sources=tuple(sources), folder=common, warnings=(*located.warnings, *warnings))


def _make_numbered(path: Path, target: Path) -> None:
    """Write a MIF again with the number as its only column, and the table with the numbers."""
    target.unlink()  # a link to the uploader's own file
    with path.open("rb") as source, target.open("xb") as made, target.with_suffix(_MID).open("xb") as table:
        columns = count = parts = 0
        for line in source:
            if found := _MIF_COLUMNS.match(line):
                columns = int(found[1])
                made.write(b"Columns 1\r\n  " + COLUMN.encode() + b" Integer\r\n")
            elif columns and line.strip():
                columns -= 1
            else:
                made.write(line)
            if _MIF_DATA.match(line):
                break
        for line in source:
            made.write(line)
            if found := _MIF_OBJECT.match(line):
                if parts:
                    parts -= 1
                    continue
                count += 1
                table.write(b"%d\r\n" % count)
                parts = int(found[1] or 0)


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
        _MID: f"Without a table (.mid) the features have no attributes, only their number, as {COLUMN!r}.",
        ".dbf": f"Without a table (.dbf) the features have no attributes, only their number, as {COLUMN!r}.",
    }
    return Problem(
        code="sidecars_made",
        where=where,
        message=f"{path.name!r} lacks files that belong to it. {' '.join(made[suffix] for suffix in missing)}",
        remedy=f"Upload them beside the {path.suffix}, if there are any.",
    )
