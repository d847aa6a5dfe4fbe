"""How a delimited text is written, as options of Arrow's parser."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

BLOCK_BYTES = 16 * 1024 * 1024
"""Of text that is parsed at once: no row is longer."""


@dataclass(frozen=True)
class Dialect:
    """How a text separates and marks values.

    Attributes:
        delimiter: Separates values.
        quote: What quotes values; empty when nothing does.
        null_values: Unquoted texts that are missing values, besides empty ones.
    """

    delimiter: str
    quote: str
    null_values: tuple[str, ...] = ()

    def open(self, text: Any, columns: int, refuse: Callable[[Any], str]) -> pa_csv.CSVStreamingReader:
        """The rows of a text, block by block, all values as text.

        Args:
            text: A file-like object, UTF-8.
            columns: That a row has.
            refuse: Told of rows that have more or fewer; see ``invalid_row_handler`` of Arrow.
        """
        reading = self._reading(columns, BLOCK_BYTES)
        return pa_csv.open_csv(text, reading, self._parsing(columns, refuse), self._converting(columns))

    def cells(self, rows: Sequence[str], columns: int) -> pa.Table:
        """The values of some rows.

        Args:
            rows: Each as it stands in the text, without the end of its line.
            columns: That each of them has.
        """
        text = "\n".join(rows).encode() + b"\n"
        reading = self._reading(columns, len(text))
        return pa_csv.read_csv(io.BytesIO(text), reading, self._parsing(columns), self._converting(columns))

    @staticmethod
    def _reading(columns: int, block: int) -> pa_csv.ReadOptions:
        return pa_csv.ReadOptions(column_names=[str(index) for index in range(columns)], block_size=block, use_threads=False)

    def _parsing(self, columns: int, refuse: Callable[[Any], str] | None = None) -> pa_csv.ParseOptions:
        return pa_csv.ParseOptions(
            delimiter=self.delimiter,
            quote_char=self.quote or False,
            newlines_in_values=True,
            ignore_empty_lines=columns > 1,  # of one column it is a row whose value is missing
            invalid_row_handler=refuse,
        )

    def _converting(self, columns: int) -> pa_csv.ConvertOptions:
        return pa_csv.ConvertOptions(
            column_types={str(index): pa.string() for index in range(columns)},
            null_values=["", *self.null_values],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
