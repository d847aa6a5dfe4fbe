"""Whatever a batch holds and whoever says the policies, on both engines: features in = in the data + set aside + dropped."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import geopandas
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.models import Asset, FileRole
from libs.models.policies import Policies, effective
from services.local import Service
from tests.integration.pipeline.conftest import Platform
from tests.sampling import examples

pytestmark = pytest.mark.integration

STEPS = """steps:
  - {op: cast, columns: {n: int32}}
  - {op: filter, condition: {column: keep, op: eq, value: "yes"}}
  - {op: reproject, crs: EPSG:4326}
  - {op: repair}
"""
CHOICES = [None, "set_aside", "null", "reject"]
BATCHES = count()


@pytest.fixture(params=["duckdb", "postgis"])
def either(request: pytest.FixtureRequest, open_platform: Callable[..., Platform], tmp_path: Path) -> Platform:
    """The platform on each of the engines, with a recipe for each choice of policies."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    for value in CHOICES:
        for geometry in CHOICES:
            said = {"on_bad_value": value, "on_bad_geometry": geometry}
            policies = "".join(f"{key}: {json.dumps(policy)}\n" for key, policy in said.items() if policy)
            (folder / f"{name_of(value, geometry)}.yaml").write_text(
                f"name: {name_of(value, geometry)}\ndescription: A test.\n{STEPS}{policies}"
            )
    if request.param == "duckdb":
        return open_platform(spatial_etl_recipes=folder)
    server: Service = request.getfixturevalue("postgis")
    return open_platform(spatial_etl_recipes=folder, **{name.lower(): value for name, value in server.environment.items()})


def name_of(value: str | None, geometry: str | None) -> str:
    return f"r_{value or 'no'}_{geometry or 'no'}"


@dataclass(frozen=True)
class Row:
    """A feature: what is wrong with it, and whether the recipe keeps it."""

    bad: str
    keep: bool


@dataclass(frozen=True)
class File:
    kind: str
    rows: tuple[Row, ...]
    policies: dict[str, str]
    shared: bool

    def content(self, first: int, folder: Path) -> bytes:
        """The file, its features numbered from ``first``."""
        rows = list(enumerate(self.rows, first))
        if self.kind == "csv":
            lines = "".join(f"{','.join(self._cells(number, row))}\n" for number, row in rows)
            return f"id,x,y,n,keep\n{lines}".encode()
        if self.kind == "geojson":
            features = [
                {
                    "type": "Feature",
                    "properties": {"id": number, "n": "x" if row.bad == "value" else "7", "keep": "yes" if row.keep else "no"},
                    "geometry": {"type": "Point", "coordinates": ["a", "b"] if row.bad == "geometry" else [7, 46]},
                }
                for number, row in rows
            ]
            return json.dumps({"type": "FeatureCollection", "features": features}).encode()
        return self._geopackage(rows, folder / "made.gpkg")

    def _cells(self, number: int, row: Row) -> list[str]:
        cells = [str(number), "?7" if row.bad == "geometry" else "7.5", "46.5", "x" if row.bad == "value" else "7"]
        cells.append("yes" if row.keep else "no")
        return {"short": cells[:3], "long": [*cells, "more"]}.get(row.bad, cells)

    @staticmethod
    def _geopackage(rows: list[tuple[int, Row]], path: Path) -> bytes:
        columns = {
            "id": [number for number, _ in rows],
            "n": ["x" if row.bad == "value" else "7" for _, row in rows],
            "keep": ["yes" if row.keep else "no" for _, row in rows],
        }
        path.unlink(missing_ok=True)
        points = geopandas.points_from_xy([7.5] * len(rows), [46.5] * len(rows))
        geopandas.GeoDataFrame(columns, geometry=points, crs=4326).to_file(path, layer="made")
        with closing(sqlite3.connect(path)) as database:
            for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                database.execute(f'DROP TRIGGER "{trigger}"')
            for number, row in rows:
                if row.bad == "geometry":
                    database.execute("UPDATE made SET geom = substr(geom, 1, length(geom) - 8) WHERE id = ?", [number])
            database.commit()
        return path.read_bytes()


