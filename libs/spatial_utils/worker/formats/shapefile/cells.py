"""Cells of a ``.dbf`` that GDAL reads, held against what it makes of them: it makes 1 of ``1.5``, and a date of anything.

What ``table`` can read is kept whole; only the columns of a window that it cannot are looked at cell by cell.

No upstream issue is known (GDAL 3.12.4).
"""

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.formats.dbase_records import part
from libs.spatial_utils.worker.formats.shapefile.layout import ELSEWHERE, MEMO, Field, blank, layout_of, records_of, undeleted
from libs.spatial_utils.worker.formats.shapefile.memos import DamagedMemo, Memos
from libs.spatial_utils.worker.formats.shapefile.parts import FastPathUnsupported, bytes_at
from libs.spatial_utils.worker.formats.shapefile.table import LOGICAL, column
from libs.spatial_utils.worker.protocol import BATCH_ROWS, Notes, Unreadable
from libs.spatial_utils.worker.quarantine import Quarantine
from libs.spatial_utils.worker.values.doubles import EXACT, is_rounded

_NO_NUMBER = re.compile(rb"\**")
_INTEGER = re.compile(rb"[+-]?[0-9]+(?:\.0*)?")
_DIGITS = re.compile(rb"[+-]?[0-9]+")
_DATE = re.compile(rb"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})")
_WRITTEN_DATE = re.compile(rb"(?P<month>[0-9]{2})/(?P<day>[0-9]{2})/(?P<year>[0-9]{4})")
_NO_DATE = re.compile(rb"0*")
_LOGICALS = frozenset({b"", b"?", *(bytes([letter]) for letter in b"TtYyFfNn")})
_DECIMAL_COMMA = r"^ *[+-]?[0-9]*,[0-9]+ *$"
_BEHIND_NUL = r"\x00[\x00 ]*[^\x00 ]"
_LONGEST_SHOWN = 60


