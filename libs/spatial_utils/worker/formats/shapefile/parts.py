"""What GDAL does not tell of a Shapefile: whether its parts are whole and agree, and how its text is encoded.

The layout is that of Esri's Shapefile Technical Description (July 1998) and of dBASE III. A truncated ``.shp`` would be read as
features without geometry.

No upstream issue is known (GDAL 3.12.4).
"""

import array
import codecs
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.formats.dbase_records import part
from libs.spatial_utils.worker.formats.shapefile.layout import check_table, layout_of, truncated
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.values.text import Decoder

HEADER_BYTES = 100
INDEX_ENTRY_BYTES = 8
_INTEGER_DIGITS = 18
_LONGEST_PROJECTION = 64 * 1024
_RECORD_HEADER_WORDS, _RECORD_BYTES = 4, 12
"""A record of a shape: its header; with the shape's type, the least that it has."""
_REPAIR = "Open and save the Shapefile with the program that made it, or upload its files again."


class FastPathUnsupported(Exception):  # noqa: N818 - what they are
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
    exact = _length(path) == path.stat().st_size
    entries = _entries(index)
    shapes = len(entries) // 2
    if records is not None and records != shapes:
        raise Unreadable(
            "count_mismatch",
            f"{path.name} has {shapes:,} shapes, but {table.name if table else ''} has {records:,} records.",
            "Upload the files of one and the same Shapefile again. For the shapes alone, leave out .dbf and .shx, and write "
            '"missing_sidecars": "allow".',
        )
    # In words of 16 bits: where a shape begins, and where it ends, its own header of 4 words included.
    begins, lengths = integers(entries[::2]), integers(entries[1::2])
    ends = pc.add(pc.add(begins.cast(pa.int64()), lengths), _RECORD_HEADER_WORDS)
    reach = (pc.max(ends).as_py() or HEADER_BYTES // 2) * 2
    # Some writers leave out the optional measures and still count them in the index: then the file ends where its header says.
    if reach > path.stat().st_size and not exact:
        raise truncated(path, path.stat().st_size, reach)
    jumps = pc.indices_nonzero(pc.not_equal(begins[1:], ends[:-1])).to_pylist()
    if jumps:
        _check_places(path, begins, lengths, [0, *(jump + 1 for jump in jumps)])
    _check_end(path, shapes, reach)


def integers(numbers: "array.array[int]") -> pa.Int32Array:
    """Numbers of an index."""
    return pa.Array.from_buffers(pa.int32(), len(numbers), [None, pa.py_buffer(numbers)])


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


def projection(path: Path) -> dict[str, str] | None:
    """What the ``.prj``, or QGIS's ``.qpj``, says of the CRS where GDAL makes nothing of it; see ``LayerReader``.

    GDAL reads WKT 1 only, as ArcGIS writes it. Others write WKT 2, a PROJ string or a code.
    """
    for extension in (".prj", ".qpj"):
        file = part(path, extension)
        raw = bytes_at(file, 0, min(file.stat().st_size, _LONGEST_PROJECTION)) if file else b""
        utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        if text := raw.decode("utf-16" if utf16 else "utf-8-sig", "replace").strip():
            return {"text": text}
    return None


def bytes_at(path: Path, position: int, size: int) -> bytes:
    """Some bytes of a part.

    Raises:
        FastPathUnsupported: when it ends before.
    """
    with path.open("rb", buffering=0) as file:
        found = os.pread(file.fileno(), size, position)
    if len(found) < size:
        raise FastPathUnsupported(f"the end of {path.name} is missing")
    return found


def _check_places(shp: Path, begins: pa.Int32Array, lengths: pa.Int32Array, suspects: Sequence[int]) -> None:
    """Look where an index leads that does not go from one shape to the next: GDAL reads whatever stands there.

    Two entries with one place miss a shape. A place is none where neither the number nor the length of a shape stands; one of
    them alone is no proof: programs that sort or prune the index leave the numbers, others count measures that they leave out.
    """
    counted = pc.value_counts(begins)
    twice = counted.field(0).filter(pc.greater(counted.field(1), 1))
    wrong = pc.index(begins, twice[0]).as_py() if len(twice) else None
    with shp.open("rb", buffering=0) as file:
        for entry in suspects if wrong is None else ():
            place = begins[entry].as_py() * 2
            header = os.pread(file.fileno(), 8, place) if place > 0 else b""
            number, length = struct.unpack(">ii", header.rjust(8, b"\xff"))
            if not (1 <= number <= len(begins) or number == entry) and length != lengths[entry].as_py():
                wrong = entry
                break
    if wrong is not None:
        raise Unreadable("damaged", f"The index of {shp.name} has a wrong place for shape {wrong + 1:,}.", _REPAIR)


def _check_end(shp: Path, shapes: int, reach: int) -> None:
    """Behind the last shape that the index knows, no further one may stand."""
    with shp.open("rb") as file:
        (kind,) = struct.unpack("<32xi64x", file.read(HEADER_BYTES))
        file.seek(reach)
        following = file.read(_RECORD_BYTES)
    if len(following) < _RECORD_BYTES:
        return
    number, words, type_ = *struct.unpack(">ii", following[:8]), *struct.unpack("<i", following[8:])
    if number in {shapes, shapes + 1} and words > 1 and type_ in {0, kind} and reach + 8 + words * 2 <= shp.stat().st_size:
        raise Unreadable(
            "damaged",
            f"The index of {shp.name} has {shapes:,} shapes, but behind them stand further ones.",
            _REPAIR,
        )


def _entries(index: Path) -> "array.array[int]":
    """The entries of an index, as many as it says that it has: places and lengths by turns."""
    count = max(_length(index) - HEADER_BYTES, 0) // INDEX_ENTRY_BYTES
    with index.open("rb") as file:
        file.seek(HEADER_BYTES)
        entries = array.array("i", file.read(count * INDEX_ENTRY_BYTES))
    if sys.byteorder == "little":
        entries.byteswap()
    return entries


def _length(path: Path) -> int:
    """How long a file is by its header, which counts in words of 16 bits; it has to be that long at least."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        raise truncated(path, size, HEADER_BYTES)
    (words,) = struct.unpack(">24xI72x", header)
    if size < words * 2:
        raise truncated(path, size, words * 2)
    return int(words) * 2
