"""XLSX: the parts of a workbook, its styles, its texts and the cells of its sheets (ECMA-376, both variants)."""

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from libs.spatial_utils.worker.formats.spreadsheet.package import Package, damaged
from libs.spatial_utils.worker.formats.spreadsheet.serials import kind_of_format, spelled
from libs.spatial_utils.worker.formats.spreadsheet.sheet import THE_ERROR, UNCALCULATED, CellKind, Sheet, cell_name, cell_position
from libs.spatial_utils.worker.protocol import Notes, Unreadable

WORKBOOK = "xl/workbook.xml"
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_DATED = frozenset({CellKind.DATE, CellKind.MOMENT, CellKind.TIME, CellKind.DURATION})
_IS_SHEET = "/worksheet"
"""End of the type of a relation to a sheet; there are sheets of charts and dialogs, too."""


@dataclass
class _Workbook:
    """What the workbook says: its sheets as (name, hidden, id of their relation), and whether days count from 1904."""

    sheets: list[tuple[str, bool, str]] = field(default_factory=list)
    from_1904: bool = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "workbookPr":
            self.from_1904 = attributes.get("date1904", "0") in {"1", "true"}
        elif name == "sheet":
            relation = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            hidden = attributes.get("state", "visible") != "visible"
            self.sheets.append((_unescaped(attributes.get("name", "")), hidden, relation))


