"""The document store in one SQLite file."""

import os
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from libs.ledger.encoding import decode, encode
from libs.ledger.store import GROUP, ORDERED_BY, Document, groups
from libs.models import DamagedDocument, ServiceUnavailable

_PATIENCE = 60.0
"""Seconds to wait for another process that is writing. Writes take milliseconds; a stopped machine takes longer."""

_HIGHEST = "\U0010ffff"
"""Comes after every character that an ``_id`` may hold."""

_BODY = "CAST(body AS BLOB)"
"""A document's text, even if it is none any more."""

_PAGE = 256
"""Documents read at once."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS documents (collection TEXT, id TEXT, body TEXT NOT NULL, UNIQUE (collection, id))",
    *(
        f"CREATE INDEX IF NOT EXISTS {collection}_by_time ON documents"
        f" (json_extract(body, '$.{field}'), id) WHERE collection = '{collection}'"
        for collection, field in ORDERED_BY.items()
    ),
)


class SqliteStore:
    """A file in WAL mode: readers never wait, writers take turns, and every insert is on the disk when it returns.

    The folder must be on a local disk: WAL needs shared memory between the processes.

    A file that may not be written to, or lies in such a folder, is read: nothing is made beside it.

    Args:
        path: The file; made, with its folder, when it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_only = path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK))
        self._seen: tuple[int, int, bool] | None = None
        self._lock = threading.RLock()
        self._process = -1
        self._connection: sqlite3.Connection | None = None
        with self._connected():
            pass

    def insert(self, collection: str, identity: str, document: Document) -> bool:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        row = (collection, identity, encode(document))
        with self._connected() as connection:
            return connection.execute("INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row).rowcount == 1

    def insert_missing(self, documents: Iterable[tuple[str, str, Document]]) -> None:
        """See :class:`~libs.ledger.store.DocumentStore`. Not synced by itself, but with the next insert: it can be made again."""
        for group in groups(documents, GROUP):
            rows = [(collection, identity, encode(document)) for collection, identity, document in group]
            with self._connected() as connection:
                connection.execute("PRAGMA synchronous = NORMAL")
                try:
                    with _transaction(connection):
                        connection.executemany("INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows)
                finally:
                    connection.execute("PRAGMA synchronous = FULL")

    def insert_new(self, collection: str, documents: Mapping[str, Document]) -> set[str]:
        """See :class:`~libs.ledger.store.DocumentStore`. One transaction: one sync for all."""
        rows = [(collection, identity, encode(document)) for identity, document in documents.items()]
        with self._connected() as connection, _transaction(connection):
            sql = "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
            return {row[1] for row in rows if connection.execute(sql, row).rowcount == 1}

    def check_size(self, document: Document) -> None:
        """See :class:`~libs.ledger.store.DocumentStore`. SQLite keeps a gigabyte."""

    def remove(self, collection: str, identities: Iterable[str]) -> None:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        with self._connected() as connection, _transaction(connection):
            rows = ((collection, identity) for identity in identities)
            connection.executemany("DELETE FROM documents WHERE collection = ? AND id = ?", rows)

    def touch(self, collection: str, identity: str, fields: Document) -> None:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        document = self.get(collection, identity)
        if document is not None:
            row = (encode(document | fields), collection, identity)
            with self._connected() as connection:
                connection.execute("UPDATE documents SET body = ? WHERE collection = ? AND id = ?", row)

    def get(self, collection: str, identity: str) -> Document | None:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        with self._connected() as connection:
            sql = f"SELECT {_BODY} FROM documents WHERE collection = ? AND id = ?"
            row = connection.execute(sql, (collection, identity)).fetchone()
        return _decoded(collection, identity, row[0]) if row else None

    def ids(self, collection: str, prefix: str = "") -> Iterator[str]:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        with self._connected() as connection:
            sql = "SELECT id FROM documents WHERE collection = ? AND id >= ? AND id < ? ORDER BY id"
            rows = connection.execute(sql, (collection, prefix, prefix + _HIGHEST)).fetchall()
        return (identity for (identity,) in rows)

    def find(
        self,
        collection: str,
        *,
        prefix: str = "",
        where: Mapping[str, str] | None = None,
        latest: bool = False,
        limit: int | None = None,
    ) -> Iterator[tuple[str, Document]]:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        conditions = [f"collection = '{collection}'", "id >= :_low", "id < :_high"]
        values = {"_low": prefix, "_high": prefix + _HIGHEST}
        for field, value in (where or {}).items():
            conditions.append(f"json_extract(body, '$.{field}') = :{field}")
            values[field] = value
        time, order, beyond, source = "NULL", "id", "id > :_id", "documents"
        if latest:
            time = f"json_extract(body, '$.{ORDERED_BY[collection]}')"
            order, beyond = f"{time} DESC, id DESC", f"({time}, id) < (:_time, :_id)"
            source = f"documents INDEXED BY {collection}_by_time"  # left to itself, SQLite sorts the whole collection
        left = sys.maxsize if limit is None else limit
        while left > 0:
            # Page by page: a statement left open would hold its snapshot, from which this connection could not write.
            size = min(left, _PAGE)
            sql = f"SELECT {time}, id, {_BODY} FROM {source} WHERE {' AND '.join(conditions)} ORDER BY {order} LIMIT {size}"
            with self._connected() as connection:
                rows = connection.execute(sql, values).fetchall()
            yield from ((identity, _decoded(collection, identity, body)) for _, identity, body in rows)
            if len(rows) < size:
                return
            left -= size
            if beyond not in conditions:
                conditions.append(beyond)
            values["_time"], values["_id"], _ = rows[-1]

    @property
    def one_machine(self) -> bool:
        """Yes: the write-ahead log needs memory that the processes share."""
        return True

    @property
    def place(self) -> str:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        return f"the SQLite file {self.path.resolve()} on {socket.gethostname()}"

    def describe(self) -> str:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        return f"SQLite {sqlite3.sqlite_version}, {self.path}"

    def close(self) -> None:
        """See :class:`~libs.ledger.store.DocumentStore`."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """The process's connection, one thread at a time."""
        try:
            with self._lock:
                if self._connection is None or self._process != os.getpid() or self._was_written():
                    self._inherited = self._connection  # of the process that forked this one: neither used nor closed here
                    self._connection, self._process = self._open(), os.getpid()
                yield self._connection
        except (sqlite3.OperationalError, sqlite3.DatabaseError, OSError) as error:
            if self._read_only:
                raise ServiceUnavailable(f"the ledger {self.path}", self._reading_failed(error), "the rights to it") from error
            raise ServiceUnavailable(f"the ledger {self.path}", f"{error}.", "SPATIAL_ETL_HOME") from error

    def _reading_failed(self, error: Exception) -> str:
        if "readonly" in str(error):
            return (
                "it may only be read here: the file or its folder is not writable for this account. "
                "`status`, `datasets`, `show`, `lineage` and `verify` work; run all else where it may be written to."
            )
        if self._wal.exists():
            return (
                f"{error}. It was not closed, and its last changes in {self._wal.name} cannot be read without writing: run "
                "`spatial-etl status` once where it may be written to."
            )
        return f"{error}."

    @property
    def _wal(self) -> Path:
        return self.path.with_name(f"{self.path.name}-wal")

    def _was_written(self) -> bool:
        """Whether others have written to a file that was opened as one that does not change."""
        return self._seen is not None and self._seen != self._look()

    def _look(self) -> tuple[int, int, bool]:
        status = self.path.stat()
        return status.st_mtime_ns, status.st_size, self._wal.exists()

    def _open_to_read(self) -> sqlite3.Connection:
        """Where nothing can be made beside the file, SQLite reads it alone. Somebody who writes has made a log there."""
        look = self._look()
        self._seen = None if self._wal.exists() else look
        how = "mode=ro" if self._seen is None else "mode=ro&immutable=1"
        uri = f"{self.path.resolve().as_uri()}?{how}"
        return sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)

    def _open(self) -> sqlite3.Connection:
        if self._read_only:
            return self._open_to_read()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            _patiently(connection, "PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
            if not {"documents", *(f"{collection}_by_time" for collection in ORDERED_BY)} <= tables:
                connection.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA:
                    connection.execute(statement)
                connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection


def _decoded(collection: str, identity: str, body: bytes) -> Document:
    try:
        return decode(body.decode())
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise DamagedDocument(f"the record {collection}/{identity}", str(error)) from error


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Run a statement that SQLite fails at once, whatever its timeout, while others open the same new file."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
