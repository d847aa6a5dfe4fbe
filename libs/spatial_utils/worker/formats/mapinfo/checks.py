"""What GDAL does not tell of MapInfo files: whether a ``.mif`` has a shape for every record of its ``.mid``, and these values.

No upstream issue is known (GDAL 3.12.4).
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from libs.remedies import way_in
from libs.spatial_utils.charset import charset_of
from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.values.pieces import pieces_of_lines
from libs.spatial_utils.worker.values.text import Decoder

_HEAD_BYTES = 1024 * 1024
_DELIMITER = re.compile(rb'(?im)^\s*delimiter\s+"(.)"')
_COLUMNS = re.compile(rb"(?im)^\s*columns\s+\d+[ \t]*\r?\n((?:.*\n)*?)\s*data\b")
_COLUMN = re.compile(rb"(?m)^\s*(\S+)\s+([A-Za-z]+)")
_WESTERN = {"windowslatin1": "cp1252", "iso8859_1": "iso8859-1"}
"""Character sets as which UTF-8 decodes without an error, into nonsense."""
_NUMBERS = frozenset({b"integer", b"smallint", b"largeint", b"float", b"decimal", b"logical"})
_DATES = frozenset({b"date", b"datetime"})


def decoder(path: Path, encoding: str | None, notes: Notes) -> Decoder | None:
    """The decoder of a file; None where GDAL's own decoding can be relied on."""
    if encoding is not None:  # then the file was made to name no character set, and text comes as it is
        return Decoder(encoding, "the manifest", notes)
    charset = charset_of(path)
    if charset is None:
        return Decoder(None, "", notes)
    codec = _WESTERN.get(charset.lower())
    return Decoder(codec, f"the character set {charset}", notes, decoded=True) if codec else None


class BadDate(NamedTuple):
    """A date that there is not.

    Attributes:
        record: Its number, from 0.
        column: Number of the column, from 0.
        text: As it stands in the file.
        problem: What is wrong.
    """

    record: int
    column: int
    text: str
    problem: Unreadable


def check_values(path: Path, notes: Notes, *, keeps: bool) -> list[BadDate]:
    """Look for what GDAL makes others of in a ``.mid``: dates that there are not, and empty numbers, which MapInfo lacks, too.

    Args:
        path: The file.
        notes: Takes warnings.
        keeps: Whether a policy takes records with such a date, which are then returned.

    Raises:
        Unreadable: ``value_lost``.
    """
    table = _table(path)
    if table is None:
        return []
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    listed, named = _COLUMNS.search(head), _DELIMITER.search(head)
    columns = [(name.decode("utf-8", "replace"), kind.lower()) for name, kind in _COLUMN.findall(listed[1])] if listed else []
    delimiter = re.escape(named[1] if named else b"\t")
    text = rb'(?:"(?:[^"]|"")*+"|[^' + delimiter + rb"\r\n]*+)"
    dates = [
        (name, index, re.compile(rb"(?m)^(?:" + text + delimiter + rb'){%d}"?([0-9]{8})' % index))
        for index, (name, kind) in enumerate(columns)
        if kind in _DATES
    ]
    number = rb" *+[^ " + delimiter + rb"\r\n]" + text
    usual = delimiter.join(number if kind in _NUMBERS else text for _, kind in columns)
    unusual = re.compile(rb"(?m)^(?!" + usual + rb"\r?$)[^\r\n]+")
    values = re.compile(delimiter.join([rb"(" + text + rb")"] * len(columns)))
    has_numbers = any(kind in _NUMBERS for _, kind in columns)
    empty, has_bad_dates = set[str](), False
    for piece in pieces_of_lines(table) if dates or has_numbers else ():
        for name, _, pattern in dates:
            for said in _dates_that_are_none(piece, pattern):
                if not keeps:
                    problem = _no_day(said, name, table.name)
                    problem.remedy += way_in("value")
                    raise problem
                has_bad_dates = True
        for record in (found[0] for found in unusual.finditer(piece)) if has_numbers else ():
            if found := values.fullmatch(record):
                empty |= {
                    name
                    for (name, kind), value in zip(columns, found.groups(), strict=True)
                    if kind in _NUMBERS and not value.strip()
                }
    if empty:
        notes.warn(
            "empty_numbers",
            f"Empty values are read as 0 or false, as MapInfo does, in the columns: {', '.join(sorted(empty))}.",
            "Use a format that has empty numbers, such as GeoPackage, where the difference matters.",
        )
    return _numbered(table, dates) if has_bad_dates else []


def _dates_that_are_none(piece: bytes, pattern: re.Pattern[bytes]) -> Iterator[str]:
    for text in sorted({found.decode() for found in pattern.findall(piece)}):
        try:
            date(int(text[:4]), int(text[4:6]), int(text[6:]))
        except ValueError:
            yield text


def _no_day(text: str, name: str, place: str) -> Unreadable:
    return Unreadable(
        "value_lost",
        f"There is no such day as {text} in the column {name!r}.",
        "Correct it, or leave the value empty.",
        place,
    )


def _numbered(table: Path, patterns: Sequence[tuple[str, int, re.Pattern[bytes]]]) -> list[BadDate]:
    """The dates that there are not, with the numbers of their records.

    Raises:
        Unreadable: the problem of one behind a blank line, which may be a record or none.
    """
    bad, blank = list[BadDate](), False
    for number, (line, record) in enumerate(_records(table)):
        blank = blank or not record.strip(b"\r\n")
        for name, index, pattern in patterns:
            for text in _dates_that_are_none(record, pattern):
                problem = _no_day(text, name, f"{table.name}, line {line}")
                if blank:
                    raise problem
                bad.append(BadDate(number, index, text, problem))
    return bad


def _records(table: Path) -> Iterator[tuple[int, bytes]]:
    """The records, each with the line that it begins in: one, or several where a text in quotes has line breaks."""
    with table.open("rb") as lines:
        record, began = b"", 1
        for number, line in enumerate(lines, 1):
            if not record:
                began = number
            record += line
            if record.count(b'"') % 2 == 0:
                yield began, record
                record = b""
        if record:
            yield began, record


def _table(path: Path) -> Path | None:
    """The ``.mid`` of a ``.mif``."""
    if path.suffix.lower() != ".mif":
        return None
    return next((file for file in path.parent.iterdir() if file.stem == path.stem and file.suffix.lower() == ".mid"), None)


def check_count(path: Path, shapes: int) -> None:
    """Compare the number of shapes that were read with the number of records.

    A record takes a line, or several where a text in quotes has line breaks. A blank line is a record without values or a stray
    end of line, so either number is right.

    Raises:
        Unreadable: ``count_mismatch``.
    """
    table = _table(path)
    if table is None:
        return
    filled = blank = 0
    for _, record in _records(table):
        is_blank = not record.strip(b"\r\n")
        filled, blank = filled + (not is_blank), blank + is_blank
    if not filled <= shapes <= filled + blank:
        raise Unreadable(
            "count_mismatch",
            f"{path.name} has {shapes:,} shapes, but {table.name} has {filled + blank:,} records.",
            "The files are truncated or do not belong together: upload both again.",
        )
