"""Seamless tables of MapInfo: a ``.tab`` whose records name other ``.tab`` files, which together are one layer.

For both sides of reading. GDAL follows these names wherever they lead. Here a table has to lie in the folder of the seamless
one or below it.
"""

import re
import struct
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from libs.spatial_utils.charset import charset_of

MAX_COMPONENTS = 5_000
_HEAD_BYTES = 1024 * 1024
_SEAMLESS = re.compile(rb'(?im)^\s*"\\IsSeamless"\s*=\s*"TRUE"')
_HEADER, _FIELD = 32, 32
_COLUMN = b"table"
_RECORDS = (".dat", ".dbf")
_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", **{f"windowslatin{n}": code for n, code in ((1, "cp1252"), (2, "cp1250"))}}
_CHARSETS |= {"windowscyrillic": "cp1251", "windowsgreek": "cp1253", "windowsturkish": "cp1254", "windowsbalticrim": "cp1257"}


def is_seamless(table: Path) -> bool:
    """Whether a ``.tab`` says that it is one."""
    with table.open("rb") as file:
        return _SEAMLESS.search(file.read(_HEAD_BYTES)) is not None


def component_names(table: Path) -> list[str]:
    """The names of the tables of a seamless one, as they stand in its records but with ``/``; none if it is an ordinary one."""
    if not is_seamless(table):
        return []
    records = next((found for suffix in _RECORDS if (found := _beside(table, suffix))), None)
    charset = _CHARSETS.get((charset_of(table) or "").lower())
    return [] if records is None else [_text(name, charset) for name in _names(records)]


def is_inside(name: str) -> bool:
    """Whether a name leads to the folder of the seamless table, or below it."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and ":" not in name and name.isprintable()


def find(folder: Path, name: str) -> Path | None:
    """The file of a name below a folder: in this case of letters, or else in another."""
    found = folder
    for part in PurePosixPath(name).parts:
        if not found.is_dir():
            return None
        same = sorted(each.name for each in found.iterdir() if each.name.casefold() == part.casefold())
        if not same:
            return None
        found /= part if part in same else same[0]
    return found if found.is_file() and not found.is_symlink() else None


def _beside(table: Path, suffix: str) -> Path | None:
    return next((file for file in table.parent.iterdir() if file.stem == table.stem and file.suffix.lower() == suffix), None)


def _names(records: Path) -> Iterator[bytes]:
    """The values of the column ``Table`` in a file of dBASE's layout; nothing where it is damaged."""
    with records.open("rb") as file:
        head = file.read(_HEADER)
        if len(head) < _HEADER:
            return
        count, header, size = struct.unpack("<4xIHH20x", head)
        place = _place_of_column(file.read(max(header - _HEADER, 0)))
        if place is None:
            return
        file.seek(header)
        for _ in range(min(count, MAX_COMPONENTS)):
            record = file.read(size)
            if len(record) < size:
                return
            if record[:1] != b"*":  # deleted
                yield record[place].partition(b"\0")[0].strip()


def _place_of_column(fields: bytes) -> slice | None:
    begin = 1  # behind the mark of deleted records
    for at in range(0, len(fields) - _FIELD + 1, _FIELD):
        name, length = fields[at : at + 11].partition(b"\0")[0], fields[at + 16]
        if name.lower() == _COLUMN:
            return slice(begin, begin + length)
        begin += length
    return None


def _text(name: bytes, charset: str | None) -> str:
    try:
        text = name.decode(charset or "utf-8")
    except UnicodeDecodeError:
        text = name.decode("latin-1")
    return text.replace("\\", "/")
