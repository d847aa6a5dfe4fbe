"""Whether coordinates can lie in their declared CRS: problems for those that cannot, warnings for unlikely ones.

An extent that lies in the area of use is looked at once. The rest is rare, so that its SQL may be slow.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from libs.models import BBox
from libs.transformations.crs import CrsFacts, CrsUnit, short_name
from libs.transformations.dialect import Dialect

FINE, ABSENT = 0, -1
"""Marks of a row without a finding: its geometry is where it should be, or it has none."""

_FARTHEST = 1e9
"""Metres (or degrees): no CRS of the earth has coordinates as large. What Esri's tools write for "no data" is far beyond it."""
_ROUNDED = 1e-4
"""Degrees that a longitude of 180 may be off by rounding, as 32-bit numbers are."""
_NEAR, _FAR = (200e3, 2.0), (600e3, 6.0)
"""Metres or degrees beyond an area of use. National data uses one zone of UTM for the whole country: that is near, or not far."""
_METRES = 1000
"""Coordinates beyond it are no degrees, however wrong."""
_DEGREES: BBox = (-180, -90, 180, 90)

Severity = Literal["any", "all", "never"]


@dataclass(frozen=True)
class Finding:
    """What may be wrong with a geometry's coordinates.

    Attributes:
        mark: Its number.
        code: Code of the problem or warning. Its message follows the words "the feature".
        fatal: Whether it rejects the batch: for any feature that has it, only if all have such, or never.
        only_if_all_fail: Whether it is reported only if all features have it.
    """

    mark: int
    code: str
    message: str
    remedy: str
    fatal: Severity
    only_if_all_fail: bool = False


