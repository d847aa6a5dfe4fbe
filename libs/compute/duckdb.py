"""The embedded engine: DuckDB with its spatial extension, in this process.

One in-memory database serves every run of the process, a schema each; what does not fit into its memory spills into a folder
that a lock marks as alive. Nothing is downloaded: the extension comes from its wheel.
"""

import errno
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from libs.column_names import GEOMETRY
from libs.compute import spill
from libs.compute.batching import chunks, read_ahead, rows_within
from libs.compute.duckdb_inputs import DuckDBInputs
from libs.compute.duckdb_output import DuckDBOutput
from libs.compute.engine import Capabilities, DatasetBuilder, Processed, Source, Workspace, default_threads, schema_name
from libs.compute.inputs import Audits, LoadedInput, prepared
from libs.compute.layout import Layout, Planner, Report, plan_of
from libs.compute.result_collector import ResultCollector
from libs.compute.rows import Rows
from libs.compute.set_aside import SetAside
from libs.compute.type_mapping import engine_schema, restored
from libs.disk import is_full
from libs.models import Policies, Rejected, ServiceUnavailable
from libs.models.settings import Settings
from libs.transformations import DuckDb, Preparation, Recipe
from libs.transformations.duckdb import SPLIT
from libs.transformations.plan import DROP, ROW, SOURCE, TARGET, Plan, Stage
from libs.transformations.query import input_table

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
COLUMN_MB = 0.5
"""What a thread sets aside for each column that steps read: vectors of 2,048 rows, as many as a cast needs. They count as taken
however few rows are in them."""
USUAL_COLUMNS = 50
"""As many have room in DuckDB's share."""
MOST_COLUMNS = 5_000
"""Of those that steps read: for more it takes minutes, and gigabytes, only to plan."""
_PLANS = 16
"""Plans that a workspace remembers."""
_MARKS = "_etl_marks"
_NO_SPACE = ("No space left on device", "max_temp_directory_size")
"""In what DuckDB says when the disk that it spills to is full, or nearly so: it leaves a tenth of it free."""


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
            database.execute(f"LOAD '{spatial_extension()}'")
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
        self._inputs = DuckDBInputs(engine.connect, self._new_name)
        open_datasets.callback(self._inputs.close)

    def _new_name(self) -> str:
        self._count += 1
        return schema_name(self._run_id, self._count)

    def add_input(self, name: str, source: Source, columns: Collection[str] | None = None) -> int:
        with _translated_errors():
            return self._inputs.add(name, source, columns)

    def drop_input(self, name: str) -> None:
        self._inputs.drop(name)

    def dataset(self, recipe: Recipe, policies: Policies | None = None) -> DatasetBuilder:
        if recipe is not self._recipe:
            # The files of a batch are often alike: planning takes as long as a small one takes to be read.
            self._recipe, self._plan = recipe, lru_cache(_PLANS)(partial(plan_of, recipe, DuckDb(), self._inputs.loaded))
        schema = self._new_name()
        rows = Rows.in_share(self._scratch / f"{schema}.arrow", self._engine.memory_mb)
        aside = Rows.aside(self._scratch / f"{schema}.aside.arrow")
        builder = _DuckDBDatasetBuilder(self._engine, schema, self._plan, policies, self._inputs.loaded, rows, aside)
        self._open_datasets.callback(builder.close)
        return builder


