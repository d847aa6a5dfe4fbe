"""Many files at once, from threads and from forked processes; and how fast a child is there."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest

from libs.models import FileSpec
from libs.spatial_utils.reading import ReadLimits, open_source
from libs.spatial_utils.reading.launcher import LAUNCHER

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]


def count(path: Path) -> int:
    spec = FileSpec(path=f"s3://landing-zone/{path.name}", type="vector", format="GPKG")
    with open_source(path, spec, "files[0]", ReadLimits(seconds=60)) as source:
        return sum(batch.num_rows for stream in source.streams() for batch in stream)


def test_threads(write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    paths = [write(places[: 10 + i], f"{i}.gpkg", "GPKG") for i in range(12)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(count, paths)) == [10 + i for i in range(12)]


def test_two_files_open_at_once(write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    one, other = write(places[:3], "a.gpkg", "GPKG"), write(places[:5], "b.gpkg", "GPKG")
    spec = FileSpec(path="s3://landing-zone/a", type="vector", format="GPKG")
    with open_source(one, spec, "files[0]", ReadLimits()) as first, open_source(other, spec, "files[1]", ReadLimits()) as second:
        assert sum(batch.num_rows for batch in next(second.streams())) == 5
        assert sum(batch.num_rows for batch in next(first.streams())) == 3


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_has_a_server_of_its_own(write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    path = write(places, "a.gpkg", "GPKG")
    assert count(path) == 100
    server = LAUNCHER._process
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(count, [path, path]) == [100, 100]
        # Left to itself, the pool ends them by SIGTERM, which whatever handles it in this process may keep from them.
        pool.close()
        pool.join()
    assert LAUNCHER._process is server
    assert count(path) == 100


def test_a_further_file_costs_milliseconds(write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    """A bound for a busy machine; a quiet one takes a tenth of it."""
    path = write(places[:1], "a.gpkg", "GPKG")
    count(path)
    best = min(_timed(path) for _ in range(5))
    assert best < 0.25


def _timed(path: Path) -> float:
    began = time.perf_counter()
    count(path)
    return time.perf_counter() - began


def test_the_server_ends_with_its_process(write: Callable[..., Path], places: gpd.GeoDataFrame) -> None:
    """However it ends: here by SIGKILL, which runs no exit handlers."""
    path = write(places, "a.gpkg", "GPKG")
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_processes import count
from libs.spatial_utils.reading.launcher import LAUNCHER
count(Path({str(path)!r}))
print(LAUNCHER._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    server = int(run.stdout)
    deadline = time.monotonic() + 5
    while _alive(server):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_the_start_needs_no_gdal_here() -> None:
    """Importing the reading package loads neither GDAL nor pyarrow."""
    code = (
        "import sys, libs.spatial_utils.reading as reading; reading.warm_up(); "
        "assert not {'pyogrio', 'pyarrow', 'numpy', 'pyproj'} & sys.modules.keys(), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ, timeout=60)
