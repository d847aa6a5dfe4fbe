"""Which format a manifest should name for a local file: judged by its extension, its first bytes, and what an archive holds.

A proposal, like one that a person writes into a manifest: reading checks it.
"""

import json
import os
import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from libs.pipeline.upload import DeliveryError
from libs.spatial_utils.archive import MAX_NESTED
from libs.spatial_utils.archive_members import COMPRESSED, ERRORS, Member, is_archive, members, zipped
from libs.spatial_utils.documents import is_document_by
from libs.spatial_utils.formats import FORMATS, KNOWN_BUT_NOT_READ, WHAT_TO_DO, Format, find_format, formats_of
from libs.spatial_utils.sniffing import HEAD_BYTES, Kind, kind_of, kind_of_bytes

_TEXTS = frozenset({Kind.TEXT, Kind.TEXT_UTF16})
_TELLING = frozenset(Kind) - {*_TEXTS, Kind.XML, Kind.SQLITE, Kind.FOLDER, Kind.BINARY}
"""What is of one format, or of a few of which the reading tells the right one."""
_PARQUET_END = 8
_PARQUET_GEOMETRY = re.compile(rb"\x18\x03geo|[\x1c-\x9c]\x0c(?:\x22[\x00\x18]|\x24[\x00\x18\x25])")
"""In Thrift's compact protocol: the key ``geo``, and a LogicalType whose member is 17 or 18, GEOMETRY or GEOGRAPHY."""


def format_of(path: Path) -> Format:
    """The format of a local file, by its extension, or by those inside an archive.

    Where one extension serves several formats (``.json``, ``.tab``), any text (``.txt``) or none, the first bytes decide.

    Raises:
        DeliveryError: when neither says it.
    """
    extension = path.suffix.lower()
    if path.is_dir() and extension != ".gdb":
        raise DeliveryError(f"{path.name} is a folder. Name the files in it; the only format that is a folder is FileGDB (.gdb).")
    if extension in {".zip", *COMPRESSED} and is_archive(path):
        return _format_in_archive(path)
    if extension == ".kmz":
        return find_format("KMZ", "format")
    candidates = [entry for entry in FORMATS if extension in entry.extensions and entry.folder == path.is_dir()]
    if candidates == [find_format("HTML", "format")] and kind_of(path) is Kind.HTML:  # a page without data, as most are
        candidates = []
    if not candidates and (remedy := KNOWN_BUT_NOT_READ.get(extension.removeprefix("."))):
        raise DeliveryError(f"{path.name}: files of this format are not read. {remedy}")
    if len(candidates) == 1 and (_TEXTS | {Kind.SQLITE}).isdisjoint(candidates[0].kinds):
        return candidates[0]
    return _format_by_content(path, candidates)


def _format_by_content(path: Path, candidates: list[Format]) -> Format:
    """The format of a file by its first bytes, as far as they tell; of those that its extension allows, if it is no mere text."""
    kind = kind_of(path)
    if kind is Kind.SQLITE and _says_geopackage(path):
        return find_format("GPKG", "format")
    alike = formats_of(kind, candidates)
    if not alike and kind in _TELLING and (not candidates or not _TEXTS.isdisjoint(candidates[0].kinds)):
        alike = formats_of(kind)
    if kind is Kind.JSON and _has_one_object_a_line(path):
        alike = [entry for entry in alike if Kind.JSON_SEQUENCE in entry.kinds] or alike
    if alike or candidates:
        return (alike or candidates)[0]
    if remedy := WHAT_TO_DO.get(kind):
        raise DeliveryError(f"{path.name} looks like {kind.value}. {remedy}")
    known = sorted({known for entry in FORMATS for known in entry.extensions} | {".kmz", ".zip", *COMPRESSED})
    raise DeliveryError(
        f"{path.name}: the extension does not say what it is, and it looks like {kind.value}. Known: {' '.join(known)}.",
        format_helps=True,
    )


def _says_geopackage(path: Path) -> bool:
    """Whether a database says that it is a GeoPackage (OGC 12-128r18, requirement 2; versions 1.0 and 1.1 say it otherwise)."""
    with path.open("rb") as file:
        return file.read(72)[68:] in {b"GPKG", b"GP10", b"GP11"}


