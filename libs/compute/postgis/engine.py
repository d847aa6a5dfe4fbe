"""PostGIS: its sessions, and the messages when it cannot be used. :mod:`libs.compute.postgis.dataset` uses the sessions."""

import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Self

from libs.compute.engine import Capabilities, DatasetBuilder, Source, Workspace, default_threads, schema_name
from libs.compute.postgis import schema
from libs.compute.postgis.connection import Connection, Server
from libs.compute.postgis.dataset import PostGISDatasetBuilder
from libs.compute.postgis.inputs import PostGISInputs
from libs.compute.postgis.schema import OwnSchema
from libs.compute.rows import Rows
from libs.compute.set_aside import SetAside
from libs.models import Policies, ServiceUnavailable
from libs.models.settings import Settings
from libs.transformations import Recipe

OLDEST_POSTGRESQL, OLDEST_POSTGIS = 150_000, (3, 3)


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
        memory_mb: What statements may hold before they spill to the server's disk, and the same here for their result, in MiB.
        threads: Sessions that work side by side, and further processes of the server on a statement that must see all rows; 0 for
            as many as this machine has cores, as far as memory goes.
        statement_seconds: How long a statement may take.
    """

    capabilities = Capabilities(name="postgis")

    def __init__(self, server: Server, *, memory_mb: int, threads: int = 0, statement_seconds: float = 3600) -> None:
        self._server, self.memory_mb = server, memory_mb
        self.sessions = threads or default_threads(memory_mb)
        self._session = {
            "jit": "off", "TimeZone": "UTC", "DateStyle": "ISO", "client_min_messages": "error", "extra_float_digits": "1",
            "statement_timeout": f"{round(statement_seconds * 1000)}", "client_connection_check_interval": "5s",
            "work_mem": f"{max(4, memory_mb // self.sessions)}MB", "max_parallel_workers_per_gather": "0",
            # A table is as large as it is: nothing is gained by a doubt whether several are worth it.
            "parallel_setup_cost": "100", "parallel_tuple_cost": "0", "min_parallel_table_scan_size": "1MB",
        }  # fmt: skip
        self._versions: dict[str, str] = {}
        self._ready: list[Connection] = []
        self._opening = threading.Lock()
        self._closed = False

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """See :meth:`libs.compute.engine.ComputeEngine.from_settings`."""
        return cls(
            Server.of(settings),
            memory_mb=settings.spatial_etl_memory_mb,
            threads=settings.spatial_etl_threads,
            statement_seconds=settings.postgres_statement_seconds,
        )

    def describe(self) -> str:
        """The versions of the server and its libraries, and where the server is."""
        return f"{', '.join(f'{name} {version}' for name, version in self.versions().items())} on {self._server.host}"

    def versions(self) -> dict[str, str]:
        """Of the server, and of the libraries behind its functions."""
        with self._opening:
            if not self._versions:
                self._keep(self._opened())
            return dict(self._versions)

    def warm_up(self) -> None:
        """Look whether the server is there and fit, and begin the sessions that the next run will take.

        For a thread: leaves nothing open once the engine is closed.
        """
        self.versions()
        for _ in range(len(self._ready), self.sessions):
            connection = self._opened()
            with self._opening:
                self._keep(connection)

    @contextmanager
    def workspace(self, run_id: str, scratch: Path) -> Iterator[Workspace]:
        """See :meth:`libs.compute.engine.ComputeEngine.workspace`."""
        with ExitStack() as open_datasets:
            open_datasets.callback(self._end_ready)
            yield _PostGISWorkspace(self, run_id, scratch, open_datasets)

    def leftovers(self) -> list[str]:
        """Schemas of this account's runs whose session is gone."""
        with closing(self.connect()) as connection:
            return schema.leftovers(connection)

    def drop(self, name: str) -> None:
        """Remove a leftover schema; one that has got an owner again is left to it."""
        with closing(self.connect()) as connection:
            schema.drop(connection, name)

    def close(self) -> None:
        """Nothing is held between runs; but one may have been prepared for that did not come."""
        self._closed = True
        self._end_ready()

    def connect(self) -> Connection:
        """A session on a server that is fit for use, which nobody has used before.

        Raises:
            ServiceUnavailable: naming the setting, when there is none.
        """
        with self._opening:
            while self._ready:
                connection = self._ready.pop()
                with suppress(ServiceUnavailable), ExitStack() as otherwise:
                    otherwise.callback(connection.close)
                    connection.rows("SELECT")  # the server may have been started again since
                    otherwise.pop_all()
                    return connection
        return self._opened()

    def _keep(self, connection: Connection) -> None:
        if self._closed:
            connection.close()
        else:
            self._ready.append(connection)

    def _end_ready(self) -> None:
        with self._opening:
            while self._ready:
                self._ready.pop().close()

    def _opened(self) -> Connection:
        connection = Connection(self._server)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

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
    """The run's schemas, numbered as they come: one for each session that works on one of its datasets."""

    def __init__(self, engine: PostGISEngine, run_id: str, scratch: Path, open_datasets: ExitStack) -> None:
        self._engine, self._run_id, self._scratch, self._open_datasets = engine, run_id, scratch, open_datasets
        self._numbers, self._tables = count(1), count(1)
        self._inputs = PostGISInputs(self._new_schema, scratch / schema_name(run_id, 0))
        open_datasets.callback(self._inputs.close)

    def add_input(self, name: str, source: Source, columns: Collection[str] | None = None) -> int:
        return self._inputs.add(name, source, columns)

    def drop_input(self, name: str) -> None:
        self._inputs.drop(name)

    def dataset(self, recipe: Recipe, policies: Policies | None = None) -> DatasetBuilder:
        path = self._scratch / schema_name(self._run_id, next(self._tables))
        rows = Rows.in_share(path.with_name(f"{path.name}.arrow"), self._engine.memory_mb)
        aside = SetAside(Rows.aside(path.with_name(f"{path.name}.aside.arrow")))
        builder = PostGISDatasetBuilder(
            self._new_schema, recipe, policies, self._inputs.loaded, rows, aside, path, self._engine.sessions
        )
        self._open_datasets.callback(builder.close)
        return builder

    def _new_schema(self) -> OwnSchema:
        return OwnSchema(self._engine.connect, schema_name(self._run_id, next(self._numbers)))


def _qualified(schema: str, functions: str) -> str:
    return functions.replace("postgis_", f'"{schema}".postgis_')
