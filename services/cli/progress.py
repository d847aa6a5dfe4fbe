"""A line that says what is being done, for whoever waits at a terminal."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.status import Status

    from libs.pipeline.stack import Event, Progress

QUICK = 0.4
"""Seconds that pass before anything is shown: what is over by then needs no line, nor the time to draw it."""

VERBS = {
    "compare": "comparing with what was processed before:",
    "read": "reading",
    "write": "writing",
    "place": "placing",
    "done": "done with",
}


class _Line:
    def __init__(self) -> None:
        self.started = time.monotonic()
        self.status: Status | None = None

    def __call__(self, event: "Event") -> None:
        if self.status is None and time.monotonic() - self.started < QUICK:
            return
        from services.cli import output

        subject = event.subject.rsplit("/", 1)[-1]
        message = output.text(f"{event.batch_id}: {VERBS.get(event.phase, event.phase)} {subject}")
        if event.features is not None:
            message.append(f"  {output.count(event.features, 'feature')}", "dim")
        if self.status is None:
            self.status = output.console().status(message, spinner="line")
            self.status.start()
        else:
            self.status.update(message)

    def stop(self) -> None:
        if self.status is not None:
            self.status.stop()


@contextmanager
def shown(*, quiet: bool = False) -> Iterator["Progress"]:
    """What to give to a use case so that its events are shown: at a terminal and unless ``quiet``; nothing elsewhere."""
    if quiet or not sys.stdout.isatty():
        yield lambda _: None
        return
    line = _Line()
    try:
        yield line
    finally:
        line.stop()
