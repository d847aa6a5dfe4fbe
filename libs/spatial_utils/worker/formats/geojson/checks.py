"""What GDAL does not tell of GeoJSON, and its bytes show: times that it cuts, NUL characters, and where a file is no such file.

RFC 7946 (GeoJSON) and RFC 8142 (text sequences; the newline-delimited spelling is common practice).

No upstream issue is known (GDAL 3.12.4).
"""

import io
import json
import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.formats.geojson.source import Source
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.values.doubles import EXACT, is_rounded
from libs.spatial_utils.worker.values.times import date_that_exists

_SLASH = rb"(?:-|\\?/)"
_DAY = rb"[0-9]{2}" + _SLASH + rb"(?:0[1-9]|1[0-2])" + _SLASH + rb"(?:0[1-9]|[12][0-9]|3[01])"
_DATE = date_that_exists(_SLASH)
_HOUR, _SECONDS = rb"(?:[01][0-9]|2[0-3]):[0-5][0-9]", rb":[0-5][0-9](?:\.[0-9]{1,3})?"
_ZONE = rb"[+-][0-9]{2}(?::?(?:00|15|30|45))?"
_WHOLE = _DATE + rb"(?:[T ]" + _HOUR + rb"(?:(?:" + _SECONDS + rb")?(?:" + _ZONE + rb")?|" + _SECONDS + rb"Z))?"
_WHOLE = rb"(?:" + _WHOLE + rb"|" + _HOUR + _SECONDS + rb')"'
_CLOCK = rb"(?:[01][0-9]|2[0-4]):[0-5][0-9]"
_BEGINNING = rb"(?:[0-9]{2})?" + _DAY + rb"(?:[T ]+" + _CLOCK + rb'|Z?\s*")|' + _CLOCK + rb":[0-6][0-9]"
_PARTLY_READ = re.compile(rb'"(?!' + _WHOLE + rb")\s*(?:" + _BEGINNING + rb")")
"""A text that begins as a time, or is a date with a zone, of which GDAL drops the rest without a word: what is finer than
milliseconds, a zone that it does not know (odd minutes, letters, ``Z`` without seconds), further words. Or a date that does
not exist, or a second too many, of which it makes the next."""
_HEAD_BYTES = 1024 * 1024
_OVERLAP_BYTES = 64 * 1024
_BUFFER_BYTES = 1024 * 1024
_SEPARATOR = b"\x1e"
NUL = b"\\u0000"
_ESCAPED_NUL = re.compile(rb"[^\\](?:\\\\)*+\\u0000")
"""With an odd number of backslashes in front of that, it is text."""


class CheckedBytes(io.RawIOBase):
    """The bytes of a file as they are read, each checked on its way for what GDAL would pass over.

    Attributes:
        partly_read_times: Whether texts were found that GDAL makes times of, without all that they say.
    """

    def __init__(self, source: Source) -> None:
        """Open a file."""
        self._file = source.raw()
        self._tail = b""
        self.partly_read_times = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes.

        Raises:
            Unreadable: ``nul_character``.
        """
        length = self._file.readinto(buffer) or 0
        with memoryview(buffer) as room:
            self._check(self._tail + room[:length])
        return length

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _check(self, text: bytes) -> None:
        if NUL in text and _ESCAPED_NUL.search(text):
            raise Unreadable(
                "nul_character",
                "A text holds the NUL character (\\u0000), which no database keeps.",
                "Remove it from the text.",
            )
        self.partly_read_times = self.partly_read_times or has_partly_read_times(text)
        self._tail = text[-_OVERLAP_BYTES:]

    def buffered(self) -> io.BufferedReader:
        """The same, in large pieces."""
        return io.BufferedReader(self, _BUFFER_BYTES)


def check_declared(source: Source, driver: str) -> None:
    """Look at the head of a file for a document that is declared as a sequence.

    Raises:
        Unreadable: ``format_mismatch``.
    """
    first = _first_value(source) if driver == "GeoJSONSeq" else None
    if isinstance(first, dict) and first.get("type") == "FeatureCollection":
        raise Unreadable(
            "format_mismatch",
            "The file is declared as GeoJSONSeq but holds a FeatureCollection.",
            'Write "format": "GeoJSON".',
        )


def sequence_as_document() -> Unreadable:
    """What to say of a sequence that is declared as one document."""
    return Unreadable(
        "format_mismatch",
        "The file is declared as GeoJSON but holds one feature a line: only the first would be read.",
        'Write "format": "GeoJSONSeq".',
    )


def has_partly_read_times(text: bytes) -> bool:
    """Whether some bytes of a file have texts that GDAL makes times of, without all that they say."""
    return _PARTLY_READ.search(text) is not None


def inexact(batch: pa.RecordBatch) -> set[str]:
    """Names of the columns of doubles with numbers so large that not every integer is one of them.

    GDAL makes doubles of what has 20 characters, and of integers beside fractions.
    """
    columns = zip(batch.schema, batch.columns, strict=True)  # a property may be called as the geometry is
    doubles = ((field.name, column) for field, column in columns if pa.types.is_float64(field.type))
    return {name for name, column in doubles if (pc.max(pc.abs(column)).as_py() or 0) >= EXACT}


def check_integers(text: bytes | bytearray, names: Iterable[str]) -> None:
    """Look at the properties of some names in a piece of a file for integers that are no spelling of a double.

    Raises:
        Unreadable: ``integer_lost``, naming the first.
    """
    spellings = {json.dumps(name, ensure_ascii=ascii_only).encode() for name in names for ascii_only in (True, False)}
    if not spellings:
        return
    pattern = b"(" + b"|".join(map(re.escape, sorted(spellings))) + rb")\s*+:\s*+(-?[0-9]{16,300}+)(?=[\s,}])"
    for found in re.finditer(pattern, text):
        if is_rounded(int(found[2])):
            raise Unreadable(
                "integer_lost",
                f"The integer {found[2].decode()} of the property {found[1].decode()} would be rounded to {float(found[2])!r}: "
                "it has too many digits, or stands among fractions.",
                "Write the property as text (in quotation marks), or use GeoPackage.",
            )


def _head(source: Source) -> str:
    with source.opened() as file:
        head = file.read(_HEAD_BYTES)
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().removeprefix(_SEPARATOR).lstrip().decode("utf-8", "replace")


def _first_value(source: Source) -> Any:
    """The first JSON value of the file, or as much of it as its head shows: an object with its ``type``."""
    head = _head(source)
    try:
        return json.JSONDecoder().raw_decode(head)[0]
    except (ValueError, RecursionError):
        return {"type": "FeatureCollection"} if '"FeatureCollection"' in head else None
