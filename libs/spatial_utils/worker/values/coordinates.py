"""Columns that hold positions or geometries as text, as a geometry column: for formats that are tables of text and numbers.

Upstream: OSGeo/gdal#10496 asks for errors where a position has too few or too many numbers.
"""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.coordinate_names import coordinate_columns, geometry_column
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.quarantine import FIX, Quarantine
from libs.spatial_utils.worker.values import geometry_text, inference, wkb
from libs.spatial_utils.worker.values.numbers import DECIMAL_COMMA, PLAIN, NumberSpelling
from libs.spatial_utils.worker.values.sexagesimal import degrees

_POINT = struct.Struct("<BIdd")
_WORD, _DIGIT = "^[^0-9]*$", "[0-9]"
"""What people write where there is no position: NA, NULL, n/a, -, ?."""
_LIKE_NUMBER = r"^[ \t]*-?[0-9]*[.,]?[0-9]*(?:[eE][-+]?[0-9]{1,3})?[ \t]*$"
"""A number, whichever of the two separates its decimals."""
_AXES = ("EW", "NS")


class CoordinateColumns:
    """The columns of a table that hold its geometry: those with x and y, or the one with geometries as text.

    Attributes:
        positions: Of these columns in the header.

    Args:
        header: Names of all columns.
        options: ``x``, ``y`` and ``wkt`` of the manifest; found by their names where it gives none.
        place: Says where a row is, by its number from 0.
        notes: What had to be changed is counted there.
        within: Of the table in its file, for problems; empty where there is one table.
        spelling: How the file writes numbers, as the manifest says; None when it does not say.

    Raises:
        Unreadable: when the options name no column, or one that the table does not have once.
    """

    def __init__(
        self,
        header: Sequence[str],
        options: Mapping[str, Any],
        place: Callable[[int], str],
        notes: Notes,
        within: str = "",
        spelling: NumberSpelling | None = None,
    ) -> None:
        self._place, self._notes, self._within, self._told = place, notes, within, spelling
        self._names = _named(header, options, notes, within)
        self.positions = _positions(header, self._names, within)
        self._surveys = [inference.TextProfile(spelling) for _ in self.positions]
        self._srids = set[int]()

    def survey(self, texts: Sequence[pa.Array]) -> None:
        """Look at values of the columns at ``positions``, before ``geometry``: for a decimal comma, and for a CRS."""
        if len(texts) == 1:
            self._srids |= geometry_text.srids(texts[0])
            return
        for survey, column in zip(self._surveys, texts, strict=True):
            survey.add(
                column.filter(pc.match_substring_regex(column, _LIKE_NUMBER))
            )  # what is none does not say how numbers are written

    @property
    def crs(self) -> dict[str, str] | None:
        """What the geometries say of their CRS; see ``LayerReader``."""
        if len(self._srids - {0}) > 1 or (0 in self._srids and len(self._srids) > 1):
            named = ", ".join(f"SRID {srid}" if srid else "none" for srid in sorted(self._srids))
            raise Unreadable(
                "csv_several_crs",
                f"The geometries of the column {self._names[0]!r} are in several CRSs: {named}.",
                "Write them in one CRS, or make a file of each.",
                self._within,
            )
        srid = next(iter(self._srids), 0)
        return {"text": f"EPSG:{srid}"} if srid else None

    @property
    def with_comma(self) -> list[str]:
        """The names of those columns whose coordinates were seen to have a decimal comma."""
        return [name for name, survey in zip(self._names, self._surveys, strict=True) if _has_comma(survey)]

    def geometry(self, texts: Sequence[pa.Array], before: int, gdal: Gdal, quarantine: Quarantine) -> pa.Array:
        """The geometry column of some rows.

        Args:
            texts: Their values in the columns at ``positions``, as text.
            before: Number of rows before them.
            gdal: Parses WKT.
            quarantine: Takes rows whose values are no coordinates or no geometry.

        Raises:
            Unreadable: on such a row, where the policy is to reject.
        """
        if len(texts) == 1:
            return self._from_text(texts[0], before, gdal, quarantine)
        x, y = (self._coordinates(column, before, axis, quarantine) for axis, column in enumerate(texts))
        points: list[bytes | None] = []
        for row, (x_value, y_value) in enumerate(zip(x, y, strict=True)):
            if x_value is None and y_value is None:
                points.append(None)
            elif x_value is None or y_value is None:
                if not quarantine.has(row):  # then the other one could not be read
                    problem = self._bad_value(
                        before + row, "one coordinate without the other", "Give both, or neither where there is no position."
                    )
                    quarantine.meet("geometry", row, problem)
                points.append(None)
            else:
                points.append(_POINT.pack(1, 1, x_value, y_value))
        return pa.array(points, pa.binary())

    def _coordinates(self, texts: pa.Array, before: int, axis: int, quarantine: Quarantine) -> list[float | None]:
        trimmed = pc.utf8_trim(texts, inference.SPACE)
        trimmed = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
        words = pc.fill_null(pc.match_substring_regex(trimmed, _WORD), fill_value=False)
        if missing := pc.sum(words).as_py():
            self._notes.counts["coordinates_missing"] += missing
            self._notes.warn(
                "coordinates_missing",
                f"The column {self._names[axis]!r} holds words where coordinates are expected, such as "
                f"{shown(trimmed.filter(words)[0].as_py())}: these features have no geometry.",
                "Nothing needs to be done if there is no position. The text stays in its column.",
                self._within,
            )
            trimmed = pc.if_else(words, None, trimmed)
        spelling = self._spelling(axis)
        usual = pc.and_(spelling.fits(trimmed), pc.match_substring_regex(trimmed, _DIGIT))
        plain = spelling.plain(numbers := pc.if_else(usual, trimmed, None))
        values = (numbers if plain is None else plain).cast(pa.float64())
        usual = pc.and_(usual, pc.fill_null(pc.is_finite(values), fill_value=False))
        found: list[float | None] = values.to_pylist()
        for row in pc.indices_nonzero(pc.invert(usual)).to_pylist():  # null where there is nothing
            try:
                found[row] = self._coordinate(trimmed[row].as_py(), before + row, axis)
            except Unreadable as problem:
                quarantine.meet("geometry", row, problem)
                found[row] = None
        return found

    def _spelling(self, axis: int) -> NumberSpelling:
        if self._told is not None:
            return self._told
        return DECIMAL_COMMA if _has_comma(self._surveys[axis]) else PLAIN

    def _coordinate(self, text: str, row: int, axis: int) -> float:
        """One coordinate, in a column where not all of them are plain numbers."""
        one = pa.array([text])
        plain = self._spelling(axis).plain(one)
        if plain is not None and _is_coordinate(plain[0]):
            return float(plain[0].as_py())
        if _is_coordinate(one[0]) and self._told is None:
            return float(text)
        angle = degrees(text, _AXES[axis])
        if angle is None:
            raise self._bad_value(
                row,
                f"{shown(text)} where a coordinate is expected",
                'Write numbers with a decimal point, such as 8.5417; or write "options": {"decimal": ","} if they are so. '
                "Degrees, minutes and seconds are read with their signs: 8°32'30\"E. Leave both coordinates empty where there is "
                "no position.",
            )
        self._notes.counts["degrees_minutes_seconds"] += 1
        return angle

    def _from_text(self, texts: pa.Array, before: int, gdal: Gdal, quarantine: Quarantine) -> pa.Array:
        texts = geometry_text.without_srid(texts)
        geometry, bad = geometry_text.to_wkb(texts.to_pylist(), _well_formed(texts), gdal, self._notes.counts)
        for row in bad:
            problem = self._bad_value(
                before + row,
                f"{shown(texts[row].as_py())} where a geometry is expected",
                "Write it as WKT, like POINT (8.54 47.37), all positions of a geometry with as many numbers; as WKB or EWKB in "
                "hexadecimal digits; or as a geometry of GeoJSON.",
            )
            quarantine.meet("geometry", row, problem)
        if quarantine.policy("geometry") == FIX:
            geometry = wkb.with_closed_rings(geometry, gdal, self._notes.counts)
        return geometry

    def _bad_value(self, row: int, what: str, remedy: str) -> Unreadable:
        return Unreadable("csv_bad_geometry", f"There is {what}.", remedy, self._place(row))


