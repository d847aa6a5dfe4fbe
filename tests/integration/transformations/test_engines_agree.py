"""The same recipe on DuckDB and on PostGIS gives the same rows, geometries and counts."""

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import duckdb
import pytest
import shapely

from libs.models import Changes
from libs.transformations import Column, DuckDb, Plan, PostGis, Recipe, Registry, Relation, Stage
from libs.transformations.casting import TARGETS, exactly
from libs.transformations.crs import CrsFacts, CrsUnit
from libs.transformations.types import family
from services.local import Service
from tests.services import GivenService

pytestmark = pytest.mark.integration

COLUMNS = {
    "id": "int64", "kind": "string", "height": "double", "short": "float", "built": "date32[day]", "seen": "timestamp[us]",
    "moment": "timestamp[us, tz=UTC]", "flag": "bool", "note": "string",
}  # fmt: skip
ROWS = """
(0::bigint, 1::bigint, 'road', 1.5::double precision, 0.1::real, date '2020-01-01', timestamp '2020-01-01 00:00:00',
 timestamptz '2020-01-01 01:02:03.5+02', true, '12', 'POLYGON ((500000 0, 500002 2, 500002 0, 500000 2, 500000 0))'),
(1, 2, 'road', 2.0, 2.5, NULL, '2020-01-01 00:00:01', NULL, false, ' -7 ',
 'MULTIPOLYGON Z (((500000 0 1, 500002 0 1, 500002 2 1, 500000 0 1)), ((500010 0 1, 500012 0 1, 500012 2 1, 500010 0 1)))'),
(2, 3, NULL, NULL, NULL, '2021-01-01', NULL, NULL, NULL, '2024-02-29 10:11-02', NULL),
(3, 4, 'path', 'nan', 'nan', '2021-01-01', NULL, NULL, NULL, '2023-02-30', 'POLYGON EMPTY'),
(4, 5, 'it''s %_x', 1e20, 'inf', '2021-01-01', NULL, NULL, NULL, '2024-02-29', 'LINESTRING (500000 0, 500001 0.001, 500005 0)'),
(5, 9007199254740993, 'Zebra', '-0', 1e10, '0001-01-01', '2020-01-01 00:00:01.123456', NULL, NULL, '1e400',
 'GEOMETRYCOLLECTION (POINT (500001 1), LINESTRING (500000 0, 500100 100), POLYGON ((500000 0, 500002 0, 500002 2, 500000 0)))'),
(6, 3000000000, 'äther', 1234567.25, -3, NULL, NULL, NULL, NULL, '1e-400', 'MULTIPOINT (500000 0, 500050 50)'),
(7, -1, 'road', 1e-7, 123456.789, NULL, NULL, NULL, NULL, '2024-02-29T10:11:12.5+05:30',
 'POLYGON ((500001 1, 500003 1, 500003 3, 500001 3, 500001 1))')
"""
RELATION = Relation(
    columns=tuple(Column(name=name, type=type_) for name, type_ in COLUMNS.items()), geometry=True, crs="EPSG:32632"
)
NAMES = ", ".join(["_etl_row", *COLUMNS])

