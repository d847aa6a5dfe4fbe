"""Which tables of an SQLite database are the format's own, SpatiaLite's among them, and which other formats are databases."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

_OTHERS: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"gpkg_contents", "gpkg_spatial_ref_sys"}), "a GeoPackage", 'Write "format": "GPKG".'),
    (
        frozenset({"metadata", "tiles"}),
        "a tile package (MBTiles)",
        'Write "format": "MBTiles".',
    ),
)
_SPATIALITE = re.compile(
    r"spatial_ref_sys(_aux|_all)?|geom_cols_ref_sys|spatialite_history|sql_statements_log|data_licenses|topologies|networks|"
    r"(views_|virts_)?geometry_columns(_auth|_field_infos|_statistics|_time)?|spatialindex|elementarygeometries|knn2?|"
    r"vector_layers(_auth|_field_infos|_statistics)?|stored_(procedures|variables)|layer_(params|statistics|sub_classes|table_layout)|"
    r"(raster|vector)_coverages(_\w+)?|wms_\w+|rl2map_configurations(_view)?|se_\w+|iso_metadata(_\w+)?",
)
VIRTUAL = ("table", 0)
"""The kind and the root page of a virtual table."""
_SHADOWS = re.compile(r"_(node|parent|rowid|content|segments|segdir|docsize|stat|data|idx|config)\Z")
"""How the tables end in which SQLite's indexes (R-tree, full text) keep their contents."""


def other_format(names: AbstractSet[str]) -> tuple[str, str] | None:
    """What a database with tables of these names (lower case) is, and what to do, where it is no plain database."""
    return next(((what, remedy) for needed, what, remedy in _OTHERS if needed <= names), None)


def is_of_system(name: str, objects: Mapping[str, tuple[str, int]]) -> bool:
    """Whether a table or view is SQLite's or SpatiaLite's own.

    Args:
        name: Of the table, in lower case.
        objects: By name in lower case, the kinds and root pages of all.
    """
    if name.startswith("sqlite_") or ("geometry_columns" in objects and _SPATIALITE.fullmatch(name)):
        return True
    owner = _SHADOWS.sub("", name)
    is_shadow = owner != name and objects.get(owner) == VIRTUAL
    is_index = name.startswith("idx_") and objects[name] == VIRTUAL and f"{name}_node" in objects
    return is_shadow or is_index