def _has_comma(survey: inference.TextProfile) -> bool:
    return survey.may_have_comma and survey.comma_is_certain


def _named(header: Sequence[str], options: Mapping[str, Any], notes: Notes, within: str) -> list[str]:
    """The names of the x and y columns, or of the one with geometries: as the manifest says, or as they look."""
    if told := [name for name in (options["wkt"], options["x"], options["y"]) if name]:
        return told
    found = coordinate_columns(header)
    geometry = None if found else geometry_column(header)
    if not found and geometry is None:
        raise Unreadable(
            "csv_geometry_unknown",
            f"The manifest does not say which columns hold the geometry. Columns: {', '.join(header)}.",
            "Give 'options.x' and 'options.y', or 'geometry'; or declare the file as \"tabular\" if it has none.",
            within,
        )
    names = [*found] if found else [str(geometry)]
    setting = {"options": {"x": names[0], "y": names[1]}} if found else {"geometry": names[0]}
    written = json.dumps(setting, ensure_ascii=False)[1:-1]
    notes.warn(
        "csv_columns_found",
        f"By their names, the geometry is in {' and '.join(map(repr, names))}: the manifest does not say where it is.",
        f"Nothing needs to be done if that is right. To say it yourself, write {written}.",
        within,
    )
    return names


def _positions(header: Sequence[str], names: Sequence[str], within: str) -> list[int]:
    for name in names:
        if header.count(name) != 1:
            how = "no column" if name not in header else "more than one column"
            raise Unreadable(
                "csv_no_such_column",
                f"There is {how} named {name!r}. Columns: {', '.join(header)}.",
                "Correct 'options', or choose another table of the file by 'layer'." if within else "Correct 'options'.",
                within,
            )
    return [header.index(name) for name in names]


def _is_coordinate(text: pa.StringScalar) -> bool:
    """Whether Arrow makes a finite number, or nothing, of a text: Python takes more for one, such as no-break spaces round it."""
    try:
        return bool(pc.fill_null(pc.is_finite(text.cast(pa.float64())), fill_value=True).as_py())
    except pa.ArrowInvalid:
        return False


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


def _well_formed(texts: pa.Array) -> list[bool]:
    """For each row whether, as WKT, it is what GDAL makes of it."""
    fits = pa.array([False] * len(texts))
    for pattern in _WKT:
        if pc.all(fits).as_py():
            break
        fits = pc.or_(fits, pc.fill_null(pc.match_substring_regex(texts, pattern), fill_value=True))
    found: list[bool] = fits.to_pylist()
    return found


def shown(text: str) -> str:
    """A value of a file for a message, cut to a line's worth."""
    text = text.strip(" \t\r\n")
    return repr(text if len(text) <= 60 else text[:57] + "...")  # noqa: PLR2004 - a line's worth
