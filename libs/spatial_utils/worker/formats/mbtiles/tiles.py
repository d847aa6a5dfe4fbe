"""What the tiles of an MBTiles hold, counted apart from GDAL: it stops at a tile that is damaged, and says nothing.

No upstream issue is known (GDAL 3.12.4).
"""

import sqlite3
import zlib
from collections import Counter
from contextlib import closing
from pathlib import Path

from libs.spatial_utils.worker.formats.protobuf import fields
from libs.spatial_utils.worker.protocol import Unreadable

_MAX_TILE = 64 * 1024 * 1024
_GZIP_OR_ZLIB = 47
"""For zlib: find out which of both, with the largest window."""
_LAYER, _NAME, _FEATURE = 3, 1, 2
"""Fields of a tile and of its layer."""


def features_of(path: Path) -> tuple[int, Counter[str]]:
    """The highest zoom that there are tiles for, and the number of the features in them, by layer.

    Raises:
        Unreadable: ``unreadable`` for tiles that are images, ``damaged`` for those that are not vector tiles.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            database.execute("PRAGMA trusted_schema = 0")
            zoom = _highest_zoom(database, path.name)
            found = Counter[str]()
            where = "SELECT tile_column, tile_row, tile_data FROM tiles WHERE zoom_level = ?"
            for column, row, data in database.execute(where, (zoom,)):
                try:
                    _count(data, found)
                except (IndexError, KeyError, TypeError, UnicodeDecodeError, zlib.error) as error:
                    raise Unreadable(
                        "damaged",
                        f"The tile {zoom}/{column}/{row} (zoom, column, row) of {path.name!r} is not a vector tile.",
                        "Write the file again.",
                    ) from error
            return zoom, found
    except sqlite3.Error as error:
        raise Unreadable(
            "damaged", f"{path.name!r} is not an MBTiles that can be read: {error}.", "Write the file again."
        ) from error


def _highest_zoom(database: sqlite3.Connection, name: str) -> int:
    kind = database.execute("SELECT value FROM metadata WHERE name = 'format'").fetchone()
    if kind is not None and str(kind[0]).casefold() not in {"pbf", "mvt", "application/x-protobuf"}:
        raise Unreadable(
            "unreadable",
            f"The tiles of {name!r} are images ({kind[0]}): there are no features in them.",
            "Ask for the data that they were drawn from.",
        )
    (zoom,) = database.execute("SELECT max(zoom_level) FROM tiles").fetchone()
    if not isinstance(zoom, int):
        raise Unreadable("no_features", f"{name!r} has no tiles.", "Check that it is the right file.")
    return zoom


def _count(data: bytes, found: Counter[str]) -> None:
    """Count the features of a tile."""
    if not isinstance(data, bytes):
        raise TypeError
    if data[:2] == b"\x1f\x8b" or data[:1] == b"\x78":
        unpacking = zlib.decompressobj(_GZIP_OR_ZLIB)
        data = unpacking.decompress(data, _MAX_TILE)
        if not unpacking.eof:  # cut off, or without measure
            raise IndexError
    for number, layer in fields(data):
        if number == _LAYER and isinstance(layer, bytes):
            parts = [*fields(layer)]
            name = dict(parts)[_NAME]
            if not isinstance(name, bytes):
                raise TypeError
            found[name.decode()] += sum(part == _FEATURE for part, _ in parts)
