"""What libkml would change in silence of a KML (OGC 12-007r2), and its links to other files.

Upstream: libkml/libkml#140 (coordinates that are not separated). No issue of GDAL is known (3.12.4).
"""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa

from libs.spatial_utils.worker.formats.bad_features import Bad
from libs.spatial_utils.worker.formats.kml import links
from libs.spatial_utils.worker.formats.markup import LONGEST_TAG, NUMBER, XmlGuard, bad_coordinate, list_of, start_tag
from libs.spatial_utils.worker.formats.patching import Patch
from libs.spatial_utils.worker.protocol import Notes, Unreadable
from libs.spatial_utils.worker.quarantine import FIX, REJECT, way_in_by_fix

_COMMA = r"\s*+,\s*+"
_AROUND_COMMA, _BLANKS = re.compile(_COMMA), re.compile(r"\s+")
_POSITIONS = list_of(rf"{NUMBER}{_COMMA}{NUMBER}(?:{_COMMA}{NUMBER}(?:,(?=\s|\Z))?+)?+")
_TRACK_POSITION = re.compile(rf"\s*+{NUMBER}(?:\s++{NUMBER}){{1,2}}+\s*+", re.ASCII)
_DATE = re.compile(r"[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}")
_TIMES = {"when": "timestamp", "begin": "begin", "end": "end"}
"""Elements, with the columns that GDAL makes of them."""
_LOOKED_AT = frozenset({"Model", "LinearRing", "coordinates", "coord", *_TIMES})
_CALLED_LIKE_TIMES = frozenset({"begin", "end", "timestamp"})
_CONTAINERS = frozenset({"Placemark", "Folder", "Document"})
_EMPTY_ELEMENT = re.compile(rb"<[\w:.-]+\s*(?:/>|>\s*</[\w:.-]+\s*>)")
_NO_FEATURES = frozenset({"ScreenOverlay", "PhotoOverlay", "Tour"})
_FEATURES = frozenset({"Placemark", "GroundOverlay"})
_BOUNDARIES = frozenset({"outerBoundaryIs", "innerBoundaryIs"})
_DATA = frozenset({"Data", "SimpleData", "SimpleArrayData"})
_OF_EVERY_KML = frozenset({"tessellate", "extrude", "visibility", "drawOrder"})
"""Columns of numbers that every KML gets."""
_SHOWN, _LONGEST_NAME = 60, 80
_MARK = "\ue0f1"
"""In front of the name of a feature of which something cannot be read, around its number: a character for private use."""
_MARKED = re.compile(f"{_MARK}([0-9]+){_MARK}")
MARKED = f"^{_MARKED.pattern}"
_SOME_PLACE = b"0,0 0,0 0,0 0,0"


