"""The standard streams, such as they are: closed by whoever calls, a pipe that nobody reads any more, a file on a full disk."""

import io
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from libs import logs
from libs.raw_text import inert


class _Status:
    """The line at the bottom of a terminal. Whatever else is written takes its place."""

    def __init__(self) -> None:
        self._is_shown = False
        self._lock = threading.RLock()  # a warning may be written while something else is

    def show(self, text: str, columns: int) -> None:
        from rich.cells import set_cell_size

        line = set_cell_size(inert(text), columns - 1).rstrip()
        with self._lock:
            os.write(2, f"\r{line}\x1b[K".encode(errors="replace"))
            self._is_shown = True

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nothing is shown until the context ends, nor after it until there is something new to show."""
        with self._lock:
            if self._is_shown:
                os.write(2, b"\r\x1b[K")
                self._is_shown = False
            yield


status = _Status()
_log: logs.Handler | None = None


class OutputLost(Exception):  # noqa: N818 - what happened
    """What is printed reaches nobody. Unwanted: the reader of a pipe has seen enough."""

    def __init__(self, error: OSError) -> None:
        self.is_unwanted = isinstance(error, BrokenPipeError)
        super().__init__(f"The standard output cannot be written: {error.strerror}.")


class _Output(io.FileIO):
    """The standard output, whose failures are told from those of all other files."""

    def write(self, data: Any) -> int:
        try:
            with status.away():
                return super().write(data)
        except OSError as error:
            raise OutputLost(error) from error


class _Errors(io.TextIOWrapper):
    """The standard error, which quotes what others wrote: usage errors, log lines, tracebacks."""

    def write(self, text: str) -> int:
        with status.away():
            return super().write(inert(text, keep="\n"))


def prepare() -> None:
    """Make streams of those that are closed, have the standard output raise :class:`OutputLost`, and the standard error inert.

    A terminal that cannot show a character shows a question mark instead of a traceback.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Takes the lowest number that is free, this one: the next file to be opened would, and what some library prints
            # would be written into it.
            os.open(os.devnull, os.O_RDWR)
    raw = _Output(1, "wb", closefd=False)
    encoding = sys.stdout.encoding if sys.stdout else None
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors="replace", line_buffering=raw.isatty())
    errors = io.FileIO(2, "wb", closefd=False)
    encoding = sys.stderr.encoding if sys.stderr else None
    sys.stderr = _Errors(io.BufferedWriter(errors), encoding, errors="replace", line_buffering=True)
    global _log  # noqa: PLW0603 - there is one standard error
    _log = logs.install(sys.stderr, _chosen)
    sys.excepthook = _unexpected


def writes_json() -> bool:
    """Whether the lines of the standard error are JSON documents."""
    return _log is not None and _log.is_json


def say(text: str, level: int = logging.INFO) -> None:
    """Write a text to the standard error: as it is, or as a log line where these are JSON.

    Args:
        text: May have several lines.
        level: Of the log line.
    """
    if writes_json():
        logging.getLogger(__name__).log(level, text)
    else:
        sys.stderr.write(f"{text}\n")


def _chosen() -> str:
    from pydantic import ValidationError

    from libs.models.settings import Settings

    try:
        return Settings().spatial_etl_log
    except ValidationError:  # which is about to be told
        return os.environ.get("SPATIAL_ETL_LOG", logs.TEXT)


def _unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tell of an error that nobody expected."""
    if writes_json():
        logging.getLogger(__name__).critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace))
    else:
        sys.__excepthook__(kind, error, trace)


def silence() -> None:
    """Send what is still to be printed nowhere: the interpreter would try it once more as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
