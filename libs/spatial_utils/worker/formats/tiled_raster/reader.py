"""GeoPackage and MBTiles: tiles of pictures, or of elevations, in tables of SQLite. Each table is a raster."""

import sqlite3

from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.raster.reader import RasterReader

_TILES = "SELECT table_name FROM gpkg_contents WHERE data_type IN ('tiles', '2d-gridded-coverage') ORDER BY rowid"
_VECTOR = frozenset({"pbf", "mvt", "application/x-protobuf"})


class Reader(RasterReader):
    """See ``RasterReader``."""

    def check_before(self) -> None:
        """Register what reads the tables, and the tiles in them."""
        self.gdal.register("RegisterOGRSQLite")
        for driver in ("PNG", "JPEG", "GTiff"):  # elevations of a GeoPackage may be TIFFs
            self.gdal.register(f"GDALRegister_{driver}")

    def names(self) -> list[str]:
        """See ``RasterReader``; an MBTiles file is one raster, with the file's name."""
        try:
            database = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
            database.execute("PRAGMA trusted_schema = 0")
            if self.request.driver == "GPKG":
                found = [str(name) for (name,) in database.execute(_TILES)]
            else:
                kind = database.execute("SELECT value FROM metadata WHERE name = 'format'").fetchone()
                found = [] if kind is not None and str(kind[0]).casefold() in _VECTOR else [self.path.stem]
        except sqlite3.Error as error:
            raise Unreadable("damaged", f"The database {self.path.name!r} is damaged: {error}.", "Upload it again.") from error
        if not found:
            raise Unreadable("unreadable", f"{self.path.name!r} holds no rasters.", 'Write "type": "vector" for its features.')
        return found

    def open_options(self, name: str) -> list[str]:
        """See ``RasterReader``."""
        return [f"TABLE={name}"] if self.request.driver == "GPKG" else []
