"""Geometries as databases and programs write them into columns of text: WKT, EWKT, WKB and EWKB in hexadecimal digits, GeoJSON.

Rules: OGC 06-103r4 (WKT, WKB); PostGIS' documentation, "Well-Known Text and Binary" (EWKT, EWKB); RFC 7946, section 3.1.
"""

import json
import math
import re
import struct
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.values import wkb

_EWKT = re.compile(r"(?i)^[ \t\r\n]*srid[ \t]*=[ \t]*([0-9]{1,6})[ \t]*;[ \t\r\n]*")
_HEX = r"^[ \t\r\n]*(?:\\\\x|\\x|0x)?0[01](?:[0-9A-Fa-f]{2}){4,}[ \t\r\n]*$"
_PREFIX = re.compile(r"^(?:\\\\x|\\x|0x)")
_HAS_SRID, _HAS_Z, _HAS_M = 0x20000000, 0x80000000, 0x40000000
_GEOJSON = {"Point": (1, 0), "LineString": (2, 1), "Polygon": (3, 2), "MultiPoint": (4, 1), "MultiLineString": (5, 2),
            "MultiPolygon": (6, 3)}  # fmt: skip
"""Types of GeoJSON: their code in WKB, and how deep their positions lie."""


def srids(texts: pa.Array) -> set[int]:
    """The SRIDs that geometries of a column name, 0 for those that name none; missing values say nothing."""
    texts = texts.drop_null()
    found = set[int]()
    binary = pc.match_substring_regex(texts, _HEX)
    heads = pc.utf8_slice_codeunits(
        pc.replace_substring_regex(pc.utf8_trim(texts.filter(binary), " \t\r\n"), r"^(\\\\x|\\x|0x)", ""), 0, 18
    )
    for head in pc.unique(heads).to_pylist():
        found.add(_srid(bytes.fromhex(head)))
    others = texts.filter(pc.invert(binary))
    for start in pc.unique(pc.utf8_slice_codeunits(others, 0, 32)).to_pylist() if len(others) else []:
        if start.strip():
            found.add(int(match[1]) if (match := _EWKT.match(start)) else 0)
    return found


def to_wkb(
    texts: Sequence[str | None], well_formed: Sequence[bool], gdal: Gdal, counts: Counter[str]
) -> tuple[pa.Array, list[int]]:
    """A column of geometries as WKB.

    Args:
        texts: The values; None and blanks are missing.
        well_formed: Whether a value, if it is WKT, is one that GDAL does not read as something else.
        gdal: Parses WKT, and checks WKB.
        counts: What had to be changed is added to them.

    Returns:
        The geometries, and the numbers of the values that are no geometry, which are null.
    """
    rows: list[bytes | None] = []
    bad = []
    for row, text in enumerate(texts):
        if text is None or (well_formed[row] and not text.strip()):
            rows.append(None)
            continue
        rows.append(_one(text.strip(" \t\r\n"), gdal, wkt=well_formed[row]))
        if rows[-1] is None:
            bad.append(row)
    while True:
        try:
            return wkb.normalise(pa.array(rows, pa.binary()), gdal, counts, vouched=False), sorted(bad)
        except wkb.DamagedGeometry as error:  # found once for each: they are few, or the first one ends the reading
            rows[error.row] = None
            bad.append(error.row)


def without_srid(texts: pa.Array) -> pa.Array:
    """EWKT as WKT."""
    return pc.replace_substring_regex(texts, r"(?i)^[ \t\r\n]*srid[ \t]*=[ \t]*[0-9]{1,6}[ \t]*;", "")


def _one(text: str, gdal: Gdal, *, wkt: bool) -> bytes | None:
    if text.startswith("{"):
        try:
            return from_geojson(json.loads(text))
        except (ValueError, RecursionError):
            return None
    if re.match(_HEX, text):
        return _plain_wkb(bytes.fromhex(_PREFIX.sub("", text)))
    return gdal.wkb_from_wkt(text) if wkt else None


def _srid(head: bytes) -> int:
    order = "<" if head[0] == 1 else ">"
    (code,) = struct.unpack_from(f"{order}I", head, 1)
    return int(struct.unpack_from(f"{order}I", head, 5)[0]) if code & _HAS_SRID and len(head) >= 9 else 0  # noqa: PLR2004


def _plain_wkb(value: bytes) -> bytes:
    """EWKB without its SRID, which only the outermost geometry has. GDAL reads the flags of Z and M."""
    order = "<" if value[0] == 1 else ">"
    (code,) = struct.unpack_from(f"{order}I", value, 1)
    if not code & _HAS_SRID:
        return value
    return value[:1] + struct.pack(f"{order}I", code & ~_HAS_SRID) + value[9:]


def from_geojson(geometry: Any) -> bytes | None:
    """A geometry of GeoJSON as WKB; None for anything else. A position of four numbers has no meaning there."""
    try:
        return _written(geometry)
    except (ValueError, TypeError, KeyError, RecursionError, struct.error):
        return None


def _written(geometry: Any) -> bytes:
    kind = geometry["type"]
    if kind == "GeometryCollection":
        parts = [_written(part) for part in geometry["geometries"]]
        has_z = bool(parts) and all(struct.unpack_from("<I", part, 1)[0] > 1000 for part in parts)  # noqa: PLR2004
        return struct.pack("<BII", 1, 1007 if has_z else 7, len(parts)) + b"".join(parts)
    code, depth = _GEOJSON[kind]
    coordinates = geometry["coordinates"]
    sizes = set[int]()
    _measure(coordinates, depth, sizes)
    if len(sizes) > 1 or not sizes <= {2, 3}:
        raise ValueError("positions of different sizes")
    return _packed(coordinates, code, 1000 if sizes == {3} else 0)


def _measure(coordinates: Any, depth: int, sizes: set[int]) -> None:
    if not isinstance(coordinates, list):
        raise TypeError("no list")
    if depth:
        for each in coordinates:
            _measure(each, depth - 1, sizes)
        return
    if not all(type(number) in {int, float} and math.isfinite(number) for number in coordinates):
        raise ValueError("no numbers")
    sizes.add(len(coordinates))


def _packed(coordinates: Any, code: int, z: int) -> bytes:
    head = struct.pack("<BI", 1, code + z)
    if code == 1:
        return head + struct.pack(f"<{len(coordinates)}d", *coordinates)
    if code == 2:  # noqa: PLR2004
        return head + _path(coordinates)
    if code == 3:  # noqa: PLR2004
        return head + struct.pack("<I", len(coordinates)) + b"".join(map(_path, coordinates))
    return head + struct.pack("<I", len(coordinates)) + b"".join(_packed(part, code - 3, z) for part in coordinates)


def _path(positions: Any) -> bytes:
    return struct.pack("<I", len(positions)) + b"".join(struct.pack(f"<{len(each)}d", *each) for each in positions)
