"""How much memory all processes of the job hold together at most, and whether that grows with the file."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.buildings import FORMATS, file_of
from benchmarks.contenders import JOBS, OURS, ours
from benchmarks.measure import Result, megabytes

GOAL_BYTES = 10**9
GOAL_GROWTH = 1.2
"""Peak for the large file over that for the small one."""


def measure(rows: int, large_rows: int, work: Path) -> Iterator[Result]:
    """The peak beside the peers; then ours alone on a file so large that they would need a larger machine."""
    source = file_of(rows, FORMATS["fgb"], work)
    peaks = {name: job(source, rows, work, watch_memory=True).peak_bytes for name, job in JOBS.items()}
    yield Result(
        what=f"memory, {rows:,} polygons",
        values={name: megabytes(peak) for name, peak in peaks.items()},
        judged=megabytes(peaks[OURS]),
        goal=f"≤ {megabytes(GOAL_BYTES)}",
        met=peaks[OURS] <= GOAL_BYTES,
        samples={name: [peak] for name, peak in peaks.items()},
    )
    large = ours(file_of(large_rows, FORMATS["fgb"], work), large_rows, work, watch_memory=True)
    growth = large.peak_bytes / peaks[OURS]
    yield Result(
        what=f"memory, {large_rows:,} polygons ({large.seconds:.0f} s)",
        values={OURS: megabytes(large.peak_bytes)},
        judged=f"{growth:.2f} x that for {rows:,}",
        goal=f"≤ {GOAL_GROWTH} x",
        met=growth <= GOAL_GROWTH,
        samples={OURS: [large.peak_bytes]},
    )
