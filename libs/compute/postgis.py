"""PostGIS: a schema for each dataset of a run, gone when the run is.

The schema is alive as long as the session that holds its advisory lock: the server frees it however its owner ends.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from libs.compute.batching import read_ahead
from libs.compute.carriage import carried_schema
from libs.compute.columns import Carrier, Columns
from libs.compute.engine import GEOMETRY, Processed, Source, Table, Workspace, schema_name
from libs.compute.layout import Layout
from libs.compute.order import Order
from libs.compute.postgres import Connection, Server, StatementFailed
from libs.compute.rows import Rows
from libs.models import Changes, Rejected, ServiceUnavailable
from libs.spatial_utils.geoparquet import BBOX_TYPE
from libs.transformations import PostGis, Recipe
from libs.transformations.plan import ROW, SOURCE, TARGET, Stage
from libs.transformations.postgis import GuardedPostGis, epsg_code

OLDEST_POSTGRESQL, OLDEST_POSTGIS = 150_000, (3, 3)
OWN_SRIDS = range(910_000, 998_999)
"""Where definitions of CRSs without a code go in ``spatial_ref_sys``, each at a number that follows from its text."""
LONGEST_DEFINITION = 2048
"""Characters that ``spatial_ref_sys`` has room for."""
_UNLOGGED = "WITH (autovacuum_enabled = false)"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_SIDE = {side: f"ST_{side[0].upper()}{side[1:].capitalize()}(_etl_box)" for side in _SIDES}
# ISO WKB leaves out the empty parts of what is empty; extended WKB does not, and is the same for two dimensions.
_WKB = (
    f"CASE WHEN _etl_box IS NULL AND ST_Zmflag({GEOMETRY}) = 0 "
    f"THEN ST_AsEWKB({GEOMETRY}, 'NDR') ELSE ST_AsBinary({GEOMETRY}, 'NDR') END"
)
_LIMIT = 8e307
"""Coordinates beyond it bound nothing: differences of them are not finite, nor are they where they are not finite themselves."""
_LOCK_KEY = "hashtextextended({}, 0)"
_ITS_LOCK = "(l.classid::bigint << 32 | l.objid::bigint) = hashtextextended(n.nspname, 0)"
_OF_THE_DATA = {
    "22021": "a text with a NUL character",
    "22008": "a date or time out of PostgreSQL's range",
    "54": "too much of it",
}


def require_postgresql(connection: Connection) -> str:
    """The server's version.

    Raises:
        ServiceUnavailable: when it is too old.
    """
    known = "SELECT current_setting('server_version_num')::int, current_setting('server_version')"
    ((number, version),) = connection.rows(known)
    if number < OLDEST_POSTGRESQL:
        raise ServiceUnavailable("PostGIS", f"PostgreSQL {version} is too old: 15 at least.", "POSTGRES_HOST")
    return str(version)


class PostGISEngine:
    """See :class:`libs.compute.engine.ComputeEngine`.

    Args:
        server: The database, which has PostGIS.
        memory_mb: What a statement may hold before it spills to the server's disk, and the same here for its result, in MiB.
        threads: Processes of the server that work on a statement, beside the one that writes what they make (counting that
            one was slower); 0 for as many as this machine has cores.
        statement_seconds: How long a statement may take.
    """

    name = "postgis"

    def __init__(self, server: Server, *, memory_mb: int, threads: int = 0, statement_seconds: float = 3600) -> None:
        self._server, self.memory_mb = server, memory_mb
        workers = threads or len(os.sched_getaffinity(0))
        self._session = {
            "jit": "off", "TimeZone": "UTC", "DateStyle": "ISO", "client_min_messages": "error", "extra_float_digits": "1",
            "statement_timeout": f"{round(statement_seconds * 1000)}", "client_connection_check_interval": "5s",
            "work_mem": f"{max(4, memory_mb // workers)}MB",
            "max_parallel_workers_per_gather": str(workers if workers > 1 else 0),
            # A table is as large as it is: nothing is gained by a doubt whether several are worth it.
            "parallel_setup_cost": "100", "parallel_tuple_cost": "0", "min_parallel_table_scan_size": "1MB",
        }  # fmt: skip
        self._versions: dict[str, str] = {}
        self._opening = threading.Lock()
        self._closed = False

    def versions(self) -> dict[str, str]:
        """Of the server, and of the libraries behind its functions."""
        with self._opening:
            if not self._versions:
                self.connect().close()
            return dict(self._versions)

    def warm_up(self) -> None:
        """Look whether the server is there and fit. For a thread: does nothing once the engine is closed."""
        if not self._closed:
            self.versions()

    @contextmanager
    def workspace(self, run_id: str, scratch: Path) -> Iterator[Workspace]:
        """See :meth:`libs.compute.engine.ComputeEngine.workspace`."""
        with ExitStack() as open_tables:
            yield _PostGISWorkspace(self, run_id, scratch, open_tables)

    def leftovers(self) -> list[str]:
        """Schemas of this account's runs whose session is gone."""
        owner = "n.nspowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
        alive = f"SELECT FROM pg_locks AS l WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND {_ITS_LOCK}"
        here = "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        mine = f"SELECT nspname::text FROM pg_namespace AS n WHERE nspname LIKE 'proc\\_%' AND {owner}"
        sql = f"{mine} AND NOT EXISTS ({alive} {here})"
        with self._connected() as connection:
            return sorted(name for (name,) in connection.rows(sql))

    def drop(self, name: str) -> None:
        """Remove a leftover schema; one that has got an owner again is left to it."""
        with self._connected() as connection:
            if lock(connection, name):
                connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')

    def close(self) -> None:
        """Nothing is held between runs."""
        self._closed = True

    def connect(self) -> Connection:
        """A session on a server that is fit for use.

        Raises:
            ServiceUnavailable: naming the setting, when there is none.
        """
        connection = Connection(self._server)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        connection = self.connect()
        try:
            yield connection
        finally:
            connection.close()

    def _prepare(self, connection: Connection) -> None:
        postgresql = require_postgresql(connection)
        known = "SELECT extversion, nspname::text"
        extension = "LEFT JOIN pg_extension AS e ON extname = 'postgis' LEFT JOIN pg_namespace AS n ON n.oid = extnamespace"
        ((postgis, place),) = connection.rows(f"{known} FROM (VALUES (1)) AS one {extension}")
        if postgis is None:
            remedy = "POSTGRES_DB: 'spatial-etl admin init' creates the extension there, as an administrator"
            raise ServiceUnavailable("PostGIS", f"the database {self._server.database!r} is without PostGIS.", remedy)
        if tuple(map(int, postgis.split(".")[:2])) < OLDEST_POSTGIS:
            remedy = "POSTGRES_HOST, or have an administrator run 'ALTER EXTENSION postgis UPDATE' in POSTGRES_DB"
            raise ServiceUnavailable("PostGIS", f"PostGIS {postgis} is too old: 3.3 at least.", remedy)
        settings = self._session | {"search_path": f'"{place}"'}
        changes = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings.items())
        # Large values are compressed the cheap way where the server can.
        cheap = "FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)"
        connection.rows(f"SELECT set_config('default_toast_compression', 'lz4', false) {cheap}")
        libraries = "postgis_geos_version(), postgis_proj_version()"
        ((*_, geos, proj),) = connection.rows(f"SELECT {changes}, {_qualified(place, libraries)}")
        self._versions = {
            "postgresql": postgresql.split()[0], "postgis": postgis, "geos": geos.split("-")[0], "proj": proj.split()[0]
        }  # fmt: skip


