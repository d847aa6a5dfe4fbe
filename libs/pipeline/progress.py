"""Signs of progress: what a use case tells, while it works, to whoever watches."""

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """A sign of progress of a batch.

    Attributes:
        phase: ``upload``, ``fetch``, ``read``, ``write``, ``place``, ``done``; or ``watch``, of another's worker.
        subject: A file's path, a dataset's id or a worker.
        features: Features so far, where they are what moves.
        octets: Bytes so far, where they are what moves.
        of: Bytes in all.
    """

    batch_id: str
    phase: str
    subject: str
    features: int | None = None
    octets: int | None = None
    of: int = 0


Progress = Callable[[Event], None]


def no_progress(_: Event) -> None:
    """For those who do not watch."""


def counted(progress: Progress, batch_id: str, phase: str, subject: str, of: int) -> Callable[[int], None]:
    """What to tell of bytes as they are moved, so that they become events with their sum. From any thread."""
    lock, done = threading.Lock(), 0

    def moved(octets: int) -> None:
        nonlocal done
        with lock:
            done += octets
            progress(Event(batch_id, phase, subject, octets=done, of=of))

    return moved
