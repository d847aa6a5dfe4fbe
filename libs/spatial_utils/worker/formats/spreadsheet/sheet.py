"""The cells of a sheet, by columns: each with its kind and its text, whichever format they come from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache

import pyarrow as pa

from libs.spatial_utils.worker.formats.spreadsheet.package import damaged
from libs.spatial_utils.worker.protocol import BATCH_BYTES, BATCH_ROWS, Unreadable

MAX_COLUMNS = 16_384
MAX_ROWS = 1_048_576
"""What spreadsheet programs have at most."""


class CellKind(IntEnum):
    """What a cell holds. Its text is spelled the same way in both formats.

    A date is ``2024-05-01``, a moment ``2024-05-01T10:00:00``, a time of day or a duration ``27:30:00``, a truth value
    ``true`` or ``false``.
    """

    EMPTY = 0
    NUMBER = 1
    TEXT = 2
    BOOL = 3
    DATE = 4
    MOMENT = 5
    TIME = 6
    DURATION = 7
    ERROR = 8


UNCALCULATED = "a formula whose result is not stored"
THE_ERROR = "the error "
"""With the error behind it, what an ``ERROR`` is otherwise."""
"""What an ``ERROR`` is that is not an error of the formula."""


@dataclass
class Column:
    """The cells of one column in one block of rows; the last ones may be missing, if they are empty."""

    texts: list[str | None] = field(default_factory=list)
    kinds: bytearray = field(default_factory=bytearray)

    def fill(self, rows: int) -> None:
        """Add empty cells up to a number of rows."""
        missing = rows - len(self.texts)
        if missing > 0:
            self.texts += [None] * missing
            self.kinds += bytes(missing)


@dataclass
class Block:
    """Some consecutive rows that are not empty.

    Attributes:
        rows: Their numbers in the sheet, from 1.
        columns: By number from 0; those without a cell are missing.
    """

    rows: list[int]
    columns: dict[int, tuple[pa.Array, bytes]]


@dataclass
class Sheet:
    """A sheet that is read, row by row.

    Attributes:
        name: As the file has it.
        hidden: Whether programs hide it.
        merged: Ranges of merged cells: their first cell, as (row, column), from (1, 0), and their last.
        blocks: Its rows, of which empty ones are left out.
    """

    name: str
    hidden: bool = False
    merged: list[tuple[tuple[int, int], tuple[int, int]]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    _rows: list[int] = field(default_factory=list)
    _bytes: int = 0
    _last: int = 0
    _open: dict[int, Column] = field(default_factory=dict)

    def add(self, row: int, column: int, kind: CellKind, text: str) -> None:
        """Add a cell that is not empty, in the order of the file.

        Raises:
            Unreadable: when it lies where no sheet has cells, or before one that was added.
        """
        if row != self._last:
            self._add_row(row)
        cells = self._open.get(column)
        if cells is None:
            cells = self._open[column] = self._new_column(column)
        missing = len(self._rows) - 1 - len(cells.texts)
        if missing:
            if missing < 0:
                raise damaged(f"the sheet {self.name!r} has two cells {cell_name(row, column)}")
            cells.fill(len(self._rows) - 1)
        cells.texts.append(text)
        cells.kinds.append(kind)
        self._bytes += len(text)

    def _add_row(self, row: int) -> None:
        if row > MAX_ROWS:
            raise self._too_large()
        if row < self._last:
            raise damaged(f"the rows of the sheet {self.name!r} are not in order")
        if len(self._rows) == BATCH_ROWS or self._bytes > BATCH_BYTES:
            self.close_block()
        self._rows.append(row)
        self._last = row

    def _new_column(self, column: int) -> Column:
        if column >= MAX_COLUMNS:
            raise self._too_large()
        return Column()

    def _too_large(self) -> Unreadable:
        return damaged(f"the sheet {self.name!r} has cells beyond column XFD or row {MAX_ROWS:,}")

    def close_block(self) -> None:
        """Pack the rows that were added last."""
        if not self._rows:
            return
        packed = {}
        for number in sorted(self._open):
            column = self._open[number]
            column.fill(len(self._rows))
            packed[number] = (pa.array(column.texts, pa.string()), bytes(column.kinds))
        self.blocks.append(Block(self._rows, packed))
        self._rows, self._open, self._bytes = [], {}, 0

    def head(self, rows: int | None) -> Iterator[tuple[int, dict[int, tuple[CellKind, str]]]]:
        """The first rows of the first block: the number of each, and its cells that are not empty.

        Args:
            rows: How many at most; None: all of them.
        """
        for block in self.blocks[:1]:
            for index, row in enumerate(block.rows[:rows]):
                yield (
                    row,
                    {
                        number: (CellKind(kinds[index]), texts[index].as_py())
                        for number, (texts, kinds) in block.columns.items()
                        if kinds[index]
                    },
                )


_COLUMN = re.compile(r"[A-Z]{1,3}")
_DIGITS = "0123456789"


def cell_name(row: int, column: int) -> str:
    """As programs name a cell: row 17 and column 1 are ``B17``."""
    return f"{column_name(column)}{row}"


def column_name(column: int) -> str:
    """As programs name a column: 0 is ``A``, 26 ``AA``."""
    letters = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def cell_position(name: str) -> tuple[int, int]:
    """The row, from 1, and the column, from 0, that a cell's name says.

    Raises:
        Unreadable: when it is not a cell's name.
    """
    letters = name.rstrip(_DIGITS)
    column, row = _column_number(letters), name[len(letters) :]
    if column < 0 or not row:
        raise damaged(f"{name!r} is not the name of a cell")
    return int(row), column


@lru_cache(maxsize=MAX_COLUMNS)
def _column_number(letters: str) -> int:
    """The column, from 0, of its letters; -1 where they are not letters of a column."""
    if not _COLUMN.fullmatch(letters):
        return -1
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1
