"""The whole job, file in and GeoParquet out, as each contender's user starts it: a process of its own."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.measure import CommandFailed, Measurement, run

OURS = "spatial-etl"
COMMAND = Path(sys.executable).with_name("spatial-etl")
_PEERS = {
    "GeoPandas": "with_geopandas.py",
    "DuckDB": "with_duckdb.py",
    "ogr2ogr": "with_ogr2ogr.py",
    "least PostGIS": "with_postgis.py",
}

Job = Callable[..., Measurement]
"""``job(source, rows, work, watch_memory=...)``: checks that every row has arrived."""


@contextmanager
def fresh_home(work: Path) -> Iterator[dict[str, str]]:
    """The environment of a platform that has never been used, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="home-", dir=work) as home:
        yield {"SPATIAL_ETL_HOME": home}


def ours(source: Path, rows: int, work: Path, *, watch_memory: bool = False) -> Measurement:
    """Upload, hash, repair, sort, covering, self-check, lake, ledger, report."""
    with fresh_home(work) as environment:
        done = run([COMMAND, "ingest", source, "--json"], environment=environment, watch_memory=watch_memory)
    (dataset,) = json.loads(done.output)["datasets"]
    require_rows(dataset["features"], rows, source.name)
    return done


def peer(name: str, environment: Mapping[str, str] | None = None) -> Job:
    """The job by one of the peers, which finds its server, if it needs one, by the environment."""
    script = Path(__file__).parent / "peers" / _PEERS[name]

    def job(source: Path, rows: int, work: Path, *, watch_memory: bool = False) -> Measurement:
        with tempfile.TemporaryDirectory(prefix="peer-", dir=work) as folder:
            target = Path(folder) / "buildings.parquet"
            done = run([sys.executable, script, source, target], environment=environment, watch_memory=watch_memory)
            require_rows(pq.read_metadata(target).num_rows, rows, source.name)
        return done

    return job


JOBS: dict[str, Job] = {OURS: ours, **{name: peer(name) for name in ("GeoPandas", "DuckDB")}}
"""Those that need no server."""


def require_rows(found: int, rows: int, name: str) -> None:
    """Raise CommandFailed unless all rows of a source have arrived."""
    if found != rows:
        raise CommandFailed(f"{name}: {found:,} of {rows:,} rows arrived.")
