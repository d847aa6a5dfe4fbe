"""The embedded engine: DuckDB with its spatial extension, in this process.

One in-memory database serves every run of the process, a schema each; what does not fit into its memory spills into a folder
that a lock marks as alive. Nothing is downloaded: the extension comes from its wheel.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from libs.compute import spill
from libs.compute.aside import Aside
from libs.compute.batching import chunks, read_ahead
from libs.compute.carriage import carried_schema, restored
from libs.compute.engine import GEOMETRY, Processed, Source, Table, Workspace, schema_name
from libs.compute.layout import Layout
from libs.models import BBox, Changes, ServiceUnavailable
from libs.transformations import DuckDb, Recipe
from libs.transformations.plan import ROW, TARGET

CHUNK_ROWS = 122_880
"""DuckDB's own row group: a larger statement holds more without being faster."""
CHUNK_BYTES = 48 * 1024 * 1024
RESULT_ROWS = 65_536
SORT_SHARE = 1 / 3
"""A sort holds about CHUNK_ROWS rows per thread in memory. Rows that would take more than this share of it are put aside."""
THREAD_MB = 96
"""Memory that a thread needs to be of use; on machines with many cores, memory decides how many there are."""
TAKEN_BYTES = 16 * 1024 * 1024
"""How much of what was put aside is fetched at once."""
_PLACE = "_etl_place"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_HAS_EXTENT = "isfinite(_etl_xmax - _etl_xmin) AND isfinite(_etl_ymax - _etl_ymin)"
"""The sides of a collection of empty parts bound nothing, nor do those of a geometry with a coordinate that is not finite."""


class DuckDBEngine:
    """See :class:`libs.compute.engine.ComputeEngine`.

    Args:
        scratch: Folder for spilling; created when first needed.
        memory_mb: What DuckDB may hold before it spills, in MiB.
        threads: 0 for one per core, as far as memory goes.
    """

    name = "duckdb"

    def __init__(self, scratch: Path, *, memory_mb: int, threads: int = 0) -> None:
        self._scratch, self._memory_mb = scratch, memory_mb
        self._threads = threads or max(1, min(len(os.sched_getaffinity(0)), memory_mb // THREAD_MB))
        self._database: duckdb.DuckDBPyConnection | None = None
        self._opening = threading.Lock()
        self._closed = False

    def versions(self) -> dict[str, str]:
        """DuckDB's version; the spatial extension's is pinned to it."""
        return {"duckdb": duckdb.__version__}

    def warm_up(self) -> None:
        """Open the database now rather than at the first workspace. For a thread: does nothing once the engine is closed."""
        with self._opening:
            if not self._closed and self._database is None:
                self._database = self._open()

    def _opened(self) -> duckdb.DuckDBPyConnection:
        self.warm_up()
        if self._database is None:
            raise ValueError("the engine is closed")
        return self._database

    @contextmanager
    def workspace(self, run_id: str, scratch: Path) -> Iterator[Workspace]:
        """See :meth:`libs.compute.engine.ComputeEngine.workspace`."""
        with ExitStack() as open_tables:
            row_bytes = self._memory_mb * 1024 * 1024 / (self._threads * CHUNK_ROWS)
            yield _DuckDBWorkspace(self._opened(), run_id, scratch, row_bytes, open_tables)

    def leftovers(self) -> list[str]:
        """Spill folders whose process is gone."""
        return spill.abandoned(self._scratch)

    def drop(self, name: str) -> None:
        """Remove a leftover spill folder."""
        spill.remove(self._scratch, name)

    def close(self) -> None:
        """Close the database and remove the spill folder. Waits for a warm-up that is under way."""
        with self._opening:
            self._closed = True
            if self._database is not None:
                self._database.close()
                self._database = None
                self._spill.remove()

    def _open(self) -> duckdb.DuckDBPyConnection:
        self._spill = spill.SpillFolder(self._scratch)
        try:
            return self._connected(self._spill.path)
        except BaseException:
            self._spill.remove()
            raise

    def _connected(self, spill_folder: Path) -> duckdb.DuckDBPyConnection:
        database = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "memory_limit": f"{self._memory_mb}MiB",
                "temp_directory": str(spill_folder),
                "preserve_insertion_order": "false",  # every result is ordered explicitly
                "threads": str(self._threads),
                # What a large sort lets go of goes back to the system, rather than to come on top of the limit.
                "allocator_background_threads": "true",
                "allocator_flush_threshold": "32MiB",
                "allocator_bulk_deallocation_flush_threshold": "64MiB",
            }
        )
        try:
            database.execute(f"LOAD '{_extension()}'")
            database.execute("SET GLOBAL TimeZone = 'UTC'")
        except duckdb.Error as error:
            raise ServiceUnavailable(
                "DuckDB",
                f"its spatial extension cannot be loaded: {error}.",
                "the installation: duckdb and duckdb-extension-spatial of one version",
            ) from error
        return database


