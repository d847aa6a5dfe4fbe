"""How many small batches one ``spatial-etl process`` gets through in a second, its own start included."""

import json
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contenders import COMMAND, OURS, fresh_home
from benchmarks.measure import CommandFailed, Result, run
from benchmarks.small import fill_landing_zone

GOAL = 15.0
"""Batches a second."""


def measure(batches: int, rounds: int, work: Path) -> Iterator[Result]:
    """The median over all rounds."""
    rates = [batches / _seconds(batches, work) for _ in range(rounds)]
    rate = statistics.median(rates)
    yield Result(
        what=f"{batches:,} batches of one feature",
        values={OURS: f"{rate:.1f} /s"},
        judged=f"{rate:.1f} batches/s",
        goal=f"≥ {GOAL:.0f} /s",
        met=rate >= GOAL,
        samples={OURS: rates},
    )


def _seconds(batches: int, work: Path) -> float:
    with fresh_home(work) as environment:
        fill_landing_zone(Path(environment["SPATIAL_ETL_HOME"]), batches)
        seconds = run([COMMAND, "process", "--json"], environment=environment).seconds
        datasets = json.loads(run([COMMAND, "datasets", "--json"], environment=environment).output)
    if len(datasets) != batches:
        raise CommandFailed(f"{len(datasets)} of {batches} batches arrived.")
    return seconds
