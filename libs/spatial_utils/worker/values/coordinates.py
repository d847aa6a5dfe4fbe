"""Columns that hold positions or WKT, as a geometry column: for formats that are tables of text and numbers.

GDAL only parses WKT here.

Upstream: OSGeo/gdal#10496 asks for errors where a position has too few or too many numbers.
"""

import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.values import inference, wkb

_POINT = struct.Struct("<BIdd")


class CoordinateColumns:
    """The columns of a table that hold its geometry: those with x and y, or the one with WKT.

    Attributes:
        positions: Of these columns in the header.

    Args:
        header: Names of all columns.
        options: ``x``, ``y`` and ``wkt`` of the manifest.
        place: Says where a row is, by its number from 0.
        within: Of the table in its file, for problems; empty where there is one table.

    Raises:
        Unreadable: when the options name no column, or one that the table does not have once.
    """

    def __init__(
        self, header: Sequence[str], options: Mapping[str, str | None], place: Callable[[int], str], within: str = ""
    ) -> None:
        self._place = place
        self.positions = _positions(header, options, within)

    def geometry(self, texts: Sequence[pa.Array], before: int, gdal: Gdal, counts: Counter[str]) -> pa.Array:
        """The geometry column of some rows.

        Args:
            texts: Their values in the columns at ``positions``, as text.
            before: Number of rows before them.
            gdal: Parses WKT.
            counts: What had to be changed is added to them.

        Raises:
            Unreadable: on a value that is not a coordinate or not a geometry.
        """
        if len(texts) == 1:
            return wkb.normalise(self._from_wkt(texts[0], before, gdal), gdal, counts, vouched=True)
        x, y = (self._coordinates(column, before) for column in texts)
        points: list[bytes | None] = []
        for row, (x_value, y_value) in enumerate(zip(x, y, strict=True)):
            if x_value is None and y_value is None:
                points.append(None)
            elif x_value is None or y_value is None:
                raise self._bad_value(
                    before + row, "one coordinate without the other", "Give both, or neither where there is no position."
                )
            else:
                points.append(_POINT.pack(1, 1, x_value, y_value))
        return pa.array(points, pa.binary())

    def _coordinates(self, texts: pa.Array, before: int) -> list[float | None]:
        trimmed = pc.utf8_trim(texts, inference.SPACE)
        trimmed = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
        try:
            values = trimmed.cast(pa.float64())
            if pc.all(pc.is_finite(values).drop_null()).as_py() is not False:
                found: list[float | None] = values.to_pylist()
                return found
        except pa.ArrowInvalid:
            pass
        row, text = next((row, text) for row, text in enumerate(trimmed) if not _is_coordinate(text))
        raise self._bad_value(
            before + row,
            f"{shown(text.as_py())} where a coordinate is expected",
            "Write numbers with a decimal point and nothing else, no unusual blanks: 8.5417; "
            "leave both coordinates empty where there is no position.",
        )

    def _from_wkt(self, texts: pa.Array, before: int, gdal: Gdal) -> pa.Array:
        malformed = _first_malformed(texts)
        rows: list[bytes | None] = []
        for row, text in enumerate(texts.to_pylist()):
            if text is None or not (text.strip() or row == malformed):
                rows.append(None)
                continue
            value = None if row == malformed else gdal.wkb_from_wkt(text)
            if value is None:
                raise self._bad_value(
                    before + row,
                    f"{shown(text)} where a geometry in WKT is expected",
                    "Write it like POINT (8.54 47.37), all positions of a geometry with as many numbers.",
                )
            rows.append(value)
        return pa.array(rows, pa.binary())

    def _bad_value(self, row: int, what: str, remedy: str) -> Unreadable:
        return Unreadable("csv_bad_geometry", f"There is {what}.", remedy, self._place(row))


