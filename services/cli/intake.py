"""From files on somebody's disk to the entries of a manifest: formats by extension, sidecars, archives, parameters."""

import getpass
import json
import lzma
import os
import re
import secrets
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import typer

from libs.models import FileType, landing_key, parse_manifest
from libs.models.base import ID_PATTERN
from libs.pipeline.naming import slug
from libs.spatial_utils.documents import is_document_by
from libs.spatial_utils.formats import FORMATS, Format, find_format
from libs.spatial_utils.sniffing import HEAD_BYTES, Kind, kind_of, kind_of_bytes

COORDINATES = (
    ("lon", "lat"), ("long", "lat"), ("lng", "lat"), ("longitude", "latitude"), ("x", "y"), ("easting", "northing"),
    ("coord_x", "coord_y"), ("x_coord", "y_coord"),
)  # fmt: skip
"""Names that people give to columns with coordinates, compared without case."""

MAX_HEADER = 100_000
"""Characters: a longer first line is no header."""

_PARQUET_END = 8
_PARQUET_GEOMETRY = re.compile(rb"\x18\x03geo|[\x1c-\x9c]\x0c(?:\x22[\x00\x18]|\x24[\x00\x18\x25])")
"""In Thrift's compact protocol: the key ``geo``, and a LogicalType whose member is 17 or 18, GEOMETRY or GEOGRAPHY."""


@dataclass(frozen=True)
class Upload:
    """A file of the batch on its way to the landing zone.

    Attributes:
        path: On the disk.
        key: Below the batch's folder; sidecars go beside it.
        format: What the manifest calls it.
    """

    path: Path
    key: str
    format: Format

    def entry(self, csv_options: Mapping[str, Any]) -> dict[str, Any]:
        """What the manifest says of the file, but for its path and what is said of all files."""
        if self.format.name == "GeoParquet" and self.path.is_file() and _is_plain_table(self.path):
            return {"type": FileType.TABULAR, "format": self.format.name}
        if self.format.name != "CSV":
            return {"type": FileType.VECTOR, "format": self.format.name}
        located = csv_options.keys() & {"x", "y", "wkt"}
        kind = FileType.VECTOR if located else FileType.TABULAR
        return {"type": kind, "format": self.format.name, **given(options=dict(csv_options))}


def uploads(paths: Sequence[Path], file_format: str | None) -> list[Upload]:
    """The files of a batch, each with its format and a key of its own.

    Args:
        paths: Files, or folders of a FileGDB.
        file_format: As a person named it, for all of them; None: by extension.

    Raises:
        typer.BadParameter: when a file's extension says nothing.
        Rejected: when the format that was named is unknown.
    """
    found: list[Upload] = []
    taken: set[str] = set()
    for number, path in enumerate(paths, 1):
        name = path.resolve().name
        if name.casefold() in taken:  # files of one name from several folders, sidecars included, must not overwrite each other
            name = f"{number}/{name}"
        taken.add(name.casefold())
        chosen = find_format(file_format, "--format") if file_format else format_of(path)
        found.append(Upload(path.resolve(), name, chosen))
    return found


def places(files: Iterable[Path], manifest: bytes, bucket: str) -> list[tuple[Path, Format, str]]:
    """Where the files of a manifest are to lie: each with its format, and its folder in the landing zone.

    Args:
        files: On the disk; each has the name of one that the manifest names.
        manifest: As it will be uploaded.
        bucket: Name of the landing zone.

    Raises:
        Rejected: when the manifest is wrong.
        typer.BadParameter: when it names no such file, or several.
    """
    named: dict[str, dict[str, str]] = {}
    for spec in parse_manifest(manifest, landing_bucket=bucket).files:
        folder, _, name = landing_key(spec.path, bucket).rpartition("/")
        named.setdefault(name, {})[folder] = spec.format
    found = []
    for file in files:
        folders = named.get(file.name, {})
        if len(folders) != 1:
            said = f"names {len(folders)} files of this name" if folders else f"names other files: {', '.join(sorted(named))}"
            raise typer.BadParameter(f"{file.name}: the manifest {said}.", param_hint="FILE")
        ((folder, format_),) = folders.items()
        found.append((file.resolve(), find_format(format_, "format"), folder))
    return found


def given(**values: Any) -> dict[str, Any]:
    """Those that have a value: a manifest leaves out what nobody said."""
    return {name: value for name, value in values.items() if value not in (None, {})}


def new_batch_id(path: Path) -> str:
    """A name for a batch: the first file's, the time, and something random for those who start two in a second."""
    stem = slug(path.resolve().name.split(".", 1)[0]).strip("_-")[:64] or "batch"
    return f"{stem}-{datetime.now().astimezone():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def batch_id_of(manifest: bytes) -> str | None:
    """The name that a manifest gives its batch; None when it gives none that can be one. What else is wrong, processing says."""
    try:
        content = json.loads(manifest)
    except (ValueError, RecursionError):
        return None
    name = content.get("batch_id") if isinstance(content, dict) else None
    return name if isinstance(name, str) and re.match(ID_PATTERN, name) else None


