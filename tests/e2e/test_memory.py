"""All processes of the job together stay within their memory, however large the file is."""

from pathlib import Path

import pytest

from benchmarks import memory, rasters
from tests.sampling import FULL

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    results = list(memory.measure(1_000_000, 3_000_000, tmp_path))
    assert [(result.what, result.judged) for result in results if not result.met] == []


def test_memory_does_not_grow_with_a_raster(tmp_path: Path) -> None:
    """Growth is judged where a quarter takes all the memory that a raster may, too; of a smaller one, the peak alone."""
    results = list(rasters.jobs(30_000 if FULL else 10_000, tmp_path))
    met = [result.met if FULL else max(result.samples[rasters.PRODUCT]) <= rasters.MEMORY_GOAL for result in results]
    assert [(result.what, result.judged) for result, good in zip(results, met, strict=True) if not good] == []
