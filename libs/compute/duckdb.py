"""The embedded engine: DuckDB with its spatial extension, in this process.

One in-memory database serves every run of the process, a schema each; what does not fit into its memory spills into a folder
that a lock marks as alive. Nothing is downloaded: the extension comes from its wheel.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from libs.column_names import GEOMETRY
from libs.compute import spill
from libs.compute.batching import chunks, read_ahead, rows_within
from libs.compute.engine import Capabilities, DatasetBuilder, Processed, Source, Workspace, default_threads, schema_name
from libs.compute.layout import Layout, Planner, Report, plan_of
from libs.compute.rows import Rows
from libs.compute.set_aside import SetAside
from libs.compute.type_mapping import engine_schema, restored
from libs.models import BBox, Policies, Rejected, ServiceUnavailable
from libs.models.settings import Settings
from libs.spatial_utils.arrays import numbers
from libs.transformations import DuckDb, Recipe
from libs.transformations.duckdb import SPLIT
from libs.transformations.plan import DROP, ROW, SOURCE, TARGET, Stage

CHUNK_ROWS = 122_880
"""DuckDB's own row group: a larger statement holds more without being faster."""
CHUNK_BYTES = 48 * 1024 * 1024
SCAN_ROWS = 16_384
"""What a thread takes at once of a chunk: little, so that all of them end with it at the same time."""
SCAN_BYTES = 6 * 1024 * 1024
"""The same where rows are large: it is held several times over on its way through a statement, by every thread."""
RESULT_ROWS = 65_536
RESULT_BUFFER = "32MiB"
"""How far the threads may run ahead of the reader of their result. With less, all but one of them wait."""
OWN_SHARE = 1 / 3
"""Of the memory, how much is DuckDB's."""
COLUMN_MB = 0.35
"""What a thread sets aside for each column that steps read: vectors of 2,048 rows, as many as a cast needs. They count as taken
however few rows are in them."""
USUAL_COLUMNS = 50
"""As many have room in DuckDB's share."""
MOST_COLUMNS = 5_000
"""Of those that steps read: for more it takes minutes, and gigabytes, only to plan."""
_PLANS = 16
"""Plans that a workspace remembers."""
_PLACE, _MARKS = "_etl_place", "_etl_marks"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_HAS_EXTENT = "isfinite(_etl_xmax - _etl_xmin) AND isfinite(_etl_ymax - _etl_ymin)"
"""The sides of a collection of empty parts bound nothing, nor do those of a geometry with a coordinate that is not finite."""


