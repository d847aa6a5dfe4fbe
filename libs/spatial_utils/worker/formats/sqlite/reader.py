"""SQLite with the geometry columns of OGR (FDO) or SpatiaLite, and without any."""

import json
import re
from collections.abc import Sequence
from functools import cached_property

from libs.spatial_utils.worker.formats import sqlite_tables, sqlite_values
from libs.spatial_utils.worker.formats.catalog import CatalogTable, Relationship
from libs.spatial_utils.worker.formats.database import DatabaseReader
from libs.spatial_utils.worker.formats.sqlite import system
from libs.spatial_utils.worker.formats.sqlite.system import VIRTUAL
from libs.spatial_utils.worker.ogr.gdal import BINARY, DATE, DATE_TIME, STRING, TIME
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.messages import MessageRule, MessageRules
from libs.spatial_utils.worker.ogr.reference import crs_of_code
from libs.spatial_utils.worker.protocol import Unreadable

_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
_MINUTE = "[0-9][0-9]:[0-9][0-9]"
_NO_DAY = "({0} IS NOT NULL AND coalesce(date(substr({0}, 1, 10)) <> substr({0}, 1, 10), 1))"
_MISFITS = {
    DATE: f"({{0}} NOT GLOB '{_DAY}' OR {_NO_DAY})",
    DATE_TIME: f"({{0}} NOT GLOB '{_DAY}' AND {{0}} NOT GLOB '{_DAY}[ T]{_MINUTE}*' OR {_NO_DAY} "
    "OR length({0}) > 10 AND time(substr({0}, 12, 5)) IS NULL)",
    TIME: f"({{0}} NOT GLOB '{_MINUTE}*' OR time(substr({{0}}, 1, 5)) IS NULL)",
    BINARY: "{0} < x''",
    STRING: "({0} >= x'' OR instr({0}, char(0)) OR (typeof({0}) = 'real' AND CAST(CAST({0} AS TEXT) AS REAL) <> {0}))",
}
"""Further than in GeoPackage: there GDAL says which of these values it cannot read, here it reads none, or one of its own.
A column of a type that GDAL does not know, such as DECIMAL(10,2), gets the type of its value in the first row."""


class Reader(DatabaseReader):
    """See ``OgrReader``."""

    messages = MessageRules(
        harmless=(re.compile("Retrying with IMMUTABLE=YES"),),
        losses=(
            MessageRule(
                re.compile("integer overflow occurred"),
                "value_lost",
                "GDAL reads a column that is declared as INTEGER with 32 bits, which are too few: {}.",
                "Declare the column as BIGINT, in a new table into which you copy the rows.",
            ),
        ),
    )
    keys_have_names = True

    def open_options(self) -> list[str]:
        """Without it, GDAL shows no table without geometry as soon as one has a geometry."""
        return ["LIST_ALL_TABLES=YES"]

    def check_opened(self) -> None:
        """Refuse what has a format of its own on top of SQLite: its geometries would be bytes without a meaning."""
        other = system.other_format(self._objects.keys())
        if other is not None:
            raise Unreadable("format_mismatch", f"{self.path.name!r} is {other[0]}, not a plain SQLite database.", other[1])

    def tables(self) -> list[CatalogTable]:
        """See ``DatabaseReader``."""
        return sqlite_tables.tables(self.gdal, self.dataset)

    def relationships(self) -> list[Relationship]:
        """See ``DatabaseReader``."""
        known = super().relationships()
        return [*known, *sqlite_tables.relationships_by_key(self.gdal, self.dataset, known)]

    def has_layer(self, handle: int, table: str) -> bool:  # noqa: ARG002 - see OgrReader
        """Tables of the format, and virtual ones, for which a module would have to run, are no layers."""
        name = table.casefold()
        kind, page = self._objects.get(name, ("", 0))
        return (kind == "view" or page > 0) and not system.is_of_system(name, self._objects)

    def passes_over(self, table: str, layer: str) -> bool:
        """Views are computed from the tables, and may take any time: one is read where the manifest names it."""
        if self._objects[table.casefold()][0] == "view":
            self.notes.warn(
                "view_not_read",
                f"The view {table!r} is not read: its rows are made from those of the tables.",
                f'If it is wanted, add another entry for this file, with "layer": {json.dumps(table, ensure_ascii=False)}.',
                f"layer {layer}",
            )
            return True
        return super().passes_over(table, layer)

    def describe(self, layer: OgrLayer) -> None:
        """See ``OgrReader``."""
        super().describe(layer)
        if layer.geometry and layer.crs is None:
            layer.crs = self._crs_by_code(layer)

    def check_described(self, layers: Sequence[OgrLayer]) -> None:
        """Warn of virtual tables: they show what lies elsewhere."""
        for name, found in self._objects.items():
            if found == VIRTUAL and not system.is_of_system(name, self._objects):
                self.notes.warn(
                    "virtual_table_not_read",
                    f"The virtual table {name!r} is not read: its rows lie elsewhere, or are computed.",
                    "Copy its rows into an ordinary table, if they are wanted.",
                    f"layer {name}",
                )
        super().check_described(layers)

    def check_after(self, layer: OgrLayer, read: int, missing: int) -> None:  # noqa: ARG002 - see OgrReader
        """See ``OgrReader``."""
        columns = sqlite_values.columns_of(self.gdal, layer)
        sqlite_values.check(self.gdal, self.dataset, layer.own_name, columns, _MISFITS)
        if missing:
            column = sqlite_values.geometry_of(self.gdal, layer)
            sqlite_values.check_geometries(self.gdal, self.dataset, layer.own_name, column, missing)

    @cached_property
    def _objects(self) -> dict[str, tuple[str, int]]:
        """By name in lower case, what each table or view is, and its root page: ``geometry_columns`` may spell it otherwise."""
        found = sqlite_tables.objects(self.gdal, self.dataset)
        return {name.casefold(): (kind, page) for name, kind, page in found}

    def _crs_by_code(self, layer: OgrLayer) -> dict[str, str] | None:
        """The CRS by its code, where the database gives no definition with it."""
        if "geometry_columns" not in self._objects or "spatial_ref_sys" not in self._objects:
            return None
        column, table = (
            "'" + text.replace("'", "''") + "'" for text in (sqlite_values.geometry_of(self.gdal, layer), layer.own_name)
        )
        code = self.gdal.query(
            self.dataset,
            "SELECT s.auth_srid FROM geometry_columns g JOIN spatial_ref_sys s ON s.srid = g.srid "
            "WHERE lower(s.auth_name) = 'epsg' "
            f"AND lower(g.f_table_name) = lower({table}) AND lower(g.f_geometry_column) = lower({column})",
        )
        return crs_of_code(self.gdal, int(code)) if code and code.isdigit() else None
