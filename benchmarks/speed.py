"""How long the whole job takes, beside the peers, for each format."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.buildings import FORMATS, file_of
from benchmarks.contenders import JOBS, OURS, Job
from benchmarks.measure import Result, in_turns, medians

GOAL = 1.0
"""Our time over that of the faster peer, which neither sorts, hashes, checks nor records."""


def measure(rows: int, formats: list[str], rounds: int, work: Path) -> Iterator[Result]:
    """One result a format, medians of all rounds."""
    for suffix in formats:
        source = file_of(rows, FORMATS[suffix], work)
        samples = in_turns({name: partial(_seconds, job, source, rows, work) for name, job in JOBS.items()}, rounds)
        seconds = medians(samples)
        ratio = seconds[OURS] / min(value for name, value in seconds.items() if name != OURS)
        yield Result(
            what=f"{FORMATS[suffix].name}, {rows:,} polygons",
            values={name: f"{value:.1f} s" for name, value in seconds.items()},
            judged=f"{ratio:.2f} x the faster peer",
            goal=f"≤ {GOAL:.1f} x",
            met=ratio <= GOAL,
            samples=samples,
        )


def _seconds(job: Job, source: Path, rows: int, work: Path) -> float:
    return job(source, rows, work).seconds
