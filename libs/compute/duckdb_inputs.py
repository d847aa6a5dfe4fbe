"""Named inputs in DuckDB: a table for each, in a schema of its own."""

from collections.abc import Callable, Collection

import duckdb
import pyarrow as pa

from libs.compute.batching import chunks, read_ahead
from libs.compute.engine import Source
from libs.compute.inputs import LoadedInput, relation_of
from libs.transformations.plan import ROW

_CHUNK_ROWS, _CHUNK_BYTES = 122_880, 48 * 1024 * 1024
_CHUNK = "_etl_chunk"


class DuckDBInputs:
    """The named inputs of a run.

    Args:
        connect: Gives a connection.
        new_name: Gives a name for a schema.

    Attributes:
        loaded: What is there, by name.
    """

    def __init__(self, connect: Callable[[], duckdb.DuckDBPyConnection], new_name: Callable[[], str]) -> None:
        self._connect, self._new_name = connect, new_name
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._schemas: dict[str, str] = {}
        self.loaded: dict[str, LoadedInput] = {}

    def add(self, name: str, source: Source, columns: Collection[str] | None) -> int:
        """See :meth:`libs.compute.engine.Workspace.add_input`."""
        self._connection = connection = self._connection or self._connect()
        if name not in self.loaded:
            schema = self._schemas[name] = self._new_name()
            connection.execute(f'CREATE SCHEMA "{schema}"')
            relation = relation_of(source.schema, source.crs, crs_assumed=source.crs_assumed)
            self.loaded[name] = LoadedInput(name, source.schema, relation, f'"{schema}".loaded', columns)
            self._append(self.loaded[name], pa.RecordBatch.from_pylist([], source.schema), create=True)
        loaded = self.loaded[name]
        loaded.places.add(source, loaded.rows, loaded.schema, loaded.relation.crs)
        before = loaded.rows
        for chunk in read_ahead(chunks(source.batches, rows=_CHUNK_ROWS, size=_CHUNK_BYTES)):
            for batch in chunk:
                self._append(loaded, batch)
        return loaded.rows - before

    def drop(self, name: str) -> None:
        """See :meth:`libs.compute.engine.Workspace.drop_input`."""
        if name in self.loaded and self._connection is not None:
            del self.loaded[name]
            self._connection.execute(f'DROP SCHEMA "{self._schemas.pop(name)}" CASCADE')

    def close(self) -> None:
        """Drop them all."""
        for name in [*self.loaded]:
            self.drop(name)
        if self._connection is not None:
            self._connection.close()

    def _append(self, loaded: LoadedInput, batch: pa.RecordBatch, *, create: bool = False) -> None:
        schema = loaded.loaded
        rows = pa.arange(loaded.rows, loaded.rows + batch.num_rows)
        columns = [batch[item.name].cast(item.type) for item in schema]
        table = pa.table([rows, *columns], [ROW, *schema.names])
        connection = self._connection or self._connect()
        connection.register(_CHUNK, table.__arrow_c_stream__())  # as in the making of datasets: a table would import pandas
        how = f"CREATE TABLE {loaded.table} AS" if create else f"INSERT INTO {loaded.table}"
        connection.execute(f"{how} SELECT * FROM {_CHUNK}")
        connection.unregister(_CHUNK)
        loaded.rows += batch.num_rows