class Cells:
    """The records of a ``.dbf``, beside GDAL's reading of them.

    Args:
        path: The file, or the ``.shp`` that it belongs to; checked.
        types: Of GDAL's columns, text not decoded.
        names: Of the columns, for problems.
        place: The layer, for problems.
        notes: Takes the warnings.
        quarantine: Takes the features whose cells are lost.
    """

    def __init__(
        self,
        path: Path,
        types: Sequence[pa.DataType],
        names: Sequence[str],
        place: str,
        notes: Notes,
        quarantine: Quarantine,
    ) -> None:
        self._quarantine, self._lost = quarantine, dict[int, list[int]]()
        self._mended = dict[int, dict[int, float]]()
        self._file = part(path, ".dbf")
        self._types, self._names, self._place, self._notes = types, names, place, notes
        self._cut, self._unread = set[str](), set[int]()

    def beside(self, batches: Iterable[pa.RecordBatch], first: int) -> Iterator[pa.RecordBatch]:
        """GDAL's batches from a record on, logicals null where they are blank.

        Raises:
            Unreadable: ``value_lost``; ``count_mismatch`` when GDAL has other records than the file.
        """
        if self._file is None or not self._types:
            yield from batches
            return
        self._layout, self._next = layout_of(self._file), first
        elsewhere = {index: field for index, field in enumerate(self._layout.fields) if field.kind in ELSEWHERE}
        self._elsewhere, self._memos = elsewhere, Memos(self._file)
        if len(self._layout.fields) != len(self._types):
            raise self._disagreement()
        following = iter(batches)
        while (batch := self._read(following)) is not None:
            yield self._checked(batch)

    def _read(self, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
        try:
            return next(batches, None)
        except Unreadable as error:
            if error.code == "value_lost":  # GDAL says it itself, but not where
                while self._next < self._layout.rows:
                    self._check_all(*self._undeleted(self._layout.rows))
            raise

    def _checked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        memos: dict[int, list[bytes | None]] = {index: [] for index in self._elsewhere}
        blanks: dict[int, list[pa.Array]] = {index: [] for index, type_ in enumerate(self._types) if type_ == LOGICAL}
        rows = batch.num_rows
        self._lost.clear()
        self._mended.clear()
        while rows:
            records, numbers = self._undeleted(rows)
            self._check_all(records, numbers, batch.num_rows - rows)
            for index, texts in memos.items():
                texts.extend(self._texts(records, numbers, index, batch.num_rows - rows))
            rows -= len(records)
            for index, masks in blanks.items():
                masks.append(blank(records, self._layout.fields[index]))
        columns = batch.columns
        for index, texts in memos.items():
            columns[index] = pa.array(texts, pa.binary()).view(pa.string())  # decoded later, as all text
        for index, masks in blanks.items():
            columns[index] = pc.if_else(pa.concat_arrays(masks), pa.scalar(None, LOGICAL), columns[index])
        for index, lost in self._lost.items():
            is_lost = pc.is_in(pa.arange(0, batch.num_rows), pa.array(lost, pa.int64()))
            columns[index] = pc.if_else(is_lost, pa.scalar(None, columns[index].type), columns[index])
        for index, mended in self._mended.items():
            is_mended = pc.is_in(pa.arange(0, batch.num_rows), pa.array(mended, pa.int64()))
            columns[index] = pc.replace_with_mask(columns[index], is_mended, pa.array(mended.values(), pa.float64()))
        return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)

    def _undeleted(self, rows: int) -> tuple[pa.Array, pa.Array]:
        """The next records that are not deleted, no more than wanted, and their numbers in the file."""
        first, size = self._next, self._layout.size
        rows = min(rows, BATCH_ROWS, self._layout.rows_in_memory, self._layout.rows - first)
        if rows <= 0:
            raise self._disagreement()
        self._next += rows
        data = bytes_at(self._file, self._layout.begin + first * size, rows * size)  # type: ignore[arg-type]  # it is there
        records = records_of(data, size)
        kept = pc.indices_nonzero(undeleted(records))
        return (records if len(kept) == rows else records.take(kept)), pc.add(kept.cast(pa.int64()), first)

    def _check_all(self, records: pa.Array, numbers: pa.Array, before: int = 0) -> None:
        """Check records, of which so many of the batch lie before."""
        for index, field in enumerate(self._layout.fields):
            self._check(records, numbers, field, index, before)

    def _check(self, records: pa.Array, numbers: pa.Array, field: Field, index: int, before: int) -> None:
        type_, name = self._types[index], self._names[index]
        if index in self._elsewhere:
            return
        cells = pc.binary_slice(records, field.begin, field.end).cast(pa.binary())
        if type_ == pa.string():
            self._note_what_is_cut(cells, name)
            return
        try:
            column(records, field, type_)
        except FastPathUnsupported:
            suspects = pc.unique(cells if type_ != pa.float64() else self._mended_from(cells, index, before))
        else:
            return
        for cell in suspects.to_pylist():
            if said := _loss(cell, field, type_):
                for row in pc.indices_nonzero(pc.equal(cells, pa.scalar(cell, pa.binary()))).to_pylist():
                    problem = Unreadable(
                        "value_lost",
                        f"The cell {_shown(cell)} of the column {name!r} {said}.",
                        "Correct the value, or write the column as text.",
                        f"{self._place}, feature {numbers[row].as_py() + 1}",
                    )
                    self._quarantine.meet("value", before + row, problem, name, cell.decode("ascii", "backslashreplace").strip())
                    self._lost.setdefault(index, []).append(before + row)

    def _texts(self, records: pa.Array, numbers: pa.Array, index: int, before: int) -> list[bytes | None]:
        """The texts that the cells of a field mean, which stand in another file."""
        field, memos = self._elsewhere[index], self._memos
        cells = memos.blocks(records, field)
        if memos.file is None or field.kind != MEMO:
            self._note_what_is_elsewhere(field, index, sum(cell is not None for cell in cells))
            return [None] * len(cells)
        for row, cell in enumerate(cells):
            if cell is None:
                continue
            try:
                cells[row] = memos.text(cell, field)
            except DamagedMemo as error:
                cells[row], shown = None, cell.decode("ascii", "backslashreplace").strip()
                problem = Unreadable(
                    "value_lost",
                    f"The number {shown!r} in the column {self._names[index]!r} {error} in {memos.file.name!r}.",
                    "Upload both files again, or repair the table with the program that made it.",
                    f"{self._place}, feature {numbers[row].as_py() + 1}",
                )
                self._quarantine.meet("value", before + row, problem, self._names[index], shown)
        return cells

    def _note_what_is_elsewhere(self, field: Field, index: int, lost: int) -> None:
        """Once a column: what it means is in no file that is read."""
        if not lost:
            return
        self._notes.counts["memos_not_read"] += lost
        if index in self._unread:
            return
        self._unread.add(index)
        name = self._names[index]
        is_text = field.kind == MEMO
        self._notes.warn(
            "memos_not_read",
            f"The column {name!r} is empty: its texts stand in a file (.dbt or .fpt) that is not there."
            if is_text
            else f"The column {name!r} is empty: its values are not text but of the type {ELSEWHERE[field.kind]}.",
            "Upload that file beside the .dbf, if the texts are wanted."
            if is_text
            else "Nothing has to be done, unless they are wanted: then export them with the program that made the file.",
            self._place,
        )

    def _mended_from(self, cells: pa.Array, index: int, before: int) -> pa.Array:
        """Read numbers with a decimal comma, of which GDAL takes what stands before it; a dBASE number has no other comma.

        Returns:
            The other cells.
        """
        with_comma = pc.match_substring_regex(cells, _DECIMAL_COMMA)
        rows = pc.indices_nonzero(with_comma)
        if not len(rows):
            return cells
        texts = pc.replace_substring(pc.utf8_trim(cells.take(rows).cast(pa.string()), " "), ",", ".")
        found = self._mended.setdefault(index, {})
        found.update(zip(pc.add(rows.cast(pa.int64()), before).to_pylist(), texts.cast(pa.float64()).to_pylist(), strict=True))
        self._notes.warn(
            "decimal_comma",
            f"Numbers of the column {self._names[index]!r} have a decimal comma, and were read so.",
            "Nothing needs to be done if that is right. A dBASE table should have decimal points.",
            self._place,
        )
        return cells.filter(pc.invert(with_comma))

    def _note_what_is_cut(self, cells: pa.Array, name: str) -> None:
        """Once a column: text ends at a NUL, and programs that write C leave behind it what has been there before."""
        found = pc.index(pc.match_substring_regex(cells, _BEHIND_NUL), pa.scalar(value=True)).as_py()
        if found >= 0 and name not in self._cut:
            self._cut.add(name)
            self._notes.warn(
                "text_behind_nul",
                f"Texts of the column {name!r} go on behind a NUL character, where they end: {_shown(cells[found].as_py())}.",
                "Nothing is to be done if it is rubbish; else write the file without NUL characters.",
                self._place,
            )

    def _disagreement(self) -> Unreadable:
        return Unreadable(
            "count_mismatch",
            "The .dbf has other fields or fewer records than GDAL finds in it.",
            "Write the file again with the program that made it.",
            self._place,
        )


