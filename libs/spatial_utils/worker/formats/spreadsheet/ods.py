"""ODS: the cells of all sheets, which stand in one part (OpenDocument 1.2 and 1.3)."""

import re
from collections.abc import Callable

from libs.spatial_utils.worker.formats.spreadsheet.package import Package, damaged
from libs.spatial_utils.worker.formats.spreadsheet.sheet import THE_ERROR, UNCALCULATED, CellKind, Sheet, cell_name
from libs.spatial_utils.worker.protocol import Unreadable

CONTENT = "content.xml"
_KINDS = {
    "float": CellKind.NUMBER, "percentage": CellKind.NUMBER, "currency": CellKind.NUMBER, "string": CellKind.TEXT,
    "boolean": CellKind.BOOL, "date": CellKind.DATE, "time": CellKind.DURATION,
}  # fmt: skip
_VALUES = ("office:value", "office:date-value", "office:time-value", "office:boolean-value", "office:string-value")
_ERROR = re.compile(r"#[A-Z]+[A-Z0-9/]*[?!]?|Err:[0-9]+")
_DURATION = re.compile(r"(-?)P(?:([0-9]+)D)?T?(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)(?:[.,]([0-9]+))?S)?")
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,]([0-9]+))?")
_BLANKS = re.compile(r"[ \t\r\n]+")
_SPACE, _TAB, _BREAK = "\0", "\x01", "\x02"
"""Blanks that are elements; XML cannot hold these characters."""
_SHOWN_AS = str.maketrans({_SPACE: " ", _TAB: "\t", _BREAK: "\n"})
_ASIDE = frozenset({"annotation", "shapes", "forms", "frame", "custom-shape", "dde-links", "tracked-changes"})
"""Elements that are beside the cells, with text of their own."""


