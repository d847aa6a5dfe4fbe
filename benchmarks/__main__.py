"""``python -m benchmarks``: measure, print a table, write the figures as JSON."""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import memory, orchestration, rasters, servers, soak, speed, start, throughput
from benchmarks.buildings import FORMATS
from benchmarks.contenders import JOBS
from benchmarks.measure import Result, machine

PARTS = ("start", "throughput", "orchestration", "soak", "speed", "memory", "rasters", "servers")
PIPED_WIDTH = 130


def main() -> None:
    """Run the parts that were asked for."""
    options = _options()
    options.folder.mkdir(parents=True, exist_ok=True)
    console, results = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH), []
    for part in options.parts or PARTS:
        with console.status(f"{part} ..."):
            for result in _measured(part, options):
                results.append(result)
                console.print(f"  {result.what}: {result.judged}")
    about = machine()
    console.print(_table(results))
    console.print(f"{about['cores']} cores, {about['memory_mb']:,} MB; compare within one run only.", style="dim")
    figures = options.json or options.folder / "benchmarks.json"
    figures.write_text(json.dumps({"machine": about, "results": list(map(dataclasses.asdict, results))}, indent=2))
    console.print(f"Every single measurement: {figures}", style="dim")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    default = os.environ.get("SPATIAL_ETL_BENCH_FOLDER") or Path(tempfile.gettempdir()) / "spatial-etl-bench"
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all when none is given")
    parser.add_argument("--rows", type=int, default=1_000_000, help="polygons in a file (%(default)s)")
    parser.add_argument("--large-rows", type=int, default=12_000_000, help="polygons in the large file (%(default)s)")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS), help="file formats (%(default)s)")
    parser.add_argument(
        "--batches",
        type=int,
        default=100,
        help="small batches, five times as many through Dagster, twenty times to see it hold on (%(default)s)",
    )
    parser.add_argument("--pixels", type=int, default=16_384, help="on a side of the RGB image (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of speed and throughput (%(default)s)")
    parser.add_argument("--folder", type=Path, default=Path(default), help="for generated files, which are kept (%(default)s)")
    parser.add_argument("--json", type=Path, help="where the figures go (benchmarks.json in the folder)")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return options


def _measured(part: str, options: argparse.Namespace) -> Iterator[Result]:
    rows, batches, rounds, folder = options.rows, options.batches, options.rounds, options.folder
    measures = {
        "start": lambda: start.measure(folder),
        "throughput": lambda: throughput.measure(batches, rounds, folder),
        "orchestration": lambda: orchestration.measure(5 * batches, folder),
        "soak": lambda: soak.measure(20 * batches, folder),
        "speed": lambda: speed.measure(rows, options.formats, rounds, folder),
        "memory": lambda: memory.measure(rows, options.large_rows, folder),
        "rasters": lambda: rasters.measure(options.pixels, folder),
        "servers": lambda: servers.measure(rows, options.large_rows, options.formats, rounds, folder),
    }
    return measures[part]()


def _table(results: list[Result]) -> Table:
    table = Table()
    table.add_column("measured")
    columns = list(dict.fromkeys([*JOBS, *(name for result in results for name in result.values)]))
    for name in columns:
        table.add_column(name, justify="right")
    table.add_column("judged", justify="right")
    table.add_column("goal")
    table.add_column("")
    for result in results:
        mark = "[green]met[/]" if result.met else "[red]missed[/]"
        table.add_row(result.what, *(result.values.get(name, "") for name in columns), result.judged, result.goal, mark)
    return table


if __name__ == "__main__":
    main()
