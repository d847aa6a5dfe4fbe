"""All processes of the job together stay within their memory, however large the file is."""

from pathlib import Path

import pytest

from benchmarks import memory, rasters
from tests.sampling import FULL

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    results = list(memory.measure(1_000_000, 3_000_000, tmp_path))
    assert [(result.what, result.judged) for result in results if not result.met] == []


def test_a_large_raster_takes_no_more_than_the_goal(tmp_path: Path) -> None:
    """The peak alone. A strip is as wide as the raster, so memory grows with its width: `make bench` reports by how much."""
    results = list(rasters.jobs(30_000 if FULL else 10_000, tmp_path))
    peaks = {result.what: max(result.samples[rasters.PRODUCT]) for result in results}
    assert {what: peak for what, peak in peaks.items() if peak > rasters.MEMORY_GOAL} == {}