class _Content:
    """The sheets of the content part."""

    def __init__(self, wants: Callable[[str], bool]) -> None:
        self.sheets: list[Sheet] = []
        self._wants = wants
        self._hidden_styles: set[str] = set()
        self._style = ""
        self._sheet: Sheet | None = None
        self._row, self._column, self._rows_repeated = 1, 0, 1
        self._cells: list[tuple[int, int, CellKind, str]] = []
        self._attributes: dict[str, str] | None = None
        self._parts: list[str] = []
        self._paragraphs: list[str] = []
        self._in_paragraph, self._aside = 0, 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "document-content":
            _require_usual_prefixes(attributes)
        elif self._aside or name in _ASIDE:
            self._aside += 1
        elif name in {"table-cell", "covered-table-cell"}:
            self._attributes, self._paragraphs = attributes, []
        elif self._attributes is not None:
            self._start_text(name, attributes)
        elif name == "table-row":
            self._rows_repeated = _repeated(attributes, "table:number-rows-repeated")
            self._column = 0
        elif name == "table":
            self._start_table(attributes)
        elif name == "style":
            self._style = attributes.get("style:name", "")
        elif name == "table-properties" and attributes.get("table:display") == "false":
            self._hidden_styles.add(self._style)

    def end(self, name: str) -> None:
        if self._aside:
            self._aside -= 1
        elif name in {"table-cell", "covered-table-cell"}:
            self._end_cell()
        elif name in {"p", "h"} and self._in_paragraph:
            self._in_paragraph -= 1
            if not self._in_paragraph:
                self._paragraphs.append(_as_shown("".join(self._parts)))
        elif name == "table-row":
            self._end_row()
        elif name == "table" and self._sheet is not None:
            self._sheet.close_block()
            self._sheet = None

    def text(self, text: str) -> None:
        if self._in_paragraph and not self._aside:
            self._parts.append(text)

    def _start_table(self, attributes: dict[str, str]) -> None:
        name = attributes.get("table:name", "")
        self._row = 1
        if self._wants(name):
            self._sheet = Sheet(name, attributes.get("table:style-name", "") in self._hidden_styles)
            self.sheets.append(self._sheet)

    def _start_text(self, name: str, attributes: dict[str, str]) -> None:
        if name in {"p", "h"}:
            if not self._in_paragraph:
                self._parts = []
            self._in_paragraph += 1
        elif name == "s":
            self._parts.append(_SPACE * _repeated(attributes, "text:c"))
        elif name == "tab":
            self._parts.append(_TAB)
        elif name == "line-break":
            self._parts.append(_BREAK)

    def _end_cell(self) -> None:
        attributes, self._attributes, self._in_paragraph = self._attributes or {}, None, 0
        first = self._column
        self._column += _repeated(attributes, "table:number-columns-repeated")
        if self._sheet is None:
            return
        kind, text = self._value(attributes, "\n".join(self._paragraphs))
        across, down = (int(attributes.get(f"table:number-{what}-spanned", "1")) for what in ("columns", "rows"))
        if across > 1 or down > 1:
            self._sheet.merged.append(((self._row, first), (self._row + down - 1, first + across - 1)))
        if text:
            self._cells.append((first, self._column, kind, text))

    def _end_row(self) -> None:
        if self._cells and self._sheet is not None:
            for row in range(self._row, self._row + self._rows_repeated):
                for first, end, kind, text in self._cells:
                    for column in range(first, end):
                        self._sheet.add(row, column, kind, text)
        self._cells = []
        self._row += self._rows_repeated

    def _value(self, attributes: dict[str, str], shown: str) -> tuple[CellKind, str]:
        said = attributes.get("office:value-type")
        if said is None:
            return (CellKind.ERROR, UNCALCULATED) if "table:formula" in attributes else (CellKind.EMPTY, "")
        kind = _KINDS.get(said)
        if kind is None:
            raise damaged(f"the cell {self._name} is of the unknown type {said!r}")
        is_formula = "table:formula" in attributes
        if attributes.get("calcext:value-type") == "error" or (is_formula and _ERROR.fullmatch(shown)):
            return CellKind.ERROR, THE_ERROR + shown
        value = next((attributes[key] for key in _VALUES if key in attributes), None)
        if kind is CellKind.TEXT:
            return kind, shown if value is None else value
        if value is None:
            raise damaged(f"the cell {self._name} is a {said} without a value")
        if kind is CellKind.DATE:
            return self._date(value)
        if kind is CellKind.DURATION:
            return self._duration(value)
        return kind, value

    def _date(self, value: str) -> tuple[CellKind, str]:
        moment = _MOMENT.fullmatch(value)
        if moment is None:
            return CellKind.DATE, value
        fraction = (moment[2] or "")[:6].rstrip("0")
        return CellKind.MOMENT, f"{moment[1]}.{fraction}" if fraction else moment[1]

    def _duration(self, value: str) -> tuple[CellKind, str]:
        match = _DURATION.fullmatch(value)
        if match is None:
            raise self._bad_value(value)
        sign, days, hours, minutes, seconds, fraction = match.groups(default="")
        total = (int(days or 0) * 24 + int(hours or 0)) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
        text = f"{sign}{total // 3600:02d}:{total // 60 % 60:02d}:{total % 60:02d}"
        digits = fraction.rstrip("0")
        return CellKind.DURATION, f"{text}.{digits}" if digits else text

    def _bad_value(self, value: str) -> Unreadable:
        sheet = "" if self._sheet is None else self._sheet.name
        return Unreadable(
            "sheet_bad_date", f"The cell {self._name} is a time, but its value {value!r} is not one.", "Correct the cell.",
            f"sheet {sheet}, cell {self._name}",
        )  # fmt: skip

    @property
    def _name(self) -> str:
        return cell_name(self._row, self._column)


def read_sheets(package: Package, wants: Callable[[str], bool]) -> list[Sheet]:
    """The sheets that are wanted, in the order of the file.

    Args:
        package: The file.
        wants: Takes the names of all sheets, and says which are wanted.

    Raises:
        Unreadable: when the file is damaged or has a password.
    """
    if "encryption-data" in package.text("META-INF/manifest.xml"):
        raise Unreadable(
            "password_protected", "The spreadsheet is protected by a password.", "Save it without a password, and submit that."
        )
    content = _Content(wants)
    try:
        package.parse(CONTENT, content.start, content.end, content.text)
    except ValueError as error:
        raise damaged(f"a number in it is wrong ({error})") from error
    return content.sheets


def _require_usual_prefixes(attributes: dict[str, str]) -> None:
    """Attributes are known by the prefixes that every program writes. Under others, cells would seem to be empty."""
    for prefix in ("office", "table", "text"):
        if attributes.get(f"xmlns:{prefix}") != f"urn:oasis:names:tc:opendocument:xmlns:{prefix}:1.0":
            raise damaged(f"it does not declare the namespace prefix {prefix!r} as spreadsheet programs do")


def _as_shown(paragraph: str) -> str:
    """A paragraph as programs show it: blanks are one space, unless they are elements."""
    return _BLANKS.sub(" ", paragraph).strip(" ").translate(_SHOWN_AS)


def _repeated(attributes: dict[str, str], name: str) -> int:
    return max(int(attributes.get(name, "1")), 1)