FLAT, REPAIR = {"op": "force_2d"}, {"op": "repair"}
AGGREGATE = {
    "n": {"op": "count"}, "sum": {"op": "sum", "column": "height"}, "ids": {"op": "sum", "column": "id"},
    "first": {"op": "first", "column": "built"}, "most": {"op": "max", "column": "kind"},
    "least": {"op": "min", "column": "height"},
}  # fmt: skip
TRUE_OR_MISSING = {"any": [{"column": "flag", "op": "eq", "value": True}, {"column": "kind", "op": "is_null"}]}
CASES: list[tuple[Any, ...]] = [
    *((name,) for name in ("default", "raw", "keep_crs", "web_mercator", "explode", "force_2d")),
    ("reproject", {"crs": "EPSG:3035"}),
    ("simplify", {"tolerance": {"value": 1, "unit": "m"}}),
    ("set_precision", {"grid": {"value": 1, "unit": "m"}}),
    ("clip", {"bbox": [9, -1, 9.00002, 1]}),
    (REPAIR, {"op": "clip", "bbox": [9, 0, 9.00002, 1]}),
    (FLAT, REPAIR, {"op": "dissolve", "by": ["kind"], "aggregate": AGGREGATE}),
    (FLAT, REPAIR, {"op": "dissolve", "aggregate": {"n": {"op": "count"}}}),
    (FLAT, REPAIR, {"op": "explode"}, {"op": "clip", "bbox": [500001, 0, 500011, 2], "crs": "EPSG:32632"}, {"op": "explode"},
     {"op": "filter", "condition": {"column": "id", "op": "gt", "value": 1}}, {"op": "dissolve", "by": ["kind"]},
     {"op": "explode"}),
    ({"op": "rename", "columns": {"id": "kind", "kind": "id"}}, {"op": "select", "columns": ["kind", "id"]}),
    *(({"op": "cast", "columns": {column.name: target}, "on_error": "null"},) for column in RELATION.columns for target in TARGETS
      if exactly("value", family(column), target, DuckDb()) is not None),
    *(({"op": "filter", "condition": {"column": column, "op": op, "value": value}},)
      for column, value in {"id": 2**53, "kind": "road", "height": 1.5, "short": 0.1, "built": "2021-01-01",
                            "seen": "2020-01-01T00:00:01", "moment": "2019-12-31T23:02:03.5Z"}.items()
      for op in ("eq", "ne", "lt", "le", "gt", "ge")),
    *(({"op": "filter", "condition": {"column": "kind", "op": op, "value": value}},)
      for op, value in [("in", ["road", "Zebra"]), ("not_in", ["road"]), ("between", ["Z", "p"]), ("starts_with", "it's %"),
                        ("ends_with", "_x"), ("contains", "%_"), ("like", "r%d"), ("like", r"%\%\_x"), ("like", "_oad")]),
    ({"op": "filter", "condition": {"not": TRUE_OR_MISSING}},),
]  # fmt: skip


def look_up(text: str) -> CrsFacts:
    return CrsFacts(text, CrsUnit("angle", 1) if text == "EPSG:4326" else CrsUnit("length", 1))


def as_recipe(case: tuple[Any, ...]) -> Recipe:
    if isinstance(case[0], str):
        return Registry().recipes[case[0]].bind(case[1] if len(case) > 1 else {})
    return Recipe(name="mine", description="Mine.", steps=case)


Query = Callable[[str], list[list[str | None]]]


