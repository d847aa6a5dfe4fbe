"""What is in a GML by its own markup: features, geometries, CRSs, and texts that GDAL would change in silence."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

import pyarrow as pa

from libs.spatial_utils.worker.formats.bad_features import Bad
from libs.spatial_utils.worker.formats.markup import CLOCK, DAY, NUMBER, XmlGuard, list_of
from libs.spatial_utils.worker.formats.pages import Page
from libs.spatial_utils.worker.formats.patching import Patch
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
_MOST_KEPT = 100_000
"""Of the values of a property that are no times: with more, it is another kind of property."""
_LONGEST_TAG, _LONGEST_REASON = 1024, 200
_TAG = re.compile(rb"<((?:[\w.-]+:)?)([\w.-]+)((?:\s+[\w:.-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*)\s*/?>")
_NOTHING = re.compile(rb"<[^<>]*/>|<[^<>]*>\s*</[^<>]*>")
_FILLINGS = (b"", b"<%spos/>", b"<%sposList/>")
"""What an element may hold so that GDAL takes it for an empty geometry, one or another; with a place for the prefix."""


class _NoTime(NamedTuple):
    """A text that looks like a time, and is none; with the number of its feature from 0."""

    number: int
    text: str
    line: int

    @property
    def problem(self) -> Unreadable:
        return Unreadable(
            "value_lost", f"There is no such time as {self.text[:_SHOWN].strip()!r}.", "Correct it.", f"line {self.line}"
        )


class GmlGuard(XmlGuard):
    """What is in a file, by the name of a type of feature.

    Attributes:
        features: How many of a type.
        geometries: How many one feature of a type has at most, and in which line it has the last of them.
        paths: By type, where in a feature the geometries stand, in their order: how many a feature has there at most, and how
            many all have.
        page: What the file says of further features elsewhere.
        complaint: Says why GDAL does not take an element for a geometry; None when it does.
    """

    complaint: Callable[[bytes], str | None]

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
        # texts that only look like times: by the type of feature, empty where it is not known whose they are, and the element
        self._no_times: defaultdict[tuple[str, str], list[_NoTime]] = defaultdict(list)
        self._lines: dict[str, bool] = {}
        self._dimension = ""
        self._begin, self._wrong = 0, list[Unreadable]()  # of the geometry: its first byte, and what is wrong with it

    def counted(self, layer: str) -> int:
        """See ``XmlGuard``."""
        return self.features[layer]

    def references(self, kind: str) -> set[str]:
        """The CRSs that geometries of a type of feature name, as they stand."""
        return self._references.get(kind, set())

    def properties(self, kind: str) -> set[str]:
        """The properties of features of a type, but for those that hold elements."""
        return self._properties.get(kind, set()) - self._nested

    def check_columns(self, schemas: Mapping[str, pa.Schema], columns: Iterable[str]) -> None:  # noqa: ARG002 - see ``XmlGuard``
        """Look for values in a column of times that are not times: GDAL changes them, or drops them."""
        for layer, schema in schemas.items():
            for name in (column.name for column in schema if pa.types.is_temporal(column.type)):
                for each in self._no_times["", name][:1]:
                    raise each.problem
                for each in (own := self._no_times[layer, name]):
                    self.refuse("value", each.problem)
                    if len(own) > _MOST_KEPT:
                        raise each.problem
                    self.bad[layer][each.number].append(Bad("value", each.problem, name, each.text))

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
            self._start_above(name, attributes)
            return
        elif self._depth == self._feature + 1:
            self._property = name
            self._properties[self._kind].add(name)
            return
        else:
            self._nested.add(self._property)
            if name not in _GEOMETRIES:
                return
            self._geometry, self._counted, self._begin = self._depth, False, self.place
        if "srsName" in attributes:
            self._references[self._kind].add(attributes["srsName"])

    def end(self, name: str) -> None:
        """An element ends; the depth says which."""
        if self._depth == self._geometry:
            if "geometry" in self.keeps:
                self._end_geometry(name)
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
            self.collect(partial(self._checked, partial(self.check_list, _POSITIONS)))
        elif name == "coordinates" and self._is_line(parent):
            if all(attributes.get(key, usual)[:1].strip() in {"", usual} for key, usual in _USUAL):
                self.collect(partial(self._checked, partial(self.check_list, _TUPLES)))
        elif parent == "coord" and name in {"X", "Y", "Z"}:
            self.collect(partial(self._checked, self.check_number))
        else:
            self.collect(partial(self._look_at_text, name))

    def _checked(self, check: Callable[[str, int], None], text: str, line: int) -> None:
        """Check a text with positions; one in the geometry of a feature may be kept."""
        try:
            check(text, line)
        except Unreadable as problem:
            if not self._geometry:
                raise
            self.refuse("geometry", problem)
            self._wrong.append(problem)

    def _end_geometry(self, name: str) -> None:
        """A geometry is whole: if it cannot be read, GDAL gets an empty one of the same kind."""
        wrong, self._wrong = self._wrong, []
        text = self.bytes_at(self._begin, self.place - self._begin + _LONGEST_TAG)
        text = text[: text.find(b">", self.place - self._begin) + 1]
        problem = wrong[0] if wrong else self._damage(name, text)
        if problem is None:
            return
        empty = self._empty(text)
        if empty is None:
            raise problem
        self.patches.append(Patch(self._begin, self._begin + len(text), empty))
        self.bad[self._kind][self.features[self._kind] - 1].append(Bad("geometry", problem))

    def _damage(self, name: str, text: bytes) -> Unreadable | None:
        """What GDAL finds wrong with a geometry; it may refer to something elsewhere in the file."""
        if b"xlink:href" in text or not (self._counted or _NOTHING.fullmatch(text)):
            return None
        tag = _TAG.match(text)
        if self._dimension and tag is not None and b"srsDimension" not in text:
            text = text[: tag.end(3)] + f' srsDimension="{self._dimension}"'.encode() + text[tag.end(3) :]
        reason = self.complaint(text)
        if reason is None:
            return None
        return Unreadable(
            "damaged_geometry",
            f"GDAL cannot read a geometry of the type {name!r}: {reason[:_LONGEST_REASON].rstrip('.')}.",
            "Check the file with the program that made it, and write or upload it again.",
            f"line {self.line}",
        )

    def _empty(self, text: bytes) -> bytes | None:
        """An empty geometry of the kind of another, in the same CRS."""
        tag = _TAG.match(text)
        if tag is None:
            return None
        prefix, name, attributes = tag.groups()
        candidates = (
            b"<%s%s%s>%s</%s%s>" % (prefix, name, attributes, filling % prefix if filling else b"", prefix, name)
            for filling in _FILLINGS
        )
        return next((each for each in candidates if self.complaint(each) is None), None)

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
                is_property = self._feature > 0 and self._depth == self._feature + 1
                found = self._no_times[self._kind if is_property else "", name]
                if len(found) < (_MOST_KEPT + 1 if "value" in self.keeps else 1):
                    found.append(_NoTime(self.features[self._kind] - 1, said.strip(), line - said.count("\n")))

    def _start_above(self, name: str, attributes: dict[str, str]) -> None:
        """An element that is in no feature: as GDAL has it, a feature is what is in something called ``...member``."""
        self._dimension = attributes.get("srsDimension", self._dimension)  # of all geometries that do not say theirs
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