class DuckDBEngine:
    """See :class:`libs.compute.engine.ComputeEngine`.

    Args:
        scratch: Folder for spilling; created when first needed.
        memory_mb: What may be held before it spills, in MiB.
        threads: 0 for one per core, as far as memory goes.
    """

    capabilities = Capabilities(name="duckdb", max_read_columns=MOST_COLUMNS)

    def __init__(self, scratch: Path, *, memory_mb: int, threads: int = 0) -> None:
        self._scratch, self.memory_mb = scratch, memory_mb
        self.threads = threads or default_threads(memory_mb)
        self._database: duckdb.DuckDBPyConnection | None = None
        self.limit = _MemoryLimit(round(memory_mb * OWN_SHARE))
        self._opening = threading.Lock()
        self._closed = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """See :meth:`libs.compute.engine.ComputeEngine.from_settings`."""
        return cls(settings.scratch, memory_mb=settings.spatial_etl_memory_mb, threads=settings.spatial_etl_threads)

    def describe(self) -> str:
        """Its version."""
        return f"duckdb {duckdb.__version__} with its spatial extension"

    def versions(self) -> dict[str, str]:
        """DuckDB's version; the spatial extension's is pinned to it."""
        return {"duckdb": duckdb.__version__}

    def warm_up(self) -> None:
        """Open the database now rather than at the first workspace. For a thread: does nothing once the engine is closed."""
        with self._opening:
            if not self._closed and self._database is None:
                self._database = self._open()

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own to the one database."""
        self.warm_up()
        if self._database is None:
            raise ValueError("the engine is closed")
        return self._database.cursor()

    @contextmanager
    def workspace(self, run_id: str, scratch: Path) -> Iterator[Workspace]:
        """See :meth:`libs.compute.engine.ComputeEngine.workspace`."""
        with ExitStack() as open_datasets:
            yield _DuckDBWorkspace(self, run_id, scratch, open_datasets)

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
                # Its signature would be checked at every start, for 0.4 s of a core. The wheel that it comes from is pinned by
                # its hash, as DuckDB's own is, and no other extension is ever loaded.
                "allow_unsigned_extensions": "true",
                "memory_limit": f"{self.limit.usual_mb}MiB",
                "temp_directory": str(spill_folder),
                "preserve_insertion_order": "false",  # every result is ordered explicitly
                "threads": str(self.threads),
                # What a large sort lets go of goes back to the system, rather than to come on top of the limit.
                "allocator_background_threads": "true",
                "allocator_flush_threshold": "32MiB",
                "allocator_bulk_deallocation_flush_threshold": "64MiB",
            }
        )
        try:
            database.execute(f"LOAD '{_extension()}'")
            database.execute("SET GLOBAL TimeZone = 'UTC'")
            add_functions(database)
        except duckdb.Error as error:
            raise ServiceUnavailable(
                "DuckDB",
                f"its spatial extension cannot be loaded: {error}.",
                "the installation: duckdb and duckdb-extension-spatial of one version",
            ) from error
        return database


def add_functions(database: duckdb.DuckDBPyConnection) -> None:
    """Add what the dialect calls beyond DuckDB's own functions."""
    types: list[Any] = ["BLOB", "BLOB", "DOUBLE", "DOUBLE", "VARCHAR", "VARCHAR"]
    nulls: Any = "special"  # it gives some
    database.create_function(SPLIT, _split, types, "BLOB", null_handling=nulls)


def _split(torn, before, half, wide, source, target):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    # Without hints: to look at them, DuckDB imports pandas where it is installed.
    from libs.spatial_utils.antimeridian import split_wkb

    return split_wkb(torn, before, half, wide, source, target)


class _MemoryLimit:
    """What DuckDB may take: its usual share, or what the neediest of the datasets in the making needs."""

    def __init__(self, usual_mb: int) -> None:
        self.usual_mb = usual_mb
        self._needs = dict[str, int]()
        self._lock = threading.Lock()

    def set(self, connection: duckdb.DuckDBPyConnection, dataset: str, need_mb: int = 0) -> None:
        """Say what a dataset needs from now on; 0 once it is done with."""
        with self._lock:
            before, self._needs[dataset] = self._needs.get(dataset, 0), need_mb
            if need_mb == 0:
                del self._needs[dataset]
            if max(before, need_mb) > self.usual_mb:
                connection.execute(f"SET GLOBAL memory_limit = '{max([self.usual_mb, *self._needs.values()])}MiB'")


class _DuckDBWorkspace:
    """A schema for each dataset of the run, each with a connection of its own: one may be read while another is loaded."""

    def __init__(self, engine: DuckDBEngine, run_id: str, scratch: Path, open_datasets: ExitStack) -> None:
        self._engine, self._run_id, self._scratch, self._open_datasets = engine, run_id, scratch, open_datasets
        self._count = 0
        self._recipe: Recipe | None = None
        self._plan: Planner

    def dataset(self, recipe: Recipe, policies: Policies | None = None) -> DatasetBuilder:
        self._count += 1
        if recipe is not self._recipe:
            # The files of a batch are often alike: planning takes as long as a small one takes to be read.
            self._recipe, self._plan = recipe, lru_cache(_PLANS)(partial(plan_of, recipe, DuckDb()))
        schema = schema_name(self._run_id, self._count)
        rows = Rows.in_share(self._scratch / f"{schema}.arrow", self._engine.memory_mb)
        aside = Rows.aside(self._scratch / f"{schema}.aside.arrow")
        builder = _DuckDBDatasetBuilder(self._engine, schema, self._plan, policies, rows, aside)
        self._open_datasets.callback(builder.close)
        return builder