ROWS = st.builds(Row, st.sampled_from(["", "", "", "geometry", "value"]), st.booleans())
CSV_ROWS = st.builds(Row, st.sampled_from(["", "", "geometry", "value", "short", "long"]), st.booleans())
POLICIES = st.fixed_dictionaries({}, optional={key: st.sampled_from(CHOICES[1:]) for key in ("on_bad_value", "on_bad_geometry")})
LENIENT = st.fixed_dictionaries({key: st.sampled_from(CHOICES[1:3]) for key in ("on_bad_value", "on_bad_geometry")})


@st.composite
def files(draw: st.DrawFn) -> File:
    kind = draw(st.sampled_from(["csv", "csv", "geojson", "gpkg"]))
    rows = draw(st.lists(CSV_ROWS if kind == "csv" else ROWS, min_size=1, max_size=8))
    return File(kind, tuple(rows), draw(st.just({}) | POLICIES), shared=kind == "csv" and draw(st.booleans()))


def read(platform: Platform, asset: Asset, role: FileRole) -> Iterator[dict[str, Any]]:
    for file in asset.files:
        if file.role == role:
            yield from pq.read_table(platform.stack.lake.store.root / file.key).to_pylist()


@settings(
    max_examples=examples(4), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    batch=st.lists(files(), min_size=1, max_size=4),
    of_batch=LENIENT | POLICIES,
    of_recipe=st.tuples(st.sampled_from(CHOICES), st.sampled_from(CHOICES)),
    most=st.sampled_from([1.0, 1.0, 1.0, 2]),
)
def test_every_feature_of_a_batch_is_somewhere(
    either: Platform, tmp_path: Path, batch: list[File], of_batch: dict[str, str], of_recipe: Any, most: float
) -> None:
    number = next(BATCHES)
    recipe = Policies(on_bad_value=of_recipe[0], on_bad_geometry=of_recipe[1])
    entries, held, ids = [], dict[str, dict[int, Row]](), count()
    for index, file in enumerate(batch):
        dataset = f"d{number}.{'shared' if file.shared else index}"
        first = next(ids)
        path = either.put(f"in/{number}/{index}.{file.kind}", file.content(first, tmp_path))
        options = {"crs": "EPSG:4326", "options": {"x": "x", "y": "y"}} if file.kind == "csv" else {}
        entries.append(either.entry(path, dataset_id=dataset, **options, **file.policies))
        held.setdefault(dataset, {}).update(enumerate(file.rows, first))
        for _ in file.rows[1:]:
            next(ids)
    report = either.ingest(f"b{number}", *entries, intent=name_of(*of_recipe), max_set_aside=most, **of_batch)
    inforce = [effective(Policies(**file.policies), Policies(**of_batch), recipe) for file in batch]
    if report.status != "success":
        assert not either.stack.ledger.versions(f"d{number}.0")
        assert may_be_rejected(batch, inforce, most), report.problems
        return
    for dataset, rows in held.items():
        asset = either.asset(dataset)
        kept = [row["id"] for row in read(either, asset, FileRole.DATA)]
        aside = [int(row["id"]) for row in read(either, asset, FileRole.REJECTS)]
        dropped = rows.keys() - {*kept, *aside}
        assert len({*kept, *aside}) == len(kept) + len(aside)
        assert {*kept, *aside} <= rows.keys()
        assert len(dropped) == sum(asset.changes.dropped.values())
        assert not any(rows[each].keep and rows[each].bad != "short" for each in dropped)
        assert (len(kept), len(aside)) == (asset.features, asset.changes.set_aside)
        lineage = either.stack.ledger.lineage(dataset, 1)
        assert sum(layer.features for layer in lineage.inputs) == len(rows)
        assert not any(rows[each].bad == "" for each in aside)


def may_be_rejected(batch: list[File], inforce: list[Policies], most: float) -> bool:
    """Whether something in a batch can reject it: only a policy can, or too many that were set aside."""
    for file, policies in zip(batch, inforce, strict=True):
        bad = {row.bad for row in file.rows} - {""}
        alike = all(other == policies for other in inforce)  # what is found in appended files goes by what all of them say
        if bad and (not alike or most != 1.0 or {policies.on_bad_value, policies.on_bad_geometry} - {"set_aside", "null"}):
            return True
        if "long" in bad and policies.on_bad_value == "null":
            return True
    return sum(file.shared for file in batch) > 1  # appended files may have other types: where all rows are bad, all is text
