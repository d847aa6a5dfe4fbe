"""Vector tiles of a version, by DuckDB from the lake file: counts where features are many, features where they are few."""

import gzip
import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from libs.column_names import BBOX, GEOMETRY
from libs.models import Asset, BBox, Field
from services.catalog.density import DEEPEST, Pyramid, Pyramids
from services.catalog.features import ROW, numbered_rows, quoted, time_as_text, within
from services.catalog.grid import WEB_MERCATOR, degrees, metres
from services.catalog.local import LocalFiles

if TYPE_CHECKING:
    import duckdb

LAYER = "features"
SHARPEST = 18
"""The last zoom that a map asks for, where features are drawn before it: a unit of its tiles is 4 cm. Maps enlarge it beyond."""
COLUMNS = 32
"""Of a tile's features, at most: the first ones."""
EXTENT, BUFFER = 4096, 64
"""Units on a side of a tile; units around it that its features reach beyond it."""
_KEPT = 64 * 1024 * 1024
"""Bytes of tiles that stay at hand."""
_TILE = 500
"""Bytes that a tile takes beside its content."""
_AS_THEY_ARE = {"bool": "BOOLEAN", "float": "FLOAT", "double": "DOUBLE", "int64": "BIGINT", "string": "VARCHAR"}
_OTHERS = {
    "int8": "INTEGER", "int16": "INTEGER", "int32": "INTEGER", "uint8": "INTEGER", "uint16": "INTEGER", "uint32": "BIGINT",
    "uint64": "VARCHAR", "halffloat": "FLOAT", "large_string": "VARCHAR", "string_view": "VARCHAR",
}  # fmt: skip
"""Types of DuckDB's tiles by Arrow's types; it has no others. Numbers that none of them holds become text."""

_SHAPES = ("shape", "ST_MakeValid(shape)", "ST_PointOnSurface(shape)")
"""What is drawn of a shape: the first of these of which anything is left in the tile."""


@dataclass(frozen=True)
class Tile:
    """A tile.

    Attributes:
        content: MVT, compressed by gzip; empty where there is nothing.
        tag: Hash of the content: it tells a tile from that of another lake, or release, under the same address.
    """

    content: bytes
    tag: str

    @property
    def plain(self) -> bytes:
        """Its content, not compressed."""
        return gzip.decompress(self.content)


class Tiles:
    """The tiles of all versions.

    Args:
        files: Where the local files are. Nothing else is opened.
        folder: Empty, for what is counted.
        memory_mb: For DuckDB.
    """

    def __init__(self, files: LocalFiles, folder: Path, memory_mb: int = 512) -> None:
        self._files, self._memory_mb = files, memory_mb
        self._pyramids = Pyramids(files, folder)
        self._lock = threading.Lock()
        self._database: duckdb.DuckDBPyConnection | None = None
        self._made: OrderedDict[tuple[str, int, int, int], Tile] = OrderedDict()
        self._size = 0

    def close(self) -> None:
        """Let go of the files."""
        if self._database is not None:
            self._database.close()

    def pyramid(self, asset: Asset) -> Pyramid:
        """How many features lie where.

        Raises:
            ObjectMissing, ObjectRefused: when a file cannot be read.
        """
        return self._pyramids.of(asset)

    def tile(self, asset: Asset, zoom: int, x: int, y: int) -> Tile:
        """A tile.

        Raises:
            ObjectMissing, ObjectRefused: when a file cannot be read.
        """
        place = (asset.id, zoom, x, y)
        with self._lock:
            if place in self._made:
                self._made.move_to_end(place)
                return self._made[place]
        pyramid = self.pyramid(asset)
        made = pyramid.levels[zoom].tile(x, y) if zoom < pyramid.base else self._exact(asset, zoom, x, y)
        content = gzip.compress(made, 6, mtime=0) if made else b""
        tile = Tile(content, hashlib.sha256(content).hexdigest()[:32])
        with self._lock:
            if place not in self._made:
                self._made[place] = tile
                self._size += len(content) + _TILE
            while self._size > _KEPT:
                self._size -= len(self._made.popitem(last=False)[1].content) + _TILE
        return tile

    def _exact(self, asset: Asset, zoom: int, x: int, y: int) -> bytes:
        margin = BUFFER / EXTENT
        box = within(asset, degrees(zoom, x - margin, y - margin, x + 1 + margin, y + 1 + margin))
        if box is None:
            return b""
        cursor = self._opened().cursor()
        try:
            sql, values = _query(asset, [str(self._files.path(file)) for file in asset.data], box, metres(zoom, x, y))
            ((made, count),) = cursor.execute(sql, values).fetchall()
        finally:
            cursor.close()
        return bytes(made) if count else b""

    def _opened(self) -> "duckdb.DuckDBPyConnection":
        """The database, opened when features are first drawn: its extension takes a third of a second."""
        with self._lock:
            if self._database is None:
                import duckdb

                from libs.compute.duckdb import spatial_extension

                database = duckdb.connect(
                    config={
                        "allow_unsigned_extensions": "true",  # see libs/compute/duckdb.py
                        "memory_limit": f"{self._memory_mb}MB",
                        "threads": 2,
                        "temp_directory": "",
                    }
                )
                database.execute(f"LOAD '{spatial_extension()}'")
                for setting in (
                    "enable_geoparquet_conversion = false",
                    "TimeZone = 'UTC'",
                    "enable_object_cache = true",
                    f"allowed_directories = ['{str(self._files.folder).replace(chr(39), chr(39) * 2)}/']",
                    "enable_external_access = false",
                    "lock_configuration = true",
                ):
                    database.execute(f"SET GLOBAL {setting}")
                self._database = database
            return self._database