class _DuckDBDatasetBuilder:
    """The first stage runs on each chunk as it arrives: ``raw_data`` is a view of the chunk, never a table.

    The rows that the last stage makes leave the engine at once.
    """

    def __init__(
        self,
        engine: DuckDBEngine,
        schema: str,
        plan: Planner,
        policies: Policies | None,
        inputs: Mapping[str, LoadedInput],
        result: Rows,
        aside: Rows,
    ) -> None:
        self._engine, self._schema, self._plan, self._policies = engine, schema, plan, policies
        self._inputs = inputs
        self._result, self._aside = result, SetAside(aside)
        self._connection = connection = engine.connect()
        self._planned: _PlannedDataset | None = None
        self._created = set[str]()
        self._rows = 0
        self._closed = False
        connection.execute(f'CREATE SCHEMA "{schema}"')
        connection.execute(f"SET schema = '{schema}'")
        connection.execute(f"SET streaming_buffer_size = '{RESULT_BUFFER}'")

    def load(self, source: Source) -> int:
        loaded_schema = engine_schema(source.schema, source.where)
        planned = self._planned or self._begin(source)
        planned.layout.add(source, self._rows)
        before = self._rows
        for chunk in read_ahead(chunks(source.batches, rows=CHUNK_ROWS, size=CHUNK_BYTES)):
            self._transform(planned, chunk, loaded_schema)
        if planned.layout.plan.stages[1:] and not self._created:  # no row came, but the next stage wants a table
            self._transform(planned, [pa.RecordBatch.from_pylist([], source.schema)], loaded_schema)
        return self._rows - before

    def finish(self) -> Processed:
        if self._planned is None:
            raise ValueError("nothing was loaded")
        planned, stages = self._planned, self._planned.layout.plan.stages
        audits: list[Sequence[int | None] | None] = []
        if len(stages) > 1:  # the second sees all rows, and holds them: until it is done, there is no result to hold
            self._limit_memory(planned.layout, self._engine.memory_mb)
        for before, stage in pairwise(stages):
            audits.append(self._execute(before.audit).fetchone() if before.audit else None)
            self._run(planned, stage)
            self._execute(f"DROP TABLE {before.target}")
        if planned.output.audit is not None and TARGET in self._created:
            planned.collector.add_audit(self._execute(planned.output.audit).fetchall()[0])
        report = planned.layout.report([*audits, planned.collector.audit], self._rows)
        return _DuckDBProcessed(planned, report, self._aside)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._result.close()
            self._aside.close()
            self._connection.execute(f'DROP SCHEMA "{self._schema}" CASCADE')
            self._engine.limit.set(self._connection, self._schema)
            self._connection.close()

    def _begin(self, source: Source) -> "_PlannedDataset":
        layout = Layout.plan_for(source, self._plan, self._policies, self._inputs)
        _require_few(layout, source.where)
        self._limit_memory(layout, self._engine.limit.usual_mb)
        for name in dict.fromkeys(each.input for each in layout.plan.preparations):
            self._execute(f"CREATE VIEW {input_table(name)} AS SELECT * FROM {self._inputs[name].table}")
        layout.prepared = prepared(layout.plan.preparations, self._inputs, self._prepare)
        collector = ResultCollector(self._result, layout.plan.stages[-1])
        self._planned = planned = _PlannedDataset(layout, collector, DuckDBOutput(layout, collector))
        return planned

    def _prepare(self, preparation: Preparation) -> Audits:
        """Make a table of a named input."""
        audits: list[Sequence[int | None] | None] = []
        for stage in preparation.plan.stages:
            self._execute(f"CREATE TABLE {stage.target} AS {stage.select}")
            audits.append(self._execute(stage.audit).fetchone() if stage.audit else None)
        for stage in preparation.plan.stages[:-1]:
            self._execute(f"DROP TABLE {stage.target}")
        return audits

    def _limit_memory(self, layout: Layout, memory_mb: int) -> None:
        """Let DuckDB have some memory, and on top of it what it sets aside for columns without using it: chunks are small."""
        aside = max(0, len(layout.loaded) - USUAL_COLUMNS) * self._engine.threads * COLUMN_MB
        self._engine.limit.set(self._connection, self._schema, memory_mb + round(aside))

    def _transform(self, planned: "_PlannedDataset", batches: list[pa.RecordBatch], loaded_schema: pa.Schema) -> None:
        chunk = pa.Table.from_batches(batches)
        columns = [item for item in loaded_schema if item.name in {*planned.layout.loaded, GEOMETRY}]
        rows = pa.arange(self._rows, self._rows + chunk.num_rows)
        numbered = pa.table(
            [rows, *(chunk[item.name].cast(item.type) for item in columns)], [ROW, *(item.name for item in columns)]
        )
        at_once = min(SCAN_ROWS, rows_within(SCAN_BYTES, numbered.num_rows, numbered.nbytes))
        with self._registered(SOURCE, pa.Table.from_batches(numbered.to_batches(at_once), numbered.schema)):
            self._run(planned, planned.layout.plan.stages[0], chunk)
        self._rows += chunk.num_rows

    def _run(self, planned: "_PlannedDataset", stage: Stage, chunk: pa.Table | None = None) -> None:
        """Run a stage: on a chunk of the source, or on the table of the stage before."""
        plan = planned.layout.plan
        if stage is plan.stages[-1]:
            passthrough = None if chunk is None else _combined(chunk.select(sorted(set(plan.passthrough.values()))))
            self._take_in(planned, chunk, passthrough)
            return
        self._add_to(stage.target, stage.select)
        if chunk is not None and plan.reasons:
            found = f"SELECT {ROW}, {DROP} FROM {stage.target} WHERE {DROP} < 0 AND {ROW} >= {self._rows}"
            self._set_aside(plan, chunk, self._execute(found).to_arrow_reader(RESULT_ROWS))

    def _take_in(self, planned: "_PlannedDataset", chunk: pa.Table | None, passthrough: pa.RecordBatch | None) -> None:
        """Take in the rows that the last stage makes."""
        output, marks = planned.output, list[pa.RecordBatch]()
        with _translated_errors():
            for batch in self._execute(output.query).to_arrow_reader(RESULT_ROWS):
                self._set_aside(planned.layout.plan, chunk, [batch])
                output.take_in([batch], passthrough, self._rows)
                if output.audit is not None:
                    marks.append(output.marks_of(batch))
        if marks:
            with self._registered(_MARKS, pa.Table.from_batches(marks)):
                self._add_to(TARGET, f"SELECT * FROM {_MARKS}")

    def _set_aside(self, plan: Plan, chunk: pa.Table | None, made: Iterable[pa.RecordBatch]) -> None:
        """Keep the source rows that the first stage sets aside, by the marks that it made."""
        if chunk is not None and plan.reasons:
            for batch in made:
                self._aside.add(chunk, self._rows, batch.select([ROW, DROP]), plan.reasons)

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


