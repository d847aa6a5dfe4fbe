"""A line that says what is being done, how far it is and how long it will take, for whoever waits at a terminal."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from libs.logs import extra
from services.cli import streams

if TYPE_CHECKING:
    from libs.pipeline.progress import Event, Progress

_LOG = logging.getLogger(__name__)

QUICK = 0.4
"""Seconds that pass before anything is shown: what is over by then needs no line, nor the time to draw it."""
OFTEN = 0.2
"""Seconds between two drawings."""
CERTAIN = 1.0
"""Seconds after which a rate says something."""

VERBS = {
    "upload": "uploading", "fetch": "fetching", "compare": "comparing with what was processed before:", "read": "reading",
    "write": "writing", "place": "placing", "done": "done with",
    "watch": "waiting for a sign of life of",
}  # fmt: skip


OF_DATASETS = {"write", "place"}
"""Phases whose subject is a dataset."""


def described(event: "Event", seconds: float) -> str:
    """An event in words.

    Args:
        event: The last one of its phase and subject.
        seconds: Since the first one of these.
    """
    from services.cli import output

    said = [f"{event.batch_id}: {VERBS.get(event.phase, event.phase)} {event.subject.rsplit('/', 1)[-1]}"]
    if event.octets is not None:
        said.append(f"{output.size(event.octets)} of {output.size(event.of)}")
        if seconds > CERTAIN and 0 < event.octets < event.of:
            rate = event.octets / seconds
            said += [f"{output.size(int(rate))}/s", f"{output.seconds(max(event.of - event.octets, 0) / rate)} left"]
        return "  ".join(said)
    if event.features is not None:
        said.append(output.count(event.features, "feature"))
        if seconds > CERTAIN and event.phase == "read":
            said.append(f"{int(event.features / seconds):,}/s")
    if seconds > CERTAIN:
        said.append(output.seconds(seconds))
    return "  ".join(said)


class _Line:
    """Keeps the last event, and draws it now and then."""

    def __init__(self) -> None:
        self._event: Event | None = None
        self._since = time.monotonic()
        self._over = threading.Event()
        self._drawing = threading.Thread(target=self._draw, name="progress", daemon=True)
        self._drawing.start()

    def __call__(self, event: "Event") -> None:
        before = self._event
        if before is None or (before.phase, before.subject) != (event.phase, event.subject):
            self._since = time.monotonic()
        self._event = event

    def _draw(self) -> None:
        pause = QUICK
        while not self._over.wait(pause):
            pause, event = OFTEN, self._event
            if event is not None:
                streams.status.show(described(event, time.monotonic() - self._since), shutil.get_terminal_size().columns)

    def stop(self) -> None:
        self._over.set()
        self._drawing.join()
        with streams.status.away():
            pass


class _Logged:
    """A log line for each step of a batch."""

    def __init__(self) -> None:
        self._last = ("", "", "")

    def __call__(self, event: "Event") -> None:
        now = (event.batch_id, event.phase, event.subject)
        if now != self._last:
            self._last = now
            fields = {"batch_id": event.batch_id, "phase": event.phase, "subject": event.subject}
            if event.phase in OF_DATASETS:
                fields["dataset_id"] = event.subject
            _LOG.info("%s %s", VERBS.get(event.phase, event.phase), event.subject, extra=extra(**fields))


@contextmanager
def shown(*, quiet: bool = False) -> Iterator["Progress"]:
    """What to give to a use case so that its events are shown: at a terminal and unless ``quiet``; in logs that are JSON."""
    if streams.writes_json():
        yield _Logged()
        return
    if quiet or not os.isatty(2) or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    line = _Line()
    try:
        yield line
    finally:
        line.stop()
