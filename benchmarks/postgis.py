"""The whole job with PostGIS for compute, beside GeoPandas in memory, and beside ogr2ogr into PostGIS followed by GeoPandas out.

The server is the one that POSTGRES_HOST names, or a throwaway one of our own. Where ogr2ogr is not installed (Debian: gdal-bin),
there is no comparison with it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.buildings import FORMATS, file_of
from benchmarks.contenders import ours, peer
from benchmarks.measure import Result, in_turns, medians
from services.local import LocalServices, PostGIS

GOALS = {"GeoPandas": 0.6, "ogr2ogr": 0.5}
_OGR2OGR = Path(__file__).parent / "peers" / "with_ogr2ogr.py"


def measure(rows: int, formats: list[str], rounds: int, work: Path) -> Iterator[Result]:
    """A result for each format and peer, medians of all rounds."""
    with _server() as environment:
        for suffix in formats:
            source = file_of(rows, FORMATS[suffix], work)
            jobs: dict[str, Callable[[], float]] = {
                "spatial-etl": partial(_with, environment, lambda source=source: ours(source, rows, work).seconds),
                "GeoPandas": lambda source=source: peer("GeoPandas")(source, rows, work).seconds,
            }
            if shutil.which("ogr2ogr"):
                jobs["ogr2ogr"] = partial(_with, environment, partial(_ogr2ogr, source))
            samples = in_turns(jobs, rounds)
            seconds = medians(samples)
            for name in jobs.keys() & GOALS.keys():
                ratio = seconds["spatial-etl"] / seconds[name]
                yield Result(
                    what=f"{FORMATS[suffix].name}, {rows:,} polygons, PostGIS beside {name}",
                    values={each: f"{value:.1f} s" for each, value in seconds.items()},
                    judged=f"{ratio:.2f} x {name}",
                    goal=f"≤ {GOALS[name]:.1f} x",
                    met=ratio <= GOALS[name],
                    samples=samples,
                )


@contextmanager
def _server() -> Iterator[dict[str, str]]:
    if "POSTGRES_HOST" in os.environ:
        yield {name: os.environ[name] for name in PostGIS.settings if name in os.environ}
        return
    folder = Path(tempfile.mkdtemp(prefix="services-"))
    folder.chmod(0o711)
    own = LocalServices(folder).postgis
    try:
        own.build()
        own.start()
        yield own.environment
    finally:
        own.kill()
        shutil.rmtree(folder)


def _with(environment: dict[str, str], job: Callable[[], float]) -> float:
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        return job()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _ogr2ogr(source: Path) -> float:
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        started = time.perf_counter()
        subprocess.run([sys.executable, _OGR2OGR, source, Path(folder) / "buildings.parquet"], check=True)
        return time.perf_counter() - started
