"""An engine in a process of its own, to be killed: fills a workspace, says so, and waits."""

import sys
from pathlib import Path

import pyarrow as pa

from libs.compute.duckdb import DuckDBEngine
from libs.compute.engine import ComputeEngine, Source
from libs.transformations import Registry

ROWS = 400_000


def engine_of(kind: str, scratch: Path) -> ComputeEngine:
    return {"duckdb": lambda: DuckDBEngine(scratch, memory_mb=64, threads=2)}[kind]()


def main() -> None:
    kind, scratch = sys.argv[1], Path(sys.argv[2])
    engine = engine_of(kind, scratch)
    with engine.workspace("killed#1", scratch) as workspace:
        table = workspace.table(Registry().recipes["ingest_tabular"].bind({}))
        text = pa.table({"n": range(ROWS), "text": [f"{n:0>300}" for n in range(ROWS)]})
        table.load(Source(text.schema, None, text.to_batches(max_chunksize=10_000), "files[0]"))
        print("ready", flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
