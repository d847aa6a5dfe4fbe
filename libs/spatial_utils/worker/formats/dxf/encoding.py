"""What says how the text of a DXF is encoded: its release, or the code page in its header. GDAL looks at the code page alone.

Upstream: OSGeo/gdal#3716 (closed) is about UTF-8 that is read as Latin-1.
"""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.formats.dxf import binary
from libs.spatial_utils.worker.protocol import Notes
from libs.spatial_utils.worker.values.text import Decoder, codec_named

_HEADER_LINES, _HEADER_BYTES = 20_000, 1024 * 1024
_VERSION = re.compile(r"AC(\d{4})")
_ESCAPE = re.compile(r"\\U\+((?![dD][89a-fA-F])[0-9a-fA-F]{4})")
_ALWAYS_UTF8 = 1021
"""AutoCAD 2007: from then on the code page is there for older programs only."""


def decoder(path: Path, encoding: str | None, notes: Notes) -> Decoder:
    """The decoder of what GDAL delivers when it opens the file with :func:`option`."""
    declared, by = _declared(path, encoding)
    return _UnescapingDecoder(declared, by, notes, decoded=_codec(declared) != "utf-8")


def option(path: Path, encoding: str | None) -> str:
    """The open option that makes GDAL decode the text, or leave it alone where it is UTF-8."""
    codec = _codec(_declared(path, encoding)[0])
    return f"ENCODING={'MACINTOSH' if codec == 'mac-roman' else codec}"


class _UnescapingDecoder(Decoder):
    """A decoder that also replaces escapes: GDAL knows them in texts of several lines alone."""

    def column(self, column: pa.Array, name: str, width: int, first_row: int, layer: str) -> pa.Array:
        return _unescaped(super().column(column, name, width, first_row, layer))


def _unescaped(column: pa.Array) -> pa.Array:
    r"""Text with the characters that ``\U+9053`` stands for."""
    if not pc.any(pc.match_substring(column, "\\U+")).as_py():
        return column
    return pa.array(
        [text and _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) for text in column.to_pylist()], pa.string()
    )


def _codec(declared: str | None) -> str:
    return (codec_named(declared) if declared is not None else None) or "utf-8"


def _declared(path: Path, encoding: str | None) -> tuple[str | None, str]:
    """An encoding's name and who says it; see :class:`Decoder`."""
    if encoding is not None:
        return encoding, "the manifest"
    header = _header(path)
    version = _VERSION.fullmatch(header.get("$ACADVER", ""))
    if version and int(version[1]) >= _ALWAYS_UTF8:
        return "UTF-8", f"the release ({version[0]})"
    page = header.get("$DWGCODEPAGE")
    return (page, "the header ($DWGCODEPAGE)") if page and codec_named(page) else (None, "")


def _header(path: Path) -> dict[str, str]:
    """The variables of the header: the code before a value says of what kind it is."""
    variables: dict[str, str] = {}
    name = ""
    for code, value in _pairs(path):
        if code == "9":
            name = value
        elif name:
            variables.setdefault(name, value)
        if code == "0" and value == "ENDSEC":
            break
    return variables


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    """Codes with their values, from the beginning."""
    with path.open("rb") as file:
        head = file.read(len(binary.SENTINEL))
        if head == binary.SENTINEL:
            for code, value in binary.pairs(head + file.read(_HEADER_BYTES)):
                yield str(code), value
            return
        file.seek(0)
        lines = (line.decode("ascii", "replace").strip() for line in islice(file, _HEADER_LINES))
        yield from zip(lines, lines, strict=False)
