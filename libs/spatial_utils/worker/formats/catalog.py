"""What a database says of its tables besides their rows: which belong to a program, and how they refer to each other."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from libs.spatial_utils.worker.ogr.gdal import INTEGER, INTEGER64, Gdal
from libs.spatial_utils.worker.protocol import Notes

_INTERNAL: Mapping[str, tuple[str, str]] = {
    # table: the program that keeps something in it, and the columns by which the table is known, beside its name
    "layer_styles": ("QGIS", "f_table_name f_geometry_column stylename styleqml"),
    "qgis_projects": ("QGIS", "name metadata content"),
    "qgis_layer_metadata": ("QGIS", "f_table_name f_geometry_column identifier qmd"),
    "log_indices": ("QGIS", "name last_index"),
    "log_layer_ids": ("QGIS", "id qgis_id"),
    "log_fids": ("QGIS", "layer_id offline_fid remote_fid"),
    "log_added_attrs": ("QGIS", "layer_id commit_no name type length precision comment"),
    "log_added_features": ("QGIS", "layer_id fid"),
    "log_removed_features": ("QGIS", "layer_id fid"),
    "log_feature_updates": ("QGIS", "layer_id commit_no fid attr value"),
    "log_geometry_updates": ("QGIS", "layer_id commit_no fid geom_wkt"),
    "views_geometry_columns": ("SpatiaLite", "view_name view_geometry f_table_name f_geometry_column"),
    "virts_geometry_columns": ("SpatiaLite", "virt_name virt_geometry"),
    "spatialite_history": ("SpatiaLite", "event_id table_name event"),
    "nga_table_index": ("NGA GeoPackage", "table_name last_indexed"),
    "nga_geometry_index": ("NGA GeoPackage", "table_name geom_id min_x max_x"),
    "nga_feature_tile_link": ("NGA GeoPackage", "feature_table_name tile_table_name"),
    "nga_tile_scaling": ("NGA GeoPackage", "table_name scaling_type"),
    "nga_contents_id": ("NGA GeoPackage", "id table_name"),
    "android_metadata": ("Android", "locale"),
    "room_master_table": ("Android", "id identity_hash"),
}
_SIGNS, _PLURAL = re.compile(r"[\W_]"), re.compile("ies$")
CARDINALITIES = ("one to one", "one to many", "many to one", "many to many")
"""In GDAL's order."""
_ATTACHMENTS = "__attach"
"""How ArcGIS ends the name of a table of attachments."""
_ATTACHED = ("rel_objectid", "rel_globalid")
"""The columns of such a table that refer to what the attachments belong to."""


@dataclass(frozen=True)
class Relationship:
    """How the rows of two tables belong together.

    Attributes:
        cardinality: In words.
        ends: The two tables, each with its columns.
        through: The table between them, with its columns; None where there is none.
    """

    name: str
    cardinality: str
    ends: tuple[tuple[str, tuple[str, ...]], tuple[str, tuple[str, ...]]]
    through: tuple[str, tuple[str, ...]] | None = None

    def __str__(self) -> str:
        one, other = (_with_columns(*end) for end in self.ends)
        through = f" through {_with_columns(*self.through)}" if self.through else ""
        return f"{self.name!r} ({self.cardinality}) of {one} and {other}{through}"

    @property
    def tables(self) -> list[str]:
        """The names of all tables that take part."""
        return [table for table, _ in (*self.ends, *filter(None, (self.through,)))]


@dataclass(frozen=True)
class CatalogTable:
    """A table of a database, with its columns, and whether they hold integers. Names are compared without case."""

    name: str
    columns: Mapping[str, bool]

    def column(self, name: str) -> str | None:
        """The column of a name, as the table spells it; None when there is none."""
        return next((column for column in self.columns if _same(column, name)), None)


