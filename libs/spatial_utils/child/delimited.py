"""Delimited text (CSV): read twice, so that a column gets a type only if every value of the file keeps its meaning in it.

GDAL decides types on the first megabyte and turns what does not fit later into nulls; so it only parses WKT here. Empty and
unquoted is missing; ``""`` is an empty text.
"""

import codecs
import csv
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from libs.spatial_utils.child import inference, wkb
from libs.spatial_utils.child.gdal import Gdal
from libs.spatial_utils.child.source import BATCH_ROWS, GEOMETRY, Notes, OpenFile, Request, Unreadable

_BLOCK_BYTES = 16 * 1024 * 1024
_HEAD_BYTES = 1024 * 1024
_DELIMITERS = ",;\t|"
_POINT = struct.Struct("<BIdd")


class DelimitedLayer:
    """The one layer of a delimited text file; see ``LayerReader``."""

    crs: dict[str, str] | None = None  # the format has no place for it
    claimed: int | None = None

    def __init__(self, gdal: Gdal, path: Path, prefix: str, request: Request) -> None:
        self._gdal, self._path = gdal, path
        self.name, self.notes, self.geometry = prefix + path.stem, Notes(), not request.tabular
        self._encoding = _encoding(path, request.encoding)
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

        try:
            with pa_csv.open_csv(
                self._path,
                read_options=pa_csv.ReadOptions(
                    column_names=names,
                    skip_rows_after_names=1,
                    block_size=_BLOCK_BYTES,
                    use_threads=False,
                    encoding=self._encoding,
                ),
                parse_options=pa_csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=refuse),
                convert_options=pa_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            ) as reader:
                for batch in reader:
                    for start in range(0, batch.num_rows, BATCH_ROWS):
                        yield batch.slice(start, BATCH_ROWS)
        except UnicodeDecodeError as error:
            raise self._undecodable(str(error)) from error
        except pa.ArrowException as error:
            if skipped:
                row = skipped[0]
                raise Unreadable(
                    "csv_ragged",
                    f"A row has {row.actual_columns} values, the header {row.expected_columns} names: {_shown(row.text)}.",
                    "Correct the row; put values that contain the delimiter or a line break in double quotes. "
                    f"The delimiter is taken to be {self._delimiter!r}: set 'options.delimiter' if it is another.",
                    f"row {row.number}" if row.number else "",
                ) from error
            if "utf" in str(error).lower():
                raise self._undecodable(str(error)) from error
            if "block" in str(error):
                raise Unreadable(
                    "csv_row_too_long",
                    f"A row is longer than {_BLOCK_BYTES:,} bytes.",
                    "Close the quotes that are open, or write the data in another format, such as GeoPackage.",
                ) from error
            raise Unreadable("damaged", f"The text cannot be read: {error}.", "Write the file again.") from error

    def _undecodable(self, details: str) -> Unreadable:
        return Unreadable(
            "wrong_encoding",
            f"The text is not {self._encoding}: {details}.",
            "Set 'encoding' of this file in the manifest to what it was written in, such as 'cp1252'.",
        )

    def _header(self, delimiter: str | None) -> tuple[list[str], str]:
        """The column names and the delimiter, which is the commonest candidate of the first line."""
        with self._path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        try:
            text = codecs.getincrementaldecoder(self._encoding)().decode(head).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise self._undecodable(str(error)) from error
        unquoted = "".join(text.splitlines()[:1][0].split('"')[::2]) if text.strip() else ""
        delimiter = delimiter or max(_DELIMITERS, key=unquoted.count)
        try:
            names = next(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))
        except (csv.Error, StopIteration) as error:
            raise Unreadable(
                "csv_no_header", "The file has no header line.", "Write the column names to the first line."
            ) from error
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
        for row, text in enumerate(trimmed.to_pylist()):
            if text is not None and not _is_number(text):
                raise _bad_value(
                    before + row,
                    f"{_shown(text)} where a coordinate is expected",
                    "Write numbers with a decimal point: 8.5417; leave both coordinates empty where there is no position.",
                )
        raise AssertionError

    def _from_wkt(self, texts: pa.Array, before: int) -> pa.Array:
        rows: list[bytes | None] = []
        for row, text in enumerate(texts.to_pylist()):
            if text is None or not text.strip():
                rows.append(None)
                continue
            value = self._gdal.wkb_from_wkt(text)
            if value is None:
                raise _bad_value(
                    before + row, f"{_shown(text)} where a geometry in WKT is expected", "Write it like POINT (8.54 47.37)."
                )
            rows.append(value)
        return pa.array(rows, pa.binary())


def _encoding(path: Path, declared: str | None) -> str:
    """The Python codec of the file: what the manifest says, else by byte order mark, else UTF-8."""
    with path.open("rb") as file:
        mark = file.read(4)
    if declared is not None:
        try:
            name = codecs.lookup(declared).name
        except LookupError as error:
            raise Unreadable(
                "unknown_encoding",
                f"{declared!r} is no character encoding that is known here.",
                "Use a name such as 'UTF-8' or 'cp1252'.",
            ) from error
        return "utf8" if name in {"utf-8", "utf-8-sig"} else name
    if mark.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf8"


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf") and "_" not in text
    except ValueError:
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
    text = text.strip()
    return repr(text if len(text) <= 60 else text[:57] + "...")  # noqa: PLR2004 - a line's worth


def open_file(gdal: Gdal, request: Request) -> OpenFile:
    """The files of a request, a layer each."""
    opened = OpenFile()
    for path, prefix in request.paths:
        opened.names.append(prefix + path.stem)
        if request.wants(opened.names[-1]):
            opened.layers.append(DelimitedLayer(gdal, path, prefix, request))
    return opened
