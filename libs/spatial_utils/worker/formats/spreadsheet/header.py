"""Where the table of a sheet begins: its header row, told or found."""

from dataclasses import dataclass

from libs.spatial_utils.worker.formats.spreadsheet.sheet import CellKind, Sheet
from libs.spatial_utils.worker.protocol import NO_HEADER, Unreadable
from libs.spatial_utils.worker.values.coordinates import shown

_HEAD_ROWS = 100
_LISTED = 3

_Cells = dict[int, tuple[CellKind, str]]


@dataclass(frozen=True)
class Header:
    """The header of a table.

    Attributes:
        row: Its number in the sheet; 0 where there is none: data begin with the first row.
        names: Of columns, by their number in the sheet.
        skipped: Numbers of rows above it that are not empty, with what stands in them.
    """

    row: int
    names: dict[int, str]
    skipped: tuple[tuple[int, str], ...] = ()


def find_header(sheet: Sheet, told: int | str | None) -> Header:
    """The header of a sheet that is not empty.

    It is the first row in which all cells that are not empty are text and which names every column that is filled below it. Only
    the first column may lack a name, above numbers: programs write numbers of rows like that.

    Args:
        sheet: The sheet.
        told: The number of the row, or ``none``, by the manifest's options.

    Raises:
        Unreadable: when no row can be the header, or rows above it look like data.
    """
    if told == NO_HEADER:
        return Header(0, {})
    rows = list(sheet.head(None if told else _HEAD_ROWS))
    if told is not None:
        return _told(sheet, rows, int(told))
    for index, (_, cells) in enumerate(rows):
        if _is_header(cells, [below for _, below in rows[index + 1 :]], alone=len(rows) == 1):
            if any(len(above) >= len(cells) for _, above in rows[:index]):
                break
            return _header(rows, index)
    raise Unreadable(
        "sheet_no_header",
        f"The header row of the sheet {sheet.name!r} cannot be found: no row of texts names the columns of what stands below it.",
        'Write "options": {"header": 3} if the column names stand in row 3; "options": {"header": "none"} if there are none.',
        f"sheet {sheet.name}",
    )


def _is_header(cells: _Cells, below: list[_Cells], *, alone: bool) -> bool:
    if any(kind is not CellKind.TEXT for kind, _ in cells.values()) or not (below or alone):
        return False
    filled = {column for row in below for column in row}
    unnamed = filled - cells.keys()
    return not unnamed or (
        len(cells) > 1 and unnamed == {min(filled)} and any(kind is not CellKind.TEXT for kind, _ in below[0].values())
    )


def _told(sheet: Sheet, rows: list[tuple[int, _Cells]], row: int) -> Header:
    for index, (number, _) in enumerate(rows):
        if number == row:
            return _header(rows, index)
    raise Unreadable(
        "sheet_no_header",
        f"Row {row} of the sheet {sheet.name!r} is empty, but 'options.header' says that the column names stand there.",
        "Correct 'options.header': rows count from 1, as the program shows them.",
        f"sheet {sheet.name}",
    )


def _header(rows: list[tuple[int, _Cells]], index: int) -> Header:
    row, cells = rows[index]
    skipped = tuple(
        (number, ", ".join(shown(text) for _, text in list(above.values())[:_LISTED])) for number, above in rows[:index]
    )
    return Header(row, {column: text.strip() for column, (_, text) in cells.items()}, skipped)
