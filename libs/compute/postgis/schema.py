"""Schemas of runs in PostgreSQL, each alive as long as the session that holds its advisory lock.

The server frees the lock however its owner ends. Knows nothing of what is in a schema.
"""

from collections.abc import Callable
from contextlib import closing, suppress

from libs.compute.postgis.connection import Connection, StatementFailed
from libs.models import ServiceUnavailable
from libs.transformations import PostGis

_LOCK_KEY = "hashtextextended({}, 0)"
_ITS_LOCK = "(l.classid::bigint << 32 | l.objid::bigint) = hashtextextended(n.nspname, 0)"


class OwnSchema:
    """A session with a schema of its own, empty at first, in which it makes and finds its tables.

    Args:
        connect: Begins a session.
        name: What an earlier run that was killed has left under it is dropped.

    Raises:
        ServiceUnavailable: when another session has it.
    """

    def __init__(self, connect: Callable[[], Connection], name: str) -> None:
        self._connect, self.name = connect, name
        self._closed = False
        self.connection = connect()
        try:
            self._mark_as_alive()
            self.connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')
            self.connection.execute(f'CREATE SCHEMA "{name}"')
            path = f"""set_config('search_path', '"{name}", ' || current_setting('search_path'), false)"""
            self.connection.rows(f"SELECT {path}")
        except BaseException:
            self.connection.close()
            raise

    def close(self) -> None:
        """Drop the schema and end the session. Closing twice is no error; what cannot be dropped is left to reconciling."""
        if self._closed:
            return
        self._closed = True
        try:
            self.connection.end_stream()
            self.connection.execute(f'DROP SCHEMA IF EXISTS "{self.name}" CASCADE')
            # Not left to the end of the session, of which the server learns a moment later.
            self.connection.rows(f"SELECT pg_advisory_unlock({_LOCK_KEY.format(_text(self.name))})")
        except (ServiceUnavailable, StatementFailed):  # canceled once more, or the session is lost
            self.connection.close()
            with suppress(ServiceUnavailable, StatementFailed), closing(self._connect()) as another:
                drop(another, self.name)
        finally:
            self.connection.close()

    def _mark_as_alive(self) -> None:
        if not _lock(self.connection, self.name):
            problem = f"the schema {self.name} is in use by another session."
            raise ServiceUnavailable("PostGIS", problem, "that one run is processed by one worker")


def leftovers(connection: Connection) -> list[str]:
    """Names of schemas of this account's runs whose session is gone."""
    owner = "n.nspowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
    alive = f"SELECT FROM pg_locks AS l WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND {_ITS_LOCK}"
    here = "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    mine = f"SELECT nspname::text FROM pg_namespace AS n WHERE nspname LIKE 'proc\\_%' AND {owner}"
    return sorted(name for (name,) in connection.rows(f"{mine} AND NOT EXISTS ({alive} {here})"))


def drop(connection: Connection, name: str) -> None:
    """Remove a leftover; one that has got an owner again is left to it."""
    if _lock(connection, name):
        connection.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


def _lock(connection: Connection, name: str) -> bool:
    """Mark a schema as alive for as long as a session lasts; False when another session has done so."""
    return bool(connection.rows(f"SELECT pg_try_advisory_lock({_LOCK_KEY.format(_text(name))})")[0][0])


def _text(value: str) -> str:
    return PostGis().text(value)
