"""The engines behind the seam; as a program, one in a process of its own to be killed: fills a workspace, says so, and waits."""

import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from libs.compute.engine import ComputeEngine, Source
from libs.models.settings import Settings
from libs.transformations import Registry

ROWS = 400_000


def duckdb_engine(scratch: Path, threads: int = 2, memory_mb: int = 256) -> ComputeEngine:
    from libs.compute.duckdb import DuckDBEngine

    return DuckDBEngine(scratch, memory_mb=memory_mb, threads=threads)


def postgis_engine(_: Path, threads: int = 2, memory_mb: int = 256) -> ComputeEngine:
    from libs.compute.postgis import PostGISEngine
    from libs.compute.postgis.connection import Server

    return PostGISEngine(Server.of(Settings()), memory_mb=memory_mb, threads=threads)


ENGINES: dict[str, Callable[..., ComputeEngine]] = {"duckdb": duckdb_engine, "postgis": postgis_engine}
"""Every implementation of the seam: a further one is added here."""


def main() -> None:
    kind, scratch = sys.argv[1], Path(sys.argv[2])
    engine = ENGINES[kind](scratch, memory_mb=64)
    with engine.workspace("killed#1", scratch) as workspace:
        table = workspace.dataset(Registry().recipes["ingest_tabular"].bind({}))
        text = pa.table({"n": range(ROWS), "text": [f"{n:0>300}" for n in range(ROWS)]})
        table.load(Source(text.schema, None, text.to_batches(max_chunksize=10_000), "files[0]"))
        print("ready", flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
