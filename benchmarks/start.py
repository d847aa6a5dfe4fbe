"""What has to be waited for before any work: help, and a file of one feature through the whole way on a fresh home."""

import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contenders import COMMAND, OURS, ours
from benchmarks.measure import Result, run
from benchmarks.small import one_feature

HELP_GOAL, FIRST_GOAL = 0.3, 1.5
RUNS = 9


def measure(work: Path) -> Iterator[Result]:
    """Medians; every run is a process of its own."""
    yield _result("--help", HELP_GOAL, [run([COMMAND, "--help"]).seconds for _ in range(RUNS)])
    source = one_feature(work)
    yield _result("one feature, cold", FIRST_GOAL, [ours(source, 1, work).seconds for _ in range(RUNS)])


def _result(what: str, goal: float, seconds: list[float]) -> Result:
    median = statistics.median(seconds)
    return Result(
        what=what,
        values={OURS: f"{median:.2f} s"},
        judged=f"{median:.2f} s",
        goal=f"≤ {goal} s",
        met=median <= goal,
        samples={OURS: seconds},
    )