class _PostGISWorkspace:
    """A schema for each dataset of the run, each with a session of its own: one may be read while another is loaded."""

    def __init__(self, engine: PostGISEngine, run_id: str, scratch: Path, open_tables: ExitStack) -> None:
        self._engine, self._run_id, self._scratch, self._open_tables = engine, run_id, scratch, open_tables
        self._count = 0

    def table(self, recipe: Recipe) -> Table:
        self._count += 1
        schema = schema_name(self._run_id, self._count)
        rows = Rows.in_share(self._scratch / f"{schema}.arrow", self._engine.memory_mb)
        table = _PostGISTable(self._engine, schema, recipe, self._scratch / schema, rows)
        self._open_tables.callback(table.close)
        return table


class _PostGISTable:
    def __init__(self, engine: PostGISEngine, schema: str, recipe: Recipe, aside: Path, result: Rows) -> None:
        self._engine, self._schema, self._recipe, self._aside, self._result = engine, schema, recipe, aside, result
        self._first: Source | None = None
        self._columns: Columns | None = None
        self._rows = 0
        self._closed = False
        self._connection = engine.connect()
        try:
            self._mark_as_alive()
            self._connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')  # of an earlier run of this name, killed
            self._connection.execute(f'CREATE SCHEMA "{schema}"')
            path = f"""set_config('search_path', '"{schema}", ' || current_setting('search_path'), false)"""
            self._connection.rows(f"SELECT {path}")
        except BaseException:
            self._connection.close()
            raise

    def _mark_as_alive(self) -> None:
        if not lock(self._connection, self._schema):
            problem = f"the schema {self._schema} is in use by another session."
            raise ServiceUnavailable("PostGIS", problem, "that one run is processed by one worker")

    def load(self, source: Source) -> int:
        carried_schema(source.schema, source.where)  # refuses what no engine keeps
        columns = self._columns or self._begin(source)
        self._layout.add(source, self._rows)
        before = self._rows
        failed: list[BaseException] = []
        reader = pa.RecordBatchReader.from_batches(self._raw, self._numbered(source, columns, failed))
        try:
            self._connection.append(self._schema, SOURCE, reader)
        except (ServiceUnavailable, StatementFailed) as error:
            if failed:
                raise failed[0] from None
            if isinstance(error, ServiceUnavailable):
                raise
            raise self._refused(error, source.where, before) from error
        if failed:
            raise failed[0]
        return self._rows - before

    def finish(self) -> Processed:
        if self._columns is None:
            raise ValueError("nothing was loaded")
        try:
            audits = self._run_stages()
        except StatementFailed as error:
            if "transform" not in str(error):
                raise
            audits = self._run_stages_guarded()
        return _PostGISProcessed(self._connection, self._layout, self._columns, self._layout.changes(audits), self._result)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._connection.cancel()
            self._result.close()
            if self._columns is not None:
                self._columns.close()
            try:
                self._drop(self._connection)
            except (ServiceUnavailable, StatementFailed):  # canceled once more, or the session is lost
                self._connection.close()
                with suppress(ServiceUnavailable, StatementFailed):  # reconciling finds the schema
                    self._engine.drop(self._schema)
            finally:
                self._connection.close()

    def _drop(self, connection: Connection) -> None:
        connection.end_stream()
        connection.execute(f'DROP SCHEMA IF EXISTS "{self._schema}" CASCADE')
        # Not left to the end of the session, of which the server learns a moment later.
        connection.rows(f"SELECT pg_advisory_unlock({_LOCK_KEY.format(_text(self._schema))})")

    def _begin(self, source: Source) -> Columns:
        self._first = replace(source, batches=())
        dialect = PostGis(self._srid_of)
        self._layout = Layout.plan_for(self._first, self._recipe, dialect)
        attributes = pa.schema([item for item in source.schema if item.name != GEOMETRY])
        self._columns = Columns(attributes, self._aside)
        own = [(dialect.known_as(name), carrier) for name, carrier in zip(attributes.names, self._columns.carriers, strict=True)]
        raw = [(ROW, Carrier("bigint", pa.int64())), *own]
        if GEOMETRY in source.schema.names:
            raw.append((GEOMETRY, Carrier("geometry", pa.binary())))
        self._raw = pa.schema([(name, carrier.arrow) for name, carrier in raw])
        columns = [f"{dialect.identifier(name)} {carrier.sql}" for name, carrier in raw]
        try:
            self._connection.execute(f"CREATE UNLOGGED TABLE {SOURCE} ({', '.join(columns)}) {_UNLOGGED}")
        except StatementFailed as error:
            raise self._refused(error, source.where, 0) from error
        if GEOMETRY in source.schema.names:
            self._connection.execute(f"ALTER TABLE {SOURCE} ALTER {GEOMETRY} SET STORAGE EXTERNAL")
        return self._columns

    def _numbered(self, source: Source, columns: Columns, failed: list[BaseException]) -> Iterator[pa.RecordBatch]:
        """Batches as ``raw_data`` takes them. The driver only says that its input failed: why, is kept."""
        try:
            for batch in read_ahead(source.batches):
                if self._closed:
                    return
                rows = pa.arange(self._rows, self._rows + batch.num_rows)
                geometry = [batch[GEOMETRY]] if GEOMETRY in self._raw.names else []
                self._rows += batch.num_rows
                yield pa.RecordBatch.from_arrays([rows, *columns.carried(batch), *geometry], schema=self._raw)
        except BaseException as error:
            failed.append(error)
            raise

    def _run_stages(self) -> list[tuple[int | None, ...] | None]:
        audits: list[tuple[int | None, ...] | None] = []
        for stage in self._layout.plan.stages:
            self._connection.execute(f"DROP TABLE IF EXISTS {stage.target}")
            self._connection.execute(f"CREATE UNLOGGED TABLE {stage.target} {_UNLOGGED} AS {self._select(stage)}")
            audits.append(self._audited(stage.audit) if stage.audit else None)
        for table in (SOURCE, *(stage.target for stage in self._layout.plan.stages[:-1])):
            self._connection.execute(f"DROP TABLE {table}")
        return audits

    def _audited(self, sql: str) -> tuple[int | None, ...]:
        (found,) = self._connection.rows(sql)
        return tuple(None if value is None else int(value) for value in found)  # sums come as text: they may be of any length

    def _run_stages_guarded(self) -> list[tuple[int | None, ...] | None]:
        """PostGIS fails as a whole where a vertex cannot be projected. Tried one by one, which is slow, each can be named."""
        if self._first is None:
            raise ValueError("nothing was loaded")
        dialect = GuardedPostGis(self._srid_of)
        self._layout.plan = Layout.plan_for(self._first, self._recipe, dialect).plan
        for function in dialect.functions.values():
            self._connection.execute(function)
        return self._run_stages()

    def _select(self, stage: Stage) -> str:
        if stage is not self._layout.plan.stages[-1] or not self._layout.has_geometry:
            return stage.select
        fenced = f"SELECT *, {PostGis.fence}_box FROM (\n{stage.select}\n) AS made"
        return f"SELECT *, Box3D({GEOMETRY}) AS _etl_box FROM (\n{fenced}\n) AS result"

    def _refused(self, error: StatementFailed, where: str, before: int) -> Exception:
        """What the data is to blame for, with the place of it."""
        known = _OF_THE_DATA.get(error.state) or _OF_THE_DATA.get(error.state[:2])
        if known is None and error.row is None:
            return error
        return Rejected.because(
            "not_storable",
            where if error.row is None else self._layout.locate(before + error.row),
            f"PostGIS cannot keep it as it is: {f'{known} ({error})' if known else error}.",
            "Correct it, or have the batch processed on DuckDB, which keeps it (POSTGRES_HOST not set).",
        )

    def _srid_of(self, crs: str) -> int | None:
        """See :class:`libs.transformations.PostGis`. A definition that has no number there gets one, if we may."""
        crs = "EPSG:4326" if crs == "OGC:CRS84" else crs
        authority, _, code = crs.partition(":")
        if code.isdecimal():
            found = self._connection.rows(
                f"SELECT srid FROM spatial_ref_sys WHERE upper(auth_name) = {_text(authority.upper())} AND auth_srid = {code}"
            )
            if found or epsg_code(crs) is None:
                return int(found[0][0]) if found else None
            return None
        return self._own_srid(crs) if len(crs) <= LONGEST_DEFINITION else None

    def _own_srid(self, definition: str) -> int | None:
        text = _text(definition)
        first = f"{OWN_SRIDS.start} + abs(hashtextextended({text}, 0) % {len(OWN_SRIDS)})"
        entry = f"INSERT INTO spatial_ref_sys (srid, srtext) SELECT {first}, {text} ON CONFLICT DO NOTHING"
        with suppress(ServiceUnavailable):  # without the right to, it is named by its text, which is slow
            self._connection.execute(entry)
        found = self._connection.rows(f"SELECT srid FROM spatial_ref_sys WHERE srid = {first} AND srtext = {text}")
        return int(found[0][0]) if found else None


