"""A DuckDB with the spatial extension from its wheel, as the engine sets it up: nothing is downloaded."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_spatial
import pyarrow as pa
import pytest
import shapely

from libs.compute.duckdb import add_functions
from libs.models import Changes
from libs.transformations import Column, Dialect, DuckDb, Plan, Recipe, Relation
from libs.transformations.crs import CrsFacts, CrsUnit

Row = dict[str, Any]


def look_up(text: str) -> CrsFacts:
    return CrsFacts(text, CrsUnit("angle", 1) if text == "EPSG:4326" else CrsUnit("length", 1))


def connect() -> duckdb.DuckDBPyConnection:
    (extension,) = Path(duckdb_extension_spatial.__file__).parent.rglob("spatial.duckdb_extension")
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    connection.execute(f"LOAD '{extension}'")
    connection.execute("SET TimeZone = 'UTC'")
    add_functions(connection)
    return connection


@pytest.fixture(scope="session")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as connection:
        yield connection


@dataclass
class Result:
    """What became of some rows: values by column, ``geom`` as WKB."""

    relation: Relation
    changes: Changes
    rows: list[Row]

    def __getitem__(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]

    @property
    def shapes(self) -> list[shapely.Geometry | None]:
        return [shapely.from_wkb(wkb) for wkb in self["geom"]]


def apply(
    connection: duckdb.DuckDBPyConnection,
    what: Recipe,
    rows: Sequence[Row],
    schema: pa.Schema | None = None,
    crs: str = "EPSG:32632",
    dialect: Dialect | None = None,
    inputs: Mapping[str, Sequence[Row]] | None = None,
) -> Result:
    """Run a recipe on rows, whose ``geom``, if there is one, is a Shapely geometry, WKB or None; so have named inputs."""
    schema = schema or pa.schema([("id", pa.int64())])
    relation = _register(connection, "raw_data", rows, schema, crs)
    known = {name: _register(connection, f"input_{name}", each, schema, crs) for name, each in (inputs or {}).items()}
    has_geometry = relation.geometry
    plan = what.plan(relation, dialect or DuckDb(), look_up, inputs=known)

    def made(part: Plan, count: int) -> Changes:
        audits: list[tuple[Any, ...] | None] = []
        for stage in part.stages:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE {stage.target} AS {stage.select}")
            audits.append(connection.execute(stage.audit).fetchone() if stage.audit else None)
        return part.changes(audits, lambda row: f"feature {row + 1}", count)

    counts = {
        f"{each.input}_{name}": number
        for each in plan.preparations
        for name, number in made(each.plan, len((inputs or {})[each.input])).counts.items()
        if name != "columns_dropped"
    }
    changes = made(plan, len(rows))
    changes = changes.model_copy(update={"counts": {**changes.counts, **counts}})
    names = [(DuckDb().identifier(name), name) for name in plan.relation.names]
    if has_geometry:
        names.append(("ST_AsWKB(geom)", "geom"))
    where = plan.row_filter or "TRUE"
    select = f"SELECT {', '.join(sql for sql, _ in names)} FROM processed WHERE {where} ORDER BY {', '.join(plan.order)}"
    found = connection.execute(select).fetchall() if names else []
    made = [dict(zip([name for _, name in names], values, strict=True)) for values in found]
    return Result(plan.relation, changes, made)


def _register(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Row], schema: pa.Schema, crs: str) -> Relation:
    has_geometry = bool(rows) and "geom" in rows[0]
    columns = {field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in schema}
    if has_geometry:
        columns["geom"] = pa.array(map(_wkb, (row["geom"] for row in rows)), pa.binary())
    connection.register(table, pa.table({"_etl_row": pa.array(range(len(rows)), pa.int64()), **columns}))
    return Relation(
        columns=tuple(Column(name=field.name, type=str(field.type)) for field in schema),
        geometry=has_geometry,
        crs=crs if has_geometry else None,
    )


def _wkb(shape: shapely.Geometry | bytes | None) -> bytes | None:
    return shape if isinstance(shape, bytes) else shapely.to_wkb(shape, output_dimension=4, flavor="iso")


Transform = Callable[..., Result]


@pytest.fixture(scope="session")
def transform(connection: duckdb.DuckDBPyConnection) -> Transform:
    """``transform(steps or recipe, rows, schema=, crs=, dialect=)``."""

    def run(what: Recipe | list[Row], rows: Sequence[Row], **options: Any) -> Result:
        whole = what if isinstance(what, Recipe) else Recipe(name="mine", description="Mine.", steps=tuple(what))
        return apply(connection, whole, rows, **options)

    return run