def _positions(header: Sequence[str], options: Mapping[str, str | None], within: str) -> list[int]:
    """The positions of the x and y columns, or of the one with WKT."""
    wanted = [name for name in (options["wkt"], options["x"], options["y"]) if name]
    if not wanted:
        raise Unreadable(
            "csv_geometry_unknown",
            f"The manifest does not say which columns hold the geometry. Columns: {', '.join(header)}.",
            f"{_guess(header)}, or declare the file as 'tabular' if it has none.",
            within,
        )
    for name in wanted:
        if header.count(name) != 1:
            how = "no column" if name not in header else "more than one column"
            raise Unreadable(
                "csv_no_such_column",
                f"There is {how} named {name!r}. Columns: {', '.join(header)}.",
                "Correct 'options', or choose another table of the file by 'layer'." if within else "Correct 'options'.",
                within,
            )
    return [header.index(name) for name in wanted]


def _is_coordinate(text: pa.StringScalar) -> bool:
    """Whether Arrow makes a finite number, or nothing, of a text: Python takes more for one, such as no-break spaces round it."""
    try:
        return bool(pc.fill_null(pc.is_finite(text.cast(pa.float64())), fill_value=True).as_py())
    except pa.ArrowInvalid:
        return False


def _guess(header: Sequence[str]) -> str:
    """What to write, where the names of columns suggest it."""
    lower = [name.lower() for name in header]
    for x, y in (("lon", "lat"), ("longitude", "latitude"), ("lng", "lat"), ("long", "lat"), ("x", "y"), ("easting", "northing")):
        if x in lower and y in lower:
            return f'Add "options": {{"x": "{header[lower.index(x)]}", "y": "{header[lower.index(y)]}"}}'
    for name in ("wkt", "geometry", "geom", "the_geom", "shape"):
        if name in lower:
            return f'Add "options": {{"wkt": "{header[lower.index(name)]}"}}'
    return 'Add "options" with "x" and "y", or with "wkt"'


def _wkt_of(numbers: int, head: str) -> str:
    """What WKT looks like whose positions all have as many numbers, each short enough for GDAL to take it for one; or blanks."""
    blank = r"[ \t\r\n]"
    number = r"(?:-?(?:[0-9]{1,25}(?:\.[0-9]{0,25})?|\.[0-9]{1,25})(?:e[-+]?[01]?[0-9]{1,2})?|nan)"
    position = number + f"(?:{blank}+{number})" * (numbers - 1)
    return f"(?i)^{blank}*(?:{head}{blank}*(?:[(),]{blank}*(?:(?:{position}|{head}){blank}*)?)*)?$"


_NAME, _NO_PART = "[a-z]*[a-ln-y]", r"(?:[ \t\r\n]+empty)?"
_WKT = (
    _wkt_of(2, _NAME + _NO_PART),
    _wkt_of(3, _NAME + r"(?:[ \t\r\n]*z)?" + _NO_PART),
    _wkt_of(3, f"(?:{_NAME}[ \\t\\r\\n]*m{_NO_PART}|empty)"),
    _wkt_of(4, _NAME + r"(?:[ \t\r\n]*zm)?" + _NO_PART),
)
"""GDAL holds the structure: it takes 1.2.3 for 1.2, 1x for 1, - for 0, and for a missing height 0."""


def _first_malformed(texts: pa.Array) -> int | None:
    """The first row whose text GDAL would make something else of."""
    rows = None
    for pattern in _WKT:
        missed = pc.indices_nonzero(pc.invert(pc.match_substring_regex(texts, pattern)))
        if not len(missed):
            return None
        texts, rows = texts.take(missed), missed if rows is None else rows.take(missed)
    return int(rows[0].as_py()) if rows is not None else None


def shown(text: str) -> str:
    """A value of a file for a message, cut to a line's worth."""
    text = text.strip(" \t\r\n")
    return repr(text if len(text) <= 60 else text[:57] + "...")  # noqa: PLR2004 - a line's worth
