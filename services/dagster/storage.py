"""Dagster's records in SQLite, without opening files and asking for the schema anew with every event and every look.

Dagster's own log of events makes an engine and a connection and looks at the schema, several times for one event, and waits for
the disk as often: as much as a small batch takes. And each of its storages loads all migrations whenever it is opened, some 170
modules: a quarter of a second for each run, and garbage for a long time after each look of a sensor. Here they are loaded to make
a file, not to open one. Loads nothing but Dagster, since webserver and daemon load it, too.
"""

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from dagster import Field, StringSource
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sql import get_alembic_config
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool, QueuePool
from typing_extensions import override

_BUSY_SECONDS = 30
"""Seconds to wait for another process that writes to the same file, as Dagster does."""
_KEPT_ENGINES = 16
"""Runs whose engines are kept: a webserver may be asked for any number of them."""


class _InOwnFolder:
    """A storage that lies where Dagster itself would have it, unless another folder is configured."""

    own_folder: ClassVar[str]

    @classmethod
    def config_type(cls) -> Any:
        return {"base_dir": Field(StringSource, is_required=False)}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Any:
        own = Path(os.environ.get("DAGSTER_HOME", "."), cls.own_folder)
        return cls._opened(config_value.get("base_dir", str(own)), inst_data)

    @classmethod
    def _opened(cls: Any, folder: str, inst_data: Any) -> Any:
        return cls(folder, inst_data)


class _OfOneFile(_InOwnFolder):
    """Dagster's own, which loads the migrations to make its file, not to open it."""

    name: ClassVar[str]

    @classmethod
    @override
    def _opened(cls: Any, folder: str, inst_data: Any) -> Any:
        file = f"sqlite:///{Path(folder).absolute()}/{cls.name}.db"
        if not _is_made(file):
            cls.from_local(folder)
        return cls(file, inst_data)


class EventLog(_InOwnFolder, SqliteEventLogStorage):
    """The index of all runs stays open; the file of one run is opened for each event, by which the user interface notices it.

    What was written a moment before a power cut may be gone. The ledger, which decides, has it, and ``reconcile`` shows it again.
    """

    own_folder = "history/runs"

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: dict[str, Engine] = {}
        self._known: set[str] = set()
        super().__init__(base_dir, inst_data)

    @override
    def has_table(self, table_name: str) -> bool:
        """Tables do not go away."""
        if table_name not in self._known and super().has_table(table_name):
            self._known.add(table_name)
        return table_name in self._known

    @override
    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        column = f"asset_keys.{column_name}"
        if column not in self._known and super()._has_asset_key_col_on_connection(conn, column_name):
            self._known.add(column)
        return column in self._known

    @override
    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        """Tables in a file that has none, and the newest migration's mark. Loads the migrations once, not for each file."""
        with suppress(DatabaseError), engine.connect() as connection:
            marks = MigrationContext.configure(connection)
            if marks.get_current_revision() is not None:
                return
            if not for_index_shard:
                connection.execute(text("PRAGMA journal_mode = WAL"))
                SqlEventLogStorageMetadata.create_all(connection)
                marks.stamp(_migrations(), "head")
                connection.commit()
                return
        super()._initdb(engine, for_index_shard)  # when another process is at it, too: Dagster knows how to wait for that

    @override
    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def _engine(self, shard: str) -> Engine:
        engine = self._engines.get(shard)
        if engine is None:
            while len(self._engines) >= _KEPT_ENGINES:
                del self._engines[next(name for name in self._engines if name != INDEX_SHARD_NAME)]
            engine = self._engines[shard] = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=QueuePool if shard == INDEX_SHARD_NAME else NullPool,
                connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
            )
            event.listen(engine, "connect", _relax)
        return engine


class RunStorage(_OfOneFile, SqliteRunStorage):
    """The runs, as such."""

    own_folder, name = "history", "runs"


class ScheduleStorage(_OfOneFile, SqliteScheduleStorage):
    """The looks of sensors and schedules."""

    own_folder, name = "schedules", "schedules"


def _is_made(file: str) -> bool:
    """Whether a database bears the mark of a migration, which Dagster sets last."""
    try:
        with create_engine(file, poolclass=NullPool).connect() as connection:
            return MigrationContext.configure(connection).get_current_revision() is not None
    except DatabaseError:  # its folder is missing, or another process is at it: Dagster knows what to do
        return False


@cache
def _migrations() -> ScriptDirectory:
    """Dagster's own."""
    return ScriptDirectory.from_config(get_alembic_config(inspect.getfile(SqliteEventLogStorage)))


def _relax(connection: Any, _: Any) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")
