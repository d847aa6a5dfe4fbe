"""Named inputs in PostgreSQL: a table for each, in a schema of its own that its session keeps alive."""

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from libs.column_names import GEOMETRY
from libs.compute.batching import chunks
from libs.compute.engine import Source
from libs.compute.inputs import Audits, LoadedInput, relation_of
from libs.compute.postgis.chunk_session import UNLOGGED, raw_table
from libs.compute.postgis.columns import Columns
from libs.compute.postgis.connection import Connection, StatementFailed
from libs.compute.postgis.refusal import refused
from libs.compute.postgis.schema import OwnSchema
from libs.transformations import PostGis, Preparation, Stage
from libs.transformations.plan import ROW
from libs.transformations.query import input_table

_CHUNK_ROWS, _CHUNK_BYTES = 32_768, 16 * 1024 * 1024
_TABLE = "loaded"


class PostGISInputs:
    """The named inputs of a run.

    Args:
        new_schema: Begins a session with a schema of its own.
        path: Where values would be kept that the server cannot hold. An input has none.

    Attributes:
        loaded: What is there, by name.
    """

    def __init__(self, new_schema: Callable[[], OwnSchema], path: Path) -> None:
        self._new_schema, self._path = new_schema, path
        self._schemas: dict[str, OwnSchema] = {}
        self._columns: dict[str, Columns] = {}
        self.loaded: dict[str, LoadedInput] = {}

    def add(self, name: str, source: Source, columns: Collection[str] | None) -> int:
        """See :meth:`libs.compute.engine.Workspace.add_input`."""
        if name not in self.loaded:
            self._begin(name, source, columns)
        loaded, schema, own = self.loaded[name], self._schemas[name], self._columns[name]
        loaded.places.add(source, loaded.rows, loaded.schema, loaded.relation.crs)
        before = loaded.rows
        names = [item.name for item in loaded.loaded if item.name != GEOMETRY]
        _, arrow = raw_table(names, own, geometry=loaded.relation.geometry)
        for group in chunks(source.batches, rows=_CHUNK_ROWS, size=_CHUNK_BYTES):
            for batch in group:
                arrays = [pa.arange(loaded.rows, loaded.rows + batch.num_rows), *own.to_postgresql(batch.select(names))]
                if loaded.relation.geometry:
                    arrays.append(batch[GEOMETRY])
                try:
                    schema.connection.append(schema.name, _TABLE, pa.RecordBatch.from_arrays(arrays, schema=arrow))
                except StatementFailed as error:
                    place = source.where if error.row is None else loaded.places.locate(loaded.rows + error.row)
                    raise refused(error, place) from error
                loaded.rows += batch.num_rows
        return loaded.rows - before

    def drop(self, name: str) -> None:
        """See :meth:`libs.compute.engine.Workspace.drop_input`."""
        if name in self.loaded:
            del self.loaded[name], self._columns[name]
            self._schemas.pop(name).close()

    def close(self) -> None:
        """Drop them all."""
        for name in [*self.loaded]:
            self.drop(name)

    def _begin(self, name: str, source: Source, columns: Collection[str] | None) -> None:
        relation = relation_of(source.schema, source.crs, crs_assumed=source.crs_assumed)
        schema = self._schemas[name] = self._new_schema()
        loaded = self.loaded[name] = LoadedInput(name, source.schema, relation, f'"{schema.name}".{_TABLE}', columns)
        fields = [item for item in source.schema if item.name != GEOMETRY and item.name in loaded.loaded.names]
        self._columns[name] = own = Columns(pa.schema(fields), self._path)
        created, _ = raw_table([item.name for item in fields], own, geometry=relation.geometry)
        schema.connection.execute(f"CREATE UNLOGGED TABLE {_TABLE} ({created}) {UNLOGGED}")


def views(loaded: Iterable[LoadedInput]) -> Iterator[str]:
    """Statements that name the tables of inputs as a plan does."""
    return (f"CREATE OR REPLACE VIEW {input_table(each.name)} AS SELECT * FROM {each.table}" for each in loaded)


def prepare(connection: Connection, preparation: Preparation, make: Callable[[Connection, Stage], Audits]) -> Audits:
    """Make a table of a named input, with indexes.

    Args:
        connection: Of the schema that it is to be in.
        preparation: What to make.
        make: Makes a stage's table. Returns its audit.
    """
    plan, quoted = preparation.plan, PostGis().identifier
    audits = [audit for stage in plan.stages for audit in make(connection, stage)]
    for stage in plan.stages[:-1]:
        connection.execute(f"DROP TABLE {stage.target}")
    if preparation.indexed:
        connection.execute(f"CREATE INDEX ON {preparation.table} ({', '.join(map(quoted, preparation.indexed))})")
    if plan.relation.geometry:
        connection.execute(f"CREATE INDEX ON {preparation.table} USING gist ({GEOMETRY})")
        connection.execute(f"CREATE INDEX ON {preparation.table} ({ROW})")
    connection.execute(f"ANALYZE {preparation.table}")
    return audits
