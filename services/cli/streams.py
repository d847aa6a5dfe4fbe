"""The standard streams, such as they are: closed by whoever calls, a pipe that nobody reads any more, a file on a full disk."""

import io
import logging
import os
import sys
from typing import Any

from libs.raw_text import InertFormatter, inert


class OutputLost(Exception):  # noqa: N818 - what happened
    """What is printed reaches nobody. Unwanted: the reader of a pipe has seen enough."""

    def __init__(self, error: OSError) -> None:
        self.is_unwanted = isinstance(error, BrokenPipeError)
        super().__init__(f"The standard output cannot be written: {error.strerror}.")


class _Output(io.FileIO):
    """The standard output, whose failures are told from those of all other files."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputLost(error) from error


class _Errors(io.TextIOWrapper):
    """The standard error, which quotes what others wrote: usage errors, log lines, tracebacks."""

    def write(self, text: str) -> int:
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
    log = logging.StreamHandler(sys.stderr)
    log.setLevel(logging.WARNING)
    log.setFormatter(InertFormatter())
    logging.getLogger().addHandler(log)


def silence() -> None:
    """Send what is still to be printed nowhere: the interpreter would try it once more as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
