"""What is in a GML by its own markup: features, geometries, CRSs, and texts that GDAL would change in silence."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import partial

import pyarrow as pa

from libs.spatial_utils.worker.formats.markup import CLOCK, DAY, NUMBER, XmlGuard, list_of
from libs.spatial_utils.worker.formats.pages import Page
from libs.spatial_utils.worker.protocol import Notes, Unreadable

_GEOMETRIES = frozenset(
    f"{prefix}{kind}"
    for prefix in ("Multi", "Composite", "Orientable", "Polyhedral", "Triangulated", "Topo", "")
    for kind in ("Point", "LineString", "Curve", "Polygon", "Surface", "Solid", "Geometry", "Tin")
)
_NO_PROPERTIES = frozenset({"boundedBy", "metaDataProperty"})
_COLLECTIONS = frozenset({"FeatureCollection", "SimpleFeatureCollection"})
_LINE = re.compile(r"\w*(?:Point|LineString|LinearRing|Segment|Arc\w*|Circle|Spline|Bezier|Geodesic\w*)", re.ASCII)
"""What positions stand in: a property of a feature may be called as they are."""
_POSITIONS, _TUPLES = list_of(NUMBER), list_of(rf"{NUMBER}(?:,{NUMBER}){{0,2}}+")
_USUAL = (("decimal", "."), ("cs", ","), ("ts", " "))
_LOOKS_LIKE_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}:[0-9]{2}:[0-9]{2}")
_ZONED = rf"{CLOCK}(?:\.[0-9]+)?(?:Z|[+-][0-9]{{2}}(?::?(?:00|15|30|45))?)?"
_ANY_TIME = re.compile(rf"(?:{DAY}(?![0-9T])|{DAY}T{_ZONED}|{_ZONED})\s*\Z", re.ASCII)
_SHOWN = 40


class GmlGuard(XmlGuard):
    """What is in a file, by the name of a type of feature.

    Attributes:
        features: How many of a type.
        geometries: How many one feature of a type has at most, and in which line it has the last of them.
        paths: By type, where in a feature the geometries stand, in their order: how many a feature has there at most, and how
            many all have.
        page: What the file says of further features elsewhere.
    """

    def __init__(self, notes: Notes) -> None:
        """See ``XmlGuard``."""
        super().__init__(notes)
        self.features = Counter[str]()
        self.geometries: dict[str, tuple[int, int]] = {}
        self.paths: defaultdict[str, dict[tuple[str, ...], tuple[int, int]]] = defaultdict(dict)
        self._there = Counter[tuple[str, ...]]()
        self.page = Page()
        self._references: defaultdict[str, set[str]] = defaultdict(set)
        self._depth = self._member = self._feature = self._geometry = 0  # at which depth each began; 0: in none
        self._kind, self._property, self._count, self._counted = "", "", 0, False
        self._properties: defaultdict[str, set[str]] = defaultdict(set)
        self._nested = {*_NO_PROPERTIES}
        self._no_times: dict[str, tuple[str, int]] = {}  # by element: the first text that looks like a time, and its line
        self._lines: dict[str, bool] = {}

    def references(self, kind: str) -> set[str]:
        """The CRSs that geometries of a type of feature name, as they stand."""
        return self._references.get(kind, set())

    def properties(self, kind: str) -> set[str]:
        """The properties of features of a type, but for those that hold elements."""
        return self._properties.get(kind, set()) - self._nested

    def check_columns(self, schemas: Iterable[pa.Schema], columns: Iterable[str]) -> None:  # noqa: ARG002 - see ``XmlGuard``
        """Look for values in a column of times that are not times: GDAL changes them, or drops them."""
        times = {column.name for schema in schemas for column in schema if pa.types.is_temporal(column.type)}
        for name, (said, line) in self._no_times.items():
            if name in times:
                raise Unreadable(
                    "value_lost", f"There is no such time as {said[:_SHOWN].strip()!r}.", "Correct it.", f"line {line}"
                )

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element: it counts by where it stands."""
        self._depth += 1
        self._watch(name, attributes)
        if self._depth == 1:
            self.page = Page.of_attributes(attributes)
        if self._geometry:
            if not self._counted:  # here, since a property that is only called like a geometry has nothing but a text
                self._count_geometry()
        elif not self._feature:
            self._start_above(name)
            return
        elif self._depth == self._feature + 1:
            self._property = name
            self._properties[self._kind].add(name)
            return
        else:
            self._nested.add(self._property)
            if name not in _GEOMETRIES:
                return
            self._geometry, self._counted = self._depth, False
        if "srsName" in attributes:
            self._references[self._kind].add(attributes["srsName"])

    def end(self, name: str) -> None:  # noqa: ARG002 - the depth says which
        """An element ends."""
        if self._depth == self._geometry:
            self._geometry = 0
        elif self._depth == self._feature:
            self._feature = 0
        elif self._depth == self._member:
            self._member = 0
        self._depth -= 1

    def _watch(self, name: str, attributes: dict[str, str]) -> None:
        """Choose what to do with the text of an element."""
        parent = self.stack[-1] if self.stack else ""
        if name in {"pos", "posList"} and self._is_line(parent):
            self.collect(partial(self.check_list, _POSITIONS))
        elif name == "coordinates" and self._is_line(parent):
            if all(attributes.get(key, usual)[:1].strip() in {"", usual} for key, usual in _USUAL):
                self.collect(partial(self.check_list, _TUPLES))
        elif parent == "coord" and name in {"X", "Y", "Z"}:
            self.collect(self.check_number)
        else:
            self.collect(partial(self._look_at_text, name))

    def _is_line(self, name: str) -> bool:
        known = self._lines.get(name)
        if known is None:
            known = self._lines[name] = _LINE.fullmatch(name) is not None
        return known

    def _look_at_text(self, name: str, text: str, line: int) -> None:
        said = text.lstrip()
        if said[:1].isdigit() and _LOOKS_LIKE_TIME.match(said):
            self.note_fine_time(said, line)
            if not _ANY_TIME.match(said):
                self._no_times.setdefault(name, (said, line - said.count("\n")))

    def _start_above(self, name: str) -> None:
        """An element that is in no feature: as GDAL has it, a feature is what is in something called ``...member``."""
        if self._member and name not in _COLLECTIONS:
            self._feature, self._kind, self._count = self._depth, name, 0
            self._there.clear()
            self.features[name] += 1
        else:
            self._member = self._depth if name.lower().endswith(("member", "members")) else 0

    def _count_geometry(self) -> None:
        self._count, self._counted = self._count + 1, True
        path = tuple(self.stack[self._feature : self._geometry - 1])
        self._there[path] += 1
        most, total = self.paths[self._kind].get(path, (0, 0))
        self.paths[self._kind][path] = max(most, self._there[path]), total + 1
        if self._count > self.geometries.get(self._kind, (0, 0))[0]:
            self.geometries[self._kind] = self._count, self.line
