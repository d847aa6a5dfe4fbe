"""Processes that outlive whoever started them, and are ended by nobody but who can prove to have started them."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from services.local.service import LocalServiceError, Memory

_STARTS, _ENDS = 60.0, 30.0
"""Seconds that a server may take to come up (it may have to recover from a crash), and to end in good order."""

_TAIL = 15
"""Lines of a log that a message shows."""

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Those that this very process started: it must fetch their exit, or they stay as zombies."""


class Daemon:
    """One process of a service, remembered by its id and the time of its start: ids are given again, the two together are not."""

    def __init__(self, name: str, memory: Memory, log: Path) -> None:
        self._name, self._memory, self.log = name, memory, log

    @property
    def running(self) -> bool:
        """Whether the process that was started last still runs."""
        return self._pid is not None

    def start(self, command: Sequence[str | Path], environment: Mapping[str, str], folder: Path, user: str | None = None) -> None:
        """Start it in the background, its output going to its log."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", **environment}, start_new_session=True,
                user=user, group=user, extra_groups=None if user is None else [],
            )  # fmt: skip
        _children[process.pid] = process
        started = _started(process.pid)
        self._memory.set(self._name, None if started is None else [process.pid, started])

    def wait_until(self, answers: Callable[[], bool]) -> None:
        """Wait for a server to answer.

        Raises:
            LocalServiceError: with the end of its log, when it ended instead or takes too long. It is ended then.
        """
        deadline = time.monotonic() + _STARTS
        while not answers():
            if not self.running or time.monotonic() > deadline:
                how = f"did not answer within {_STARTS:.0f} seconds" if self.running else "ended at once"
                self.kill()
                tail = "\n  ".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:])
                raise LocalServiceError(f"{self._name} {how}. The end of its log, {self.log}:\n  {tail}")
            time.sleep(0.03)

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and see that it does."""
        pid = self._pid
        if pid is not None:
            os.kill(pid, sign)
            deadline = time.monotonic() + _ENDS
            while self.running and time.monotonic() < deadline:
                time.sleep(0.01)
        self.kill()

    def kill(self) -> None:
        """End it, and what it started, without asking."""
        pid = self._pid
        if pid is None:
            return
        # Its children too: PostgreSQL's finish what they were at, hold the data for as long, and are in sessions of their own.
        doomed = {each: _started(each) for each in (pid, *_descendants(pid))}
        for each in doomed:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        while any(started is not None and _started(each) == started for each, started in doomed.items()):
            time.sleep(0.005)

    @property
    def _pid(self) -> int | None:
        pid, started = self._memory.get(self._name) or (None, None)
        return pid if pid is not None and _started(pid) == started else None


def _started(pid: int) -> int | None:
    """When a process was started, in ticks since the machine was; None when it has ended."""
    for ended in [
        child for child, process in list(_children.items()) if process.poll() is not None
    ]:  # another may have killed it
        _children.pop(ended, None)
    fields = _stat(pid)
    # A zombie has ended, but not while others of its threads are still at it: they hold its port.
    return None if fields is None or (fields[0] in "ZX" and int(fields[17]) <= 1) else int(fields[19])


def _descendants(pid: int) -> list[int]:
    processes = (int(folder.name) for folder in Path("/proc").glob("[0-9]*"))
    parents = {each: int(fields[1]) for each in processes if (fields := _stat(each))}
    found = [pid]
    for known in found:
        found.extend(child for child, parent in parents.items() if parent == known)
    return found[1:]


def _stat(pid: int) -> list[str] | None:
    """The fields of a process behind its name, which may hold anything: state, parent, ..."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
