"""Lines above the column names of a CSV, as people write them: a title, a date, a blank line. For both sides of reading."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from typing import Any

_ROWS = 50
DELIMITERS = ",;\t|"
"""That a CSV may have where nothing says which."""


def lines_above_header(text: str, delimiter: str | None, quote: str) -> int:
    """How many lines stand above the column names; 0 where these stand first, or where it is not certain.

    They stand further down where the first line names less than half of the columns that the other rows have, and a later one
    names all of them. Where the first line has another number of values than these, it may as well be a name with rows that are
    wrong: then a column has to have numbers below the names, too.

    Args:
        text: The first of the file, with whole rows but for the last.
        delimiter: Between values; found out where it is None.
        quote: Of values; empty where none are quoted.
    """
    quoting: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or _commonest(text, quote), **quoting)
    rows, ends = list[list[str]](), [0]
    try:
        for row in islice(reader, _ROWS):
            rows.append([value.strip() for value in row])
            ends.append(reader.line_num)
    except csv.Error:
        return 0
    width, _ = max(Counter(map(len, rows)).items(), key=lambda item: (item[1], item[0]), default=(0, 0))
    if width < 2 or _filled(rows[0]) * 2 >= width:  # noqa: PLR2004 - a table of one column has no title that shows
        return 0
    for index, row in enumerate(rows[1:], 1):
        if _filled(row) < width and len(row) <= width:
            continue
        below = [each for each in rows[index + 1 :] if len(each) == width]
        is_header = len(row) == width == len(set(row)) and all(any(map(str.isalpha, name)) for name in row)
        certain = len(rows[0]) == width or any(all(map(_is_number, column)) for column in zip(*below, strict=True))
        return ends[index] if is_header and below and certain else 0
    return 0


def _commonest(text: str, quote: str) -> str:
    """The delimiter that most of the first lines have most of."""
    lines = ["".join(line.split(quote)[::2]) if quote else line for line in text.splitlines()[:_ROWS]]
    votes = Counter(max(DELIMITERS, key=line.count) for line in lines if any(each in line for each in DELIMITERS))
    return max(DELIMITERS, key=lambda each: votes[each])


def _filled(row: Sequence[str]) -> int:
    return sum(map(bool, row))


def _is_number(value: str) -> bool:
    return any(map(str.isdigit, value)) and not any(map(str.isalpha, value))
