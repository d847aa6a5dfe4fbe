"""The job on real services: out of MinIO, through PostGIS, into MinIO, with its record in a ledger of MongoDB's protocol.

The services are throwaway ones of our own on this very machine, so their work is in our time; delivering the file is not. Beside
it, GeoPandas in memory on local files; the least script that does the work in the same PostGIS; and ogr2ogr into PostGIS followed
by GeoPandas out of it, where ogr2ogr is installed (Debian: gdal-bin).
"""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.buildings import FORMATS, Format, file_of
from benchmarks.contenders import COMMAND, OURS, fresh_home, peer, require_rows
from benchmarks.measure import Measurement, Result, in_turns, medians, megabytes, run
from benchmarks.memory import GOAL_BYTES
from libs.models.settings import Settings
from libs.pipeline.upload import Upload, upload_all
from libs.platform import open_landing_zone
from libs.spatial_utils.formats import find_format
from services.local import throwaway_services

LEAST = "least PostGIS"
GOALS = {"GeoPandas": 0.6, "ogr2ogr": 0.5, LEAST: 1.3}


def measure(rows: int, large_rows: int, formats: list[str], rounds: int, work: Path) -> Iterator[Result]:
    """A result for each format and peer, medians of all rounds; then memory, on a file that no peer could hold."""
    with _prepared(work) as (environment, settle):
        for suffix in formats:
            format_ = FORMATS[suffix]
            source = file_of(rows, format_, work)
            manifest = _delivered(source, format_, environment)
            jobs: dict[str, Callable[[], float]] = {
                OURS: lambda manifest=manifest: _processed(manifest, rows, environment, work).seconds,
                "GeoPandas": lambda source=source: peer("GeoPandas")(source, rows, work).seconds,
                LEAST: lambda source=source: peer(LEAST, environment)(source, rows, work).seconds,
            }
            if shutil.which("ogr2ogr"):
                jobs["ogr2ogr"] = lambda source=source: peer("ogr2ogr", environment)(source, rows, work).seconds
            samples = in_turns({name: partial(_after, settle, job) for name, job in jobs.items()}, rounds)
            seconds = medians(samples)
            for name in list(jobs)[1:]:
                ratio = seconds[OURS] / seconds[name]
                yield Result(
                    what=f"{format_.name}, {rows:,} polygons, on servers, beside {name}",
                    values={each: f"{value:.1f} s" for each, value in seconds.items()},
                    judged=f"{ratio:.2f} x {name}",
                    goal=f"≤ {GOALS[name]:.1f} x",
                    met=ratio <= GOALS[name],
                    samples=samples,
                )
        manifest = _delivered(file_of(large_rows, FORMATS["fgb"], work), FORMATS["fgb"], environment)
        large = _processed(manifest, large_rows, environment, work, watch_memory=True)
        yield Result(
            what=f"memory, {large_rows:,} polygons, on servers ({large.seconds:.0f} s)",
            values={OURS: megabytes(large.peak_bytes)},
            judged=megabytes(large.peak_bytes),
            goal=f"≤ {megabytes(GOAL_BYTES)}",
            met=large.peak_bytes <= GOAL_BYTES,
            samples={OURS: [large.peak_bytes]},
        )


@contextmanager
def _prepared(work: Path) -> Iterator[tuple[dict[str, str], Callable[[], object]]]:
    """Services that are ready to be used, ended and removed with the context.

    Yields:
        The settings that reach them, and what has PostgreSQL write down what it owes to the disk.
    """
    with throwaway_services() as services, fresh_home(work) as home:
        for service in services.all:
            service.build()
            service.start()
        settings = {name: value for service in services.all for name, value in service.environment.items()}
        run([COMMAND, "admin", "init"], environment=settings | home)
        yield settings, partial(services.postgis.cluster.query, "CHECKPOINT")


def _after(settle: Callable[[], object], job: Callable[[], float]) -> float:
    settle()  # what a peer left to be written must not be written at the next one's expense
    return job()


def _delivered(source: Path, format_: Format, environment: Mapping[str, str]) -> dict[str, object]:
    """Upload a file with its sidecars; what a manifest says of it."""
    landing = open_landing_zone(Settings.model_validate({name.lower(): value for name, value in environment.items()}))
    upload = Upload(source, find_format(format_.name, "format"), source.parent.name, "files[0]")
    upload_all(landing, [upload], b"", "benchmark")
    return {
        "uploader": "benchmark",
        "intent": "ingest_vector",
        "files": [{"path": landing.store.uri(upload.key), "type": "vector", "format": format_.name}],
    }


def _processed(
    manifest: Mapping[str, object], rows: int, environment: Mapping[str, str], work: Path, *, watch_memory: bool = False
) -> Measurement:
    """Have a file worked on that lies in the landing zone, as a dataset that is new."""
    name = f"batch-{secrets.token_hex(4)}"
    with fresh_home(work) as home:
        path = Path(home["SPATIAL_ETL_HOME"], f"{name}.json")
        path.write_text(json.dumps({"batch_id": name, **manifest, "metadata": {"project": name}}))
        run([COMMAND, "submit", path], environment=environment | home)
        done = run([COMMAND, "process", "--json"], environment=environment | home, watch_memory=watch_memory)
    (report,) = json.loads(done.output)
    require_rows(report["datasets"][0]["features"], rows, name)
    return done
