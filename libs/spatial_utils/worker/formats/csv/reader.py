"""Delimited text (CSV): read twice, so that a column gets a type only if every value of the file keeps its meaning in it.

GDAL decides types on the first megabyte and turns what does not fit later into nulls; so it only parses WKT here. Empty and
unquoted is missing; ``""`` is an empty text.
"""

import codecs
import csv
import ctypes
import io
import re
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import BATCH_ROWS, GEOMETRY, Notes, Request, Unreadable
from libs.spatial_utils.worker.reader import FileReader
from libs.spatial_utils.worker.values import inference, wkb

_BLOCK_BYTES = 16 * 1024 * 1024
_HEAD_BYTES = 1024 * 1024
_DELIMITERS = ",;\t|"
_NO_FILE_IS_IN = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
"""Codecs of Python that are of text, but encode no file of it."""
_MARKS = {
    codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
"""Byte order marks and the family of codecs that they belong to; one of UTF-32 begins with one of UTF-16."""
_LINE_END = re.compile(r"\r\n?|\n")
_POINT = struct.Struct("<BIdd")
_M_MMAP_THRESHOLD = -3
_RESERVED_BYTES = 512 * 1024 * 1024


class DelimitedLayer:
    """The one layer of a delimited text file; see ``LayerReader``."""

    crs: dict[str, str] | None = None  # the format has no place for it
    claimed: int | None = None

    def __init__(self, gdal: Gdal, path: Path, prefix: str, request: Request) -> None:
        self._gdal, self._path = gdal, path
        self.name, self.notes, self.geometry = prefix + path.stem, Notes(), not request.tabular
        self._encoding = _encoding(path, request.encoding, self.notes)
        header, self._delimiter = self._header(request.csv["delimiter"])
        self._columns = len(header)
        self._geometry_columns = self._find_geometry(header, request.csv) if self.geometry else []
        fields = [pa.field(name, kind) for name, kind in zip(header, self._types(), strict=True)]
        self.schema = pa.schema([*fields, pa.field(GEOMETRY, pa.binary())] if self.geometry else fields)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows; raises ``Unreadable`` on a value that is no coordinate or no geometry."""
        read = 0
        for texts in self._texts():
            columns = [inference.cast(texts.column(index), self.schema.field(index).type) for index in range(self._columns)]
            if self.geometry:
                columns.append(self._geometry([texts.column(index) for index in self._geometry_columns], read))
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)
            read += texts.num_rows

    def _texts(self) -> Iterator[pa.RecordBatch]:
        """All columns as text."""
        names = [str(index) for index in range(self._columns)]
        skipped: list[Any] = []

        def refuse(row: Any) -> str:
            skipped.append(row)
            return "error"

        _return_reserved_memory(self._columns)
        read, closed = 0, False
        text = _EndedText(self._path, self._encoding, self._delimiter * (self._columns - 1))
        try:
            with (
                text,
                pa_csv.open_csv(
                    text,
                    read_options=pa_csv.ReadOptions(
                        column_names=names, skip_rows_after_names=1, block_size=_BLOCK_BYTES, use_threads=False
                    ),
                    parse_options=pa_csv.ParseOptions(
                        delimiter=self._delimiter,
                        newlines_in_values=True,
                        ignore_empty_lines=self._columns > 1,  # of one column it is a row whose value is missing
                        invalid_row_handler=refuse,
                    ),
                    convert_options=pa_csv.ConvertOptions(
                        column_types=dict.fromkeys(names, pa.string()),
                        null_values=[""],
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=False,
                    ),
                ) as reader,
            ):
                for batch in reader:
                    closed = batch.num_rows > 0 and batch.column(self._columns - 1)[-1].as_py() == text.end
                    rows = batch.num_rows - closed
                    for start in range(0, rows, BATCH_ROWS):
                        yield batch.slice(start, min(BATCH_ROWS, rows - start))
                    read += rows
        except UnicodeError as error:
            raise self._undecodable(str(error)) from error
        except MemoryError:  # an ArrowException, too, but the limit's affair
            raise
        except pa.ArrowException as error:
            raise self._unparsable(error, skipped[0] if skipped else None, text.end) from error
        if not closed:
            raise _unclosed(f"data row {read}" if read else "the header")

    def _unparsable(self, error: Exception, row: Any, end: str) -> Unreadable:
        """What is wrong with a text that the parser refuses, perhaps for one row."""
        if row is not None and end in row.text:
            return _unclosed(f"row {row.number}" if row.number else "")
        if row is not None:
            return Unreadable(
                "csv_ragged",
                f"A row has {row.actual_columns} values, the header {row.expected_columns} names: {_shown(row.text)}.",
                "Correct the row; put values that contain the delimiter or a line break in double quotes. "
                f"The delimiter is taken to be {self._delimiter!r}: set 'options.delimiter' if it is another.",
                f"row {row.number}" if row.number else "",
            )
        if "utf" in str(error).lower():
            return self._undecodable(str(error))
        if "block" in str(error):
            return Unreadable(
                "csv_row_too_long",
                f"A row is longer than {_BLOCK_BYTES:,} bytes.",
                "Close the quotes that are open, or write the data in another format, such as GeoPackage.",
            )
        return Unreadable("damaged", f"The text cannot be read: {error}.", "Write the file again.")

    def _undecodable(self, details: str) -> Unreadable:
        return Unreadable(
            "wrong_encoding",
            f"The text is not {self._encoding}: {details}.",
            "Set 'encoding' of this file in the manifest to what it was written in, such as 'cp1252' or 'utf-16-le'.",
        )

    def _header(self, delimiter: str | None) -> tuple[list[str], str]:
        """The column names and the delimiter, which is the commonest candidate of the first line."""
        if delimiter is not None and (not delimiter.isascii() or delimiter in '"\r\n\0'):
            raise Unreadable(
                "csv_bad_delimiter",
                f"{delimiter!r} cannot delimit values.",
                "Set 'options.delimiter' to a character of ASCII other than the double quote, or leave it out.",
            )
        with self._path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        try:
            text = codecs.getincrementaldecoder(self._encoding)().decode(head).removeprefix("\ufeff")
            text = text.removeprefix(codecs.BOM_UTF8.decode(self._encoding, "ignore"))  # the manifest may contradict it
        except UnicodeError as error:
            raise self._undecodable(str(error)) from error
        unquoted = "".join(_LINE_END.split(text, 1)[0].split('"')[::2])
        delimiter = delimiter or max(_DELIMITERS, key=unquoted.count)
        try:
            names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        except (csv.Error, StopIteration) as error:
            raise Unreadable(
                "csv_no_header", "The file has no header line.", "Write the column names to the first line."
            ) from error
        if any("\0" in name for name in names):
            raise self._undecodable("there are NUL characters in the header, as if it were UTF-16 read as something else")
        names = [name.strip() for name in names]
        if all(_is_number(name) for name in names):
            raise Unreadable(
                "csv_no_header",
                f"The first line holds numbers where column names are expected: {_shown(unquoted)}.",
                "Write the column names to the first line.",
            )
        return [name or f"field_{index + 1}" for index, name in enumerate(names)], delimiter

    def _find_geometry(self, header: list[str], options: dict[str, str | None]) -> list[int]:
        """The positions of the x and y columns, or of the one with WKT."""
        wanted = [name for name in (options["wkt"], options["x"], options["y"]) if name]
        if not wanted:
            raise Unreadable(
                "csv_geometry_unknown",
                f"The manifest does not say which columns hold the geometry. Columns: {', '.join(header)}.",
                f"{_guess(header)}, or declare the file as 'tabular' if it has none.",
            )
        for name in wanted:
            if header.count(name) != 1:
                how = "no column" if name not in header else "more than one column"
                raise Unreadable(
                    "csv_no_such_column",
                    f"There is {how} named {name!r}. Columns: {', '.join(header)}.",
                    "Correct 'options'.",
                )
        return [header.index(name) for name in wanted]

    def _types(self) -> list[pa.DataType]:
        """For each column the first type that takes every value of the file; text when there is none, or no value."""
        surveys = [inference.Survey() for _ in range(self._columns)]
        for texts in self._texts():
            for survey, values in zip(surveys, texts.columns, strict=True):
                survey.add(values)
        return [survey.type for survey in surveys]

    def _geometry(self, texts: list[pa.Array], before: int) -> pa.Array:
        if len(texts) == 1:
            return wkb.normalise(self._from_wkt(texts[0], before), self._gdal, self.notes.counts, vouched=True)
        x, y = (self._coordinates(column, before) for column in texts)
        points: list[bytes | None] = []
        for row, (x_value, y_value) in enumerate(zip(x, y, strict=True)):
            if x_value is None and y_value is None:
                points.append(None)
            elif x_value is None or y_value is None:
                raise _bad_value(
                    before + row, "one coordinate without the other", "Give both, or neither where there is no position."
                )
            else:
                points.append(_POINT.pack(1, 1, x_value, y_value))
        return pa.array(points, pa.binary())

    def _coordinates(self, texts: pa.Array, before: int) -> list[float | None]:
        trimmed = pc.utf8_trim(texts, inference.SPACE)
        trimmed = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
        try:
            values = trimmed.cast(pa.float64())
            if pc.all(pc.is_finite(values).drop_null()).as_py() is not False:
                found: list[float | None] = values.to_pylist()
                return found
        except pa.ArrowInvalid:
            pass
        row, text = next((row, text) for row, text in enumerate(trimmed) if not _is_coordinate(text))
        raise _bad_value(
            before + row,
            f"{_shown(text.as_py())} where a coordinate is expected",
            "Write numbers with a decimal point and nothing else, no unusual blanks: 8.5417; "
            "leave both coordinates empty where there is no position.",
        )

    def _from_wkt(self, texts: pa.Array, before: int) -> pa.Array:
        malformed = _first_malformed(texts)
        rows: list[bytes | None] = []
        for row, text in enumerate(texts.to_pylist()):
            if text is None or not (text.strip() or row == malformed):
                rows.append(None)
                continue
            value = None if row == malformed else self._gdal.wkb_from_wkt(text)
            if value is None:
                raise _bad_value(
                    before + row,
                    f"{_shown(text)} where a geometry in WKT is expected",
                    "Write it like POINT (8.54 47.37), all positions of a geometry with as many numbers.",
                )
            rows.append(value)
        return pa.array(rows, pa.binary())


def _wkt_of(numbers: int, head: str) -> str:
    """What WKT looks like whose positions all have as many numbers, each short enough for GDAL to take it for one; or blanks."""
    blank = r"[ \t\r\n]"
    number = r"(?:-?(?:[0-9]{1,25}(?:\.[0-9]{0,25})?|\.[0-9]{1,25})(?:e[-+]?[01]?[0-9]{1,2})?|nan)"
    position = number + f"(?:{blank}+{number})" * (numbers - 1)
    return f"(?i)^{blank}*(?:{head}{blank}*(?:[(),]{blank}*(?:(?:{position}|{head}){blank}*)?)*)?$"


_NAME, _NO_PART = "[a-z]*[a-ln-y]", r"(?:[ \t\r\n]+empty)?"
_WKT = (
    _wkt_of(2, _NAME + _NO_PART),
    _wkt_of(3, _NAME + r"(?:[ \t\r\n]*z)?" + _NO_PART),
    _wkt_of(3, f"(?:{_NAME}[ \\t\\r\\n]*m{_NO_PART}|empty)"),
    _wkt_of(4, _NAME + r"(?:[ \t\r\n]*zm)?" + _NO_PART),
)
"""GDAL holds the structure: it takes 1.2.3 for 1.2, 1x for 1, - for 0, and for a missing height 0."""


def _first_malformed(texts: pa.Array) -> int | None:
    """The first row whose text GDAL would make something else of."""
    rows = None
    for pattern in _WKT:
        missed = pc.indices_nonzero(pc.invert(pc.match_substring_regex(texts, pattern)))
        if not len(missed):
            return None
        texts, rows = texts.take(missed), missed if rows is None else rows.take(missed)
    return int(rows[0].as_py()) if rows is not None else None


class _EndedText(io.RawIOBase):
    """A file as UTF-8, with a last row that is ours: it arrives as such only if no quotes are open at the file's end.

    The parser closes them in silence, so that all that follows a stray quote would become one value.

    Attributes:
        end: The last value of that row; nobody can know it.
    """

    def __init__(self, path: Path, encoding: str, delimiters: str) -> None:
        self.end = secrets.token_hex(16)
        self._row = f"{delimiters}{self.end}\n".encode()
        self._file = path.open("rb")
        self._decoder = None if encoding == "utf8" else codecs.getincrementaldecoder(encoding)()
        self._ready, self._last, self._ended = bytearray(), b"", False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._ended and not 0 <= size <= len(self._ready):
            self._ready += self._more()
        size = len(self._ready) if size < 0 else size
        data = bytes(memoryview(self._ready)[:size])
        del self._ready[:size]
        return data

    def close(self) -> None:
        self._file.close()
        super().close()

    def _more(self) -> bytes:
        raw = self._file.read(_HEAD_BYTES)
        text = raw if self._decoder is None else self._decoder.decode(raw, final=not raw).encode()
        self._last = text[-1:] or self._last
        if raw:
            return text
        self._ended = True
        return text + (b"" if self._last in {b"\n", b"\r"} else b"\n") + self._row


def _return_reserved_memory(columns: int) -> None:
    """Have the C library give back large pieces of memory at once, rather than keep them for later.

    Arrow reserves a block's size for each column of it and shrinks that to what the column has. Of what is taken from the heap,
    each time a hole is left that the next does not fit into: with a hundred columns, a file of 20 MB came to 2 GiB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # others than glibc have none, and always do so
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, min(_HEAD_BYTES, _RESERVED_BYTES // columns))


def _unclosed(place: str) -> Unreadable:
    return Unreadable(
        "csv_open_quote",
        "Double quotes are opened and never closed: everything from there to the end of the file would be one value.",
        'Close them; where a value begins with a double quote, put it in double quotes and double its own: """so"" it is".',
        place,
    )


def _encoding(path: Path, declared: str | None, notes: Notes) -> str:
    """The Python codec of the file: what the manifest says, else by byte order mark, else UTF-8."""
    with path.open("rb") as file:
        head = file.read(4)
    marked = next((family for mark, family in _MARKS.items() if head.startswith(mark)), None)
    if declared is None:
        return "utf8" if marked in {None, "utf-8"} else marked
    try:
        name = codecs.lookup(declared).name
        "".encode(name)  # a LookupError, too, where the codec is not one of text
    except (LookupError, ValueError):
        name = "undefined"
    if name in _NO_FILE_IS_IN:
        raise Unreadable(
            "unknown_encoding",
            f"{declared!r} is no character encoding that is known here.",
            "Use a name such as 'UTF-8' or 'cp1252'.",
        )
    if marked and not name.startswith(marked):
        notes.warn(
            "encoding_contradicted",
            f"The file begins with the byte order mark of {marked.upper()}, but 'encoding' in the manifest is {declared!r}, "
            "which was used.",
            "If text came out wrong, leave 'encoding' out.",
        )
    return "utf8" if name in {"utf-8", "utf-8-sig"} else name


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf") and "_" not in text
    except ValueError:
        return False


def _is_coordinate(text: pa.StringScalar) -> bool:
    """Whether Arrow makes a finite number, or nothing, of a text: Python takes more for one, such as no-break spaces round it."""
    try:
        return bool(pc.fill_null(pc.is_finite(text.cast(pa.float64())), fill_value=True).as_py())
    except pa.ArrowInvalid:
        return False


def _guess(header: list[str]) -> str:
    """What to write, where the names of columns suggest it."""
    lower = [name.lower() for name in header]
    for x, y in (("lon", "lat"), ("longitude", "latitude"), ("lng", "lat"), ("long", "lat"), ("x", "y"), ("easting", "northing")):
        if x in lower and y in lower:
            return f'Add "options": {{"x": "{header[lower.index(x)]}", "y": "{header[lower.index(y)]}"}}'
    for name in ("wkt", "geometry", "geom", "the_geom", "shape"):
        if name in lower:
            return f'Add "options": {{"wkt": "{header[lower.index(name)]}"}}'
    return 'Add "options" with "x" and "y", or with "wkt"'


def _bad_value(row: int, what: str, remedy: str) -> Unreadable:
    return Unreadable(
        "csv_bad_geometry", f"There is {what}.", remedy, f"data row {row + 1} (line {row + 2} if no value spans lines)"
    )


def _shown(text: str) -> str:
    text = text.strip(" \t\r\n")
    return repr(text if len(text) <= 60 else text[:57] + "...")  # noqa: PLR2004 - a line's worth


class Reader(FileReader):
    """See ``FileReader``: one layer, with the file's name."""

    def open(self) -> None:
        """See ``FileReader``."""
        if self.add_name(self.prefix + self.path.stem):
            self.opened.layers.append(DelimitedLayer(self.gdal, self.path, self.prefix, self.request))
