"""A sheet as a layer: columns get the narrowest type that keeps what every cell says."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain, pairwise

import pyarrow as pa
import pyarrow.compute as pc

from libs.column_names import GEOMETRY
from libs.remedies import way_in
from libs.spatial_utils.worker.formats.spreadsheet.header import Header, find_header
from libs.spatial_utils.worker.formats.spreadsheet.sheet import THE_ERROR, Block, CellKind, Sheet, cell_name, column_name
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import Notes, Request, Unreadable
from libs.spatial_utils.worker.quarantine import REJECT, Quarantine
from libs.spatial_utils.worker.values import inference
from libs.spatial_utils.worker.values.coordinates import CoordinateColumns, shown

_SHOWN = 5
_WHOLE = 2.0**53
"""From here on doubles leave out whole numbers."""
_CALLED = {
    CellKind.NUMBER: "numbers", CellKind.TEXT: "texts", CellKind.BOOL: "truth values", CellKind.DATE: "dates",
    CellKind.MOMENT: "dates with times", CellKind.TIME: "times", CellKind.DURATION: "durations",
}  # fmt: skip
_TIMES = frozenset({CellKind.TIME, CellKind.DURATION})
_WITHOUT_ERRORS = bytes.maketrans(bytes([CellKind.ERROR]), bytes([CellKind.EMPTY]))


class SheetLayer:
    """A sheet that is not empty; see ``LayerReader``.

    Raises:
        Unreadable: when it has no header, a cell holds an error, or no columns hold the geometry that is wanted.
    """

    crs: dict[str, str] | None = None  # the formats have no place for it

    def __init__(self, gdal: Gdal, sheet: Sheet, prefix: str, request: Request) -> None:
        self._gdal, self._sheet = gdal, sheet
        self.name, self.notes, self.geometry = prefix + sheet.name, Notes(), not request.tabular
        header = find_header(sheet, request.csv["header"])
        self._blocks = _below(sheet.blocks, header.row)
        self._rows = list(chain.from_iterable(block.rows for block in self._blocks))
        self.claimed: int | None = len(self._rows)
        self._quarantine = Quarantine(request.policies, self.notes)
        self._errors = list[list[tuple[int, int, str]]]()  # by block: the row in it, the column, and what the cell holds
        self._take_errors()
        self._columns = sorted({*header.names}.union(*(block.columns for block in self._blocks)))
        first = self._columns[0]
        names = [header.names.get(column) or f"field_{column - first + 1}" for column in self._columns]
        self._coordinates = (
            CoordinateColumns(names, request.csv, self._place, self.notes, f"sheet {sheet.name}") if self.geometry else None
        )
        fields = [pa.field(name, self._type(column, name)) for column, name in zip(self._columns, names, strict=True)]
        self._names = names
        if self.geometry:
            fields.append(pa.field(GEOMETRY, pa.binary()))
        self.schema = pa.schema([*fields, *self._quarantine.fields])
        self._tell(header)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows; raises ``Unreadable`` on a value that is not a coordinate or not a geometry."""
        read = 0
        while self._blocks:
            block = self._blocks.pop(0)
            for row, column, what in self._errors.pop(0):
                problem = self._error(block.rows[row], column, what)
                stands = what.removeprefix(THE_ERROR) if what.startswith(THE_ERROR) else None
                self._quarantine.meet("value", row, problem, self._names[self._columns.index(column)], stands)
            cells = [_cells(block, column) for column in self._columns]
            columns = [_cast(*cell, self.schema.field(index).type) for index, cell in enumerate(cells)]
            if self._coordinates is not None:
                located = [cells[index][0] for index in self._coordinates.positions]
                columns.append(self._coordinates.geometry(located, read, self._gdal, self._quarantine))
            columns += self._quarantine.columns(len(block.rows), self._names, [texts for texts, _ in cells])
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)
            read += len(block.rows)

    def _place(self, row: int) -> str:
        return f"sheet {self._sheet.name}, row {self._rows[row]}"

    def _take_errors(self) -> None:
        """Refuse cells that hold an error; or empty them, and note them for the quarantine."""
        for block in self._blocks:
            self._errors.append([
                (index, column, texts[index].as_py())
                for column, (texts, kinds) in block.columns.items()
                if CellKind.ERROR in kinds
                for index in range(len(block.rows))
                if kinds[index] == CellKind.ERROR
            ])  # fmt: skip
        named = zip(self._blocks, self._errors, strict=True)
        found = sorted((block.rows[index], column, what) for block, cells in named for index, column, what in cells)
        if found and self._quarantine.policy("value") == REJECT:
            others = ", ".join(cell_name(row, column) for row, column, _ in found[1:_SHOWN])
            more = len(found) - _SHOWN
            also = f" So do {len(found) - 1:,} more: {others}{', ...' if more > 0 else ''}." if others else ""
            problem = self._error(*found[0], also)
            problem.remedy += way_in("value")
            raise problem
        for block in self._blocks:
            for column, (texts, kinds) in block.columns.items():
                if CellKind.ERROR in kinds:
                    empty = pa.array([kind == CellKind.ERROR for kind in kinds])
                    block.columns[column] = pc.if_else(empty, None, texts), kinds.translate(_WITHOUT_ERRORS)

    def _error(self, row: int, column: int, what: str, also: str = "") -> Unreadable:
        return Unreadable(
            "sheet_error_cell",
            f"The cell {cell_name(row, column)} of the sheet {self._sheet.name!r} holds {what}, not a value.{also}",
            "Correct the formulas or clear these cells, let the program calculate the sheet, and save it.",
            f"sheet {self._sheet.name}, cell {cell_name(row, column)}",
        )

    def _type(self, column: int, name: str) -> pa.DataType:
        """The narrowest type that keeps every cell of a column."""
        found: Counter[CellKind] = Counter()
        for block in self._blocks:
            kinds = _cells(block, column)[1]
            found.update({CellKind(kind): kinds.count(kind) for kind in {*kinds}})
        del found[CellKind.EMPTY]
        kind = self._agreed(column, frozenset(found))
        called = f"The column {shown(name)} ({column_name(column)})"
        if len(found) > 1 and pa.types.is_string(kind):
            counts = " and ".join(f"{count:,} {_CALLED[kind]}" for kind, count in sorted(found.items()))
            self._warn(
                "sheet_mixed_types",
                f"{called} holds {counts}. It is read as text, each value as its cell says.",
                "If it should be of one type, correct the cells.",
            )
        elif found and found.keys() <= _TIMES:
            self._warn(
                "sheet_times_as_text",
                f"{called} holds times without a date. They are read as text, such as 08:30:00.",
                "Nothing has to be done.",
            )
        return kind

    def _agreed(self, column: int, kinds: frozenset[CellKind]) -> pa.DataType:
        if kinds == {CellKind.NUMBER}:
            return self._number_type(column)
        if kinds == {CellKind.BOOL}:
            return pa.bool_()
        wanted = pa.date32() if kinds == {CellKind.DATE} else pa.timestamp("us")
        if not kinds or kinds - {CellKind.DATE, CellKind.MOMENT}:
            return pa.string()
        try:
            for block in self._blocks:
                _cells(block, column)[0].cast(wanted)
        except pa.ArrowInvalid:  # a year beyond 9999, or one before the first
            return pa.string()
        return wanted

    def _number_type(self, column: int) -> pa.DataType:
        survey, whole = inference.TextProfile(), True
        for block in self._blocks:
            survey.add(_cells(block, column)[0].drop_null())
        if survey.type != pa.float64():
            return survey.type
        for block in self._blocks:  # 3.0 is the number 3
            values = _cells(block, column)[0].cast(pa.float64())
            exact = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), _WHOLE))
            whole = whole and pc.all(exact).as_py() is not False
        return pa.int64() if whole else pa.float64()

    def _tell(self, header: Header) -> None:
        """What the uploader should know of a sheet that is read."""
        sheet = f"The sheet {self._sheet.name!r}"
        if self._sheet.hidden:
            remedy = "If it is not wanted, choose another by 'layer', or remove it."
            self._warn("sheet_hidden", f"{sheet} is hidden. It was read.", remedy)
        if header.skipped:
            rows = "; ".join(f"row {row}: {said}" for row, said in header.skipped[:_SHOWN])
            self._warn(
                "sheet_rows_above_header",
                f"{sheet} has {len(header.skipped):,} rows above the header in row {header.row}. They were not read: {rows}.",
                "If the names stand in another row, give its number as 'options.header'.",
            )
        gap = next((row for row, following in pairwise(self._rows) if following > row + 1), None)
        if gap is not None:
            self._warn(
                "sheet_empty_rows",
                f"{sheet} has empty rows between rows with values, the first after row {gap}. They were skipped.",
                "If another table or a remark follows there, put it on a sheet of its own.",
            )
        merged = [first for first, last in self._sheet.merged if last[0] > header.row and first != last]
        if merged:
            self._warn(
                "sheet_merged_cells",
                f"{sheet} has {len(merged):,} ranges of merged cells, the first at {cell_name(*merged[0])}. "
                "The value of each is in its first cell. The others are null.",
                "If every row should have the value, split the cells and fill them.",
            )

    def _warn(self, code: str, message: str, remedy: str) -> None:
        self.notes.warn(code, message, remedy, f"layer {self.name}")