class _DuckDBDatasetBuilder:
    """The first stage runs on each chunk as it arrives: ``raw_data`` is a view of the chunk, never a table.

    The rows that the last stage makes leave the engine at once. ``processed`` keeps their marks and extents, and where they lie.
    """

    def __init__(
        self, engine: DuckDBEngine, schema: str, plan: Planner, policies: Policies | None, result: Rows, aside: Rows
    ) -> None:
        self._engine, self._schema, self._plan, self._policies = engine, schema, plan, policies
        self._result, self._aside = result, SetAside(aside)
        self._connection = connection = engine.connect()
        self._layout: Layout | None = None
        self._created = set[str]()
        self._rows = 0
        self._closed = False
        connection.execute(f'CREATE SCHEMA "{schema}"')
        connection.execute(f"SET schema = '{schema}'")
        connection.execute(f"SET streaming_buffer_size = '{RESULT_BUFFER}'")

    def load(self, source: Source) -> int:
        loaded_schema = engine_schema(source.schema, source.where)
        if self._layout is None:
            self._layout = Layout.plan_for(source, self._plan, self._policies)
            _require_few(self._layout, source.where)
            self._limit_memory(self._engine.limit.usual_mb)
        self._layout.add(source, self._rows)
        before = self._rows
        for chunk in read_ahead(chunks(source.batches, rows=CHUNK_ROWS, size=CHUNK_BYTES)):
            self._transform(self._layout, chunk, loaded_schema)
        if not self._created:  # no row came, but the tables are wanted
            self._transform(self._layout, [pa.RecordBatch.from_pylist([], source.schema)], loaded_schema)
        return self._rows - before

    def finish(self) -> Processed:
        if self._layout is None:
            raise ValueError("nothing was loaded")
        audits = []
        if self._sees_all_rows:  # and holds them: until it is done, there is no result to hold
            self._limit_memory(self._engine.memory_mb)
        for stage in self._layout.plan.stages:
            if stage is not self._layout.plan.stages[0]:
                self._run(self._layout, stage)
                self._execute(f"DROP TABLE {stage.source}")
            audits.append(self._execute(stage.audit).fetchone() if stage.audit else None)
        report = self._layout.report(audits, self._rows)
        return _DuckDBProcessed(self._connection, self._layout, report, self._result, self._aside)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._result.close()
            self._aside.close()
            self._connection.execute(f'DROP SCHEMA "{self._schema}" CASCADE')
            self._engine.limit.set(self._connection, self._schema)
            self._connection.close()

    def _limit_memory(self, memory_mb: int) -> None:
        """Let DuckDB have some memory, and on top of it what it sets aside for columns without using it: chunks are small."""
        columns = 0 if self._layout is None else len(self._layout.loaded)
        aside = max(0, columns - USUAL_COLUMNS) * self._engine.threads * COLUMN_MB
        self._engine.limit.set(self._connection, self._schema, memory_mb + round(aside))

    @property
    def _sees_all_rows(self) -> bool:
        return self._layout is not None and len(self._layout.plan.stages) > 1

    def _transform(self, layout: Layout, batches: list[pa.RecordBatch], loaded_schema: pa.Schema) -> None:
        chunk = pa.Table.from_batches(batches)
        columns = [item for item in loaded_schema if item.name in {*layout.loaded, GEOMETRY}]
        rows = pa.arange(self._rows, self._rows + chunk.num_rows)
        numbered = pa.table(
            [rows, *(chunk[item.name].cast(item.type) for item in columns)], [ROW, *(item.name for item in columns)]
        )
        at_once = min(SCAN_ROWS, rows_within(SCAN_BYTES, numbered.num_rows, numbered.nbytes))
        with self._registered(SOURCE, pa.Table.from_batches(numbered.to_batches(at_once), numbered.schema)):
            self._run(layout, layout.plan.stages[0], chunk)
        self._rows += chunk.num_rows

    def _run(self, layout: Layout, stage: Stage, chunk: pa.Table | None = None) -> None:
        if stage is not layout.plan.stages[-1]:
            self._add_to(stage.target, stage.select)
            if chunk is not None and layout.plan.reasons:
                found = f"SELECT {ROW}, {DROP} FROM {stage.target} WHERE {DROP} < 0 AND {ROW} >= {self._rows}"
                self._set_aside(layout, chunk, self._execute(found).to_arrow_reader(RESULT_ROWS).read_all())
            return
        select = layout.with_extent(stage, _extent_columns)
        sql = f"SELECT {', '.join([*_result_columns(layout), ''])}COLUMNS('^_etl_') FROM ({select})"
        fetched = [*layout.fetched, *layout.schema.names[len(layout.attributes) :]]
        passthrough = None if chunk is None else _combined(chunk.select(sorted(set(layout.plan.passthrough.values()))))
        with _translated_errors():
            reader = self._execute(sql).to_arrow_reader(RESULT_ROWS)
            marks = pa.schema([*list(reader.schema)[len(fetched) :], (_PLACE, pa.int64())])
            marked = []
            for batch in reader:
                here = dict(zip(fetched, batch.columns, strict=False))
                if passthrough is not None:
                    here |= layout.passthrough_columns(passthrough, numbers(batch[ROW]) - self._rows)
                place = self._result.put(pa.RecordBatch.from_pydict({name: here[name] for name in layout.schema.names}))
                places = pa.arange(place, place + batch.num_rows)
                marked.append(pa.RecordBatch.from_arrays([*batch.columns[len(fetched) :], places], schema=marks))
        made = pa.Table.from_batches(marked, marks)
        if chunk is not None and layout.plan.reasons:
            self._set_aside(layout, chunk, made)
        with self._registered(_MARKS, made):
            self._add_to(stage.target, f"SELECT * FROM {_MARKS}")

    def _set_aside(self, layout: Layout, chunk: pa.Table, made: pa.Table) -> None:
        """Keep the source rows that the first stage sets aside, by the marks that it made."""
        for batch in made.select([ROW, DROP]).to_batches():
            self._aside.add(chunk, self._rows, batch, layout.plan.reasons)

    def _add_to(self, table: str, select: str) -> None:
        self._execute(f"INSERT INTO {table} BY NAME {select}" if table in self._created else f"CREATE TABLE {table} AS {select}")
        self._created.add(table)

    @contextmanager
    def _registered(self, name: str, table: pa.Table) -> Iterator[None]:
        # As a bare stream: for a table DuckDB would import pyarrow.dataset, and with it pandas where it is installed (0.25 s).
        self._connection.register(name, table.__arrow_c_stream__())
        yield
        self._connection.unregister(name)

    def _execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        with _translated_errors():
            return self._connection.execute(sql)


