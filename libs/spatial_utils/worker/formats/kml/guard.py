"""What libkml would change in silence of a KML (OGC 12-007r2), and its links to other files."""

import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pyarrow as pa

from libs.spatial_utils.worker.formats.kml import links
from libs.spatial_utils.worker.formats.markup import NUMBER, XmlGuard, bad_coordinate, list_of
from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.quarantine import FIX, REJECT, way_in_by_fix

_COMMA = r"\s*+,\s*+"
_POSITIONS = list_of(rf"{NUMBER}{_COMMA}{NUMBER}(?:{_COMMA}{NUMBER}(?:,(?=\s|\Z))?+)?+")
_TRACK_POSITION = re.compile(rf"\s*+{NUMBER}(?:\s++{NUMBER}){{1,2}}+\s*+", re.ASCII)
_DATE = re.compile(r"[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}")
_TIMES = frozenset({"when", "begin", "end"})
_CALLED_LIKE_TIMES = frozenset({"begin", "end", "timestamp"})
_CONTAINERS = frozenset({"Placemark", "Folder", "Document"})
_NO_FEATURES = frozenset({"ScreenOverlay", "PhotoOverlay", "Tour"})
_FEATURES = frozenset({"Placemark", "GroundOverlay"})
_BOUNDARIES = frozenset({"outerBoundaryIs", "innerBoundaryIs"})
_DATA = frozenset({"Data", "SimpleData", "SimpleArrayData"})
_OF_EVERY_KML = frozenset({"tessellate", "extrude", "visibility", "drawOrder"})
"""Columns of numbers that every KML gets."""
_SHOWN, _LONGEST_NAME = 60, 80


