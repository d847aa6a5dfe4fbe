"""What GDAL does not tell of a Shapefile: whether its parts are whole and agree, and how its text is encoded.

The layout is that of Esri's Shapefile Technical Description (July 1998) and of dBASE III. A truncated ``.shp`` would be read as
features without geometry.
"""

import array
import operator
import os
import struct
import sys
from pathlib import Path

from libs.spatial_utils.child.gdal import Gdal
from libs.spatial_utils.child.shapefile.layout import check_table, layout_of, truncated
from libs.spatial_utils.child.source import Notes, Unreadable
from libs.spatial_utils.child.text import Decoder

DRIVER = "ESRI Shapefile"
HEADER_BYTES = 100
INDEX_ENTRY_BYTES = 8
_INTEGER_DIGITS = 18
_CHUNK_RECORDS = 65_536


class Odd(Exception):  # noqa: N818 - what they are
    """Records, or their spelling, that are not as usual: for GDAL to read."""


def check(path: Path) -> None:
    """Check that the parts of a Shapefile, or a ``.dbf`` alone, are whole, agree on the records, and can be read without loss.

    Raises:
        Unreadable: ``truncated``, ``count_mismatch``, ``damaged`` or ``unsupported_field``.
    """
    table = part(path, ".dbf")
    records = check_table(table) if table is not None else None
    index = part(path, ".shx")
    if path.suffix.lower() == ".dbf" or index is None:
        return
    exact = _check_length(path)
    _check_length(index)
    entries = array.array("i")
    with index.open("rb") as file:
        file.seek(HEADER_BYTES)
        content = file.read()
    entries.frombytes(content[: len(content) // INDEX_ENTRY_BYTES * INDEX_ENTRY_BYTES])
    if sys.byteorder == "little":
        entries.byteswap()
    shapes = len(entries) // 2
    if records is not None and records != shapes:
        raise Unreadable(
            "count_mismatch",
            f"{path.name} has {shapes:,} shapes, but {table.name if table else ''} has {records:,} records.",
            "Upload the files of one and the same Shapefile again.",
        )
    # In words of 16 bits: where a shape begins, and how long it is after its own header of 4 words.
    reach = max(map(operator.add, entries[::2], entries[1::2]), default=0) * 2 + 8
    # Some writers leave out the optional measures and still count them in the index: then the file ends where its header says.
    if shapes and reach > path.stat().st_size and not exact:
        raise truncated(path, path.stat().st_size, reach)


def decoder(gdal: Gdal, layer: int, encoding: str | None, notes: Notes) -> Decoder:
    """The decoder of a layer that was opened without GDAL's own decoding."""

    def said(key: bytes) -> str | None:
        value = gdal.GDALGetMetadataItem(layer, key, b"SHAPEFILE")
        return value.decode("utf-8", "replace") if value else None

    if encoding is not None:
        return Decoder(encoding, "the manifest", notes)
    if page := said(b"CPG_VALUE"):
        return Decoder(page.strip(), "the .cpg file", notes)
    if page := said(b"ENCODING_FROM_LDID"):
        # Language driver 87 means "ANSI" of Windows: its Western code page, of which Latin-1 lacks quotation marks and the euro
        return Decoder("cp1252" if said(b"LDID_VALUE") == "87" else page, "the .dbf header", notes)
    return Decoder(None, "", notes)


def has_wide_integers(path: Path) -> bool:
    """Whether a number column has no decimals and more digits than GDAL's integers: read as they come, digits would be lost."""
    table = part(path, ".dbf")
    if table is None:
        return False
    fields = layout_of(table).fields
    return any(field.whole and field.end - field.begin > _INTEGER_DIGITS for field in fields)


def deleted_records(path: Path) -> int:
    """Records of a Shapefile's or a MapInfo table that are marked as deleted: every program passes over their features."""
    table = part(path, ".dat" if path.suffix.lower() == ".tab" else ".dbf")
    if table is None:
        return 0
    with table.open("rb") as file:
        count, header, size = struct.unpack("<4xIHH", file.read(12))
        file.seek(header)
        deleted = 0
        while count > 0 and (chunk := file.read(size * min(count, _CHUNK_RECORDS))):
            deleted += chunk[::size].count(b"*")
            count -= _CHUNK_RECORDS
    return deleted


def part(path: Path, extension: str) -> Path | None:
    """The file of the same stem with this extension, in whatever case."""
    return next(
        (file for file in sorted(path.parent.iterdir()) if file.stem == path.stem and file.suffix.lower() == extension), None
    )


def bytes_at(path: Path, position: int, size: int) -> bytes:
    """Some bytes of a part.

    Raises:
        Odd: when it ends before.
    """
    with path.open("rb", buffering=0) as file:
        found = os.pread(file.fileno(), size, position)
    if len(found) < size:
        raise Odd(f"the end of {path.name} is missing")
    return found


def _check_length(path: Path) -> bool:
    """The header says how long the file is, in words of 16 bits. Whether it is exactly that long."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        raise truncated(path, size, HEADER_BYTES)
    (words,) = struct.unpack(">24xI72x", header)
    if size < words * 2:
        raise truncated(path, size, words * 2)
    return bool(size == words * 2)
