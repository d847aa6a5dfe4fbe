"""What the tables of an SQLite database are, GeoPackage or not, as SQLite says it: columns, keys, foreign keys."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from libs.spatial_utils.worker.formats.catalog import CARDINALITIES, CatalogTable, Relationship
from libs.spatial_utils.worker.ogr.gdal import Gdal

_OWN = (
    "m.type = 'table' AND m.rootpage > 0 AND m.name NOT LIKE 'gpkg_%' AND m.name NOT LIKE 'sqlite_%' "
    "AND m.name NOT LIKE 'rtree_%'"
)
"""Tables that are neither the format's nor virtual ones, for which a module would have to run."""
_INTEGER = re.compile("(?<!PO)INT")


def tables(gdal: Gdal, dataset: int) -> list[CatalogTable]:
    """The database's own tables."""
    return [
        CatalogTable(name, {column: _INTEGER.search(kind.upper()) is not None for _, column, kind in rows})
        for name, rows in groupby(_columns(gdal, dataset), key=lambda row: row[0])
    ]


def registered(gdal: Gdal, dataset: int) -> set[str]:
    """The names in lower case of the tables, those with tiles, too, that the GeoPackage says it has."""
    return {name for (name,) in _rows(gdal, dataset, ("lower(table_name)",), "gpkg_contents")}


def several_geometries(gdal: Gdal, dataset: int) -> dict[str, tuple[str, str]]:
    """The layers that GDAL makes of tables with several geometry columns: table and column by the layer's name."""
    columns = ("g.table_name", "g.column_name")
    several = "(SELECT COUNT(*) FROM gpkg_geometry_columns o WHERE lower(o.table_name) = lower(g.table_name)) > 1"
    found = _rows(gdal, dataset, columns, f"gpkg_geometry_columns g WHERE {several} ORDER BY g.rowid")
    return {f"{table} ({column})": (table, column) for table, column in found}


def relationships_by_key(gdal: Gdal, dataset: int, known: Sequence[Relationship]) -> Iterator[Relationship]:
    """Foreign keys that GDAL passes over: to a primary key that they do not name, to the same table."""
    told = {(*each.tables, *each.ends[1][1]) for each in known if not each.through}
    for (table, _), parts in groupby(_foreign_keys(gdal, dataset), key=lambda part: part[:2]):
        rows = list(parts)
        to, names = rows[0][2], tuple(row[3] for row in rows)
        if (to, table, *names) not in told:
            keys = tuple(row[4] or _primary_key(gdal, dataset, to) for row in rows)
            yield Relationship(f"{to}_{table}", CARDINALITIES[1], ((to, keys), (table, names)))


def objects(gdal: Gdal, dataset: int) -> list[tuple[str, str, int]]:
    """Name, kind (``table``, ``view``) and root page of all tables and views: a virtual table has the page 0."""
    return _rows(
        gdal, dataset, ("m.name", "m.type", "coalesce(m.rootpage, 0)"), "sqlite_master m WHERE m.type IN ('table', 'view')"
    )


def _columns(gdal: Gdal, dataset: int) -> list[tuple[str, str, str]]:
    """Table, name and declared type of each column of a database's own tables: no view is computed for it."""
    tables = f"sqlite_master m JOIN pragma_table_info(m.name) c WHERE {_OWN} ORDER BY m.name, c.cid"
    return _rows(gdal, dataset, ("m.name", "c.name", "c.type"), tables)


def _foreign_keys(gdal: Gdal, dataset: int) -> list[tuple[str, int, str, str, str | None]]:
    """The columns of foreign keys: table, number, table referred to, column, column referred to (None: its primary key)."""
    tables = f"sqlite_master m JOIN pragma_foreign_key_list(m.name) k WHERE {_OWN} ORDER BY m.name, k.id, k.seq"
    return _rows(gdal, dataset, ("m.name", "k.id", 'k."table"', 'k."from"', 'k."to"'), tables)


def _primary_key(gdal: Gdal, dataset: int, table: str) -> str:
    """The column of a table's primary key; empty when there is none, or no such table."""
    literal = "'" + table.replace("'", "''") + "'"
    return gdal.query(dataset, f"SELECT name FROM pragma_table_info({literal}) WHERE pk = 1") or ""


def _rows(gdal: Gdal, dataset: int, wanted: Sequence[str], tables: str) -> list[Any]:
    """All rows of a query, by way of JSON: ``Gdal.query`` gives a single value."""
    named = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(wanted))
    array = ", ".join(f"c{number}" for number in range(len(wanted)))
    found = gdal.query(dataset, f"SELECT json_group_array(json_array({array})) FROM (SELECT {named} FROM {tables})")
    return [tuple(row) for row in json.loads(found)] if found else []
