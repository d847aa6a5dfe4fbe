"""FileGDB."""

from libs.spatial_utils.worker.formats.catalog import CatalogTable, table_of
from libs.spatial_utils.worker.formats.database import DatabaseReader


class Reader(DatabaseReader):
    """See ``OgrReader``."""

    def tables_of_layers(self) -> list[tuple[CatalogTable, list[tuple[int, str]]]]:
        """See ``DatabaseReader``."""
        tables = []
        for handle in self.handles:
            with self.gdal.overhearing() as said:
                table = table_of(self.gdal, handle)
            tables.append((table, said))
        return tables
