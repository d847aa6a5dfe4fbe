"""GeoPackage."""

import re
from collections.abc import Sequence

from libs.spatial_utils.worker.formats import sqlite_tables, sqlite_values
from libs.spatial_utils.worker.formats.catalog import CatalogTable, Relationship
from libs.spatial_utils.worker.formats.database import DatabaseReader
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.messages import MessageRule, MessageRules


class Reader(DatabaseReader):
    """See ``OgrReader``."""

    messages = MessageRules(
        harmless=(re.compile("Retrying with IMMUTABLE=YES"),),  # in WAL mode with an empty log: nothing is missing
        losses=(
            MessageRule(
                re.compile("geometry column '.*' of type '.*' ignored|has multiple geometry fields"),
                "column_not_read",
                "A GeoPackage has one geometry column a table, and no types but its own, so that a column would be lost: {}.",
                "Give the column a type of GeoPackage's (TEXT, INTEGER, REAL, BLOB, DATE, DATETIME, BOOLEAN), or take it out.",
            ),
        ),
    )
    valid_wkb = False
    keys_have_names = True

    def tables(self) -> list[CatalogTable]:
        """See ``DatabaseReader``."""
        return sqlite_tables.tables(self.gdal, self.dataset)

    def relationships(self) -> list[Relationship]:
        """See ``DatabaseReader``."""
        known = super().relationships()
        return [*known, *sqlite_tables.relationships_by_key(self.gdal, self.dataset, known)]

    def check_described(self, layers: Sequence[OgrLayer]) -> None:
        """Warn of the tables that GDAL does not list: once one without geometry is registered, all have to be."""
        if self.request.layer is None:
            listed = {name.removeprefix(self.prefix).casefold() for name in self.opened.names}
            known = listed | sqlite_tables.registered(self.gdal, self.dataset)
            for name, table in self.catalog.tables.items():
                if name not in known and self.catalog.program(name) is None:
                    self.notes.warn(
                        "table_not_registered",
                        f"The table {table.name!r} is not read: it is not registered in 'gpkg_contents', as others are.",
                        "If it is wanted, register it there with the data_type 'attributes'.",
                        f"layer {table.name}",
                    )
        super().check_described(layers)

    def check_after(self, layer: OgrLayer, read: int, missing: int) -> None:  # noqa: ARG002 - see OgrReader
        """See ``OgrReader``."""
        sqlite_values.check(self.gdal, self.dataset, layer.own_name, sqlite_values.columns_of(self.gdal, layer))
        if missing:
            column = sqlite_values.geometry_of(self.gdal, layer)
            sqlite_values.check_geometries(self.gdal, self.dataset, layer.own_name, column, missing)

    def explains(self, layer: OgrLayer, read: int) -> bool:
        """The count that a file claims is kept by triggers, which other programs may lack."""
        return read == sqlite_values.count(self.gdal, self.dataset, layer.own_name)