def _loss(cell: bytes, field: Field, type_: pa.DataType) -> str | None:
    """What is lost when GDAL reads a cell as a type, or None."""
    text, _, behind = cell.partition(b"\0")
    if behind.strip(b" \0"):
        return "has something behind a NUL character, where values end"
    return _LOSSES[type_](text.strip(), field) if type_ in _LOSSES else None


def _loss_of_integer(text: bytes, _: Field) -> str | None:
    return None if _INTEGER.fullmatch(text) or _NO_NUMBER.fullmatch(text) else "is no whole number"


def _loss_of_number(text: bytes, field: Field) -> str | None:
    if _NO_NUMBER.fullmatch(text):
        return None
    try:
        number = float(text)
    except ValueError:
        return None if b"#" in text else "is no number"  # what Microsoft's library writes for infinite ones is left to GDAL
    if math.isinf(number) and b"n" not in text.lower():
        return "is larger than a 64-bit floating-point number can be"
    rounded = field.whole and abs(number) >= EXACT and _DIGITS.fullmatch(text) and is_rounded(int(text))
    return f"would be rounded to {number!r}: the column has integers of more than 64 bits, or fractions" if rounded else None


def _loss_of_date(text: bytes, _: Field) -> str | None:
    if _NO_DATE.fullmatch(text):
        return None
    found = _DATE.fullmatch(text) or _WRITTEN_DATE.fullmatch(text)
    try:
        # Python has no year 0, which is a leap year as 4 is.
        if found and dt.date(int(found["year"]) or 4, int(found["month"]), int(found["day"])):
            return None
    except ValueError:
        return "is a day that does not exist"
    return "is no date: dates are written as YYYYMMDD"


def _loss_of_logical(text: bytes, _: Field) -> str | None:
    return None if text in _LOGICALS else "is neither T, Y, F, N nor ?"


_LOSSES: dict[pa.DataType, Callable[[bytes, Field], str | None]] = {
    pa.int32(): _loss_of_integer,
    pa.int64(): _loss_of_integer,
    pa.float64(): _loss_of_number,
    pa.date32(): _loss_of_date,
    LOGICAL: _loss_of_logical,
}


def _shown(cell: bytes) -> str:
    text = cell.decode("latin-1").strip(" ")
    return repr(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "...")
