"""The making of a dataset in PostGIS.

Chunks of the source are transformed side by side, each in a session of its own. A chunk is written to the server once, into
``raw_data``; ``processed`` is a view of it, and its rows leave the server at once. Stages that must see all rows follow in the
first session; there, ``processed`` is a table. Columns that no step reads are not sent to the server. Columns that the recipe
hands on unchanged are not fetched from it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from libs.compute.batching import chunks
from libs.compute.engine import Processed, Source
from libs.compute.inputs import Audits, LoadedInput, Prepared, prepared
from libs.compute.layout import Layout, Report, plan_of
from libs.compute.postgis.chunk_session import UNLOGGED, Chunk, ChunkSession
from libs.compute.postgis.columns import Columns
from libs.compute.postgis.connection import Connection, StatementFailed
from libs.compute.postgis.inputs import prepare, views
from libs.compute.postgis.output import PostGISOutput
from libs.compute.postgis.refusal import refused
from libs.compute.postgis.schema import OwnSchema
from libs.compute.postgis.srids import Srids
from libs.compute.result_collector import ResultCollector
from libs.compute.rows import Rows
from libs.compute.set_aside import SetAside
from libs.compute.type_mapping import engine_schema
from libs.models import Policies
from libs.transformations import Plan, PostGis, Recipe, Stage
from libs.transformations.plan import DROP, ROW
from libs.transformations.postgis import GuardedPostGis

T = TypeVar("T")
CHUNK_ROWS = 32_768
"""Small enough that sessions begin early and end together: with twice as many, a million rows take 4 % more time."""
CHUNK_BYTES = 16 * 1024 * 1024


class PostGISDatasetBuilder:
    """See :class:`libs.compute.engine.DatasetBuilder`.

    Args:
        new_schema: Begins a session with a schema of its own. Called from several threads.
        recipe: With its parameters bound.
        policies: See :meth:`libs.compute.engine.Workspace.dataset`.
        inputs: Named inputs, by name.
        rows: Where to keep the result.
        aside: Where to keep what is set aside.
        side_path: Path for values that the server cannot hold.
        sessions: How many chunks are transformed at a time.
    """

    def __init__(
        self,
        new_schema: Callable[[], OwnSchema],
        recipe: Recipe,
        policies: Policies | None,
        inputs: Mapping[str, LoadedInput],
        rows: Rows,
        aside: SetAside,
        side_path: Path,
        sessions: int,
    ) -> None:
        self._new_schema, self._recipe, self._policies, self._result, self._aside = new_schema, recipe, policies, rows, aside
        self._inputs = inputs
        self._side_path, self._sessions = side_path, sessions
        self._rows = 0
        self._closed = False
        self._planned: _PlannedDataset | None = None
        self._first = new_schema()
        self._schemas, self._free_sessions = [self._first], list[ChunkSession]()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(sessions, thread_name_prefix="postgis")

    def load(self, source: Source) -> int:  # noqa: D102 - see the protocol
        engine_schema(source.schema, source.where)  # refuses what no engine keeps
        planned = self._planned or self._begin(source)
        planned.layout.add(source, self._rows)
        before = self._rows
        pending: deque[Future[None]] = deque()
        for group in chunks(source.batches, rows=CHUNK_ROWS, size=CHUNK_BYTES):
            if len(pending) > self._sessions:
                pending.popleft().result()
            chunk = Chunk(self._rows, pa.concat_batches(group), source.where)
            self._rows += chunk.rows.num_rows
            pending.append(self._pool.submit(self._transform, planned, chunk))
        for future in pending:
            future.result()
        return self._rows - before

    def finish(self) -> Processed:  # noqa: D102 - see the protocol
        if self._planned is None:
            raise ValueError("nothing was loaded")
        planned, later = self._planned, self._planned.layout.plan.stages[1:]
        for schema in self._schemas[1 if later else 0 :]:
            self._pool.submit(schema.close)
        audits: list[Sequence[int | None] | None] = []
        if later:
            connection = self._first.connection
            audits = planned.run_guarded(connection, self._run_later_stages)
            planned.output.take_in(connection.stream(planned.output.query))
            self._pool.submit(self._first.close)
        report = planned.layout.report([*audits, planned.collector.audit], self._rows)
        return _PostGISProcessed(planned.layout, planned.collector, report, self._aside)

    def close(self) -> None:  # noqa: D102 - see the protocol
        if not self._closed:
            self._closed = True
            for schema in self._schemas:
                schema.connection.cancel()
            self._pool.shutdown(cancel_futures=True)
            self._result.close()
            self._aside.close()
            if self._planned is not None:
                self._planned.columns.close()
            for schema in self._schemas:
                schema.close()

    def _begin(self, source: Source) -> "_PlannedDataset":
        first_connection = self._first.connection
        planned = _PlannedDataset(
            source,
            self._recipe,
            self._policies,
            self._inputs,
            Srids(first_connection),
            self._result,
            self._aside,
            self._side_path,
        )
        for statement in (*planned.functions, *views(self._inputs.values())) if planned.layout.plan.preparations else ():
            first_connection.execute(statement)
        planned.prepare(first_connection)
        try:
            self._free_sessions.append(ChunkSession(self._first, planned.layout, planned.columns, planned.functions))
        except StatementFailed as error:
            raise planned.refused(error, source.where, 0) from error
        first, *later = planned.layout.plan.stages
        if later:  # every session adds to it
            self._first.connection.execute(f"CREATE UNLOGGED TABLE {first.target} {UNLOGGED} AS {first.select} WITH NO DATA")
        self._planned = planned
        return planned

    def _transform(self, planned: "_PlannedDataset", chunk: Chunk) -> None:
        session = self._free_session(planned)
        try:
            session.fill(chunk)
            if self._closed:
                return
            rows = planned.run_guarded(session.connection, lambda plan: self._transformed(planned, session, plan))
        except StatementFailed as error:
            raise planned.refused(error, chunk.where, chunk.first) from error
        planned.set_aside(rows, chunk)
        if planned.is_one_stage:
            planned.output.take_in(rows, chunk.rows, chunk.first)
        with self._lock:
            self._free_sessions.append(session)

    def _free_session(self, planned: "_PlannedDataset") -> ChunkSession:
        with self._lock:
            if self._free_sessions:
                return self._free_sessions.pop()
        schema = self._new_schema()
        with self._lock:
            self._schemas.append(schema)
        tables = [each.table for each in planned.layout.plan.preparations]
        seen = [f'CREATE VIEW {table} AS SELECT * FROM "{self._first.name}".{table}' for table in tables]
        return ChunkSession(schema, planned.layout, planned.columns, [*planned.functions, *seen])

    def _transformed(self, planned: "_PlannedDataset", session: ChunkSession, plan: Plan) -> list[pa.RecordBatch]:
        """The result's rows of the session's chunk; where a stage follows that must see all rows, only what is set aside."""
        first, *later = plan.stages
        if later:
            insert = f'INSERT INTO "{self._first.name}".{first.target} {first.select}'
            if plan.reasons:
                added = f"WITH added AS ({insert} RETURNING {ROW}, {DROP}) SELECT {ROW}, {DROP} FROM added WHERE {DROP} < 0"
                return session.connection.batches(added)
            session.connection.execute(insert)
            return []
        session.set_view(first.select)
        return session.connection.batches(planned.output.query)

    def _run_later_stages(self, plan: Plan) -> list[Sequence[int | None] | None]:
        """Make ``processed``; the audits of the stages before it."""
        connection, (first, *later, last) = self._first.connection, plan.stages
        connection.execute(f"SET max_parallel_workers_per_gather = {self._sessions if self._sessions > 1 else 0}")
        audits: list[Sequence[int | None] | None] = [_audit(connection, first)]
        for stage in later:
            _make(connection, stage)
            audits.append(_audit(connection, stage))
        _make(connection, last)
        for stage in plan.stages[:-1]:
            connection.execute(f"DROP TABLE {stage.target}")
        return audits


class _PlannedDataset:
    """What is known of a dataset once its first source is there."""

    def __init__(
        self,
        source: Source,
        recipe: Recipe,
        policies: Policies | None,
        inputs: Mapping[str, LoadedInput],
        srids: Srids,
        rows: Rows,
        aside: SetAside,
        side_path: Path,
    ) -> None:
        self._source, self._recipe, self._policies, self._srids = replace(source, batches=()), recipe, policies, srids
        self._aside, self._inputs = aside, inputs
        dialect = PostGis(srids.of)
        self.layout = Layout.plan_for(source, partial(plan_of, recipe, dialect, inputs), policies, inputs)
        self.functions = list(chain.from_iterable(dialect.functions.values()))
        self.columns = Columns(pa.schema([source.schema.field(name) for name in self.layout.loaded]), side_path)
        self.collector = ResultCollector(rows, self.layout.plan.stages[-1])
        self.output = PostGISOutput(self.layout, self.columns, self.collector)

    def run_guarded(self, connection: Connection, work: Callable[[Plan], T]) -> T:
        """Work by the plan.

        PostGIS fails as a whole where a vertex cannot be projected. Tried one by one, which is slow, each can be named.
        """
        try:
            return work(self.layout.plan)
        except StatementFailed as error:
            if "transform" not in str(error):
                raise
        dialect = GuardedPostGis(self._srids.of)
        planner = partial(plan_of, self._recipe, dialect, self._inputs)
        plan = Layout.plan_for(self._source, planner, self._policies, self._inputs).plan
        for statement in chain.from_iterable(dialect.functions.values()):
            connection.execute(statement)
        return work(plan)

    def prepare(self, connection: Connection) -> None:
        """Make the tables of named inputs."""

        def made(plan: Plan) -> Prepared:
            return prepared(plan.preparations, self._inputs, lambda each: prepare(connection, each, _made))

        if self.layout.plan.preparations:
            self.layout.prepared = self.run_guarded(connection, made)

    @property
    def is_one_stage(self) -> bool:
        """Whether a chunk's rows become rows of the result at once."""
        return len(self.layout.plan.stages) == 1

    def set_aside(self, made: Sequence[pa.RecordBatch], chunk: Chunk) -> None:
        """Keep those of a chunk's rows that the first stage sets aside, by the marks that it made."""
        reasons = self.layout.plan.reasons
        for batch in made if reasons else ():
            self._aside.add(chunk.rows, chunk.first, batch.select([ROW, DROP]), reasons)

    def refused(self, error: StatementFailed, where: str, first: int) -> Exception:
        """What the data is to blame for, with the place of it; rows are counted from ``first`` on."""
        return refused(error, where if error.row is None else self.layout.locate(first + error.row))


