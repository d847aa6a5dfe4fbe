"""Log lines: texts for people, or a JSON document a line for programs that collect them.

A leaf: every layer imports it. Each line in JSON says which batch it speaks of, see :func:`about`.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from libs.raw_text import InertFormatter, inert_json

TEXT, JSON = "text", "json"

_about: ContextVar[dict[str, str]] = ContextVar("about", default={})  # noqa: B039 - never changed in place


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """What the lines of this thread speak of until the context ends: ``batch_id``, ``run_id``, ``dataset_id``."""
    token = _about.set(_about.get() | fields)
    try:
        yield
    finally:
        _about.reset(token)


def extra(**fields: Any) -> dict[str, Any]:
    """Further fields of one line: to be given to a logger as ``extra``."""
    return {"fields": fields}


class JsonFormatter(logging.Formatter):
    """A line of JSON: time, level, message, what it is about, and a traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_about.get(),
            **getattr(record, "fields", {}),
            "logger": record.name,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return inert_json(json.dumps(line, default=str, ensure_ascii=False))


class Handler(logging.StreamHandler[TextIO]):
    """Writes warnings and errors as text; as JSON, also what is done.

    Args:
        stream: Where to.
        chosen: Gives ``text`` or ``json``; asked when there is a first line.
    """

    def __init__(self, stream: TextIO, chosen: Callable[[], str]) -> None:
        super().__init__(stream)
        self._chosen = chosen
        self._is_json: bool | None = None

    @property
    def is_json(self) -> bool:
        """Whether lines are JSON."""
        if self._is_json is None:
            self._is_json = False  # of what is said while the choice is looked up
            self._is_json = self._chosen() == JSON
            self.setFormatter(JsonFormatter() if self._is_json else InertFormatter())
        return self._is_json

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written."""
        return record.levelno >= (logging.INFO if self.is_json else logging.WARNING)


def install(stream: TextIO, chosen: Callable[[], str]) -> Handler:
    """Write the log lines of this process. See :class:`Handler`."""
    handler = Handler(stream, chosen)
    logging.getLogger().addHandler(handler)
    for package in ("libs", "services"):
        logging.getLogger(package).setLevel(logging.INFO)
    return handler
