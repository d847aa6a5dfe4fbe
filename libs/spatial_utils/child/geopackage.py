"""What GDAL does not tell of a GeoPackage: SQLite stores anything in any column, and GDAL reads text in a number column as 0."""

from collections.abc import Mapping

from libs.spatial_utils.child.gdal import INTEGER, INTEGER64, REAL, Gdal
from libs.spatial_utils.child.source import Unreadable

DRIVER = "GPKG"
_INT32 = "BETWEEN -2147483648 AND 2147483647"


def check(gdal: Gdal, dataset: int, layer: str, columns: Mapping[str, int]) -> None:
    """Check that every value of the number columns is of its column's type.

    Args:
        gdal: The library.
        dataset: The opened GeoPackage.
        layer: Name of the table.
        columns: Names with GDAL's field types.

    Raises:
        Unreadable: ``value_lost``, naming the column and a value.
    """
    rules = {name: rule for name, kind in columns.items() if (rule := _misfit(_quoted(name), kind)) is not None}
    if not rules:
        return
    table = _quoted(layer)
    if gdal.query(dataset, f"SELECT 1 FROM {table} WHERE {' OR '.join(rules.values())} LIMIT 1") is None:
        return
    for name, rule in rules.items():
        value = gdal.query(dataset, f"SELECT quote({_quoted(name)}) FROM {table} WHERE {rule} LIMIT 1")
        if value is not None:
            raise Unreadable(
                "value_lost",
                f"The number column {name!r} holds a value that is not of its type: {value[:60]}.",
                "Correct the value, or change the column's type to TEXT or REAL.",
                f"layer {layer}",
            )


def _misfit(column: str, kind: int) -> str | None:
    """The condition under which a value would not come out as it is.

    Text and blobs are greater than every number (SQLite: datatypes, sort order). To compare takes half the time of ``typeof``.
    """
    if kind == INTEGER:
        return f"({column} NOT {_INT32} OR {column} <> CAST({column} AS INTEGER))"
    if kind == INTEGER64:
        return f"({column} >= '' OR {column} <> CAST({column} AS INTEGER))"
    if kind == REAL:
        return f"{column} >= ''"
    return None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def count(gdal: Gdal, dataset: int, layer: str) -> int | None:
    """Rows of a table, counted; None when the database refuses."""
    rows = gdal.query(dataset, f"SELECT COUNT(*) FROM {_quoted(layer)}")
    return None if rows is None else int(rows)