class KmlGuard(XmlGuard):
    """Coordinates, times, geometries that cannot be read, values without a column, and links.

    Features are not numbered here: which layers libkml makes of folders is its own affair. Those of which something cannot be
    read have a mark in their name instead, where GDAL reads it.

    Attributes:
        on_bad_geometry: The policy.
        empty_positions: With the policy to fix: what is wrong with the empty positions of tracks, which are left out.
        marked: By the number in the mark: what cannot be read of a feature, and whether it has a name.
    """

    def __init__(self, notes: Notes) -> None:
        """See ``XmlGuard``."""
        super().__init__(notes)
        self.on_bad_geometry, self.empty_positions = REJECT, list[Unreadable]()
        self.marked = list[tuple[list[Bad], bool]]()
        self._feature, self._name, self._bad = -1, -1, list[Bad]()  # where it begins, its name, and what cannot be read of it
        self._model = 0
        self._unread: tuple[int, int] | None = None  # where something begins that is left out, and how deep
        self._texts: dict[str, set[str]] = {}  # of the names and descriptions of the feature so far
        self._data = ""
        self._named: dict[str, int] = {}  # values, by name, each with the line of the first
        self._empty: dict[str, int] = {}
        self._links, self._linked, self._targets, self._has_features = 0, False, list[str](), False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Look at an element by its name."""
        if self._unread:
            return
        parent = self.stack[-1] if self.stack else ""
        if name in _LOOKED_AT:
            self._start_geometry(name, parent)
        elif name in _DATA:
            self._start_data(name, attributes.get("name", ""))
        elif name == "value" and parent == "Data":
            self.collect(self._check_value)
        elif name in {"name", "description"}:
            if name == "name" and parent in _FEATURES:
                self._name = self.place
            self.collect(partial(self._keep_text, name))
        elif name == "href" and self._linked:
            self.collect(self._link_to)
        elif parent == "Model":
            self._lose("The geometry of a feature is a three-dimensional model (<Model>), which cannot be kept.",
                       "Remove it, or put a point in its place.", self._model, len(self.stack) - 1)  # fmt: skip
        else:
            self._start_feature(name)

    def end(self, name: str) -> None:
        """Forget what belongs to a feature that ends."""
        if self._unread:
            self._end_unread()
        if name in _FEATURES:
            self._end_feature()
        if name in _CONTAINERS:
            self._texts = {}
        elif name == "NetworkLink":
            self._linked = False

    def after(self, path: Path) -> None:
        """Say what of the links."""
        links.check(path, self._links, self._targets, self.notes, features=self._has_features)

    def check_columns(self, schemas: Mapping[str, pa.Schema], columns: Iterable[str]) -> None:
        """Warn of empty values of columns of numbers, and of values that have no column."""
        numbers = {column.name for schema in schemas.values() for column in schema if _is_number(column.type)} - _OF_EVERY_KML
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

    def _start_geometry(self, name: str, parent: str) -> None:
        if name == "Model":
            self._model = self.place
        elif name == "coordinates":
            self.collect(partial(self._check_positions, self.place, is_point=parent == "Point"))
        elif name == "coord":
            self.collect(partial(self._check_track_position, self.place))
        elif name in _TIMES:
            self.collect(partial(self._check_time, self.place, _TIMES[name]))
        elif parent not in _BOUNDARIES:
            self._lose("A ring (<LinearRing>) stands by itself, which cannot be read.",
                       "Write it as a LineString or a Polygon.", self.place, len(self.stack))  # fmt: skip

    def _start_feature(self, name: str) -> None:
        if name in _FEATURES:
            self._feature, self._name = self.place, -1
            self._bad.clear()
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

    def _check_positions(self, begin: int, text: str, line: int, *, is_point: bool) -> None:
        try:
            self.check_list(_POSITIONS, text, line)
            if is_point and len({*_BLANKS.split(_AROUND_COMMA.sub(",", text.strip()))}) > 1:  # GDAL takes the first of 7,5 46,5
                raise bad_coordinate(text.lstrip(), line - text.lstrip().count("\n"))
        except Unreadable as problem:
            self._keep("geometry", problem)
            self._replace(begin, _SOME_PLACE, problem)

    def _check_track_position(self, begin: int, text: str, line: int) -> None:
        """Check a position of a track. GDAL makes 0 0 0 of an empty one, which the format allows."""
        if _TRACK_POSITION.fullmatch(text):
            return
        problem = bad_coordinate(text, line - text.count("\n"))
        if not text.strip():
            if self.on_bad_geometry == FIX and self.may_keep:
                self._leave_out(begin, problem)
                return
            problem.remedy += way_in_by_fix("Or have empty positions left out") if self.may_keep else ""
        self._keep("geometry", problem)
        self._replace(begin, b"0 0 0", problem)

    def _check_time(self, begin: int, column: str, text: str, line: int) -> None:
        spelled = self.with_t(text, line) if self.may_keep else None
        if spelled and self.replace_text(begin, spelled.encode()):  # libkml passes over the time of day
            return
        try:
            self.check_time(text, line)
        except Unreadable as problem:
            self._keep("value", problem, column, text.strip())
            self._replace(begin, b"", problem)

    def _keep(self, kind: str, problem: Unreadable, column: str = "", text: str | None = None) -> None:
        """Note what cannot be read of the feature; raises the problem where no policy takes it."""
        if self._feature < 0:
            raise problem
        self.refuse(kind, problem)
        self._bad.append(Bad(kind, problem, column, text))

    def _replace(self, begin: int, content: bytes, problem: Unreadable) -> None:
        if not self.replace_text(begin, content):
            raise problem

    def _leave_out(self, begin: int, problem: Unreadable) -> None:
        element = _EMPTY_ELEMENT.match(self.bytes_at(begin, LONGEST_TAG))
        if element is None:
            raise problem
        self.patches.append(Patch(begin, begin + element.end()))
        self.empty_positions.append(problem)

    def _lose(self, message: str, remedy: str, begin: int, depth: int) -> None:
        """What cannot be read begins; GDAL gets a point in its place."""
        self._keep("geometry", Unreadable("geometry_lost", message, remedy, f"line {self.line}"))
        self._unread = begin, depth

    def _end_unread(self) -> None:
        begin, depth = self._unread or (0, 0)
        if len(self.stack) > depth:
            return
        self._unread = None
        tag, rest = start_tag(self.bytes_at(begin, LONGEST_TAG)), self.bytes_at(self.place, LONGEST_TAG)
        if tag is None:
            raise self._bad[-1].problem
        end = self.place + (rest.find(b">") + 1 if rest.startswith(b"</") else 0)
        point = b"<%sPoint><%scoordinates>0,0</%scoordinates></%sPoint>" % ((tag.prefix,) * 4)
        self.patches.append(Patch(begin, end, point))

    def _end_feature(self) -> None:
        """Mark a feature of which something cannot be read."""
        begin, self._feature = self._feature, -1
        if not self._bad:
            return
        mark = "&#{0};{1}&#{0};".format(ord(_MARK), len(self.marked)).encode()
        element = start_tag(self.bytes_at(begin if self._name < 0 else self._name, LONGEST_TAG))
        if element is None:
            raise self._bad[0].problem
        if self._name < 0:
            patch = Patch(self.place, self.place, b"<%sname>%s</%sname>" % (element.prefix, mark, element.prefix))
        else:
            whole = b"<%s>%s</%s>" % (element.name, mark, element.name)
            end = self._name + element.length
            patch = Patch(self._name, end, whole) if element.empty else Patch(end, end, mark)
        self.patches.append(patch)
        self.marked.append(([*self._bad], self._name >= 0))


def unmarked(name: str) -> tuple[int, str]:
    """The number in the mark of a name, and the name without it."""
    found = _MARKED.match(name)
    return (int(found[1]), name[found.end() :]) if found else (-1, name)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))
