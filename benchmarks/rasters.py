"""What a Cloud Optimized GeoTIFF costs, beside GDAL's driver and rio-cogeo: CPU, time, memory, and the file's size.

Everybody reads by the same GDAL, rasterio's, so that the writers are compared; ours makes hash, statistics and histogram, too.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import COMMAND, fresh_home
from benchmarks.contenders import OURS as PRODUCT
from benchmarks.measure import CommandFailed, Measurement, Result, megabytes, run

OURS = "one pass"
_PEERS = {OURS: "cog_one_pass.py", "GDAL's COG": "cog_gdal.py", "rio cogeo": "cog_rio_cogeo.py"}
CPU_GOAL, TIME_GOAL, SIZE_GOAL = 0.4, 0.6, 1.05
"""Ours over the better peer's."""
MEMORY_GOAL, GROWTH_GOAL = 512 * 10**6, 1.1
"""Peak of all processes; and over that for a raster of a quarter of the pixels."""


@dataclass(frozen=True)
class _Run:
    done: Measurement
    size: int


def measure(pixels: int, work: Path) -> Iterator[Result]:
    """An RGB image, and elevations as float32 with nodata of three quarters of its side."""
    for kind, side in (("rgb", pixels), ("float32", pixels * 3 // 4)):
        source = _source(kind, side, work)
        runs = {name: _run(script, source, work) for name, script in _PEERS.items()}
        what = f"{kind}, {side:,} x {side:,}"
        cpu = {name: one.done.cpu_seconds for name, one in runs.items()}
        yield _beside_peers(f"CPU: {what}", cpu, {name: f"{value:.1f} s" for name, value in cpu.items()}, CPU_GOAL)
        wall = {name: one.done.seconds for name, one in runs.items()}
        yield _beside_peers(f"time: {what}", wall, {name: f"{value:.1f} s" for name, value in wall.items()}, TIME_GOAL)
        sizes = {name: float(one.size) for name, one in runs.items()}
        yield _beside_peers(f"file: {what}", sizes, {name: megabytes(one.size) for name, one in runs.items()}, SIZE_GOAL)
        peaks = {name: one.done.peak_bytes for name, one in runs.items()}
        yield Result(
            what=f"memory: {what}",
            values={name: megabytes(peak) for name, peak in peaks.items()},
            judged=megabytes(peaks[OURS]),
            goal=f"≤ {megabytes(MEMORY_GOAL)}",
            met=peaks[OURS] <= MEMORY_GOAL,
            samples={name: [peak] for name, peak in peaks.items()},
        )
    yield from jobs(pixels, work)


def jobs(pixels: int, work: Path) -> Iterator[Result]:
    """The peak of all processes of ``spatial-etl ingest``, and how much it grows from a quarter of the pixels.

    Args:
        pixels: On a side of the RGB image; of the float32, two thirds of it.
        work: For generated files.
    """
    for kind, side in (("rgb", pixels), ("float32", pixels * 2 // 3)):
        small, large = (_job(kind, each, work).peak_bytes for each in (side // 2, side))
        met = large <= MEMORY_GOAL and large / small <= GROWTH_GOAL
        yield Result(
            what=f"memory of the job: {kind}, {side:,} x {side:,}",
            values={PRODUCT: megabytes(large)},
            judged=f"{megabytes(large)}, {large / small:.2f} x that for a quarter",
            goal=f"≤ {megabytes(MEMORY_GOAL)}, {GROWTH_GOAL} x",
            met=met,
            samples={PRODUCT: [small, large]},
        )


def _job(kind: str, side: int, work: Path) -> Measurement:
    source = _source(kind, side, work)
    with fresh_home(work) as environment:
        done = run([COMMAND, "ingest", source, "--json"], environment=environment, watch_memory=True)
    (dataset,) = json.loads(done.output)["datasets"]
    if (dataset["raster"]["width"], dataset["raster"]["height"]) != (side, side):
        raise CommandFailed(f"{source.name} did not arrive as it is.")
    return done


def _run(script: str, source: Path, work: Path) -> _Run:
    with tempfile.TemporaryDirectory(prefix="cog-", dir=work) as folder:
        target = Path(folder) / "raster.tif"
        command = [sys.executable, Path(__file__).parent / "peers" / script, source, target]
        return _Run(run(command, watch_memory=True), target.stat().st_size)


def _beside_peers(what: str, samples: Mapping[str, float], values: Mapping[str, str], goal: float) -> Result:
    ratio = samples[OURS] / min(value for name, value in samples.items() if name != OURS)
    return Result(
        what=what,
        values=values,
        judged=f"{ratio:.2f} x the better peer",
        goal=f"≤ {goal} x",
        met=ratio <= goal,
        samples={name: [value] for name, value in samples.items()},
    )


def _source(kind: str, side: int, work: Path) -> Path:
    """A GeoTIFF in uncompressed tiles: waves for the relief, sensor's noise on top, for elevations a part without data."""
    target = work / f"{kind}-{side}.tif"
    if not target.exists():
        part = target.with_suffix(".part.tif")
        run([sys.executable, Path(__file__).parent / "peers" / "cog_source.py", kind, str(side), part])
        part.rename(target)
    return target
