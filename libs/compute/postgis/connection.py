"""A connection to PostgreSQL by ADBC: Arrow in and out, Ctrl-C at once, errors in the platform's words."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

# By its own interface: that of DB-API imports pandas where it is installed, for 0.3 s.
import adbc_driver_manager as adbc
import adbc_driver_postgresql
import pyarrow as pa

from libs.models import ServiceUnavailable, SpatialEtlError
from libs.models.settings import Settings

T = TypeVar("T")
CONNECT_SECONDS = 10
_SERVICE = "PostGIS"
_ADDRESS = "POSTGRES_HOST and POSTGRES_PORT, and that the server runs"
_UNAVAILABLE = {
    "53100": "the free disk space of the server that POSTGRES_HOST names",
    "53200": "the memory of the server that POSTGRES_HOST names, and SPATIAL_ETL_MEMORY_MB",
    "53300": "max_connections of the server that POSTGRES_HOST names, or run fewer workers",
    "53": "the server that POSTGRES_HOST names: it lacks something",
    "42501": "POSTGRES_USER: it needs the right to create schemas in POSTGRES_DB, which 'spatial-etl admin init' grants",
    "25006": "POSTGRES_HOST: this server is read-only, perhaps a standby",
    "57014": "POSTGRES_STATEMENT_SECONDS",
    "57": _ADDRESS,
    "08": _ADDRESS,
    "58": "the disk of the server that POSTGRES_HOST names",
    "F0": "the configuration of the server that POSTGRES_HOST names",
}
"""By SQLSTATE or its class: what makes a statement fail whatever the data, and the setting to look at."""
_NO_CONNECTION = (
    ("no password supplied", "POSTGRES_PASSWORD"),
    ("pg_hba.conf", "POSTGRES_USER, POSTGRES_DB, and the server's pg_hba.conf"),
    ("too many clients", _UNAVAILABLE["53300"]),
)
"""What is said before there is a session has no SQLSTATE. Most of it names the account or the database."""
_SAID = re.compile(r"(?:failed: |': |\]: |PGRES_\w+ )\w+:  ([^\n]+)")
"""The server's own words behind those of the driver and their severity (``ERROR:  ``), which may be in the server's language."""
_ROW = re.compile(r"^\w+:  COPY \w+, \w+ (\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Server:
    """Where a database is, and as whom to go there. What else libpq knows (TLS, say) it takes from its own PG... variables."""

    host: str
    port: int
    user: str
    password: str
    database: str

    @classmethod
    def of(cls, settings: Settings) -> "Server":
        """The server that the settings name.

        Raises:
            ServiceUnavailable: naming the setting that is missing.
        """
        if settings.postgres_host is None or settings.postgres_password is None:
            missing = "POSTGRES_HOST" if settings.postgres_host is None else "POSTGRES_PASSWORD"
            raise ServiceUnavailable(_SERVICE, f"{missing} is not set.", missing)
        password = settings.postgres_password.get_secret_value()
        return cls(settings.postgres_host, settings.postgres_port, settings.postgres_user, password, settings.postgres_db)

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port}/{self.database})"

    @property
    def conninfo(self) -> str:
        """For libpq. Secret."""
        values = {
            "host": self.host, "port": str(self.port), "user": self.user, "password": self.password, "dbname": self.database,
            "connect_timeout": str(CONNECT_SECONDS), "application_name": "spatial-etl",
        }  # fmt: skip
        return " ".join(f"{name}={_quoted(value)}" for name, value in values.items())


class StatementFailed(SpatialEtlError):  # noqa: N818 - what happened
    """A statement failed for a reason that lies in it, or in the data.

    Attributes:
        state: SQLSTATE.
        row: Of the rows that were being copied in, the one at fault, from 0.
    """

    def __init__(self, state: str, message: str, row: int | None) -> None:
        self.state, self.row = state, row
        super().__init__(message)


class Connection:
    """A session in autocommit.

    It has a thread of its own, which waits for the server, so that its caller can be interrupted: the server is then told to
    cancel the statement. One statement runs at a time.

    Raises:
        ServiceUnavailable: from every method, when it lies with the server.
    """

    def __init__(self, server: Server) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="postgres")
        self._statement: adbc.AdbcStatement | None = None
        self._reader: pa.RecordBatchReader | None = None
        self._closed = False
        self._canceled = 0  # times
        try:
            self._database, self._connection = self._call(lambda: _connect(server))
        except BaseException:
            self._thread.shutdown(wait=False)
            raise

    def execute(self, sql: str) -> None:
        """Run a statement that gives nothing."""

        def run(statement: adbc.AdbcStatement) -> None:
            statement.set_sql_query(sql)
            statement.execute_update()

        self._call(lambda: self._with_statement(run))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query of a few rows."""

        def fetch(statement: adbc.AdbcStatement) -> list[tuple[Any, ...]]:
            table = _reader(statement, sql, by_copy=False).read_all()
            return list(zip(*(column.to_pylist() for column in table.columns), strict=True)) or [()] * table.num_rows

        return self._call(lambda: self._with_statement(fetch))

    def append(self, schema: str, table: str, batch: pa.RecordBatch) -> None:
        """Copy rows into a table, in binary."""

        def ingest(statement: adbc.AdbcStatement) -> None:
            statement.set_options(
                **{
                    adbc.INGEST_OPTION_TARGET_TABLE: table,
                    adbc.StatementOptions.INGEST_TARGET_DB_SCHEMA.value: schema,
                    adbc.INGEST_OPTION_MODE: adbc.INGEST_OPTION_MODE_APPEND,
                }
            )
            statement.bind(batch)
            statement.execute_update()

        self._call(lambda: self._with_statement(ingest))

    def batches(self, sql: str) -> list[pa.RecordBatch]:
        """The rows of a query, all at once."""

        def fetch(*, by_copy: bool) -> list[pa.RecordBatch]:
            return self._with_statement(lambda statement: list(_reader(statement, sql, by_copy=by_copy)))

        def run() -> list[pa.RecordBatch]:
            canceled = self._canceled
            try:
                return fetch(by_copy=True)
            except (adbc.Error, OSError) as error:
                # COPY is faster by a third, but of a query that fails while it gives rows, the driver tells no SQLSTATE then.
                if getattr(error, "sqlstate", None) or self._canceled != canceled:
                    raise
                return fetch(by_copy=False)

        return self._call(run)

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The rows of a query as they come. Ends early when the connection is closed."""
        self._call(lambda: self._open_stream(sql))
        try:
            while (batch := self._call(self._next)) is not None:
                yield batch
        finally:
            if not self._closed:
                self.end_stream()

    def cancel(self) -> None:
        """Have the server give up what it is doing for us. Harmless when that is nothing."""
        self._canceled += 1
        statement = self._statement
        if statement is not None:
            with suppress(adbc.Error, RuntimeError, ValueError):
                statement.cancel()

    def close(self) -> None:
        """End the session. Closing twice is no error."""
        if not self._closed:
            self.end_stream()
            self._closed = True
            with suppress(ServiceUnavailable, StatementFailed):
                self._call(self._connection.close)
                self._call(self._database.close)
            self._thread.shutdown()

    def end_stream(self) -> None:
        """Let go of a stream that was not read to its end."""
        if self._reader is not None:
            self.cancel()
            with suppress(ServiceUnavailable, StatementFailed):
                self._call(self._close_stream)

    def _open_stream(self, sql: str) -> None:
        self._statement = adbc.AdbcStatement(self._connection)
        try:
            self._reader = _reader(self._statement, sql)
        except BaseException:
            self._close_stream()
            raise

    def _close_stream(self) -> None:
        reader, statement, self._reader, self._statement = self._reader, self._statement, None, None
        if reader is not None:
            reader.close()
        if statement is not None:
            statement.close()

    def _next(self) -> pa.RecordBatch | None:
        if self._reader is None:
            return None
        try:
            return self._reader.read_next_batch()
        except StopIteration:
            return None
        except (adbc.Error, OSError) as error:
            self._close_stream()
            if self._goes_on():  # COPY tells no SQLSTATE, but what only reads fails by itself for one reason
                raise ServiceUnavailable(_SERVICE, f"{_reason(error)}.", _UNAVAILABLE["57014"]) from error
            raise

    def _goes_on(self) -> bool:
        """Whether the session still answers."""
        try:
            self._with_statement(lambda statement: _reader(statement, "SELECT 1").read_all())
        except (adbc.Error, OSError):
            return False
        return True

    def _with_statement(self, use: Callable[[adbc.AdbcStatement], T]) -> T:
        with adbc.AdbcStatement(self._connection) as statement:
            self._statement = statement
            try:
                return use(statement)
            finally:
                self._statement = None

    def _call(self, work: Callable[[], T]) -> T:
        future = self._thread.submit(work)
        try:
            return future.result()
        except (adbc.Error, OSError) as error:  # a stream that is being fetched raises the latter
            raise plain(error) from error
        except KeyboardInterrupt:
            self.cancel()
            raise


def _connect(server: Server) -> tuple[adbc.AdbcDatabase, adbc.AdbcConnection]:
    try:
        database = adbc_driver_postgresql.connect(server.conninfo)
        try:
            return database, adbc.AdbcConnection(database)
        except BaseException:
            database.close()
            raise
    except adbc.Error as error:
        raise no_connection(error, server) from error


def _reader(statement: adbc.AdbcStatement, sql: str, *, by_copy: bool = True) -> pa.RecordBatchReader:
    statement.set_options(**{adbc_driver_postgresql.StatementOptions.USE_COPY.value: str(by_copy).lower()})
    statement.set_sql_query(sql)
    stream, _ = statement.execute_query()
    return pa.RecordBatchReader.from_stream(stream)


def no_connection(error: adbc.Error, server: Server) -> ServiceUnavailable:
    """What hinders a session from being begun, and the setting to change: by what the server names, whatever its language."""
    reason = _reason(error)
    settings = (
        (server.user, "POSTGRES_USER and POSTGRES_PASSWORD"),
        (server.database, "POSTGRES_DB; 'spatial-etl admin init' creates it"),
    )
    named = [setting for value, setting in settings if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", reason)]
    known = next((setting for part, setting in _NO_CONNECTION if part in reason), None)
    return ServiceUnavailable(_SERVICE, f"no connection: {reason}.", known or ", ".join(named) or _ADDRESS)


def plain(error: adbc.Error | OSError) -> ServiceUnavailable | StatementFailed:
    """What a statement failed for, and whose matter that is."""
    state, reason = getattr(error, "sqlstate", None), _reason(error)
    if not state:  # libpq's own words: the server is gone
        return ServiceUnavailable(_SERVICE, f"the connection was lost: {reason}.", _ADDRESS)
    setting = _UNAVAILABLE.get(state) or _UNAVAILABLE.get(state[:2])
    if setting is not None:
        return ServiceUnavailable(_SERVICE, f"{reason}.", setting)
    line = _ROW.search(str(error))
    return StatementFailed(state, reason, int(line[1]) - 1 if line else None)


def _reason(error: adbc.Error | OSError) -> str:
    text = str(error)
    said = _SAID.search(text)
    return (said[1] if said else re.split(r"failed: |\[libpq\] ", text)[-1].partition("\n")[0]).strip().rstrip(".")


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