def user() -> str:
    """The name that the uploader is recorded by."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a process without an entry in the user database, as in a container
        return "unknown"


def format_of(path: Path) -> Format:
    """The format that a manifest should name for a file, judged by its extension, or by those inside an archive.

    Where one extension serves several formats (``.json``, ``.tab``), the first bytes decide. That is a proposal, like one
    that a person writes into a manifest: reading checks it.

    Raises:
        typer.BadParameter: when the extension says nothing.
    """
    extension = path.suffix.lower()
    if path.is_dir() and extension != ".gdb":
        raise typer.BadParameter(
            f"{path.name} is a folder. Name the files in it; the only format that is a folder is FileGDB (.gdb)."
        )
    if extension == ".zip" and path.is_file():
        return _format_in_archive(path)
    if extension == ".kmz":
        return find_format("KMZ", "--format")
    candidates = [entry for entry in FORMATS if extension in entry.extensions and entry.folder == path.is_dir()]
    if not candidates:
        known = sorted({known for entry in FORMATS for known in entry.extensions} | {".kmz", ".zip"})
        raise typer.BadParameter(
            f"{path.name}: the extension does not say what it is. Name its format by --format. Known: {' '.join(known)}"
        )
    if len(candidates) > 1:
        kind = kind_of(path)
        candidates = [entry for entry in candidates if kind in entry.kinds] or candidates
    return candidates[0]


def _format_in_archive(path: Path) -> Format:
    """The format of what an archive holds: by extension and first bytes. What no other format looks like comes first."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            found = [*_formats_held(archive)]
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise typer.BadParameter(f"{path.name} cannot be opened as a ZIP archive: {error}.") from error
    if not found:
        raise typer.BadParameter(
            f"{path.name} holds no data of a known format. It holds: {', '.join(names[:5])}. Name the format by --format."
        )
    # The order of the formats decides, not that of the archive.
    return min(found, key=lambda held: (not held[1], _likeness(held[0]), FORMATS.index(held[0])))[0]


def _formats_held(archive: zipfile.ZipFile) -> Iterator[tuple[Format, bool]]:
    """The formats that the extensions in an archive stand for, and whether the first bytes are of that format, too."""
    for info in archive.infolist():
        name = PurePosixPath(info.filename)
        if any(PurePosixPath(part).suffix.lower() == ".gdb" for part in name.parts[:-1]) or info.filename.endswith(".gdb/"):
            yield find_format("FileGDB", "--format"), True  # a folder
            continue
        candidates = [entry for entry in FORMATS if name.suffix.lower() in entry.extensions and not entry.folder]
        if info.is_dir() or not candidates or any(part.startswith((".", "__MACOSX")) for part in name.parts):
            continue
        with archive.open(info) as file:
            head = file.read(HEAD_BYTES)
        if name.suffix.lower() == ".csv" or not head or not is_document_by(name.name, head):
            kind = kind_of_bytes(head)
            yield from ((entry, kind in entry.kinds) for entry in candidates)


def _likeness(entry: Format) -> int:
    """How much that is not of a format looks like it: its first bytes are its own, or those of JSON and XML, or of any text."""
    if entry.kinds & {Kind.TEXT, Kind.TEXT_UTF16}:
        return 2
    return int(bool(entry.kinds & {Kind.JSON, Kind.XML, Kind.DBASE}))


def _is_plain_table(path: Path) -> bool:
    """Whether a Parquet file's footer says nothing of a geometry, in its metadata or its types.

    Only such bytes are looked for as are there for certain if it does: parsing what nobody vouches for is the reading process's.
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


def coordinate_columns(path: Path) -> tuple[str, str] | None:
    """The columns of a CSV that by their names are most likely coordinates, for a hint; None when none look like it.

    A hint only: what is loaded says the one who uploads, and a name is no proof.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            header = file.readline(MAX_HEADER)
    except OSError:
        return None
    names = {name.strip().strip('"').casefold(): name.strip().strip('"') for name in re.split(r"[,;\t|]", header)}
    return next(((names[x], names[y]) for x, y in COORDINATES if x in names and y in names), None)


def parameters(pairs: Iterable[str]) -> dict[str, Any]:
    """``--param`` values: ``tolerance=5`` gives a number, ``name=Elm Street`` a text, ``bbox=[1,2,3,4]`` a list.

    Raises:
        typer.BadParameter: without a ``=``, or for a name given twice.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise typer.BadParameter(f"{pair!r} is not of the form NAME=VALUE.", param_hint="--param")
        if name in values:
            raise typer.BadParameter(f"{name!r} is given twice.", param_hint="--param")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values