class _DuckDBWorkspace:
    """A schema for each dataset of the run, each with a connection of its own: one may be read while another is loaded."""

    def __init__(
        self, database: duckdb.DuckDBPyConnection, run_id: str, scratch: Path, row_bytes: float, open_tables: ExitStack
    ) -> None:
        self._database, self._run_id, self._scratch, self._row_bytes = database, run_id, scratch, row_bytes
        self._open_tables = open_tables
        self._count = 0

    def table(self, recipe: Recipe) -> Table:
        self._count += 1
        schema = schema_name(self._run_id, self._count)
        aside = Aside(self._scratch / f"{schema}.arrow")
        table = _DuckDBTable(self._database.cursor(), schema, recipe, aside, self._row_bytes)
        self._open_tables.callback(table.close)
        return table


class _DuckDBTable:
    """The first stage runs on each chunk as it arrives: ``raw_data`` is a view of the chunk, never a table.

    Where no other stage follows, large rows need not be in the engine again: they are put aside, and ``processed`` keeps their
    marks, their extents and their places.

    Args:
        row_bytes: Size of rows with which a sort would take all of the memory.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, schema: str, recipe: Recipe, aside: Aside, row_bytes: float
    ) -> None:
        self._connection, self._schema, self._recipe, self._aside, self._row_bytes = connection, schema, recipe, aside, row_bytes
        self._layout: Layout | None = None
        self._rows = 0
        self._closed = False
        connection.execute(f'CREATE SCHEMA "{schema}"')
        connection.execute(f"SET schema = '{schema}'")

    def load(self, source: Source) -> int:
        carried = carried_schema(source.schema, source.where)
        if self._layout is None:
            self._layout = Layout.plan_for(source, self._recipe, DuckDb())
            self._append(self._layout, pa.Table.from_batches([], carried), create=True)
        self._layout.add(source, self._rows)
        before = self._rows
        for chunk in read_ahead(chunks(source.batches, rows=CHUNK_ROWS, size=CHUNK_BYTES)):
            self._append(self._layout, pa.Table.from_batches(chunk, source.schema).cast(carried))
        return self._rows - before

    def finish(self) -> Processed:
        if self._layout is None:
            raise ValueError("nothing was loaded")
        audits = []
        for stage in self._layout.plan.stages:
            if stage is not self._layout.plan.stages[0]:
                self._execute(f"CREATE TABLE {stage.target} AS {self._layout.with_extent(stage, _extent_columns)}")
                self._execute(f"DROP TABLE {stage.source}")
            audits.append(self._execute(stage.audit).fetchone() if stage.audit else None)
        return _DuckDBProcessed(self._connection, self._layout, self._layout.changes(audits), self._aside)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._aside.close()
            self._connection.execute(f'DROP SCHEMA "{self._schema}" CASCADE')
            self._connection.close()

    def _append(self, layout: Layout, chunk: pa.Table, *, create: bool = False) -> None:
        stage = layout.plan.stages[0]
        rows = pa.arange(self._rows, self._rows + chunk.num_rows)
        # As a bare stream: for a table DuckDB would import pyarrow.dataset, and with it pandas where it is installed (0.25 s).
        self._connection.register(stage.source, chunk.add_column(0, ROW, rows).__arrow_c_stream__())
        select = layout.with_extent(stage, _extent_columns)
        if create:
            self._execute(f"CREATE TABLE {stage.target} AS SELECT *, NULL::BIGINT AS {_PLACE} FROM ({select})")
        elif len(layout.plan.stages) == 1 and chunk.nbytes > SORT_SHARE * self._row_bytes * chunk.num_rows:
            self._put_aside(layout, select)
        else:
            self._execute(f"INSERT INTO {stage.target} BY NAME {select}")
        self._connection.unregister(stage.source)
        self._rows += chunk.num_rows

    def _put_aside(self, layout: Layout, select: str) -> None:
        sql = f"SELECT {', '.join(_result_columns(layout))}, COLUMNS('^_etl_') FROM ({select})"
        with _plain_errors():
            made = self._connection.execute(sql).to_arrow_reader(RESULT_ROWS).read_all()
        split = len(layout.schema)
        marks = made.select(made.column_names[split:]).append_column(_PLACE, self._aside.put(made.select(range(split))))
        self._connection.register(_PLACE, marks.__arrow_c_stream__())
        self._execute(f"INSERT INTO {TARGET} BY NAME SELECT * FROM {_PLACE}")
        self._connection.unregister(_PLACE)

    def _execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        with _plain_errors():
            return self._connection.execute(sql)


class _DuckDBProcessed:
    def __init__(self, connection: duckdb.DuckDBPyConnection, layout: Layout, changes: Changes, aside: Aside) -> None:
        self._connection, self._layout, self._aside = connection, layout, aside
        self.schema, self.crs, self.changes = layout.schema, layout.plan.relation.crs, changes
        sides = [f"{side[1:]}(_etl_{side}) FILTER (WHERE {_HAS_EXTENT})" for side in _SIDES] if layout.has_geometry else ["NULL"]
        with _plain_errors():
            found = connection.execute(f"SELECT count(*), {', '.join(sides)} FROM processed WHERE {layout.kept}").fetchall()
        self.features, *extent = found[0]
        self.bbox: BBox | None = None if extent[0] is None else (extent[0], extent[1], extent[2], extent[3])

    def batches(self) -> Iterator[pa.RecordBatch]:
        columns = [*_result_columns(self._layout), *([_PLACE] if self._aside.rows else [])]
        order = list(self._layout.plan.order)
        if self.bbox is not None:
            bounds = "{{'min_x': {!r}, 'min_y': {!r}, 'max_x': {!r}, 'max_y': {!r}}}::BOX_2D".format(*self.bbox)
            centre = "_etl_xmin / 2 + _etl_xmax / 2, _etl_ymin / 2 + _etl_ymax / 2"
            order.insert(0, f"CASE WHEN {_HAS_EXTENT} THEN ST_Hilbert({centre}, {bounds}) END NULLS LAST")
        sql = f"SELECT {', '.join(columns)} FROM processed WHERE {self._layout.kept} ORDER BY {', '.join(order)}"
        with _plain_errors():
            for batch in self._connection.execute(sql).to_arrow_reader(RESULT_ROWS):
                for whole in self._with_what_was_put_aside(batch) if self._aside.rows else [batch]:
                    yield restored(whole, self.schema)

    def _with_what_was_put_aside(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        rows = max(1, TAKEN_BYTES * self._aside.rows // self._aside.bytes)
        for start in range(0, batch.num_rows, rows):
            piece = batch.slice(start, rows)
            places, here = piece[_PLACE], pa.Table.from_batches([piece.drop_columns(_PLACE)])
            elsewhere = pc.is_valid(places)
            taken = self._aside.take(places.drop_null()) if pc.any(elsewhere).as_py() else here.slice(0, 0)
            mixed = pa.concat_tables([here.filter(pc.invert(elsewhere)), taken.rename_columns(here.column_names)])
            # A stable sort of "elsewhere" gives where each row of the mixture belongs; its own sort brings them there.
            belongs = pc.sort_indices(pc.cast(elsewhere, pa.int8()))
            yield from mixed.take(pc.sort_indices(belongs)).combine_chunks().to_batches()


@contextmanager
def _plain_errors() -> Iterator[None]:
    """What DuckDB raises when it runs out of memory, or of disk to spill to, in the platform's words; Ctrl-C as itself."""
    try:
        yield
    except RuntimeError as error:
        if error.__cause__ is not None and not isinstance(error.__cause__, Exception):  # "Query interrupted"
            raise error.__cause__ from None
        raise
    except (duckdb.Error, OSError) as error:  # a stream that is being fetched raises the latter
        reason = str(error).partition("\n")[0]  # what follows is advice for whoever writes SQL
        of_memory = "Out of Memory" in reason or "could not allocate" in reason
        if not of_memory and not isinstance(error, duckdb.IOException):
            raise
        raise ServiceUnavailable(
            "DuckDB", f"out of memory: {reason}.", "SPATIAL_ETL_MEMORY_MB, and the free disk space of SPATIAL_ETL_SCRATCH"
        ) from error


def _result_columns(layout: Layout) -> list[str]:
    columns = [f'"{name}"' for name in map(_escaped, layout.attributes)]
    if layout.has_geometry:
        box = ", ".join(f"{name!r}: CASE WHEN {_HAS_EXTENT} THEN _etl_{name} END" for name in _SIDES)
        columns += [f"ST_AsWKB({GEOMETRY}) AS {GEOMETRY}", f"CASE WHEN {GEOMETRY} IS NOT NULL THEN {{{box}}} END AS bbox"]
    return columns


def _extent_columns() -> str:
    return ", ".join(f"ST_{side[0].upper()}{side[1:].capitalize()}({GEOMETRY}) AS _etl_{side}" for side in _SIDES)


def _escaped(name: str) -> str:
    return name.replace('"', '""')


def _extension() -> Path:
    import duckdb_extension_spatial

    (path,) = Path(duckdb_extension_spatial.__file__).parent.glob(f"extensions/v{duckdb.__version__}/spatial.duckdb_extension")
    return path