class _PostGISProcessed:
    """The server gives the rows as they lie there; their order is found here, from little of each."""

    def __init__(self, connection: Connection, layout: Layout, columns: Columns, changes: Changes, result: Rows) -> None:
        self._layout, self._columns, self._result, self._order = layout, columns, result, Order()
        self.schema, self.crs, self.changes = layout.schema, layout.plan.relation.crs, changes
        self._take_in(connection)
        self.features, self.bbox = self._order.rows, self._order.bbox

    def batches(self) -> Iterator[pa.RecordBatch]:
        return self._result.in_order(self._order.places())

    def _take_in(self, connection: Connection) -> None:
        names = [PostGis().identifier(name) for name in self._layout.attributes]
        attributes = len(names)
        if self._layout.has_geometry:
            names += [f"{_WKB} AS {GEOMETRY}", *(f"{sql} AS _etl_{side}" for side, sql in _SIDE.items())]
        marks = len(names)
        sql = f"SELECT {', '.join([*names, *self._layout.plan.order])} FROM {TARGET} WHERE {self._layout.kept}"
        for batch in connection.stream(sql):
            columns = [
                self._columns.restored(column, type_)
                for column, type_ in zip(batch.columns[:attributes], self.schema.types, strict=False)
            ]
            boxes = None
            if self._layout.has_geometry:
                geometry, *sides = batch.columns[attributes:marks]
                boxes = pa.StructArray.from_arrays(_bounding(sides), fields=list(BBOX_TYPE), mask=geometry.is_null())
                columns += [geometry, boxes]
            self._result.put(pa.RecordBatch.from_arrays(columns, schema=self.schema))
            self._order.add(boxes, batch.columns[marks:])
        connection.execute(f"DROP TABLE {TARGET}")


def _bounding(sides: list[pa.Array]) -> list[pa.Array]:
    """The sides of those boxes that bound something; nulls of others."""
    they_do = reduce(pc.and_, [pc.less(pc.abs(side), _LIMIT) for side in sides])
    return [pc.if_else(they_do, side, None) for side in sides]


def lock(connection: Connection, schema: str) -> bool:
    """Mark a schema as alive for as long as a session lasts; False when another session has done so."""
    return bool(connection.rows(f"SELECT pg_try_advisory_lock({_LOCK_KEY.format(_text(schema))})")[0][0])


def _text(value: str) -> str:
    return PostGis().text(value)


def _qualified(schema: str, functions: str) -> str:
    return functions.replace("postgis_", f'"{schema}".postgis_')
