"""MBTiles: tiles in a table of SQLite, with names and values about them in another."""

import sqlite3
from collections.abc import Iterator

from libs.spatial_utils.worker.formats.tile_reader import Tile, TileReader
from libs.spatial_utils.worker.protocol import Unreadable

_VECTOR = frozenset({"pbf", "mvt", "application/x-protobuf"})


class Reader(TileReader):
    """See ``OgrReader``."""

    def highest_tiles(self) -> tuple[int, Iterator[Tile]]:
        """See ``TileReader``; and register what GDAL opens the database with."""
        self.gdal.register("RegisterOGRSQLite")
        try:
            database = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
            database.execute("PRAGMA trusted_schema = 0")
            kind = database.execute("SELECT value FROM metadata WHERE name = 'format'").fetchone()
            if kind is not None and str(kind[0]).casefold() not in _VECTOR:
                raise self.images(str(kind[0]))
            (zoom,) = database.execute("SELECT max(zoom_level) FROM tiles").fetchone()
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        if not isinstance(zoom, int):
            raise self.no_tiles()
        return zoom, self._tiles(database, zoom)

    def _tiles(self, database: sqlite3.Connection, zoom: int) -> Iterator[Tile]:
        try:
            where = "SELECT tile_column, tile_row, tile_data FROM tiles WHERE zoom_level = ?"
            for column, row, data in database.execute(where, (zoom,)):
                yield Tile(zoom, column, row, data)
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        finally:
            database.close()

    def _damaged(self, error: sqlite3.Error) -> Unreadable:
        return Unreadable("damaged", f"{self.path.name!r} is not an MBTiles that can be read: {error}.", "Write the file again.")
