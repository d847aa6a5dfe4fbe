"""Keys, domains and relationships from a database's file to the lake: kept, renamed, cast, merged."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow.parquet as pq
import pytest
import shapely

from libs.models import Report, Status
from services.local import Service

pytestmark = pytest.mark.integration

CASE = Path(__file__).parents[2] / "data/cases/08-filegdb/net.gdb.zip"
STATE = {
    "title": "Zustand des Schiebers",
    "domain": {
        "name": "DOM_STATE",
        "description": "state of valve",
        "values": [{"value": 0, "label": "open"}, {"value": 1, "label": "closed"}],
    },
}


@pytest.fixture(params=["duckdb", "postgis"])
def either(request: pytest.FixtureRequest, open_platform: Callable[..., Any]) -> Any:
    """The platform on each of the engines."""
    if request.param == "duckdb":
        return open_platform()
    server: Service = request.getfixturevalue("postgis")
    return open_platform(**{name.lower(): value for name, value in server.environment.items()})


def net(platform: Any, batch_id: str, intent: str = "ingest_vector", entry: dict[str, Any] | None = None, **more: Any) -> Report:
    """Ingest the case."""
    path = platform.stack.landing.store.uri(f"{batch_id}/net.gdb.zip")
    platform.stack.landing.store.put(f"{batch_id}/net.gdb.zip", CASE.read_bytes())
    spec = {"path": path, "type": "vector", "format": "FileGDB"} | (entry or {})
    return platform.ingest(batch_id, spec, intent=intent, **more)


def notes_of(platform: Any, dataset_id: str, version: int | None = None) -> dict[str, Any] | None:
    """What a lake file says of its columns."""
    (file,) = platform.asset(dataset_id, version).files
    path = platform.stack.lake.store.root / file.key
    metadata = pq.read_metadata(path).metadata
    assert (b"geo" in metadata) == ("geom" in pq.read_schema(path).names)
    found = metadata.get(b"spatial_etl:columns")
    return json.loads(found) if found else None


def test_a_file_geodatabase(either: Any) -> None:
    report = net(either, "one")
    assert report.status is Status.SUCCESS
    assert [dataset.dataset_id for dataset in report.datasets] == ["net.valves", "net.arcs", "net.valves__attach"]
    assert sorted({warning.code for warning in report.warnings}) == ["attachments", "coded_values", "key_kept", "relationship"]
    valves, attachments = either.read("net.valves"), either.read("net.valves__attach")
    assert sorted(valves["OBJECTID"].to_pylist()) == [1, 2, 3]
    assert sorted(zip(valves["OBJECTID"].to_pylist(), valves["STATE"].to_pylist(), strict=True)) == [(1, 0), (2, 1), (3, 0)]
    assert attachments["REL_OBJECTID"].to_pylist() == [1]
    assert notes_of(either, "net.valves") == {"STATE": STATE}
    assert notes_of(either, "net.arcs") is None
    assert either.asset("net.valves").meanings == {"STATE": "Zustand des Schiebers; domain DOM_STATE, 2 codes"}
    again = net(either, "two")
    assert [dataset.files[0].sha256 for dataset in again.datasets] == [dataset.files[0].sha256 for dataset in report.datasets]


def test_the_remedy_for_a_key_that_is_kept_works_as_typed(platform: Any) -> None:
    report = net(platform, "one", entry={"layer": "valves"})
    (remedy,) = [warning.remedy for warning in report.warnings if warning.code == "key_kept"]
    typed = json.loads(f"{{{re.search('write (.*) in the manifest', remedy)[1]}}}")
    again = net(platform, "two", entry={"layer": "valves"}, **typed)
    assert again.status is Status.SUCCESS, again.problems
    assert "OBJECTID" not in platform.read("net.valves", 2).column_names


@pytest.mark.parametrize(
    ("step", "columns"),
    [
        ({"op": "select", "columns": ["OBJECTID"]}, ["OBJECTID"]),
        ({"op": "select", "without": ["OBJECTID"]}, []),
        ({"op": "rename", "columns": {"OBJECTID": "arc"}}, ["arc"]),
        ({"op": "cast", "columns": {"OBJECTID": "string"}}, ["OBJECTID"]),
        ({"op": "filter", "condition": {"not": {"column": "OBJECTID", "op": "ge", "value": 9}}}, ["OBJECTID"]),
        ({"op": "dissolve", "by": ["OBJECTID"]}, ["OBJECTID"]),
        ({"op": "dissolve", "aggregate": {"n": {"op": "max", "column": "OBJECTID"}}}, ["n"]),
    ],
)
def test_a_recipe_that_names_a_key_gets_it(open_platform: Callable[..., Any], step: Any, columns: list[str]) -> None:
    recipes = open_platform().home / "recipes"
    recipes.mkdir(exist_ok=True)
    (recipes / "mine.yaml").write_text(json.dumps({"name": "mine", "description": "x", "steps": [{"op": "repair"}, step]}))
    platform = open_platform()
    report = net(platform, "one", "mine", {"layer": "arcs"})
    assert report.status is Status.SUCCESS, report.problems
    table = platform.read("net.arcs")
    assert table.column_names == [*columns, "geom", "bbox"]
    assert [str(value) for name in columns for value in table[name].to_pylist()] == ["1"] * len(columns)


def test_a_name_that_a_step_gives_is_no_wish_for_a_key(platform: Any, tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"a": [7]}, geometry=[shapely.Point(1, 1)], crs="EPSG:4326")
    frame.to_file(tmp_path / "x.gpkg", driver="GPKG", engine="pyogrio")
    file = platform.entry(platform.put("x/x.gpkg", tmp_path / "x.gpkg"))
    assert platform.ingest("x", file, intent="rename", parameters={"columns": {"a": "fid"}}).status is Status.SUCCESS
    assert platform.read("x")["fid"].to_pylist() == [7]


def test_a_manifest_that_asks_for_keys(platform: Any) -> None:
    assert net(platform, "one", entry={"keep_key": True, "layer": "arcs"}).status is Status.SUCCESS
    assert platform.read("net.arcs")["OBJECTID"].to_pylist() == [1]


def test_what_is_said_of_a_column_follows_it_through_a_recipe(either: Any) -> None:
    renamed = net(either, "one", "rename", {"layer": "valves"}, parameters={"columns": {"STATE": "NAME", "NAME": "STATE"}})
    assert renamed.status is Status.SUCCESS, renamed.problems
    assert notes_of(either, "net.valves") == {"NAME": STATE}
    cast = net(either, "two", "cast", {"layer": "valves"}, parameters={"columns": {"STATE": "string"}})
    assert cast.status is Status.SUCCESS, cast.problems
    domain = STATE["domain"] | {"values": [{"value": "0", "label": "open"}, {"value": "1", "label": "closed"}]}
    assert notes_of(either, "net.valves", 2) == {"STATE": STATE | {"domain": domain}}
    left_out = net(either, "three", "select", {"layer": "valves"}, parameters={"without": ["STATE"]})
    assert left_out.status is Status.SUCCESS, left_out.problems
    assert notes_of(either, "net.valves", 3) is None


def test_a_lake_file_that_is_ingested_again_keeps_what_it_says(platform: Any) -> None:
    net(platform, "one", entry={"layer": "valves"})
    (file,) = platform.asset("net.valves").files
    content = (platform.stack.lake.store.root / file.key).read_bytes()
    report = platform.ingest("two", platform.entry(platform.put("two/again.parquet", content)))
    assert report.status is Status.SUCCESS, report.problems
    assert notes_of(platform, "again") == {"STATE": STATE}


def test_a_domain_stays_with_what_is_dissolved_by_it_and_not_with_what_is_counted(platform: Any) -> None:
    parameters = {"by": ["STATE"], "aggregate": {"BIG": {"op": "count"}}}
    report = net(platform, "one", "dissolve", {"layer": "valves"}, parameters=parameters)
    assert report.status is Status.SUCCESS, report.problems
    assert notes_of(platform, "net.valves") == {"STATE": STATE}


def _coded(path: Path, *labels: tuple[int, str]) -> Path:
    frame = gpd.GeoDataFrame({"kind": [1]}, geometry=[shapely.Point(1, 1)], crs="EPSG:4326")
    frame.to_file(path, layer="a", driver="GPKG", engine="pyogrio")
    with sqlite3.connect(path) as database:
        database.executescript("""
            CREATE TABLE gpkg_data_columns (table_name TEXT, column_name TEXT, name TEXT, title TEXT, description TEXT,
                mime_type TEXT, constraint_name TEXT);
            CREATE TABLE gpkg_data_column_constraints (constraint_name TEXT, constraint_type TEXT, value TEXT, min NUMERIC,
                min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT);
            INSERT INTO gpkg_data_columns VALUES ('a', 'kind', NULL, NULL, NULL, NULL, 'kinds');
        """)
        database.executemany(
            "INSERT INTO gpkg_data_column_constraints VALUES ('kinds', 'enum', ?, NULL, NULL, NULL, NULL, ?)",
            [(str(code), label) for code, label in labels],
        )
    return path


def _appended(platform: Any, tmp_path: Path, *files: list[tuple[int, str]]) -> Report:
    entries = [
        platform.entry(platform.put(f"x/{n}.gpkg", _coded(tmp_path / f"{n}.gpkg", *labels)), dataset_id="kinds")
        for n, labels in enumerate(files)
    ]
    return platform.ingest("x", *entries)


def test_domains_of_files_that_are_appended(platform: Any, tmp_path: Path) -> None:
    """A later delivery knows more codes."""
    report = _appended(platform, tmp_path, [(1, "road"), (2, "path")], [(2, "path"), (3, "track")])
    assert report.status is Status.SUCCESS, report.problems
    values = [{"value": 1, "label": "road"}, {"value": 2, "label": "path"}, {"value": 3, "label": "track"}]
    assert notes_of(platform, "kinds") == {"kind": {"domain": {"name": "kinds", "values": values}}}
    assert {warning.code for warning in report.warnings} == {"coded_values"}


def _towns(platform: Any, tmp_path: Path, *kinds: str, **more: Any) -> Report:
    """Towns that go into one dataset, each with or without a table that refers to its sites."""
    entries = []
    for number, kind in enumerate(kinds):
        path = tmp_path / f"{number}" / "town.gpkg"
        path.parent.mkdir(exist_ok=True)
        frame = gpd.GeoDataFrame({"name": [f"{number}"]}, geometry=[shapely.Point(1, 1)], crs="EPSG:4326")
        frame.to_file(path, layer="sites", driver="GPKG", engine="pyogrio")
        if kind == "related":
            with sqlite3.connect(path) as database:
                database.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, site INTEGER REFERENCES sites (fid))")
        entries.append(platform.entry(platform.put(f"{number}/town.gpkg", path), layer="sites", dataset_id="sites", **more))
    return platform.ingest(f"towns-{len(more)}", *entries)


def test_files_that_are_appended_agree_on_their_keys(platform: Any, tmp_path: Path) -> None:
    report = _towns(platform, tmp_path, "related", "plain")
    assert report.status is Status.SUCCESS, report.problems
    assert sorted(platform.read("sites").select(["fid", "name"]).to_pylist(), key=str) == [
        {"fid": 1, "name": "0"}, {"fid": 1, "name": "1"}
    ]  # fmt: skip


def test_a_key_that_the_files_before_do_not_have(platform: Any, tmp_path: Path) -> None:
    report = _towns(platform, tmp_path, "plain", "related")
    assert report.status is Status.SUCCESS, report.problems
    assert "fid" not in platform.read("sites").column_names
    (warning,) = [warning for warning in report.warnings if warning.code == "key_left_out"]
    assert warning.where == "files[1]: layer sites"
    shutil.rmtree(tmp_path / "1")
    shutil.rmtree(tmp_path / "0")
    again = _towns(platform, tmp_path, "plain", "related", keep_key=True)
    assert again.status is Status.SUCCESS, again.problems
    assert platform.read("sites", 2)["fid"].to_pylist() == [1, 1]


def test_domains_that_contradict_each_other(platform: Any, tmp_path: Path) -> None:
    """No label is better than a wrong one."""
    report = _appended(platform, tmp_path, [(1, "road")], [(1, "river")], [(1, "road")])
    assert report.status is Status.SUCCESS, report.problems
    assert notes_of(platform, "kinds") is None
    (warning,) = [warning for warning in report.warnings if warning.code == "column_notes_differ"]
    assert warning.where == "files[1]: layer a"
    assert "'kind'" in warning.message


def test_saved_styles_do_not_rename_a_dataset(platform: Any, tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"a": [7]}, geometry=[shapely.Point(1, 1)], crs="EPSG:4326")
    path = tmp_path / "town.gpkg"
    frame.to_file(path, layer="sites", driver="GPKG", engine="pyogrio")
    file = platform.entry(platform.put("x/town.gpkg", path))
    (plain,) = platform.ingest("plain", file).datasets
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE layer_styles (id INTEGER PRIMARY KEY, f_table_name varchar, f_geometry_column varchar, "
            "styleName varchar(30), styleQML varchar, styleSLD varchar)"
        )
        database.execute("INSERT INTO layer_styles (f_table_name, styleName) VALUES ('sites', 'red')")
    platform.put("x/town.gpkg", path)
    report = platform.ingest("styled", file)
    (styled,) = report.datasets
    assert (styled.dataset_id, styled.version) == (plain.dataset_id, 2)
    assert styled.files[0].sha256 == plain.files[0].sha256
    warning, again = report.warnings
    assert (warning.code, again.code) == ("internal_table_skipped", "same_as_before")
    wanted = platform.ingest("wanted", file, file | json.loads(f"{{{warning.remedy.partition('with ')[2].rstrip('.')}}}"))
    assert [dataset.dataset_id for dataset in wanted.datasets] == ["town", "town.layer_styles"]
