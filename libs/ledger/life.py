"""Whether the worker of a run lives. No two machines' clocks are compared: what is timed is timed by who watches.

Two things tell. A heartbeat that changes is a sign of life, whatever time it says; one that has not changed for a lease's time
on this process's own monotonic clock tells that the worker is gone, or sleeps. And on the worker's own machine, its process is
there or it is not: that is known at once.
"""

import os
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from pathlib import Path

from libs.models import Run, WorkerProcess

_REMEMBERED = 10_000
"""Things that are watched at a time, at most: those that nobody has asked for the longest are forgotten."""
_STARTED = 19
"""Position in ``/proc/<pid>/stat``, counted behind the name, of when a process began; its state stands first."""
_ENDED = frozenset("ZX")
"""States of a process that has ended, and whose parent has not noticed yet."""


class Life(StrEnum):
    """What this process knows of the worker of a run that is not decided."""

    ALIVE = "alive"
    """Its process is there, or its heartbeat has changed while it was watched."""
    UNSURE = "unsure"
    """It has not been watched for long enough, and runs on another machine."""
    GONE = "gone"
    """Its process has ended, or its heartbeat has not changed for a lease's time."""


class Watch:
    """Times how long something has looked the same to this process.

    Args:
        monotonic: Seconds, from any moment on.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: OrderedDict[str, tuple[object, float, bool]] = OrderedDict()

    def look(self, name: str, state: object) -> tuple[float, bool]:
        """Look at something.

        Args:
            name: What it is.
            state: How it looks now.

        Returns:
            For how many seconds it is known to look so, and whether it looked otherwise before.
        """
        now = self._monotonic()
        known = self._seen.pop(name, None)
        if known is None or known[0] != state:
            known = (state, now, known is not None)
        self._seen[name] = known
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return now - known[1], known[2]

    def forget(self, name: str) -> None:
        """Something is not of interest any more."""
        self._seen.pop(name, None)


class Signs:
    """The signs of life of runs, as this process sees them.

    Args:
        one_machine: Whether only processes of one machine can write to the ledger.
        monotonic: See :class:`Watch`.
    """

    def __init__(self, *, one_machine: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._one_machine, self._watch = one_machine, Watch(monotonic)

    def of(self, run: Run) -> Life:
        """Look at a run, as the ledger has it now."""
        there = None if run.process is None else exists(run.process, one_machine=self._one_machine)
        seconds, changed = self._watch.look(run.id, run.heartbeat_at)
        if there is False or seconds >= run.lease_seconds:
            return Life.GONE
        return Life.ALIVE if there or changed else Life.UNSURE

    def note(self, run: Run) -> None:
        """Look at a run when nobody wants to know yet: from now on, its heartbeat is timed."""
        self._watch.look(run.id, run.heartbeat_at)

    def forget(self, run_id: str) -> None:
        """A run is decided."""
        self._watch.forget(run_id)


def this_process() -> WorkerProcess:
    """Where the caller runs."""
    return _process(os.getpid())


def exists(process: WorkerProcess, *, one_machine: bool = False) -> bool | None:
    """Whether a process is still there; None when that cannot be known here.

    Args:
        process: As it told of itself.
        one_machine: Whether it ran on this machine for certain, perhaps before it was started anew.
    """
    here = this_process()
    if process.boot is None or here.boot is None:
        return None
    if process.boot != here.boot:
        return False if one_machine else None
    if process.namespace is None or process.namespace != here.namespace:
        return None
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another account's: it exists
    state, started = _state(process.pid)
    if state in _ENDED:
        return False
    return None in {started, process.started} or started == process.started


@cache
def _process(pid: int) -> WorkerProcess:
    return WorkerProcess(
        host=socket.gethostname(),
        pid=pid,
        boot=_read(Path("/proc/sys/kernel/random/boot_id")),
        namespace=_link(Path("/proc/self/ns/pid")),
        started=_state(pid)[1],
    )


def _state(pid: int) -> tuple[str, int | None]:
    """State of a process, and when it began; nothing of either where that is not shown, or is of other processes' numbers."""
    if _link(Path("/proc/self")) != str(os.getpid()):
        return "", None
    fields = (_read(Path(f"/proc/{pid}/stat")) or "").rpartition(")")[2].split()
    return (fields[0], int(fields[_STARTED])) if len(fields) > _STARTED else ("", None)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip() or None
    except OSError:
        return None


def _link(path: Path) -> str | None:
    try:
        return str(path.readlink())
    except OSError:
        return None