@pytest.fixture(scope="module")
def query(postgis: Service | GivenService) -> Iterator[Query]:
    """Runs SQL in a schema of its own and gives the rows as text."""
    schema = f"agree_{secrets.token_hex(4)}"
    given = {name.removeprefix("POSTGRES_"): value for name, value in postgis.environment.items()}
    reached = {"PGDATABASE" if name == "DB" else f"PG{name}": value for name, value in given.items()}
    reached["PGOPTIONS"] = f"-c search_path={schema},public -c timezone=UTC"
    command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-F", "\x1f", "-P", "null=\\N", "-f", "-"]

    def run(sql: str) -> list[list[str | None]]:
        done = subprocess.run(command, input=sql, capture_output=True, text=True, env=os.environ | reached, check=False)
        if done.returncode:
            raise AssertionError(f"{done.stderr}\n{sql}")
        return [[None if value == "\\N" else value for value in line.split("\x1f")] for line in done.stdout.splitlines()]

    run(f"CREATE SCHEMA {schema}")
    run(f"CREATE TABLE raw_data AS SELECT {NAMES}, ST_GeomFromText(wkt) AS geom FROM (VALUES {ROWS}) AS t({NAMES}, wkt)")
    yield run
    run(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture(scope="module")
def duck(connection: duckdb.DuckDBPyConnection) -> Iterator[Callable[[str], list[Any]]]:
    """The same in a DuckDB connection with tables of its own."""
    with connection.cursor() as own:
        own.execute("SET TimeZone = 'UTC'")
        values = f"SELECT {NAMES}, ST_AsWKB(ST_GeomFromText(wkt)) AS geom FROM (VALUES {ROWS}) AS t({NAMES}, wkt)"
        own.execute(f"CREATE TEMP TABLE raw_data AS SELECT * REPLACE (short::FLOAT AS short) FROM ({values})")
        yield lambda sql: own.execute(sql.replace("CREATE TABLE", "CREATE TEMP TABLE")).fetchall()


def result_of(plan: Plan, query: Callable[[str], list[Any]], as_wkb: str) -> tuple[Changes, list[list[Any]]]:
    audits = []
    for stage in plan.stages:
        made = query(
            f"DROP TABLE IF EXISTS {stage.target}; CREATE TABLE {stage.target} AS {stage.select}; {stage.audit or 'SELECT 0'}"
        )
        audits.append([value and int(value) for value in made[0]] if stage.audit else None)
        assert audited(stage, audits[-1]) == remarked(stage, query)
    columns = [
        # Engines write numbers and truth values as text in ways of their own.
        f'CAST("{column.name}" AS {"double precision" if column.type in {"double", "float"} else "text"})'
        if column.type != "bool" else f'CASE WHEN "{column.name}" THEN 1 WHEN NOT "{column.name}" THEN 0 END'
        for column in plan.relation.columns
    ]  # fmt: skip
    where = plan.row_filter or "TRUE"
    select = f"SELECT {', '.join([*columns, as_wkb])} FROM processed WHERE {where} ORDER BY {', '.join(plan.order)}"
    ((rows,),) = query("SELECT count(*) FROM raw_data")
    return plan.changes(audits, str, int(rows)), query(select)


def audited(stage: Stage, audit: list[int | None] | None) -> list[int]:
    """What is counted by an audit, without the places of rows that fail."""
    counters = len(stage.counters)
    return [number or 0 for number in [*(audit or [])[:counters], *(audit or [])[counters::2]]]


def remarked(stage: Stage, query: Callable[[str], list[Any]]) -> list[int]:
    """The same, added up from what is remarked on each row."""
    row_audit = stage.row_audit(PostGis())
    if row_audit is None:
        return []
    values = range(1, len(stage.counters) + len(stage.checks) + 1)
    (sums,) = query(f"SELECT {', '.join(f'sum(coalesce(({row_audit})[{n}], 0))' for n in values)} FROM {stage.target}")
    return [int(number or 0) for number in sums]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_engines_give_the_same(duck: Callable[[str], list[Any]], query: Query, case: tuple[Any, ...]) -> None:
    recipe = as_recipe(case)
    postgis = PostGis()
    ours, theirs = recipe.plan(RELATION, DuckDb(), look_up), recipe.plan(RELATION, postgis, look_up)
    for statement in chain.from_iterable(postgis.functions.values()):
        query(f"{statement};")
    assert ours.relation == theirs.relation
    counted, mine = result_of(ours, duck, "ST_AsHEXWKB(geom)")
    recounted, others = result_of(theirs, query, "encode(ST_AsBinary(geom, 'NDR'), 'hex')")
    assert counted == recounted
    assert len(mine) == len(others)
    for one, other in zip(mine, others, strict=True):
        for column, value, found in zip(ours.relation.columns, one, other, strict=False):
            if value is None or found is None or column.type not in {"double", "float"}:
                assert found == (None if value is None else str(value)), column
            else:
                assert float(found) == pytest.approx(float(value), rel=1e-6 if column.type == "float" else 0, nan_ok=True), column
        shape, found = shapely.from_wkb(one[-1]), shapely.from_wkb(other[-1])
        assert (shape is None) == (found is None)
        if shape is not None:
            tolerance = 1e-9 if ours.relation.crs == "EPSG:4326" else 1e-4  # degrees, metres
            assert shapely.equals_exact(shape, found, tolerance, normalize=True)
            assert shape.has_z == found.has_z
