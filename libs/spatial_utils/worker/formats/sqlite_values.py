"""What GDAL does not tell of SQLite, and so of GeoPackage: any column stores anything, and GDAL makes of it what fits the type.

Upstream: opengeospatial/geopackage#591, as GeoPackage does not forbid it. No issue of GDAL is known (3.12.4).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from libs.spatial_utils.worker.ogr.gdal import BOOLEAN, DATE, FLOAT32, INT16, INTEGER, INTEGER64, REAL, STRING, Gdal
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.protocol import Unreadable

# Conditions under which a value would not come out as it is. Text is greater than every number, and a blob greater than every
# text (SQLite: datatypes, sort order); to compare takes half the time of typeof. Only late days of a month may be none, and to
# ask for a date takes long.
_WHOLE = "{0} <> CAST({0} AS INTEGER)"
_NO_DAY = "substr({0}, 9, 2) > '28' AND date(substr({0}, 1, 10)) <> substr({0}, 1, 10)"
_TIME_OF_DAY = "length({0}) > 10 AND substr({0}, 12) GLOB '*[1-9]*'"
_MISFITS = {
    INTEGER: f"({{0}} NOT BETWEEN -2147483648 AND 2147483647 OR {_WHOLE})",
    INTEGER64: f"({{0}} >= '' OR {_WHOLE})",
    REAL: "{0} >= ''",
    STRING: "({0} >= x'' OR instr({0}, char(0)))",
    DATE: f"({_NO_DAY} OR {_TIME_OF_DAY})",
}
_MISFITS_OF_SUBTYPES = {
    (INTEGER, BOOLEAN): "{0} NOT IN (0, 1)",
    (INTEGER, INT16): f"({{0}} NOT BETWEEN -32768 AND 32767 OR {_WHOLE})",
    (REAL, FLOAT32): "({0} >= '' OR (abs({0}) > 3.4028234663852886e38 AND abs({0}) < 9e999))",
}


@dataclass(frozen=True)
class TypedColumn:
    """A column of attributes, with GDAL's type and subtype."""

    name: str
    kind: int
    subtype: int


def columns_of(gdal: Gdal, layer: OgrLayer) -> list[TypedColumn]:
    """The columns of attributes of a layer."""
    return [
        TypedColumn(name, gdal.OGR_Fld_GetType(field), gdal.OGR_Fld_GetSubType(field))
        for name, field in zip(layer.names, layer.fields, strict=True)
    ]


def geometry_of(gdal: Gdal, layer: OgrLayer) -> str:
    """The name of the geometry column of a layer."""
    field = gdal.OGR_FD_GetGeomFieldDefn(gdal.OGR_L_GetLayerDefn(layer.handle), 0)
    name: bytes = gdal.OGR_GFld_GetNameRef(field)
    return name.decode("utf-8", "replace")


def check(
    gdal: Gdal, dataset: int, layer: str, columns: Iterable[TypedColumn], further: Mapping[int, str] = MappingProxyType({})
) -> None:
    """Check that every value is of its column's type.

    Args:
        gdal: The library.
        dataset: The opened GeoPackage.
        layer: Name of the table.
        columns: Those that are read.
        further: By type, conditions under which a value would not come out, for types without a rule or with another one.

    Raises:
        Unreadable: ``value_lost``, naming the column and a value.
    """
    misfits = {**_MISFITS, **further}
    rules = {
        column.name: rule.format(_quoted(column.name))
        for column in columns
        if (rule := _MISFITS_OF_SUBTYPES.get((column.kind, column.subtype), misfits.get(column.kind))) is not None
    }
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
                f"The column {name!r} holds a value that is not of its type: {value[:60]}.",
                "Correct the value, or change the column's type to one that holds it (TEXT, REAL, INTEGER, BLOB, DATETIME).",
                f"layer {layer}",
            )


def check_geometries(gdal: Gdal, dataset: int, layer: str, column: str, missing: int) -> None:
    """Check that no more geometries are missing than the table has nulls: GDAL makes one of what is no geometry.

    Args:
        gdal: The library.
        dataset: The opened GeoPackage.
        layer: Name of the table.
        column: That of the geometry.
        missing: How many rows were read without one.

    Raises:
        Unreadable: ``damaged_geometry``.
    """
    nulls = gdal.query(dataset, f"SELECT COUNT(*) - COUNT({_quoted(column)}) FROM {_quoted(layer)}")
    if nulls is not None and missing > int(nulls):
        raise Unreadable(
            "damaged_geometry",
            f"The geometry column {column!r} holds something else than a geometry in {missing - int(nulls):,} rows.",
            "Repair or remove them.",
            f"layer {layer}",
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def count(gdal: Gdal, dataset: int, layer: str) -> int | None:
    """Rows of a table, counted; None when the database refuses."""
    rows = gdal.query(dataset, f"SELECT COUNT(*) FROM {_quoted(layer)}")
    return None if rows is None else int(rows)