def shown_columns(asset: Asset) -> dict[str, str]:
    """The columns of a tile's features: each with its value in SQL. Bytes and nested values are not among them."""
    values = {
        field.name: value for field in asset.table_schema if field.name not in {GEOMETRY, BBOX} and (value := _value(field))
    }
    return dict([*values.items()][:COLUMNS])


def sharpest(pyramid: Pyramid) -> int:
    """The last zoom that a map asks for."""
    return min(DEEPEST, max(SHARPEST, pyramid.base))


def _value(field: Field) -> str | None:
    name = quoted(field.name)
    if field.type in _AS_THEY_ARE:
        return name
    if field.type in _OTHERS:
        return f"{name}::{_OTHERS[field.type]}"
    if field.type.startswith("decimal"):
        return f"{name}::DOUBLE"
    return time_as_text(field.name, field.type)


def _query(asset: Asset, paths: list[str], box: BBox, frame: BBox) -> tuple[str, list[object]]:
    """What gives one tile, and its values.

    A shape that is too small to be drawn, or that cannot be, is a point that lies on it: nothing is left out.
    """
    columns = shown_columns(asset)
    fields = [f"c{number}" for number in range(len(columns))]
    shown = "".join(f", {value} AS {field}" for field, value in zip(fields, columns.values(), strict=True))
    tile = f"{{'min_x': {frame[0]!r}, 'min_y': {frame[1]!r}, 'max_x': {frame[2]!r}, 'max_y': {frame[3]!r}}}::BOX_2D"
    sources, values, first = [], list[object](), 0
    for file, path in zip(asset.data, paths, strict=True):
        sources.append(
            f"SELECT {ROW} + {first} AS id, ST_Force2D(ST_GeomFromWKB({GEOMETRY})) AS shape{shown} FROM ({numbered_rows(asset)}) "
            f"WHERE {BBOX}.xmax >= ? AND {BBOX}.ymax >= ? AND {BBOX}.xmin <= ? AND {BBOX}.ymin <= ?"
        )
        values += [path, *box]
        first += file.features or 0
    drawn = [f"TRY(ST_AsMVTGeom({shape}, {tile}, {EXTENT}, {BUFFER}, true))" for shape in _SHAPES]
    attributes = "".join(f", {quoted(name)}: {field}" for name, field in zip(columns, fields, strict=True))
    listed = "".join(f", {field}" for field in fields)
    return (
        f"""
        WITH found AS ({" UNION ALL ".join(sources)}),
        placed AS MATERIALIZED (
            SELECT id{listed}, TRY(ST_Transform(shape, ?, '{WEB_MERCATOR}', always_xy := true)) AS shape FROM found
        ),
        drawn AS MATERIALIZED (
            SELECT id{listed}, coalesce({", ".join(drawn)}) AS shape FROM placed
        ),
        plain AS MATERIALIZED (
            SELECT id{listed}, CASE ST_GeometryType(shape)
                WHEN 'GEOMETRYCOLLECTION' THEN ST_CollectionExtract(shape) ELSE shape END AS shape
            FROM drawn WHERE shape IS NOT NULL ORDER BY id
        )
        SELECT ST_AsMVT({{'{ROW}': id, '{GEOMETRY}': shape{attributes}}}, '{LAYER}', {EXTENT}, '{GEOMETRY}', '{ROW}'), count(*)
        FROM plain
    """,
        [*values, asset.crs],
    )