class KmlGuard(XmlGuard):
    """Coordinates, times, geometries that cannot be read, values without a column, and links.

    Attributes:
        on_bad_geometry: The policy.
        empty_positions: With the policy to fix: where empty positions of tracks begin, as bytes of the file, with what is wrong.
    """

    def __init__(self, notes: Notes) -> None:
        """See ``XmlGuard``."""
        super().__init__(notes)
        self.on_bad_geometry, self.empty_positions = REJECT, list[tuple[int, Unreadable]]()
        self._texts: dict[str, set[str]] = {}  # of the names and descriptions of the feature so far
        self._data = ""
        self._named: dict[str, int] = {}  # values, by name, each with the line of the first
        self._empty: dict[str, int] = {}
        self._links, self._linked, self._targets, self._has_features = 0, False, list[str](), False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Look at an element by its name."""
        parent = self.stack[-1] if self.stack else ""
        if parent == "Model":
            raise self._lost("The geometry of a feature is a three-dimensional model (<Model>), which cannot be kept.",
                             "Remove it, or put a point in its place.", self.line)  # fmt: skip
        if name == "coordinates":
            self.collect(partial(self.check_list, _POSITIONS))
        elif name == "coord":
            self.collect(partial(self._check_track_position, self.place))
        elif name in _TIMES:
            self.collect(self.check_time)
        elif name in _DATA:
            self._start_data(name, attributes.get("name", ""))
        elif name == "value" and parent == "Data":
            self.collect(self._check_value)
        elif name in {"name", "description"}:
            self.collect(partial(self._keep_text, name))
        elif name == "LinearRing" and parent not in _BOUNDARIES:
            raise self._lost("A ring (<LinearRing>) stands by itself, which cannot be read.",
                             "Write it as a LineString or a Polygon.", self.line)  # fmt: skip
        elif name == "href" and self._linked:
            self.collect(self._link_to)
        else:
            self._start_feature(name)

    def end(self, name: str) -> None:
        """Forget what belongs to a feature that ends."""
        if name in _CONTAINERS:
            self._texts = {}
        elif name == "NetworkLink":
            self._linked = False

    def after(self, path: Path) -> None:
        """Say what of the links."""
        links.check(path, self._links, self._targets, self.notes, features=self._has_features)

    def check_columns(self, schemas: Iterable[pa.Schema], columns: Iterable[str]) -> None:
        """Warn of empty values of columns of numbers, and of values that have no column."""
        numbers = {column.name for schema in schemas for column in schema if _is_number(column.type)} - _OF_EVERY_KML
        empty = next((name for name in self._empty if name in numbers), None)
        if empty is not None:
            self.notes.warn(
                "empty_numbers",
                f"Empty values, such as one of {empty!r}, are read as 0: its column is one of numbers.",
                "Leave the element out where there is no value.",
                f"line {self._empty[empty]}",
            )
        # GDAL writes "_" for what it allows in no name
        known = re.compile("|".join(re.escape(name).replace("_", ".") for name in columns), re.IGNORECASE | re.DOTALL)
        unknown = next((name for name in self._named if not known.fullmatch(name)), None)
        if unknown is not None:
            self.notes.warn(
                "values_not_read",
                f"Values named {unknown[:_LONGEST_NAME]!r}, and perhaps others, are not read: "
                "no <Schema> of the file declares them.",
                "Declare them as a <SimpleField>, or write all as <Data> without a <Schema>.",
                f"line {self._named[unknown]}",
            )

    def _start_feature(self, name: str) -> None:
        if name in _CONTAINERS:
            self._texts = {}
        elif name == "NetworkLink":
            self._links, self._linked = self._links + 1, True
        elif name in _NO_FEATURES:
            self.warn_once(
                "elements",
                "elements_not_read",
                f"Elements such as {name!r} were not read: they are not features.",
                "Nothing has to be done, unless the file should hold more features.",
                self.line,
            )
        self._has_features = self._has_features or name in _FEATURES

    def _start_data(self, element: str, name: str) -> None:
        if not name:
            return
        line = self.line
        self._data = name
        self._named.setdefault(name, line)
        if element == "SimpleData" and name not in self._empty:
            self.collect(partial(self._check_number_there, name, line))

    def _check_number_there(self, name: str, begun: int, text: str, _: int) -> None:
        if not text.strip():
            self._empty[name] = begun

    def _keep_text(self, name: str, text: str, _: int) -> None:
        self._texts.setdefault(name, set()).add(text.strip())

    def _check_value(self, text: str, line: int) -> None:
        """Check the value of a ``<Data>``."""
        said, name = text.strip(), self._data.lower()
        if not said:
            return
        line -= text.lstrip().count("\n")
        if self._texts.get(name, {said}) != {said}:
            self.warn_once(
                "replaced",
                "values_replaced",
                f"A <Data> of the same name takes the place of a <name> or a <description>, such as {said[:_SHOWN].strip()!r}.",
                "Name it otherwise, if both are wanted.",
                line,
            )
        if name in _CALLED_LIKE_TIMES and not _DATE.match(said):
            self.warn_once(
                "no time",
                "values_not_read",
                f"A <Data> with the name of a KML time is read as a time, but {said[:40].strip()!r} is not a time.",
                "Give it another name.",
                line,
            )

    def _link_to(self, text: str, _: int) -> None:
        if target := text.strip():
            self._targets.append(target[: links.LONGEST].strip())
            self._linked = False

    def _check_track_position(self, begins: int, text: str, line: int) -> None:
        """Check a position of a track. GDAL makes 0 0 0 of an empty one, which the format allows."""
        if _TRACK_POSITION.fullmatch(text):
            return
        problem = bad_coordinate(text, line - text.count("\n"))
        if not text.strip():
            problem.remedy += way_in_by_fix("Or have empty positions left out")
            if self.on_bad_geometry == FIX:
                self.empty_positions.append((begins, problem))
                return
        raise problem

    def _lost(self, message: str, remedy: str, line: int) -> Unreadable:
        return Unreadable("geometry_lost", message, remedy, f"line {line}")


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