class CoordinateCheck:
    """The check of the coordinates of one geometry column.

    Args:
        crs: Their declared CRS; its unit is known.
        assumed: Whether the file does not say so, and it was taken for its format's default.
        wraps: Whether longitudes beyond ±180 degrees will be taken for what they mean.

    Attributes:
        findings: All possible findings.
        mark: Expression on the column ``geometry``: ``FINE``, ``ABSENT``, or the mark of a finding.
    """

    def __init__(self, crs: CrsFacts, *, assumed: bool, wraps: bool, dialect: Dialect, geometry: str) -> None:
        self._wraps = wraps
        self._crs, self._assumed, self._dialect, self._geometry = crs, assumed, dialect, geometry
        self._unit = crs.unit or CrsUnit("length", 1)
        self._x, self._y = ((dialect.bound(geometry, f"{axis}min"), dialect.bound(geometry, f"{axis}max")) for axis in "xy")
        self.findings: list[Finding] = []
        cases = "".join(f" WHEN {condition} THEN {mark}" for condition, mark in (*self._likely(), *self._unlikely()))
        self.mark = f"CAST(CASE{cases} ELSE {FINE} END AS smallint)"

    def _likely(self) -> Iterator[tuple[str, int]]:
        near = self._areas(_NEAR)
        if self._unit.quantity == "length" and self._unit.size <= 1 and any(_overlap(area, _DEGREES) for area in near):
            yield (
                self._dialect.within(self._geometry, _DEGREES),
                self._finding(
                    "coordinates_doubtful",
                    f"lies within 180 of 0, 0 in {self._name}, as longitudes and latitudes do",
                    f"If they are degrees, correct the CRS. {self._correct_crs('EPSG:4326')}.",
                    "never",
                    only_if_all_fail=True,
                ),
            )
        boxes = near or [self._limits if self._unit.quantity == "angle" else self._earth]
        yield " OR ".join(self._dialect.within(self._geometry, box) for box in boxes), FINE

    def _unlikely(self) -> Iterator[tuple[str, int]]:
        yield f"{self._geometry} IS NULL OR {self._dialect.is_empty(self._geometry)}", ABSENT
        yield (
            f"NOT ({self._inside(self._earth)})",
            self._finding(
                "coordinates_impossible",
                "has a coordinate that is not a finite number, or too large for any place on earth, "
                "as the -1.8e308 is that some programs write for 'no data'",
                f"Give it its coordinates, or no geometry. {_LEAVE_OUT}.",
                "any",
            ),
        )
        if self._unit.quantity == "angle":
            yield from self._beyond_degrees()
        yield from self._outside()

    def _beyond_degrees(self) -> Iterator[tuple[str, int]]:
        xmin, ymin, xmax, ymax = self._limits
        beyond, said = f"NOT ({self._inside(self._limits)})", f"beyond ±180 or ±90 degrees, which {self._name} does not have"
        metres = _METRES / self._unit.size
        if self._wraps:
            yield f"{beyond} AND {self._inside((2 * xmin, ymin, 2 * xmax, ymax))}", FINE
        yield (
            f"{beyond} AND {self._swapped(self._limits)}",
            self._finding(
                "coordinates_impossible",
                f"has a latitude beyond ±90 degrees, which {self._name} does not have; x and y may be swapped",
                f"{_SWAP} {_LEAVE_OUT}.",
                "any",
            ),
        )
        yield (
            f"{beyond} AND {self._inside((xmin, ymin, 2 * xmax, ymax))}",
            self._finding(
                "coordinates_impossible",
                f"has a longitude beyond ±180 degrees, which {self._name} does not have; longitudes may run from 0 to 360",
                "Write longitudes from -180 to 180 (360 less where they are above 180), and cut in two what crosses 180 degrees. "
                f"{_LEAVE_OUT}.",
                "any",
            ),
        )
        yield (
            f"{beyond} AND NOT ({self._inside((-metres, -metres, metres, metres))})",
            self._finding(
                "coordinates_impossible",
                f"has coordinates far {said}; they look like metres of a projected CRS",
                f"{self._correct_crs()}. {_LEAVE_OUT}.",
                "any",
            ),
        )
        yield (
            beyond,
            self._finding(
                "coordinates_impossible",
                f"has a longitude or latitude {said}",
                "Correct the coordinates in their source. If they are no degrees, correct the CRS. "
                f"{self._correct_crs()}. {_LEAVE_OUT}.",
                "any",
            ),
        )

    def _outside(self) -> Iterator[tuple[str, int]]:
        near, far = self._areas(_NEAR), self._areas(_FAR)
        if not near:
            return
        yield " OR ".join(self._inside(area) for area in near), FINE  # what an engine's quick look could not tell
        if len(near) > 1:  # across 180 degrees: a geometry may have parts on either side
            (west, south, _, north), (_, _, east, _) = near
            yield f"{self._x[1]} >= {west!r} AND {self._x[0]} <= {east!r} AND {self._inside((-1e9, south, 1e9, north))}", FINE
        said = f"outside of the area of use of {self._name} ({self._area_for_people})"
        disjoint = " AND ".join(f"NOT ({self._touches(area)})" for area in near)
        yield (
            f"{disjoint} AND ({' OR '.join(map(self._swapped, near))})",
            self._finding("coordinates_outside_crs", f"lies {said}; x and y may be swapped", f"{_SWAP} {_RAW}.", "all"),
        )
        if self._unit.quantity == "length":
            yield (
                self._inside(_DEGREES),
                self._finding(
                    "coordinates_outside_crs",
                    f"lies {said}; its coordinates look like degrees, as of EPSG:4326",
                    f"{self._correct_crs('EPSG:4326')}. {_RAW}.",
                    "all",
                ),
            )
        yield (
            " AND ".join(f"NOT ({self._touches(area)})" for area in far),
            self._finding("coordinates_outside_crs", f"lies far {said}", f"{self._correct_crs()}. {_RAW}.", "all"),
        )
        yield (
            "TRUE",
            self._finding(
                "coordinates_outside_crs",
                f"lies {said}, or reaches out of it",
                f"Nothing is to be done if that is where it is. If not, correct the CRS. {self._correct_crs()}.",
                "never",
            ),
        )

    def _finding(self, code: str, message: str, remedy: str, fatal: Severity, *, only_if_all_fail: bool = False) -> int:
        finding = Finding(len(self.findings) + 1, code, message, remedy, fatal, only_if_all_fail)
        self.findings.append(finding)
        return finding.mark

    @property
    def _name(self) -> str:
        name = short_name(self._crs.name)
        return f"{name} (assumed, as the file names no CRS)" if self._assumed else name

    def _correct_crs(self, code: str = "EPSG:25832") -> str:
        said = f'Write "crs": "{code}" (or what it is; "none" for local coordinates) for this file in the manifest'
        if self._assumed:
            return said
        return f'{said}, with "replace_crs": true if the file itself names a wrong one'

    @property
    def _earth(self) -> BBox:
        bound = _FARTHEST / self._unit.size
        return -bound, -bound, bound, bound

    @property
    def _limits(self) -> BBox:
        """±180, ±90 degrees in the unit of the CRS."""
        xmax, ymax = ((degrees + _ROUNDED) / self._unit.size for degrees in (180, 90))
        return -xmax, -ymax, xmax, ymax

    def _areas(self, margins: tuple[float, float]) -> list[BBox]:
        """The area of use and a margin of metres or degrees: two boxes where it crosses 180 degrees, none where unknown."""
        if self._crs.area is None:
            return []
        xmin, ymin, xmax, ymax = self._crs.area
        margin = margins[self._unit.quantity == "angle"] / self._unit.size
        if self._unit.quantity == "length":
            return [(xmin - margin, ymin - margin, xmax + margin, ymax + margin)]
        west, south, east, north = self._limits
        low, high = max(south, ymin - margin), min(north, ymax + margin)
        if xmin > xmax:
            return [(xmin - margin, low, east, high), (west, low, xmax + margin, high)]
        return [(max(west, xmin - margin), low, min(east, xmax + margin), high)]

    @property
    def _area_for_people(self) -> str:
        digits = ",.0f" if self._unit.quantity == "length" else ",.4g"
        xmin, ymin, xmax, ymax = (format(side, digits) for side in self._crs.area or ())
        return f"x {xmin} to {xmax}, y {ymin} to {ymax}"

    def _inside(self, box: BBox) -> str:
        return _between(*self._x, *self._y, box)

    def _swapped(self, box: BBox) -> str:
        return _between(*self._y, *self._x, box)

    def _touches(self, box: BBox) -> str:
        (xmin, xmax), (ymin, ymax) = self._x, self._y
        across = f"{xmin} <= {box[2]!r} AND {xmax} >= {box[0]!r}"
        return f"{across} AND {ymin} <= {box[3]!r} AND {ymax} >= {box[1]!r}"


_LEAVE_OUT = "A feature can be left out by the recipe 'filter'; the intent 'raw' keeps it as it is"
_RAW = "The intent 'raw' keeps the coordinates as they are"
_SWAP = "x is the easting or longitude, y the northing or latitude: exchange them in the source, or in a CSV file's 'options'."


def _between(xmin: str, xmax: str, ymin: str, ymax: str, box: BBox) -> str:
    return f"{xmin} >= {box[0]!r} AND {xmax} <= {box[2]!r} AND {ymin} >= {box[1]!r} AND {ymax} <= {box[3]!r}"


def _overlap(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] <= other[2] and one[2] >= other[0] and one[1] <= other[3] and one[3] >= other[1]
