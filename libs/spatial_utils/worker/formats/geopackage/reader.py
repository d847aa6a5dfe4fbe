"""GeoPackage."""

import re
from collections.abc import Mapping, Sequence

from libs.spatial_utils.worker.formats import sqlite_tables, sqlite_values
from libs.spatial_utils.worker.formats.catalog import CatalogTable, Relationship
from libs.spatial_utils.worker.formats.database import DatabaseReader
from libs.spatial_utils.worker.ogr.columns import Column
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.messages import MessageRule, MessageRules
from libs.spatial_utils.worker.protocol import unknown_geometry


class Reader(DatabaseReader):
    """See ``OgrReader``."""

    messages = MessageRules(
        harmless=(
            re.compile("Retrying with IMMUTABLE=YES"),  # in WAL mode with an empty log: nothing is missing
            re.compile("appearing several times in gpkg_contents and/or gpkg_geometry_columns"),  # each is a layer
        ),
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

    _parted: Mapping[str, tuple[str, str]]
    """Layers that show one of several geometry columns of a table: table and column."""

    def check_opened(self) -> None:
        """See ``OgrReader``."""
        with self.gdal.overhearing():
            self._parted = sqlite_tables.several_geometries(self.gdal, self.dataset)

    def has_layer(self, handle: int, table: str) -> bool:  # noqa: ARG002 - see OgrReader
        """Each geometry column of a table is a layer, unless the manifest picks one."""
        own, column = self._parted.get(table, ("", ""))
        wanted = (self.request.geometry or column).casefold()
        return wanted == column.casefold() or wanted not in {each.casefold() for each in self._geometries_of(own)}

    def table_of(self, layer: OgrLayer) -> str:
        """See ``DatabaseReader``."""
        return self._parted[layer.own_name][0] if layer.own_name in self._parted else super().table_of(layer)

    def describe(self, layer: OgrLayer) -> None:
        """See ``OgrReader``."""
        super().describe(layer)
        if layer.own_name in self._parted:
            others = [f"'{name}'" for name in self._geometries_of(self.table_of(layer))]
            complaints = self.gdal.complaints
            complaints.items = [  # what GDAL leaves out is a layer of its own
                (severity, said)
                for severity, said in complaints.items
                if not ("ignored" in said and any(other in said for other in others))
            ]

    def columns(self, layer: OgrLayer, columns: list[Column]) -> list[Column]:
        """The attributes, without the geometries that are layers of their own."""
        if layer.own_name not in self._parted:
            return columns
        table, own = self._parted[layer.own_name]
        others = [name for name in self._geometries_of(table) if name != own]
        picked = self.request.geometry is not None
        layer.notes.warn(
            "second_geometry",
            f"The table {table!r} has several geometry columns. This layer has {own!r}; "
            + ("not read: " if picked else "layers of their own have: ")
            + f"{', '.join(map(repr, others))}.",
            "Leave 'geometry' out if all are wanted." if picked else "Pick one as 'geometry' if not all are wanted.",
            layer.place,
        )
        return [column for column in columns if column.name not in others]

    def _geometries_of(self, table: str) -> list[str]:
        return [column for parted, column in self._parted.values() if parted == table]

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
        wanted, there = (
            self.request.geometry,
            {layer.own_name: layer.geometry_name for layer in layers if layer.geometry},
        )
        if wanted is not None and wanted.casefold() not in {column.casefold() for column in there.values()}:
            raise unknown_geometry(wanted, dict.fromkeys(there.values()))

    def check_after(self, layer: OgrLayer, read: int, missing: int) -> None:  # noqa: ARG002 - see OgrReader
        """See ``OgrReader``."""
        sqlite_values.check(self.gdal, self.dataset, self.table_of(layer), sqlite_values.columns_of(self.gdal, layer))
        if missing:
            sqlite_values.check_geometries(self.gdal, self.dataset, self.table_of(layer), layer.geometry_name, missing)

    def explains(self, layer: OgrLayer, read: int) -> bool:
        """The count that a file claims is kept by triggers, which other programs may lack."""
        return read == sqlite_values.count(self.gdal, self.dataset, self.table_of(layer))