class _PostGISProcessed(Processed):
    def __init__(self, layout: Layout, collector: ResultCollector, report: Report, aside: SetAside) -> None:
        self.schema, self.crs = layout.schema, layout.plan.relation.crs
        self.origins = layout.plan.origins
        self.changes, self.warnings, self.broken_rules = report.changes, report.warnings, report.broken_rules
        self.features, self.bbox, self._collector = collector.features, collector.bbox, collector
        self.set_aside, self._aside = aside.count, aside

    def batches(self) -> Iterator[pa.RecordBatch]:
        return self._collector.batches()

    def rejects(self) -> Iterator[pa.RecordBatch]:
        return self._aside.batches()


def _make(connection: Connection, stage: Stage) -> None:
    connection.execute(f"DROP TABLE IF EXISTS {stage.target}")  # of an attempt that failed
    connection.execute(f"CREATE UNLOGGED TABLE {stage.target} {UNLOGGED} AS {stage.select}")


def _made(connection: Connection, stage: Stage) -> Audits:
    _make(connection, stage)
    return [_audit(connection, stage)]


def _audit(connection: Connection, stage: Stage) -> tuple[int | None, ...] | None:
    if stage.audit is None:
        return None
    (found,) = connection.rows(stage.audit)
    return tuple(None if value is None else int(value) for value in found)  # sums come as text: they may be of any length
