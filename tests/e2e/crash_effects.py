"""The external effects of a process, met where they leave Python, none forgotten, and nothing of it in the product.

An external effect is whatever outlasts the process: a file made, written, synced, linked, renamed or removed, a process started,
a request that changes a bucket, a command or statement that changes a database.
"""

import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from typing import Any

import adbc_driver_manager as adbc
from pymongo import monitoring

_FILE_EVENTS = {"os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.truncate", "subprocess.Popen"}
_UNAUDITED = ("write", "copy_file_range", "fsync")
_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_METHODS = (b"PUT ", b"POST ", b"DELETE ")
_CHANGES = ("INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "TRUNCATE", "BEGIN", "COMMIT")
_COMMANDS = {"insert", "update", "delete", "create", "createIndexes", "drop"}


class Effects(monitoring.CommandListener):
    """Meets all external effects of this process from now on; there is no way back.

    Args:
        before: Called before each of them, with its number, from 1, and its name.

    Attributes:
        trail: Their names.
    """

    def __init__(self, before: Callable[[int, str], None]) -> None:
        self.trail: list[str] = []
        self._before, self._lock = before, threading.Lock()
        sys.addaudithook(self._on_audit)
        for name in _UNAUDITED:
            setattr(os, name, self._met(f"os.{name}", getattr(os, name)))
        self._meet_sqlite()
        self._meet_postgresql()
        monitoring.register(self)

    def happens(self, what: str) -> None:
        """Something is about to be done."""
        with self._lock:
            self.trail.append(what)
            number = len(self.trail)
        self._before(number, what)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """A command for MongoDB is about to be sent."""
        if event.command_name in _COMMANDS:
            self.happens(f"{event.command_name} {event.command[event.command_name]}")

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """See :meth:`started`."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """See :meth:`started`."""

    def _on_audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _FILE_EVENTS or (event == "open" and arguments[2] & _FOR_WRITING):
            self.happens(f"{event} {arguments[0]}")
        elif event == "http.client.send":
            data = arguments[1]
            if isinstance(data, bytes) and data.startswith(_METHODS):
                self.happens(data[:200].partition(b" HTTP")[0].decode())

    def _on_statement(self, sql: str) -> None:
        if sql.startswith(_CHANGES) or "_advisory_" in sql:
            self.happens(" ".join(sql[:60].split()))

    def _met(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def met(*arguments: Any, **options: Any) -> Any:
            self.happens(name)
            return function(*arguments, **options)

        return met

    def _meet_sqlite(self) -> None:
        connect = sqlite3.connect

        def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection = connect(*arguments, **options)
            connection.set_trace_callback(self._on_statement)
            return connection

        sqlite3.connect = traced  # type: ignore[assignment]

    def _meet_postgresql(self) -> None:
        effects = self

        class MetStatement(adbc.AdbcStatement):
            """Says what it is about to have the server do."""

            def set_sql_query(self, sql: str) -> None:
                effects._on_statement(sql)
                super().set_sql_query(sql)

            def set_options(self, **options: Any) -> None:
                if adbc.INGEST_OPTION_TARGET_TABLE in options:
                    effects.happens(f"COPY {options[adbc.INGEST_OPTION_TARGET_TABLE]}")
                super().set_options(**options)

        adbc.AdbcStatement = MetStatement