@dataclass(frozen=True)
class Catalog:
    """What is known of a database's tables.

    Attributes:
        tables: By their names in lower case.
        relationships: Sorted by name.
        heard: By name, what GDAL said when a table was looked at: to be classified when the table is read.
    """

    tables: Mapping[str, CatalogTable] = field(default_factory=dict)
    relationships: Sequence[Relationship] = ()
    heard: Mapping[str, list[tuple[int, str]]] = field(default_factory=dict)

    def program(self, name: str) -> str | None:
        """The program that a table belongs to; None for one with data, whatever its name."""
        program, signature = _INTERNAL.get(name.casefold(), ("", ""))
        table = self.tables.get(name.casefold())
        return program if program and table and all(map(table.column, signature.split())) else None

    def reference_to(self, name: str, key: str) -> str | None:
        """What refers to the key of a table, for people; None when nothing seems to."""
        for relationship in self.relationships:
            if any(_same(name, end) and any(_same(key, each) for each in columns) for end, columns in relationship.ends):
                return f"the relationship {relationship.name!r}"
        attachments = self.tables.get(f"{name.casefold()}{_ATTACHMENTS}")
        if attachments and attachments.column(_ATTACHED[0]):
            return f"the table {attachments.name!r}"
        table = self.tables.get(name.casefold())
        own = table.columns if table else {}
        if parent := next((each for each in own if own[each] and _squeezed(each) == f"parent{_squeezed(key)}"), None):
            return f"its own column {parent!r}"
        for spelling in sorted(_usual_references(name, key, own)):
            for other, column in self._integers.get(spelling, ()):
                if not _same(other, name):
                    return f"the column {column!r} of the table {other!r}"
        return None

    @cached_property
    def _integers(self) -> Mapping[str, Sequence[tuple[str, str]]]:
        """Tables and columns that hold integers, by the letters and digits of the column's name."""
        found = dict[str, list[tuple[str, str]]]()
        for table in self.tables.values():
            for column, is_integer in table.columns.items():
                if is_integer:
                    found.setdefault(_squeezed(column), []).append((table.name, column))
        return found

    def tell(self, read: Mapping[str, int | None], notes: Notes, prefix: str) -> None:
        """Note what a lake has no place for: relationships and attachments of the tables that are read.

        Args:
            read: These tables, with the numbers of their rows, where they are known.
            notes: Takes the warnings.
            prefix: Of the layers of this file.
        """
        here = {name.casefold(): rows for name, rows in read.items()}
        for relationship in self.relationships:
            missing = [name for name in relationship.tables if name.casefold() not in here]
            if len(missing) < len(relationship.tables):
                notes.warn(
                    "relationship",
                    f"The relationship {relationship} is not kept as such: the lake keeps columns, but no relationships."
                    + (f" Not read: {', '.join(map(repr, missing))}." if missing else ""),
                    "Join the datasets on these columns.",
                    f"layer {prefix}{relationship.ends[0][0]}",
                )
        for name, table in self.tables.items():
            attached = table.name[: -len(_ATTACHMENTS)]
            reference = next(filter(None, map(table.column, _ATTACHED)), None)
            if not name.endswith(_ATTACHMENTS) or not reference or here.keys().isdisjoint({name, attached.casefold()}):
                continue
            if name in here:
                message, remedy = "It becomes a dataset of its own, with the files in a binary column.", "Join it on this column."
            else:
                entry = json.dumps({"layer": prefix + table.name}, ensure_ascii=False)[1:-1]
                message, remedy = "It is not read.", f"If it is wanted, add another entry for this file, with {entry}."
            number = here.get(name)
            notes.warn(
                "attachments",
                f"The table {table.name!r} holds {'the' if number is None else f'{number:,}'} attachment{'s' * (number != 1)} of "
                f"{attached!r}, which its column {reference!r} refers to. {message}",
                remedy,
                f"layer {prefix}{attached}",
            )


def _with_columns(table: str, columns: Sequence[str]) -> str:
    return f"{table!r} ({', '.join(columns) or 'columns not said'})"


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _squeezed(name: str) -> str:
    return _SIGNS.sub("", name.casefold())


def _usual_references(table: str, key: str, own: Iterable[str]) -> set[str]:
    """What columns of other tables are called, letters and digits only, that refer to the key of a table."""
    name, squeezed = _squeezed(table), _squeezed(key)
    names = {name, name.removesuffix("s"), name.removesuffix("es"), _PLURAL.sub("y", name)} - {""}
    endings = {squeezed}
    there = {_squeezed(column) for column in own} - {squeezed}
    # What is called "site_id" refers to an "id" of its own rather than to the key, if the table has one.
    if not there & {"id", "uuid", "guid", "globalid", *(f"{each}id" for each in names), *(f"id{each}" for each in names)}:
        endings |= {"id", "fk", "ref"}
    pairs = [(each, ending) for each in names for ending in endings]
    return {f"{each}{ending}" for each, ending in pairs} | {f"{ending}{each}" for each, ending in pairs}


def relationships_of(gdal: Gdal, dataset: int) -> Iterator[Relationship]:
    """Those that GDAL knows of: relationship classes, related tables, most foreign keys."""
    for name in gdal.names(gdal.GDALDatasetGetRelationshipNames, dataset, None):
        handle = gdal.GDALDatasetGetRelationship(dataset, name.encode())
        if not handle:
            continue
        left, right, between = (
            function(handle).decode("utf-8", "replace")
            for function in (
                gdal.GDALRelationshipGetLeftTableName,
                gdal.GDALRelationshipGetRightTableName,
                gdal.GDALRelationshipGetMappingTableName,
            )
        )
        through = [
            *gdal.names(gdal.GDALRelationshipGetLeftMappingTableFields, handle),
            *gdal.names(gdal.GDALRelationshipGetRightMappingTableFields, handle),
        ]
        yield Relationship(
            name,
            CARDINALITIES[gdal.GDALRelationshipGetCardinality(handle)],
            (
                (left, tuple(gdal.names(gdal.GDALRelationshipGetLeftTableFields, handle))),
                (right, tuple(gdal.names(gdal.GDALRelationshipGetRightTableFields, handle))),
            ),
            (between, tuple(through)) if between else None,
        )


def table_of(gdal: Gdal, handle: int) -> CatalogTable:
    """The table of a layer, as GDAL knows it."""
    definition = gdal.OGR_L_GetLayerDefn(handle)
    fields = [gdal.OGR_FD_GetFieldDefn(definition, index) for index in range(gdal.OGR_FD_GetFieldCount(definition))]
    return CatalogTable(
        gdal.OGR_L_GetName(handle).decode("utf-8", "replace"),
        {
            gdal.OGR_Fld_GetNameRef(each).decode("utf-8", "replace"): gdal.OGR_Fld_GetType(each) in {INTEGER, INTEGER64}
            for each in fields
        },
    )
