"""Questions about a whole dataset that only all of its rows together answer. Asked of its files; what does not fit spills."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from libs.compute.engine import default_threads
from libs.compute.exporting.columns import quoted

if TYPE_CHECKING:
    import duckdb

SHARE = 1 / 3
"""Of the memory, how much such a database may take before it spills."""
SHOWN = 3
"""Values that are given as examples."""


class Found(NamedTuple):
    """What was found: how many features, how many values they have, and the first of these."""

    features: int
    values: int
    examples: tuple[str, ...]


def database(folder: Path, memory_mb: int) -> "duckdb.DuckDBPyConnection":
    """A DuckDB of its own, in memory, for values of keys.

    Args:
        folder: Where it spills to; made when it does.
        memory_mb: Of the run, in MiB.
    """
    import duckdb

    return duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": f"{max(64, round(memory_mb * SHARE))}MiB",
            "temp_directory": str(folder),
            "threads": default_threads(memory_mb),
            "preserve_insertion_order": "false",
        }
    )


def rows_of(paths: Sequence[Path]) -> str:
    """All rows of some files of one schema, in SQL."""
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{listed}])"


def repeated(connection: "duckdb.DuckDBPyConnection", paths: Sequence[Path], columns: Sequence[str]) -> Found:
    """Features that have the same values in some columns as another one. Those that lack one of them are passed over."""
    names = [quoted(column) for column in columns]
    several = (
        f"SELECT {_as_columns(names)}, count(*) AS often FROM {rows_of(paths)} WHERE {_all_there(names)} "
        f"GROUP BY {', '.join(names)} HAVING count(*) > 1"
    )
    return _found(connection, several, len(names))


def unmatched(
    connection: "duckdb.DuckDBPyConnection",
    paths: Sequence[Path],
    columns: Sequence[str],
    others: Sequence[Path],
    other_columns: Sequence[str],
) -> Found:
    """Features whose values in some columns are not in another dataset. Those that lack one of them are passed over."""
    names, there = [quoted(column) for column in columns], [quoted(column) for column in other_columns]
    pairs = " AND ".join(f"own.{name} = other.{column}" for name, column in zip(names, there, strict=True))
    alone = (
        f"SELECT {_as_columns(names)}, count(*) AS often FROM {rows_of(paths)} AS own ANTI JOIN "
        f"(SELECT DISTINCT {', '.join(there)} FROM {rows_of(others)}) AS other ON {pairs} "
        f"WHERE {_all_there(names)} GROUP BY {', '.join(names)}"
    )
    return _found(connection, alone, len(names))


def newest(connection: "duckdb.DuckDBPyConnection", paths: Sequence[Path], column: str) -> float | None:
    """The largest value of a column of dates or timestamps, in seconds since 1970 in UTC; None where there is no value."""
    (value,) = connection.execute(f"SELECT epoch(max({quoted(column)})) FROM {rows_of(paths)}").fetchall()[0]
    return None if value is None else float(value)


def _found(connection: "duckdb.DuckDBPyConnection", groups: str, columns: int) -> Found:
    features, values = connection.execute(f"SELECT coalesce(sum(often), 0), count(*) FROM ({groups})").fetchall()[0]
    order = ", ".join(f"k{number}" for number in range(columns))
    shown = connection.execute(f"{groups} ORDER BY often DESC, {order} LIMIT {SHOWN}").fetchall() if values else []
    return Found(int(features), int(values), tuple(", ".join(map(str, row[:columns])) for row in shown))


def _as_columns(names: Sequence[str]) -> str:
    return ", ".join(f"{name} AS k{number}" for number, name in enumerate(names))


def _all_there(names: Sequence[str]) -> str:
    return " AND ".join(f"{name} IS NOT NULL" for name in names)