@dataclass(frozen=True)
class _PlannedDataset:
    """What is known of a dataset once its first source is there."""

    layout: Layout
    collector: ResultCollector
    output: DuckDBOutput


class _DuckDBProcessed(Processed):
    def __init__(self, planned: _PlannedDataset, report: Report, aside: SetAside) -> None:
        layout, collector = planned.layout, planned.collector
        self.schema, self.crs = layout.schema, layout.plan.relation.crs
        self.origins = layout.plan.origins
        self.changes, self.warnings, self.broken_rules = report.changes, report.warnings, report.broken_rules
        self.features, self.bbox, self._collector = collector.features, collector.bbox, collector
        self.set_aside, self._aside = aside.count, aside

    def batches(self) -> Iterator[pa.RecordBatch]:
        return (restored(batch, self.schema) for batch in self._collector.batches())

    def rejects(self) -> Iterator[pa.RecordBatch]:
        return self._aside.batches()


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
        if is_full(error) or any(said in reason for said in _NO_SPACE):
            raise OSError(errno.ENOSPC, f"DuckDB has no space left to spill to: {reason}") from error
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


def _combined(table: pa.Table) -> pa.RecordBatch:
    # A copy even of a single batch, which concatenating nothing to it makes: a part of what was received would keep all of it.
    whole = [pa.concat_arrays([*column.chunks, column.chunk(0).slice(0, 0)]) for column in table.columns]
    return pa.RecordBatch.from_arrays(whole, names=table.column_names)


def spatial_extension() -> Path:
    """Where DuckDB's spatial extension lies: it comes from its wheel."""
    import duckdb_extension_spatial

    (path,) = Path(duckdb_extension_spatial.__file__).parent.glob(f"extensions/v{duckdb.__version__}/spatial.duckdb_extension")
    return path
