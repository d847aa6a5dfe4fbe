"""What Dagster's processes hold after thousands of batches: memory, open files, children that nobody has buried."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.contenders import OURS, fresh_home
from benchmarks.measure import CommandFailed, Result, heap
from benchmarks.small import fill_landing_zone
from services.dagster.processes import Processes

WAVE = 50
"""Batches that are delivered when fewer wait: work never ends, and no run carries all of it."""
SETTLING = 200
"""Batches until which growing is no fault: caches fill."""
GOAL_GROWTH = 1.05
"""What a process may hold at the end over what it held then. Measured: code server 1.02, daemon 1.03."""
GOAL_LATER = 1.02
"""The same over the second half: what leaks would go on leaking."""
SAMPLING = 1.0
PATIENCE = 120.0
"""Seconds without any report."""


@dataclass
class _Watched:
    """A process of Dagster's: a sample for each look, and the batches that were done by then."""

    process: psutil.Process
    bytes: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def look(self) -> None:
        self.bytes.append(heap(self.process.pid))
        self.files.append(self.process.num_fds())


def measure(batches: int, work: Path) -> Iterator[Result]:
    """One line for each process, and one for what became of their children."""
    with fresh_home(work) as environment:
        home = Path(environment["SPATIAL_ETL_HOME"])
        processes = Processes(home / "dagster", environment)
        try:
            processes.start()
            watched = {name: _Watched(psutil.Process(process.pid)) for name, process in processes.running.items()}
            done = list(_until_done(batches, home / "landing-zone", watched))
            time.sleep(5)  # a child that has ended is buried within seconds
            zombies = sum(
                child.status() == psutil.STATUS_ZOMBIE
                for each in watched.values()
                for child in each.process.children(recursive=True)
            )
        finally:
            processes.stop()
    settled = next(at for at, count in enumerate(done) if count >= min(SETTLING, batches // 2))
    half = settled + (len(done) - settled) // 2
    for name, each in watched.items():
        before, midway, after = (_around(each.bytes, at) for at in (settled, half, len(done)))
        files = _around(each.files, settled), _around(each.files, len(done))
        yield Result(
            what=f"{name}, {batches:,} batches",
            values={OURS: f"{before / 10**6:.0f} -> {after / 10**6:.0f} MB"},
            judged=f"{after / before:.3f} x, {after / midway:.3f} x in the second half; {files[0]:.0f} -> {files[1]:.0f} files",
            goal=f"≤ {GOAL_GROWTH} x, {GOAL_LATER} x",
            met=after <= before * GOAL_GROWTH and after <= midway * GOAL_LATER,
            samples={"batches": done, "bytes": each.bytes, "files": each.files},
        )
    yield Result(
        what=f"zombies, {batches:,} batches", values={OURS: str(zombies)}, judged=f"{zombies}", goal="0", met=not zombies,
        samples={OURS: [zombies]},
    )  # fmt: skip


def _around(samples: list[int], at: int) -> float:
    """What was usual about a look: the median of some before and after it."""
    near = max(1, len(samples) // 20)
    return statistics.median(samples[max(0, at - near) : at + near])


def _until_done(batches: int, landing: Path, watched: dict[str, _Watched]) -> Iterator[int]:
    """Deliver, look, and say how many batches are done at each look."""
    delivered = done = 0
    progress = time.monotonic()
    while done < batches:
        if delivered < batches and delivered - done < WAVE:
            fill_landing_zone(landing.parent, min(WAVE, batches - delivered), first=delivered)
            delivered = min(delivered + WAVE, batches)
        time.sleep(SAMPLING)
        before, done = done, len(list((landing / "reports").glob("*.json")))
        progress = time.monotonic() if done > before else progress
        if time.monotonic() - progress > PATIENCE:
            raise CommandFailed(f"After {done} of {batches} batches nothing moved for {PATIENCE:.0f} s.")
        for each in watched.values():
            each.look()
        yield done
