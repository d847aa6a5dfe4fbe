"""Delimited text (CSV): read twice, so that a column gets a type only if every value of the file keeps its meaning in it.

GDAL decides types on the first megabyte and turns what does not fit later into nulls; so it only parses WKT here. Empty and
unquoted is missing; ``""`` is an empty text.

No upstream issue is known (GDAL 3.12.4).
"""

import codecs
import csv
import ctypes
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from libs.column_names import GEOMETRY
from libs.remedies import way_in
from libs.spatial_utils import csv_titles
from libs.spatial_utils.worker.formats.csv.dialect import BLOCK_BYTES, Dialect
from libs.spatial_utils.worker.formats.csv.ragged import RaggedRow, RaggedRows
from libs.spatial_utils.worker.formats.csv.text import HEAD_BYTES, EndedText, encoding_of, found_encoding
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import BATCH_ROWS, NO_HEADER, Notes, Request, Unreadable
from libs.spatial_utils.worker.quarantine import SET_ASIDE, Quarantine, way_in_by_null
from libs.spatial_utils.worker.reader import FileReader
from libs.spatial_utils.worker.values import inference
from libs.spatial_utils.worker.values.coordinates import CoordinateColumns, shown
from libs.spatial_utils.worker.values.numbers import DECIMAL_COMMA, PLAIN, NumberSpelling

_SEPARATOR = re.compile(r"(?i)\"?sep=([^\r\n\"])\"?[ \t,;]*(?:\r\n?|\n)")
_AROUND = f"{csv_titles.DELIMITERS} \t"
_LINE_END = re.compile(r"\r\n?|\n")
_M_MMAP_THRESHOLD = -3
_RESERVED_BYTES = 512 * 1024 * 1024


