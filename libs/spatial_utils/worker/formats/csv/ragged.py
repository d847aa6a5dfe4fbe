"""Rows of a delimited text that have more or fewer values than the header has names.

Arrow's parser passes them over, and tells of each before it delivers what follows: here they get back into their places.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from libs.spatial_utils.worker.formats.csv.dialect import Dialect
from libs.spatial_utils.worker.quarantine import NULL, SET_ASIDE


class RaggedRow(NamedTuple):
    """A row with another number of values than the header.

    Attributes:
        number: Its number among the rows of data, from 0; -1 for the header itself.
        values: How many it has.
        text: The row as it stands, without the end of its line.
    """

    number: int
    values: int
    text: str


class RaggedRows:
    """The rows that the parser has passed over and that are not in a batch yet.

    Args:
        dialect: Of the text.
        columns: That a row should have.
        policy: ``on_bad_value``. A row is kept to be set aside; with ``null`` if it has too few values.
        has_header: Whether the first row holds names.
        end: What the last row of the text is known by: a row that holds it has taken in all that follows a quote.

    Attributes:
        refused: The row that ended the parsing.
    """

    def __init__(self, dialect: Dialect, columns: int, policy: str, end: str, *, has_header: bool) -> None:
        self._dialect, self._columns, self._policy, self._end = dialect, columns, policy, end
        self._first = 1 + has_header
        self._waiting = list[RaggedRow]()
        self.refused: RaggedRow | None = None

    def meet(self, row: Any) -> str:
        """Decide on a row; see ``invalid_row_handler`` of Arrow, which numbers them from 1 if it parses in one thread."""
        found = RaggedRow(row.number - self._first, row.actual_columns, row.text.rstrip("\r\n"))
        may = self._policy == SET_ASIDE or (self._policy == NULL and found.values < self._columns)
        if may and found.number >= 0 and self._end not in found.text:
            self._waiting.append(found)
            return "skip"
        self.refused = found
        return "error"

    def put_back(self, batch: pa.RecordBatch, before: int) -> tuple[pa.RecordBatch, list[tuple[int, RaggedRow]]]:
        """A batch with the rows that belong into it, or right behind it.

        With ``null``, what is missing at their ends is null. Of those to set aside all is: which value is whose is not known.

        Args:
            batch: Some rows of text.
            before: Rows of data before it, those among them that were put back.

        Returns:
            The batch, and which of its rows were put back.
        """
        places = [row.number - before for row in self._waiting]  # in the new batch
        mine = sum(place - number <= batch.num_rows for number, place in enumerate(places))
        if not mine:
            return batch, []
        rows, self._waiting = self._waiting[:mine], self._waiting[mine:]
        order, usual = list[int](), 0
        for number, place in enumerate(places[:mine]):
            order += [*range(usual, place - number), batch.num_rows + number]
            usual = place - number
        order += range(usual, batch.num_rows)
        table = pa.concat_tables([pa.Table.from_batches([batch]), self._padded(rows)]).take(pa.array(order, pa.int64()))
        (whole,) = table.combine_chunks().to_batches()
        return whole, [*zip(places[:mine], rows, strict=True)]

    def raw(self, rows: Sequence[RaggedRow]) -> list[list[str | None]]:
        """The values of rows, as many as there are columns; the last of a longer row is followed by the rest, delimited."""
        found: dict[int, list[str | None]] = {}
        by_values = defaultdict[int, list[RaggedRow]](list)
        for row in rows:
            by_values[row.values].append(row)
        for values, alike in by_values.items():
            table = self._dialect.cells([row.text for row in alike], values)
            for row, *cells in zip(alike, *(column.to_pylist() for column in table.columns), strict=True):
                found[row.number] = self._fitted(cells)
        return [found[row.number] for row in rows]

    def _padded(self, rows: Sequence[RaggedRow]) -> pa.Table:
        names = [str(index) for index in range(self._columns)]
        if self._policy == SET_ASIDE:
            return pa.table({name: pa.nulls(len(rows), pa.string()) for name in names})
        missing = (self._dialect.delimiter * (self._columns - row.values) for row in rows)
        return self._dialect.cells([row.text + more for row, more in zip(rows, missing, strict=True)], self._columns)

    def _fitted(self, cells: list[str | None]) -> list[str | None]:
        if len(cells) <= self._columns:
            return cells + [None] * (self._columns - len(cells))
        rest, quote = io.StringIO(), self._dialect.quote
        quoting: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}
        csv.writer(rest, delimiter=self._dialect.delimiter, lineterminator="", **quoting).writerow(cells[self._columns - 1 :])
        return [*cells[: self._columns - 1], rest.getvalue()]