class _DuckDBProcessed(Processed):
    def __init__(
        self, connection: duckdb.DuckDBPyConnection, layout: Layout, report: Report, result: Rows, aside: SetAside
    ) -> None:
        self._connection, self._layout, self._result, self._aside = connection, layout, result, aside
        self.set_aside = aside.count
        self.schema, self.crs = layout.schema, layout.plan.relation.crs
        self.origins = layout.plan.origins
        self.changes, self.warnings = report.changes, report.warnings
        sides = [f"{side[1:]}(_etl_{side}) FILTER (WHERE {_HAS_EXTENT})" for side in _SIDES] if layout.has_geometry else ["NULL"]
        with _translated_errors():
            found = connection.execute(f"SELECT count(*), {', '.join(sides)} FROM processed WHERE {layout.row_filter}").fetchall()
        self.features, *extent = found[0]
        self.bbox: BBox | None = None if extent[0] is None else (extent[0], extent[1], extent[2], extent[3])

    def batches(self) -> Iterator[pa.RecordBatch]:
        order = list(self._layout.plan.order)
        if self.bbox is not None:
            bounds = "{{'min_x': {!r}, 'min_y': {!r}, 'max_x': {!r}, 'max_y': {!r}}}::BOX_2D".format(*self.bbox)
            centre = "_etl_xmin / 2 + _etl_xmax / 2, _etl_ymin / 2 + _etl_ymax / 2"
            order.insert(0, f"CASE WHEN {_HAS_EXTENT} THEN ST_Hilbert({centre}, {bounds}) END NULLS LAST")
        sql = f"SELECT {_PLACE} FROM processed WHERE {self._layout.row_filter} ORDER BY {', '.join(order)}"
        with _translated_errors():
            for batch in self._result.in_order(self._places(sql)):
                yield restored(batch, self.schema)

    def rejects(self) -> Iterator[pa.RecordBatch]:
        return self._aside.batches()

    def _places(self, sql: str) -> Iterator[pa.Array]:
        for batch in self._connection.execute(sql).to_arrow_reader(RESULT_ROWS):
            yield batch[_PLACE]
        self._connection.execute(f"DROP TABLE {TARGET}")  # the memory is wanted for the rows