class DelimitedLayer:
    """The one layer of a delimited text file; see ``LayerReader``."""

    claimed: int | None = None

    def __init__(self, gdal: Gdal, path: Path, prefix: str, request: Request) -> None:
        self._gdal, self._path, self._options = gdal, path, request.csv
        self.name, self.notes, self.geometry = prefix + path.stem, Notes(), not request.tabular
        self._encoding = encoding_of(path, request.encoding, self.notes)
        self._quarantine, self._short = Quarantine(request.policies, self.notes), dict[int, Unreadable]()
        try:
            self._survey()
        except _Undecodable:
            found = found_encoding(path, self.notes) if request.encoding is None and self._encoding == "utf8" else None
            if found is None:
                raise
            self._encoding = found
            self._survey()
        self.crs = self._coordinates.crs if self._coordinates else None
        fields = [pa.field(name, kind) for name, kind in zip(self._header, self._types, strict=True)]
        if self.geometry:
            fields.append(pa.field(GEOMETRY, pa.binary()))
        self.schema = pa.schema([*fields, *self._quarantine.fields])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows; raises ``Unreadable`` on a value that is no coordinate or no geometry."""
        read = 0
        for texts, ragged in self._texts():
            self._meet(ragged)
            columns = [
                inference.cast(texts.column(index), kind, self._spellings[index]) for index, kind in enumerate(self._types)
            ]
            if self._coordinates is not None:
                columns.append(self._coordinates.geometry(self._located(texts), read, self._gdal, self._quarantine))
            columns += self._quarantine.columns(texts.num_rows, self._header, texts.columns)
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)
            read += texts.num_rows

    def _located(self, texts: pa.RecordBatch) -> list[pa.Array]:
        return [texts.column(index) for index in self._coordinates.positions] if self._coordinates else []

    def _text(self, delimiters: str = "") -> EndedText:
        return EndedText(self._path, self._encoding, delimiters, self._skipped, self._options["comment"], self._quote)

    def _texts(self) -> Iterator[tuple[pa.RecordBatch, list[tuple[int, RaggedRow]]]]:
        """All columns as text; and which rows of a batch had another number of values."""
        dialect = Dialect(self._delimiter, self._quote, tuple(self._options["null_values"] or ()))
        _return_reserved_memory(self._columns)
        read, closed, first = 0, False, self._has_header
        text = self._text(self._delimiter * (self._columns - 1))
        policy = self._quarantine.policy("value")
        self._ragged = RaggedRows(dialect, self._columns, policy, text.end, has_header=self._has_header)
        try:
            with text, dialect.open(text, self._columns, self._ragged.meet) as reader:
                for block in reader:
                    # the header is a row of the parser's: it delivers nothing before it has found one with all values
                    batch, first = (block.slice(1), False) if first else (block, False)
                    closed = batch.num_rows > 0 and batch.column(self._columns - 1)[-1].as_py() == text.end
                    rows, ragged = self._ragged.put_back(batch.slice(0, batch.num_rows - closed), read)
                    for start in range(0, rows.num_rows, BATCH_ROWS):
                        yield (
                            rows.slice(start, BATCH_ROWS),
                            [(row - start, found) for row, found in ragged if start <= row < start + BATCH_ROWS],
                        )
                    read += rows.num_rows
        except UnicodeError as error:
            raise self._undecodable(str(error)) from error
        except MemoryError:  # an ArrowException, too, but the limit's affair
            raise
        except pa.ArrowException as error:
            raise self._unparsable(error, text.end) from error
        if not closed:
            raise _unclosed(f"data row {read}" if read else "the header")

    def _unparsable(self, error: Exception, end: str) -> Unreadable:
        """What is wrong with a text that the parser refuses, perhaps for one row."""
        row = self._ragged.refused
        if row is not None and end in row.text:
            return _unclosed(f"data row {row.number + 1}" if row.number >= 0 else "the header")
        if row is not None:
            problem = self._wrong_length(row)
            problem.remedy += way_in("value")
            return problem
        if "utf" in str(error).lower() or "columns, got" in str(
            error
        ):  # of a row that cannot be decoded the handler hears nothing
            return self._undecodable(str(error))
        if "block" in str(error):
            return Unreadable(
                "csv_row_too_long",
                f"A row is longer than {BLOCK_BYTES:,} bytes.",
                "Close the quotes that are open, or write the data in another format, such as GeoPackage.",
            )
        return Unreadable("damaged", f"The text cannot be read: {error}.", "Write the file again.")

    def _wrong_length(self, row: RaggedRow) -> Unreadable:
        spans = f" and {lines} lines" if (lines := len(_LINE_END.findall(row.text)) + 1) > 1 else ""
        return Unreadable(
            "csv_ragged",
            f"A row has {row.values} values{spans}, the header {self._columns} names: {shown(row.text)}.",
            "Correct the row; put values that contain the delimiter or a line break in double quotes. "
            f"The delimiter is taken to be {self._delimiter!r}: set 'options.delimiter' if it is another. "
            'If the column names stand below a title, give their line: write "options": {"header": 3} in the manifest.'
            + (way_in_by_null("Or take what is missing at the end of a row for null") if row.values < self._columns else ""),
            self._place(row.number) if row.number >= 0 else "the header",
        )

    def _meet(self, ragged: list[tuple[int, RaggedRow]]) -> None:
        """Tell the quarantine of rows that were put back."""
        if self._quarantine.policy("value") == SET_ASIDE:
            for (row, found), raw in zip(ragged, self._ragged.raw([found for _, found in ragged]), strict=True):
                self._quarantine.set_aside(row, self._wrong_length(found), raw)
            return
        for row, found in ragged:
            if found.values not in self._short:  # the first row that has so few is the first that any of its columns misses
                self._short[found.values] = self._wrong_length(found)
            for name in self._header[found.values :]:
                self._quarantine.meet("value", row, self._short[found.values], name)

    def _undecodable(self, details: str) -> Unreadable:
        return _Undecodable(
            "wrong_encoding",
            f"The text is not {self._encoding}: {details}.",
            'Write "encoding": "cp1252" (or what it was written in, such as cp1250, utf-16-le) for this file in the manifest.',
        )

    def _survey(self) -> None:
        """Look at all of the text: its header, delimiter, types, and how its numbers and geometries are written."""
        options = self._options
        self._quote = '"' if options["quote"] is None else str(options["quote"])
        header = options["header"]
        self._has_header = header != NO_HEADER
        self._skipped = int(options["skip_rows"] or 0) if header in {None, NO_HEADER} else int(header) - 1
        self._header, self._delimiter = self._head(options["delimiter"])
        self._columns = len(self._header)
        told = None
        if options["decimal"] or options["thousands"]:
            told = NumberSpelling(options["decimal"] or ".", options["thousands"])
        place = self._place
        self._coordinates = CoordinateColumns(self._header, options, place, self.notes, spelling=told) if self.geometry else None
        surveys = [inference.TextProfile(told) for _ in range(self._columns)]
        for texts, _ in self._texts():
            for survey, values in zip(surveys, texts.columns, strict=True):
                survey.add(values)
            if self._coordinates is not None:
                self._coordinates.survey(self._located(texts))
        self._decide(surveys, told)

    def _decide(self, surveys: list[inference.TextProfile], told: NumberSpelling | None) -> None:
        """The first type for each column that takes every value of the file; text when there is none, or no value."""
        self._types = [survey.type for survey in surveys]
        self._spellings = [told or PLAIN] * self._columns
        found = []
        # Where the comma delimits, a value with a comma in quotes is as often a list.
        if self._delimiter != "," and any(survey.may_have_comma and survey.comma_is_certain for survey in surveys):
            found = [index for index, survey in enumerate(surveys) if survey.may_have_comma]
        for index in found:
            self._types[index], self._spellings[index] = pa.float64(), DECIMAL_COMMA
        located = self._coordinates.with_comma if self._coordinates else []
        if names := dict.fromkeys([*(self._header[index] for index in found), *located]):
            self.notes.warn(
                "decimal_comma",
                f"These columns hold numbers with a decimal comma, and were read so: {', '.join(map(repr, names))}.",
                'Nothing needs to be done. To say it yourself, write "options": {"decimal": ","}; '
                '"options": {"decimal": "."} leaves them as text.',
            )

    def _head(self, delimiter: str | None) -> tuple[list[str], str]:
        """The column names and the delimiter, which is the commonest candidate of the first line."""
        if delimiter is not None and (not delimiter.isascii() or delimiter in "\r\n\0" or delimiter == self._quote):
            raise Unreadable(
                "csv_bad_delimiter",
                f"{delimiter!r} cannot delimit values.",
                "Set 'options.delimiter' to a character of ASCII other than the quote, or leave it out.",
            )
        text = self._beginning()
        if (said := _SEPARATOR.match(text)) and self._options["header"] is None:
            # Excel's own way: it is a line about the file, not one of it.
            self._skipped, delimiter = self._skipped + 1, delimiter or said[1]
            text = text[said.end() :]
        if not (self._skipped or self._options["comment"] or self._options["header"]) or said:
            text = self._below_titles(text, delimiter)
        first = _LINE_END.split(text, 1)[0]
        unquoted = "".join(first.split(self._quote)[::2]) if self._quote else first
        delimiter = delimiter or max(csv_titles.DELIMITERS, key=unquoted.count)
        quoting: dict[str, Any] = {"quotechar": self._quote} if self._quote else {"quoting": csv.QUOTE_NONE}
        try:
            names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, **quoting))
        except (csv.Error, StopIteration) as error:
            raise Unreadable(
                "csv_no_header", "The file has no header line.", "Write the column names to the first line."
            ) from error
        if any("\0" in name for name in names):
            raise self._undecodable("there are NUL characters in the header, as if it were UTF-16 read as something else")
        if not self._has_header:
            return [f"field_{number}" for number in range(1, len(names) + 1)], delimiter
        names = [name.strip() for name in names]
        if all(_is_number(name) for name in names):
            raise Unreadable(
                "csv_no_header",
                f"The first line holds numbers where column names are expected: {shown(unquoted)}.",
                'Write the column names to the first line. If there are none, write "options": {"header": "none"} in the '
                "manifest.",
            )
        return [name or f"field_{index + 1}" for index, name in enumerate(names)], delimiter

    def _below_titles(self, text: str, delimiter: str | None) -> str:
        """The text from the column names on."""
        lines = csv_titles.lines_above_header(text, delimiter, self._quote)
        if not lines:
            return text
        *above, rest = _LINE_END.split(text, lines)
        title = next((line for line in above if line.strip(_AROUND)), "").strip(_AROUND)
        self.notes.warn(
            "csv_title_lines",
            f"The column names stand in line {self._skipped + lines + 1}. What is above them was not read: {shown(title)}.",
            "Nothing has to be done if that is right. If they stand in another line, such as the first, write "
            '"options": {"header": 1} in the manifest.',
        )
        self._skipped += lines
        return rest

    def _beginning(self) -> str:
        """The text from the header on, as far as a header can reach."""
        with self._text() as text:
            try:
                head = text.read(HEAD_BYTES)
            except UnicodeError as error:
                raise self._undecodable(str(error)) from error
            ended = head.rpartition(text.end.encode())[0] or head
        try:
            return codecs.getincrementaldecoder("utf-8")().decode(ended)
        except UnicodeError as error:
            raise self._undecodable(str(error)) from error

    def _place(self, row: int) -> str:
        if self._options["comment"]:
            return f"data row {row + 1}"
        return f"data row {row + 1} (line {row + 1 + self._skipped + self._has_header} if no value spans lines)"


def _return_reserved_memory(columns: int) -> None:
    """Have the C library give back large pieces of memory at once, rather than keep them for later.

    Arrow reserves a block's size for each column of it and shrinks that to what the column has. Of what is taken from the heap,
    each time a hole is left that the next does not fit into: with a hundred columns, a file of 20 MB came to 2 GiB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # others than glibc have none, and always do so
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, min(HEAD_BYTES, _RESERVED_BYTES // columns))


class _Undecodable(Unreadable):
    """The text is not in the encoding that it is taken to be in."""


def _unclosed(place: str) -> Unreadable:
    return Unreadable(
        "csv_open_quote",
        "Double quotes are opened and never closed: everything from there to the end of the file would be one value.",
        'Close them; where a value begins with a double quote, put it in double quotes and double its own: """so"" it is".',
        place,
    )


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf") and "_" not in text
    except ValueError:
        return False


class Reader(FileReader):
    """See ``FileReader``: one layer, with the file's name."""

    def open(self) -> None:
        """See ``FileReader``."""
        if self.add_name(self.prefix + self.path.stem):
            self.opened.layers.append(DelimitedLayer(self.gdal, self.path, self.prefix, self.request))
