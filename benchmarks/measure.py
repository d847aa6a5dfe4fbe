"""Running a command from outside: wall time, the memory of all its processes together, and fair turns."""

import os
import resource
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SAMPLING = 0.05
"""Seconds between two looks at the memory: reading the sum of a process costs milliseconds of it."""


class CommandFailed(Exception):  # noqa: N818 - what happened
    """A measured command did not do its job: what it took says nothing."""


@dataclass(frozen=True)
class Measurement:
    """What a command took.

    Attributes:
        seconds: Wall time, start and end of its process included.
        cpu_seconds: Of its processes together.
        peak_bytes: Of its processes together; 0 when it was not watched.
        output: What it printed.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    output: str


@dataclass(frozen=True)
class Result:
    """A line of the table.

    Attributes:
        what: What was measured.
        values: By contender, as people like to read it.
        judged: The figure that the goal speaks of.
        met: Whether the goal is met.
        samples: Every single measurement, by contender.
    """

    what: str
    values: Mapping[str, str]
    judged: str
    goal: str
    met: bool
    samples: Mapping[str, Sequence[float]]


def run(
    command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, watch_memory: bool = False
) -> Measurement:
    """Run a command to its end.

    Raises:
        CommandFailed: when it exits with anything but 0.
    """
    os.sync()  # what others wrote before must not be flushed at this command's expense
    before, started = _children(), time.perf_counter()
    process = subprocess.Popen(
        command, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    watch = _MemoryWatch(process.pid) if watch_memory else None
    output, errors = process.communicate()
    seconds = time.perf_counter() - started
    peak = watch.stop() if watch else 0
    if process.returncode:
        raise CommandFailed(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{output}\n{errors}")
    return Measurement(seconds, _children() - before, peak, output)


def _children() -> float:
    """CPU seconds of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def in_turns(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure each contender once a round, in an order that turns, so that no one always follows the same."""
    names = list(contenders)
    samples: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            samples[name].append(contenders[name]())
    return samples


def medians(samples: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each contender."""
    return {name: statistics.median(values) for name, values in samples.items()}


class _MemoryWatch:
    """Sums the proportional set size of a process and all its descendants: shared pages count once."""

    def __init__(self, pid: int) -> None:
        self._process, self._peak, self._over = psutil.Process(pid), 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._over.wait(SAMPLING):
            with suppress(psutil.NoSuchProcess):
                family = [self._process, *self._process.children(recursive=True)]
                self._peak = max(self._peak, sum(_pss(member.pid) for member in family))


def heap(pid: int) -> int:
    """Bytes that a process has written to and that no file holds; 0 when it has ended."""
    return _sum_of(pid, "Anonymous")


def _pss(pid: int) -> int:
    """Proportional set size in bytes; 0 for a process that has ended."""
    return _sum_of(pid, "Pss")


def _sum_of(pid: int, kind: str) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                return int(line.split()[1]) * 1024
    return 0


def megabytes(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 10**6:,.0f} MB"


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": psutil.virtual_memory().total // 10**6,
        "load_average": os.getloadavg(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
