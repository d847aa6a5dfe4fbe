"""The profile of GeoParquet files: one pass of DuckDB over each column, and one over the geometries. Memory is bounded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from libs.column_names import GEOMETRY, RESERVED_NAMES
from libs.compute.exporting.columns import quoted
from libs.compute.whole import rows_of
from libs.models.profile import BINS, GeometryProfile, ValueProfile

if TYPE_CHECKING:
    import duckdb

MOST_DISTINCT = 10_000
"""Of a column whose values are counted one by one."""
FREQUENT = 5
_ROWS = 16_384

Ends = Mapping[str, tuple[float, float]]


def value_profiles(
    connection: "duckdb.DuckDBPyConnection", paths: Sequence[Path], *, exact: bool, ends: Ends | None = None
) -> tuple[ValueProfile, ...]:
    """The values of every attribute column.

    Args:
        connection: Of a database of its own.
        paths: Of one schema.
        exact: Whether distinct values are counted, and not estimated.
        ends: Where the histograms of columns are to begin and end, so that two profiles compare; else each by its own values.
    """
    schema = pq.read_schema(paths[0])
    rows, count = rows_of(paths), "count(DISTINCT {})" if exact else "approx_count_distinct({})"
    return tuple(
        _profile(connection, rows, field, count, (ends or {}).get(field.name))
        for field in schema
        if field.name not in RESERVED_NAMES
    )


def _profile(
    connection: "duckdb.DuckDBPyConnection", rows: str, field: pa.Field, count: str, given: tuple[float, float] | None
) -> ValueProfile:
    name, type_ = quoted(field.name), field.type
    if not _compares(type_):
        (nulls,) = connection.execute(f"SELECT count(*) - count({name}) FROM {rows}").fetchall()[0]
        return ValueProfile(name=field.name, type=str(type_), nulls=nulls)
    number = _as_number(name, type_)
    finite = f"isfinite({number})" if pa.types.is_floating(type_) else "true"
    sides = f"min({number}) FILTER ({finite}), max({number}) FILTER ({finite})" if number else "NULL, NULL"
    mean = f"avg({number}) FILTER ({finite})" if number and not pa.types.is_temporal(type_) else "NULL"
    nulls, distinct, least, most, mean, low, high = connection.execute(
        f"SELECT count(*) - count({name}), {count.format(name)}, CAST(min({name}) AS VARCHAR), "
        f"CAST(max({name}) AS VARCHAR), {mean}, {sides} FROM {rows}"
    ).fetchall()[0]
    ends = given if number and given else None if low is None else (float(low), float(high))
    return ValueProfile(
        name=field.name,
        type=str(type_),
        nulls=nulls,
        distinct=distinct,
        least=least,
        most=most,
        mean=mean,
        ends=ends,
        histogram=_histogram(connection, rows, f"({number}) IS NOT NULL AND {finite}", number, ends) if number and ends else (),
        frequent=_frequent(connection, rows, name) if distinct and distinct <= MOST_DISTINCT and not number else (),
    )


def _histogram(
    connection: "duckdb.DuckDBPyConnection", rows: str, there: str, number: str, ends: tuple[float, float]
) -> tuple[int, ...]:
    low, high = ends
    width = (high - low) or 1.0
    bin_ = f"CAST(greatest(0, least({BINS - 1}, floor(({number} - {low!r}) / {width!r} * {BINS}))) AS INTEGER)"
    counted = dict(connection.execute(f"SELECT {bin_} AS bin, count(*) FROM {rows} WHERE {there} GROUP BY bin").fetchall())
    return tuple(counted.get(each, 0) for each in range(BINS))


def _frequent(connection: "duckdb.DuckDBPyConnection", rows: str, name: str) -> tuple[tuple[str, int], ...]:
    found = connection.execute(
        f"SELECT CAST({name} AS VARCHAR) AS value, count(*) AS often FROM {rows} WHERE {name} IS NOT NULL "
        f"GROUP BY {name} HAVING count(*) > 1 ORDER BY often DESC, value LIMIT {FREQUENT}"
    ).fetchall()
    return tuple((str(value), int(often)) for value, often in found)


def _as_number(name: str, type_: pa.DataType) -> str:
    """A value as a double; empty where it has no place on a line."""
    if pa.types.is_date(type_) or pa.types.is_timestamp(type_):
        return f"epoch({name})"
    is_number = pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
    return f"CAST({name} AS DOUBLE)" if is_number else ""


def _compares(type_: pa.DataType) -> bool:
    kinds = (pa.types.is_nested, pa.types.is_null, pa.types.is_binary, pa.types.is_large_binary, pa.types.is_duration)
    return not any(is_kind(type_) for is_kind in kinds)


def geometry_profile(paths: Sequence[Path]) -> GeometryProfile | None:
    """The geometries of some files; None where these are tables."""
    if GEOMETRY not in pq.read_schema(paths[0]).names:
        return None
    import numpy as np
    import shapely

    types: Counter[str] = Counter()
    missing = empty = vertices = most = 0
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS, columns=[GEOMETRY]):
                column = batch.column(0)
                missing += column.null_count
                shapes = shapely.from_wkb(column.drop_null().to_numpy(zero_copy_only=False))
                if not len(shapes):
                    continue
                codes, counts = np.unique(shapely.get_type_id(shapes), return_counts=True)
                types.update({_TYPES[code]: int(count) for code, count in zip(codes.tolist(), counts, strict=True)})
                empty += int(shapely.is_empty(shapes).sum())
                numbers = shapely.get_num_coordinates(shapes)
                vertices, most = vertices + int(numbers.sum()), max(most, int(numbers.max()))
    return GeometryProfile(types=dict(sorted(types.items())), missing=missing, empty=empty, vertices=vertices, most_vertices=most)


_TYPES = {
    0: "Point", 1: "LineString", 3: "Polygon", 4: "MultiPoint", 5: "MultiLineString", 6: "MultiPolygon", 7: "GeometryCollection",
}  # fmt: skip
"""By Shapely's number."""