class _Texts:
    """Shared strings, without the phonetic readings beside them."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._parts: list[str] = []
        self._within, self._phonetic = False, False

    def start(self, name: str, _: dict[str, str]) -> None:
        if name == "si":
            self._parts = []
        elif name == "rPh":
            self._phonetic = True
        elif name == "t":
            self._within = not self._phonetic

    def end(self, name: str) -> None:
        if name == "si":
            self.found.append(_unescaped("".join(self._parts)))
        elif name == "rPh":
            self._phonetic = False
        elif name == "t":
            self._within = False

    def text(self, text: str) -> None:
        if self._within:
            self._parts.append(text)


class _Styles:
    """The kind of value that each cell style shows."""

    def __init__(self) -> None:
        self._codes: dict[int, str] = {}
        self._formats: list[int] = []
        self._within = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt":
            self._codes[int(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            self._within = True
        elif name == "xf" and self._within:
            self._formats.append(int(attributes.get("numFmtId", "0")))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._within = False

    @property
    def kinds(self) -> list[CellKind]:
        return [kind_of_format(number, self._codes.get(number)) for number in self._formats]


class _Cells:
    """The cells of one sheet."""

    def __init__(self, sheet: Sheet, texts: list[str], kinds: list[CellKind], *, from_1904: bool) -> None:
        self._sheet, self._texts, self._kinds, self._from_1904 = sheet, texts, kinds, from_1904
        self._row, self._column = 0, -1
        self._type, self._style = "n", "0"
        self._parts: list[str] = []
        self._within, self._phonetic = False, False
        self._is_formula = False
        self._readers: dict[str, Callable[[str], tuple[CellKind, str]]] = {
            "n": self._number,
            "s": self._text_at,
            "str": _own_text,
            "inlineStr": _own_text,
            "b": lambda value: (CellKind.BOOL, "true" if value.strip() in {"1", "true"} else "false"),
            "e": lambda value: (CellKind.ERROR, THE_ERROR + value),
            "d": lambda value: (CellKind.MOMENT if "T" in value else CellKind.DATE, value.removesuffix("Z")),
        }

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._type, self._style = attributes.get("t", "n"), attributes.get("s", "0")
            if "r" in attributes:
                row, self._column = cell_position(attributes["r"])
                if row != self._row:
                    raise damaged(f"the sheet {self._sheet.name!r} has the cell {attributes['r']} in row {self._row}")
            else:
                self._column += 1
            self._parts, self._is_formula = [], False
        elif name == "f":
            self._is_formula = True
        elif name == "v" or (name == "t" and not self._phonetic):
            self._within = True
        elif name == "row":
            self._row = int(attributes["r"]) if "r" in attributes else self._row + 1
            self._column = -1
        elif name == "rPh":
            self._phonetic = True
        elif name == "mergeCell":
            first, _, last = attributes.get("ref", "").partition(":")
            self._sheet.merged.append((cell_position(first), cell_position(last or first)))

    def end(self, name: str) -> None:
        if name == "c":
            kind, text = self._value("".join(self._parts))
            if text:
                self._sheet.add(self._row, self._column, kind, text)
        elif name in {"v", "t"}:
            self._within = False
        elif name == "rPh":
            self._phonetic = False

    def text(self, text: str) -> None:
        if self._within:
            self._parts.append(text)

    def _value(self, value: str) -> tuple[CellKind, str]:
        if not value:  # a formula whose result is an empty text has the type of texts
            return (CellKind.ERROR, UNCALCULATED) if self._is_formula and self._type != "str" else (CellKind.EMPTY, "")
        read = self._readers.get(self._type)
        if read is None:
            raise damaged(f"the cell {self._name} is of the unknown type {self._type!r}")
        return read(value)

    def _text_at(self, value: str) -> tuple[CellKind, str]:
        return CellKind.TEXT, self._texts[_index(value)]

    def _number(self, value: str) -> tuple[CellKind, str]:
        value = value.strip()
        kind = self._kinds[_index(self._style)] if self._kinds else CellKind.NUMBER
        if kind not in _DATED:
            return CellKind.NUMBER, value
        found = spelled(value, kind, from_1904=self._from_1904)
        if found is None:
            raise Unreadable(
                "sheet_bad_date",
                f"The cell {self._name} is formatted as a date, but its number {value} is not a date that a calendar has.",
                "Correct the cell, or give it a number format.",
                f"sheet {self._sheet.name}, cell {self._name}",
            )
        return found

    @property
    def _name(self) -> str:
        return cell_name(self._row, self._column)


def read_sheets(package: Package, wants: Callable[[str], bool], notes: Notes) -> Iterator[Sheet]:
    """The sheets that are wanted, in the order of the workbook.

    Args:
        package: The file.
        wants: Takes the names of all sheets, and says which are wanted.
        notes: Takes a warning for sheets without cells, such as charts.

    Raises:
        Unreadable: when a part is damaged or a date is not valid.
    """
    try:
        yield from _read(package, wants, notes)
    except (ValueError, IndexError, KeyError) as error:  # a number, or the index of a text or of a style
        raise damaged(f"a number or a reference in it is wrong ({error})") from error


def _read(package: Package, wants: Callable[[str], bool], notes: Notes) -> Iterator[Sheet]:
    workbook, texts, styles = _Workbook(), _Texts(), _Styles()
    package.parse(WORKBOOK, workbook.start)
    parts = _relations(package, WORKBOOK)
    by_type = {kind.rpartition("/")[2]: target for kind, target in parts.values()}
    if "sharedStrings" in by_type:
        package.parse(by_type["sharedStrings"], texts.start, texts.end, texts.text)
    if "styles" in by_type:
        package.parse(by_type["styles"], styles.start, styles.end)
    kinds = styles.kinds
    for name, hidden, relation in workbook.sheets:
        kind, part = parts.get(relation, ("", ""))
        if not kind.endswith(_IS_SHEET):
            notes.warn(
                "sheet_without_cells", f"The sheet {name!r} is a chart or a dialog and was skipped.", "Nothing has to be done."
            )
            continue
        if not wants(name):
            continue
        sheet = Sheet(name, hidden)
        cells = _Cells(sheet, texts.found, kinds, from_1904=workbook.from_1904)
        package.parse(part, cells.start, cells.end, cells.text)
        sheet.close_block()
        yield sheet


def _own_text(value: str) -> tuple[CellKind, str]:
    return CellKind.TEXT, _unescaped(value)


def _index(text: str) -> int:
    number = int(text)
    if number < 0:
        raise IndexError(text)
    return number


def _relations(package: Package, part: str) -> dict[str, tuple[str, str]]:
    """What a part refers to within the file, by id: the type of the relation, and the other part's name."""
    found: dict[str, tuple[str, str]] = {}
    folder, name = posixpath.split(part)

    def start(element: str, attributes: dict[str, str]) -> None:
        if element == "Relationship" and attributes.get("TargetMode") != "External":
            target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", ""))).lstrip("/")
            found[attributes.get("Id", "")] = attributes.get("Type", ""), target

    package.parse(f"{folder}/_rels/{name}.rels", start)
    return found


def _unescaped(text: str) -> str:
    """Text with the characters that XML cannot hold, which are written ``_x000D_``."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
