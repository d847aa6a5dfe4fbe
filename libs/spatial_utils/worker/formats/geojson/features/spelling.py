"""How a file writes its geometries, so that Arrow can parse them: it wants one type for everything that has one name."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.formats.geojson.features.geometry import Unusual, to_wkb
from libs.spatial_utils.worker.values.geometry_types import COORDINATE_DEPTHS

_BEGINNING = re.compile(rb'"(?:' + "|".join(COORDINATE_DEPTHS).encode() + rb')"(\s*+,\s*+)"coordinates"')
_FAMILIES = [{"Point", "MultiPoint"}, {"LineString", "MultiLineString"}, {"Polygon", "MultiPolygon"}]
"""Where one of them is, the other may come."""


@dataclass(frozen=True)
class Spelling:
    """How a file writes its geometries.

    Attributes:
        dimension: Numbers of a position.
        depth: Of the coordinates of most of them.
        between: What stands between a geometry's type and its coordinates.
        others: Types with coordinates of another depth, whose coordinates get another name before Arrow sees them.
    """

    dimension: int
    depth: int
    between: bytes
    others: frozenset[str]

    @classmethod
    def of(cls, geometries: list[dict[str, Any]], text: bytes) -> "Spelling":
        """That of a sample.

        Raises:
            ValueError: where there is nothing to learn.
        """
        kinds = Counter(geometry["type"] for geometry in geometries if geometry["type"] in COORDINATE_DEPTHS)
        if not kinds or not geometries[0].get("coordinates"):
            raise Unusual("no coordinates")
        depth = COORDINATE_DEPTHS[kinds.most_common(1)[0][0]]
        position = geometries[0]["coordinates"]
        while isinstance(position[0], list):
            position = position[0]
        beginning = _BEGINNING.search(text)
        expected = {kind for family in _FAMILIES if family & kinds.keys() for kind in family}
        others = frozenset(kind for kind in expected if COORDINATE_DEPTHS[kind] != depth and beginning)
        return cls(len(position), depth, beginning[1] if beginning else b"", others)

    @property
    def type(self) -> pa.DataType:
        """Of a geometry in a renamed text."""
        names = {"coordinates": self.depth, **{self._name(kind): COORDINATE_DEPTHS[kind] for kind in self.others}}
        return pa.struct({"type": pa.string(), **{name: _nested(depth) for name, depth in names.items()}})

    def renamed(self, text: bytes | bytearray) -> bytes | bytearray:
        """Features with one name for the coordinates of one depth. A name within a text is not met: its quotes are escaped."""
        for kind in self.others:
            beginning = b'"%s"%s"' % (kind.encode(), self.between)
            text = text.replace(beginning + b'coordinates"', beginning + self._name(kind).encode() + b'"')
        return text

    def wkb(self, geometries: pa.StructArray) -> pa.Array:
        """Geometries of a renamed text as WKB.

        Raises:
            Unusual: for a geometry that does not consist of a type and coordinates that are ordinary for it.
        """
        types = geometries.field("type")
        if types.null_count != geometries.null_count:
            raise Unusual("a geometry without a type")
        kinds = pc.unique(types.drop_null()).to_pylist()
        rows, parts = [], []
        for kind in kinds:
            if kind not in COORDINATE_DEPTHS or (COORDINATE_DEPTHS[kind] != self.depth and kind not in self.others):
                raise Unusual(f"a {kind}")
            coordinates = geometries.field(self._name(kind))
            if len(kinds) > 1 or types.null_count:
                rows.append(pc.indices_nonzero(pc.equal(types, kind)).cast(pa.int32()))
                coordinates = coordinates.take(rows[-1])
            parts.append(to_wkb(kind, coordinates, self.dimension))
        return parts[0] if not rows and parts else _placed(parts, rows, len(types))

    def _name(self, kind: str) -> str:
        return f"coordinate{COORDINATE_DEPTHS[kind]}" if kind in self.others else "coordinates"


def _placed(parts: list[pa.Array], rows: list[pa.Array], length: int) -> pa.Array:
    """The parts of a column, each at its rows; null elsewhere."""
    if not parts:
        return pa.nulls(length, pa.binary())
    places = pc.inverse_permutation(pa.concat_arrays(rows), max_index=length - 1)
    return pa.concat_arrays(parts).take(places)


def _nested(depth: int) -> pa.DataType:
    return pa.list_(_nested(depth - 1)) if depth else pa.float64()