def _below(blocks: list[Block], header: int) -> list[Block]:
    """The rows below the header, of which columns without a value are left out."""
    found = []
    for block in blocks:
        start = next((index for index, row in enumerate(block.rows) if row > header), len(block.rows))
        if start < len(block.rows):
            columns = {number: (texts.slice(start), kinds[start:]) for number, (texts, kinds) in block.columns.items()}
            found.append(Block(block.rows[start:], {number: cells for number, cells in columns.items() if any(cells[1])}))
    return found


def _cells(block: Block, column: int) -> tuple[pa.Array, bytes]:
    """The texts and kinds of a column in a block."""
    return block.columns.get(column) or (pa.nulls(len(block.rows), pa.string()), bytes(len(block.rows)))


def _cast(texts: pa.Array, kinds: bytes, target: pa.DataType) -> pa.Array:
    """Cells as a type that takes all of them."""
    if pa.types.is_string(target):
        if {*kinds} <= {CellKind.EMPTY, CellKind.TEXT, CellKind.DATE, CellKind.MOMENT, *_TIMES}:
            return texts
        return pa.array(map(_spelled, texts.to_pylist(), kinds), pa.string())
    if pa.types.is_int64(target):
        try:
            return texts.cast(target)
        except pa.ArrowInvalid:  # 3.0, 1E3
            return texts.cast(pa.float64()).cast(target)
    return texts.cast(target)


def _spelled(text: str | None, kind: int) -> str | None:
    """A cell in a column of text: a number as it is usually written, a truth value as programs show it."""
    if text is None or kind not in {CellKind.NUMBER, CellKind.BOOL}:
        return text
    if kind == CellKind.BOOL:
        return text.upper()
    if text.lstrip("-").isdigit():
        return text
    try:
        return repr(float(text)).removesuffix(".0")
    except ValueError:
        return text