def _has_one_object_a_line(path: Path) -> bool:
    """Whether the first line is a JSON object, and another one begins in the next."""
    with path.open("rb") as file:
        first, _, rest = file.read(HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    if not rest.lstrip().startswith(b"{"):
        return False
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _format_in_archive(path: Path) -> Format:
    """The format of what an archive holds: by extension and first bytes. The format that is easiest to tell apart comes first."""
    names: list[str] = []
    try:
        with members(path) as archive:
            found = [*_formats_held(archive, names)]
    except ERRORS as error:
        raise DeliveryError(f"{path.name} cannot be opened as an archive: {error}.") from error
    if not found and (inner := [name for name in names if PurePosixPath(name).suffix.lower() in {".zip", *COMPRESSED}]):
        raise DeliveryError(f"{path.name} holds another archive, {inner[0]}. Unpack it, and submit the inner one.")
    if not found:
        raise DeliveryError(f"{path.name} holds no data of a known format. It holds: {', '.join(names[:5])}.", format_helps=True)
    # The order of the formats decides, not that of the archive.
    return min(found, key=lambda held: (held[1] is None, _likeness(held[0]), held[1] or 0, FORMATS.index(held[0])))[0]


def _formats_held(archive: Iterator[Member], names: list[str], depth: int = 0) -> Iterator[tuple[Format, int | None]]:
    """The formats that the extensions in an archive stand for; ``names`` grows.

    Each with the place of what the first bytes look like among the format's kinds; None where they do not agree.
    """
    for member in archive:
        names.append(member.name)
        name = PurePosixPath(member.name)
        folders = name.parts if member.is_folder else name.parts[:-1]
        if name.suffix.lower() == ".gdbtable" or any(PurePosixPath(part).suffix.lower() == ".gdb" for part in folders):
            yield find_format("FileGDB", "format"), 0  # a folder
            continue
        if name.suffix.lower() == ".zip":
            yield from _delivered_in(member, depth + 1)
            continue
        candidates = [entry for entry in FORMATS if name.suffix.lower() in entry.extensions and not entry.folder]
        if member.is_folder or not candidates or any(part.startswith((".", "__MACOSX")) for part in name.parts):
            continue
        with member.open() as file:
            head = file.read(HEAD_BYTES)
        if name.suffix.lower() == ".csv" or not head or not is_document_by(name.name, head):
            kind = kind_of_bytes(head)
            yield from ((entry, entry.kinds.index(kind) if kind in entry.kinds else None) for entry in candidates)


def _delivered_in(member: Member, depth: int) -> Iterator[tuple[Format, int | None]]:
    """The format of an archive within an archive, if it is one that is delivered so."""
    with member.open() as file:
        if depth > MAX_NESTED or not file.seekable():
            return
        try:
            with zipfile.ZipFile(file) as archive:
                found = _formats_held(zipped(archive), [], depth)
                delivered = next((held for held in found if held[0].nested and held[1] is not None), None)
        except ERRORS:  # reading says what is wrong with it
            return
    if delivered:
        yield delivered


def _likeness(entry: Format) -> int:
    """How easily other data is taken for a format: 0 if its first bytes are its own, 1 if it is JSON or XML, 2 if any text.

    Rasters come behind layers, which they often illustrate; pictures come last.
    """
    if Kind.TEXT in entry.kinds:
        return 2
    if entry.raster:
        return 3 + entry.is_picture
    return int(not {Kind.JSON, Kind.XML, Kind.DBASE}.isdisjoint(entry.kinds))


def is_plain_table(path: Path) -> bool:
    """Whether a Parquet file's footer names no geometry, neither in its metadata nor in its types.

    This looks for bytes that every footer with a geometry has. Only the reading process parses files of unknown origin.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _PARQUET_END, 0))
        end = file.read()
        if len(end) < _PARQUET_END or end[4:] != b"PAR1":
            return False
        (length,) = struct.unpack("<I", end[:4])
        file.seek(max(size - _PARQUET_END - length, 0))
        footer = file.read(length)
    return _PARQUET_GEOMETRY.search(footer) is None
