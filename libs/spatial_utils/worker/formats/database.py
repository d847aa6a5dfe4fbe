"""Databases that GDAL reads: tables of programs are passed over, keys that mean something are kept, relationships are named."""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

from libs.spatial_utils.worker.formats.catalog import Catalog, CatalogTable, Relationship, relationships_of
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reader import OgrReader

_ONLY_NUMBERS = frozenset({"fid", "ogc_fid", "objectid"})
"""Names of primary keys that programs make of themselves: they number the rows."""


class DatabaseReader(OgrReader):
    """See ``OgrReader``. A format says what its tables are.

    Attributes:
        keys_have_names: Whether a key with a name of its own says something.
    """

    keys_have_names: ClassVar[bool] = False

    def tables(self) -> list[CatalogTable]:
        """The tables of the database, looked up together with the relationships."""
        return []

    def tables_of_layers(self) -> list[tuple[CatalogTable, list[tuple[int, str]]]]:
        """The tables of the database, each with GDAL's messages about it: they matter only where the table is read."""
        return []

    def table_of(self, layer: OgrLayer) -> str:
        """The table that a layer shows."""
        return str(layer.own_name)

    def relationships(self) -> list[Relationship]:
        """How the tables refer to each other."""
        return list(relationships_of(self.gdal, self.dataset))

    @cached_property
    def catalog(self) -> Catalog:
        """What the database says of its tables."""
        with self.gdal.overhearing() as said:
            relationships = self.relationships()
            tables = self.tables()
        if said:
            self.notes.warn(
                "relationships_not_read",
                f"GDAL reports of the relationships in the file: {'; '.join(message.rstrip('.') for _, message in said)}.",
                "Check them in the program that made the file, if they are wanted.",
            )
        of_layers = self.tables_of_layers()
        relationships.sort(key=lambda each: each.name)
        by_name = {table.name.casefold(): table for table in (*tables, *(table for table, _ in of_layers))}
        return Catalog(by_name, relationships, {table.name: messages for table, messages in of_layers})

    def passes_over(self, table: str, layer: str) -> bool:
        """A table that belongs to a program rather than to the data is passed over, with a warning."""
        program = self.catalog.program(table)
        if program is not None:
            entry = json.dumps({"layer": layer}, ensure_ascii=False)[1:-1]
            self.notes.warn(
                "internal_table_skipped",
                f"The table {table!r} is not read: {program} keeps things of its own in it.",
                f"If it is wanted, add another entry for this file, with {entry}.",
                f"layer {layer}",
            )
        return program is not None

    def describe(self, layer: OgrLayer) -> None:
        """See ``OgrReader``."""
        self.gdal.complaints.items += self.catalog.heard.get(layer.own_name, [])
        layer.key = self._kept_key(layer)

    def check_described(self, layers: Sequence[OgrLayer]) -> None:
        """See ``OgrReader``."""
        self.catalog.tell({self.table_of(layer): layer.claimed for layer in layers}, self.notes, self.prefix)

    def _kept_key(self, layer: OgrLayer) -> str | None:
        """The key of the rows, which GDAL hides, where somebody asks for it or it says something; else None.

        The keys that programs make of themselves only number the rows, unless another table refers to them.
        """
        request = self.request
        key: str = self.gdal.OGR_L_GetFIDColumn(layer.handle).decode("utf-8", "replace")
        if not key:
            if request.keep_key:
                layer.notes.warn("no_key", "The layer has no key that could be kept.", "Leave 'keep_key' out.", layer.place)
            return None
        is_own = self.keys_have_names and key.lower() not in _ONLY_NUMBERS
        if is_own or request.asks_for(key):
            return key
        reference = self.catalog.reference_to(self.table_of(layer), key)
        if reference is None:
            return None
        if request.appended:
            layer.notes.warn(
                "key_left_out",
                f"The key {key!r} of the layer is left out, although {reference} refers to it: the rows before it in the dataset "
                "have no such column.",
                'Write "keep_key": true for all these files in the manifest to keep it.',
                layer.place,
            )
            return None
        without = json.dumps({"intent": "select", "parameters": {"without": [key]}}, ensure_ascii=False)[1:-1]
        layer.notes.warn(
            "key_kept",
            f"The key {key!r} of the layer is kept as a column, since {reference} refers to it.",
            f"To leave it out, write {without} in the manifest.",
            layer.place,
        )
        return key