@contextmanager
def _translated_errors() -> Iterator[None]:
    """What DuckDB raises when it runs out of memory, or of disk to spill to, in the platform's words; Ctrl-C as itself."""
    try:
        yield
    except RuntimeError as error:
        if error.__cause__ is not None and not isinstance(error.__cause__, Exception):  # "Query interrupted"
            raise error.__cause__ from None
        raise
    except (duckdb.Error, OSError) as error:  # a stream that is being fetched raises the latter
        reason = str(error).partition("\n")[0]  # the rest is advice for authors of SQL
        of_memory = "Out of Memory" in reason or "could not allocate" in reason
        if not of_memory and not isinstance(error, duckdb.IOException):
            raise
        raise ServiceUnavailable(
            "DuckDB", f"out of memory: {reason}.", "SPATIAL_ETL_MEMORY_MB, and the free disk space of SPATIAL_ETL_SCRATCH"
        ) from error


def _require_few(layout: Layout, where: str) -> None:
    """Reject what DuckDB could not even plan.

    Raises:
        Rejected: when the steps read too many columns.
    """
    limit = DuckDBEngine.capabilities.max_read_columns
    if limit is not None and len(layout.loaded) > limit:
        raise Rejected.because(
            "too_many_columns",
            where,
            f"The recipe reads {len(layout.loaded):,} columns of it; {limit:,} are possible.",
            "Name fewer columns in the recipe's steps: those that no step reads do not count.",
        )


def _result_columns(layout: Layout) -> list[str]:
    columns = [DuckDb().identifier(name) for name in layout.fetched]
    if layout.has_geometry:
        box = ", ".join(f"{name!r}: CASE WHEN {_HAS_EXTENT} THEN _etl_{name} END" for name in _SIDES)
        columns += [f"ST_AsWKB({GEOMETRY}) AS {GEOMETRY}", f"CASE WHEN {GEOMETRY} IS NOT NULL THEN {{{box}}} END AS bbox"]
    return columns


def _extent_columns() -> str:
    # By way of a box, the geometry is walked through once; as a struct, because a BOX_2D does not give its sides.
    sides = {side: f"{side[1:]}_{side[0]}" for side in _SIDES}
    box = f"CAST(ST_Extent({GEOMETRY}) AS STRUCT({', '.join(f'{name} DOUBLE' for name in sides.values())}))"
    return ", ".join(f"{box}.{name} AS _etl_{side}" for side, name in sides.items())


def _combined(table: pa.Table) -> pa.RecordBatch:
    # A copy even of a single batch, which concatenating nothing to it makes: a part of what was received would keep all of it.
    whole = [pa.concat_arrays([*column.chunks, column.chunk(0).slice(0, 0)]) for column in table.columns]
    return pa.RecordBatch.from_arrays(whole, names=table.column_names)


def _extension() -> Path:
    import duckdb_extension_spatial

    (path,) = Path(duckdb_extension_spatial.__file__).parent.glob(f"extensions/v{duckdb.__version__}/spatial.duckdb_extension")
    return path
