"""A session that transforms chunks one after the other. Several sessions work side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from libs.column_names import GEOMETRY
from libs.compute.layout import Layout
from libs.compute.postgis.columns import Columns, ColumnType
from libs.compute.postgis.schema import OwnSchema
from libs.transformations import PostGis
from libs.transformations.plan import ROW, SOURCE, TARGET

UNLOGGED = "WITH (autovacuum_enabled = false)"


@dataclass(frozen=True)
class Chunk:
    """Rows of a source.

    Attributes:
        first: Number of the first of them in the dataset, from 0.
        rows: All columns of the source.
        where: The source as problems name it.
    """

    first: int
    rows: pa.RecordBatch
    where: str


def raw_table(names: Sequence[str], columns: Columns, *, geometry: bool) -> tuple[str, pa.Schema]:
    """The table of source rows: its columns in SQL, and what is appended to it.

    Args:
        names: Of its attributes.
        columns: The same.
        geometry: Whether it has a geometry.
    """
    fields = [(ROW, ColumnType("bigint", pa.int64())), *zip(names, columns.column_types, strict=True)]
    if geometry:
        fields.append((GEOMETRY, ColumnType("geometry", pa.binary())))
    dialect = PostGis()
    created = ", ".join(f"{dialect.identifier(name)} {column_type.sql}" for name, column_type in fields)
    return created, pa.schema([(dialect.engine_name(name), column_type.arrow) for name, column_type in fields])


class ChunkSession:
    """Its table ``raw_data`` holds a chunk. Its view ``processed`` is the transformed chunk.

    Args:
        own: The session and its schema, which is empty.
        layout: Schema of the source, and the plan.
        columns: Its attributes that ``raw_data`` has.
        functions: Statements that create what the plan calls.
    """

    def __init__(self, own: OwnSchema, layout: Layout, columns: Columns, functions: Iterable[str] = ()) -> None:
        self.connection, self._schema = own.connection, own.name
        self._layout, self._columns = layout, columns
        created, self._raw = raw_table(layout.loaded, columns, geometry=GEOMETRY in layout.source_schema.names)
        self._view_select = ""
        self._filled = False
        self.connection.execute(f"CREATE UNLOGGED TABLE {SOURCE} ({created}) {UNLOGGED}")
        for statement in functions:
            self.connection.execute(statement)
        if GEOMETRY in self._raw.names:
            self.connection.execute(f"ALTER TABLE {SOURCE} ALTER {GEOMETRY} SET STORAGE EXTERNAL")

    def fill(self, chunk: Chunk) -> None:
        """Copy a chunk to the server. It replaces the chunk before."""
        if self._filled:
            self.connection.execute(f"TRUNCATE {SOURCE}")
        self._filled = True
        arrays = [pa.arange(chunk.first, chunk.first + chunk.rows.num_rows)]
        arrays += self._columns.to_postgresql(chunk.rows.select(self._layout.loaded))
        if GEOMETRY in self._raw.names:
            arrays.append(chunk.rows[GEOMETRY])
        self.connection.append(self._schema, SOURCE, pa.RecordBatch.from_arrays(arrays, schema=self._raw))

    def set_view(self, select: str) -> None:
        """Make ``processed`` a view of a SELECT."""
        if self._view_select != select:
            self.connection.execute(f"CREATE OR REPLACE VIEW {TARGET} AS {select}")
            self._view_select = select
