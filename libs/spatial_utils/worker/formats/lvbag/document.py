"""The objects of one file of an extract, one after the other.

GDAL's reader is not used (3.12.4, no upstream issue is known): it makes a point of an area, takes the largest part of several,
drops heights, numbers and dates that cannot be read and elements that it does not know, all without a word.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

from libs.spatial_utils.worker.formats.lvbag.objects import FURTHER_ADDRESSES, KINDS, MAIN_ADDRESS, Kind
from libs.spatial_utils.worker.formats.markup import NUMBER, list_of
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.values.xml_text import XmlScan

_OBJECT, _TYPE, _GEOMETRY, _ADDRESS = "bagObject", "objectType", "geometrie", "nummeraanduidingref"
_POSITIONS = re.compile(list_of(NUMBER).pattern + r"\Z", re.ASCII)
_CRS = "EPSG::28992"


@dataclass
class Thing:
    """An object.

    Attributes:
        values: By column, the texts as they stand in the file.
        geometry: GML, or empty.
        line: In which it begins.
        damaged: What is wrong with the geometry, or empty.
    """

    line: int
    values: dict[str, list[str]] = field(default_factory=dict)
    geometry: str = ""
    damaged: str = ""


class Document(XmlScan):
    """A file.

    Attributes:
        kind: What it holds, once that is known.
        unknown: How often an element occurs that no column is known for.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path, self.unknown = path, Counter[str]()
        self.kind: Kind | None = None
        self._declared = ""
        self._things: list[Thing] = []
        self._thing: Thing | None = None
        self._columns: dict[str, str] = {}
        self._depth = 0
        self._gml: list[str] = []
        self._dimensions: list[int] = []
        self._roots = 0
        self._domain = ""

    def things(self) -> Iterator[Thing]:
        """Its objects.

        Raises:
            Unreadable: ``damaged``, and what is not of the kind that the file says.
        """
        for _ in self.scanning(self._path):
            yield from self._things
            self._things.clear()
        self._check_whole()

    def identify(self) -> Kind:
        """What it holds; raises ``Unreadable`` where that is not known here."""
        for _ in self.scanning(self._path):
            kind = self.kind
            if kind is not None:
                return kind
        self._check_whole()
        raise self._of_unknown_kind()

    def _of_unknown_kind(self) -> Unreadable:
        said = f"of the kind {self._declared!r}" if self._declared else "which do not say their kind"
        return self._unreadable(
            "unreadable",
            f"holds objects {said}; the kinds that are read are {', '.join(KINDS)}",
            "Upload the files of an extract with these objects (a full extract, not changes or remarks), or take it out.",
        )

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """See ``XmlScan``."""
        thing = self._thing
        if thing is None:
            if name == _OBJECT:
                self._thing, self._depth = Thing(self.line), len(self.stack)
            elif name == _TYPE and self.kind is None:
                self.collect(self._declare)
        elif len(self.stack) == self._depth + 1:
            if self.kind is None:
                raise self._of_unknown_kind()
            if name != self.kind.element:
                raise self._unreadable(
                    "unreadable",
                    f"says that it holds {self._declared}, but holds an object {name!r}",
                    "Upload the file as it was delivered.",
                    self.line,
                )
        elif _GEOMETRY in self.stack:
            self._start_geometry(thing, name, attributes)
        elif name != _GEOMETRY:
            self._domain = attributes.get("domein", "")
            self.collect(lambda text, _: self._take(thing, name, text))

    def end(self, name: str) -> None:
        """See ``XmlScan``."""
        if self._thing is None:
            return
        if len(self.stack) == self._depth:
            self._things.append(self._thing)
            self._thing = None
        elif name == _GEOMETRY:
            self._thing.geometry = "".join(self._gml)
            if self._roots != 1:
                self._thing.damaged = f"it has {self._roots} geometries in one"
            self._gml, self._roots = [], 0
        elif self._dimensions:
            self._dimensions.pop()
            self._gml.append(f"</{name}>")

    def _check_whole(self) -> None:
        if self.error:
            raise self._unreadable(
                "damaged",
                f"is not valid XML: {self.error.args[0].partition(':')[0]}",
                "Upload the file again.",
                self.error.lineno,
            )

    def _declare(self, text: str, _: int) -> None:
        self._declared = text.strip()
        self.kind = KINDS.get(self._declared)
        if self.kind:
            self._columns = {column.casefold(): column for column in self.kind.columns}

    def _take(self, thing: Thing, name: str, text: str) -> None:
        said = text.strip()
        if not said:
            return
        column = self._columns.get(name.casefold())
        if name.casefold() == _ADDRESS and MAIN_ADDRESS.casefold() in self._columns:
            column = FURTHER_ADDRESSES if "heeftAlsNevenadres" in self.stack else MAIN_ADDRESS
        if column is None:
            self.unknown[name] += 1
        else:
            thing.values.setdefault(column, []).append(f"{self._domain}.{said}" if self._domain else said)

    def _start_geometry(self, thing: Thing, name: str, attributes: dict[str, str]) -> None:
        """Take over an element of GML; the elements of the BAG around it (``punt``, ``vlak``) begin with a small letter."""
        if not self._dimensions and name[:1].islower():
            return
        if not self._dimensions:
            self._roots += 1
        if _CRS not in attributes.get("srsName", _CRS):
            raise self._unreadable(
                "crs_mixed",
                f"has a geometry in another CRS than EPSG:28992: {attributes['srsName'][:60]!r}",
                "Upload the extract as it was delivered.",
                self.line,
            )
        said = attributes.get("srsDimension")
        dimension = int(said) if said in {"2", "3"} else self._dimensions[-1] if self._dimensions else 2
        self._dimensions.append(dimension)
        self._gml.append(f'<{name} srsDimension="{dimension}">')
        if name in {"pos", "posList"}:
            self.collect(lambda text, _: self._positions(thing, text, dimension))

    def _positions(self, thing: Thing, text: str, dimension: int) -> None:
        if not _POSITIONS.match(text) or len(text.split()) % dimension:
            thing.damaged = f"{text.strip()[:40]!r} is no list of positions with {dimension} numbers each"
        self._gml.append(escape(text))

    def _unreadable(self, code: str, what: str, remedy: str, line: int = 0) -> Unreadable:
        return Unreadable(code, f"{self._path.name!r} {what}.", remedy, f"line {line}" if line else "")
