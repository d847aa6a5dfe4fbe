"""What databases hold besides rows: keys, relationships, attachments, domains of values, and tables of programs."""

import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from libs.models import ColumnNotes, Problem
from libs.models.column import CodedValue, Domain

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
CASE = Path(__file__).parents[2] / "data/cases/08-filegdb/net.gdb.zip"
RELATIONS = """
    CREATE TABLE gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT, definition TEXT, scope TEXT);
    CREATE TABLE gpkgext_relations (id INTEGER PRIMARY KEY, base_table_name TEXT, base_primary_column TEXT,
        related_table_name TEXT, related_primary_column TEXT, relation_name TEXT, mapping_table_name TEXT);
    INSERT INTO gpkg_extensions VALUES
        ('gpkgext_relations', NULL, 'gpkg_related_tables', 'http://www.geopackage.org/18-000.html', 'read-write'),
        ('sites_photos', NULL, 'gpkg_related_tables', 'http://www.geopackage.org/18-000.html', 'read-write');
    CREATE TABLE photos (id INTEGER PRIMARY KEY, content BLOB);
    CREATE TABLE sites_photos (base_id INTEGER, related_id INTEGER);
    INSERT INTO gpkgext_relations VALUES (1, 'sites', 'fid', 'photos', 'id', 'media', 'sites_photos');
"""
DOMAINS = """
    CREATE TABLE gpkg_data_columns (table_name TEXT, column_name TEXT, name TEXT, title TEXT, description TEXT, mime_type TEXT,
        constraint_name TEXT);
    CREATE TABLE gpkg_data_column_constraints (constraint_name TEXT, constraint_type TEXT, value TEXT, min NUMERIC,
        min_is_inclusive BOOLEAN, max NUMERIC, max_is_inclusive BOOLEAN, description TEXT);
"""
STYLES = """
    CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT, f_table_catalog character varying(256),
        f_table_schema character varying(256), f_table_name character varying(256), f_geometry_column character varying(256),
        styleName character varying(30), styleQML character varying, styleSLD character varying, useAsDefault boolean,
        description character varying, owner character varying(30), ui character varying(30),
        update_time timestamp with time zone);
    INSERT INTO layer_styles (f_table_name, styleName) VALUES ('sites', 'default');
"""


def sites(path: Path, script: str = "", **columns: list[Any]) -> Path:
    """A GeoPackage with the layer ``sites`` of two points, and what a script adds to it. The second row's key is 2**40."""
    frame = gpd.GeoDataFrame({"name": ["a", "b"], **columns}, geometry=[shapely.Point(1, 1)] * 2, crs="EPSG:4326")
    frame.to_file(path, layer="sites", driver="GPKG", engine="pyogrio", SPATIAL_INDEX="NO")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE sites SET fid = ? WHERE fid = 2", (2**40,))
        database.executescript(script)
    return path


def codes(warnings: list[Problem]) -> list[str]:
    return sorted(warning.code for warning in warnings)


def test_a_file_geodatabase_with_a_relationship_and_a_domain(read: Reader) -> None:
    got = read(CASE, "FileGDB")
    assert got.tables["valves"].column_names == ["OBJECTID", "STATE", "BUILT", "NAME", "BIG", "SHORTV", "D", "TM", "geom"]
    assert got.tables["valves"]["OBJECTID"].to_pylist() == [1, 2, 3]
    assert got.tables["valves"]["STATE"].to_pylist() == [0, 1, 0]
    assert got.tables["arcs"].column_names == ["geom"]
    assert got.tables["valves__ATTACH"]["REL_OBJECTID"].to_pylist() == [1]
    assert got.tables["valves__ATTACH"]["DATA"].to_pylist() == [b"\xff\xd8\xff\xe0"]
    assert got.notes["valves"] == {
        "STATE": ColumnNotes(
            title="Zustand des Schiebers",
            domain=Domain(
                name="DOM_STATE",
                description="state of valve",
                values=(CodedValue(value=0, label="open"), CodedValue(value=1, label="closed")),
            ),
        )
    }
    assert codes(got.warnings) == ["attachments", "coded_values", "key_kept", "relationship"]
    said = {warning.code: warning.message for warning in got.warnings}
    for word in ("'valves__ATTACHREL'", "one to one", "'valves' (OBJECTID)", "'valves__ATTACH' (REL_OBJECTID)"):
        assert word in said["relationship"]
    assert "'valves__ATTACH' holds 1 attachment of 'valves'" in said["attachments"]
    assert "'STATE' (DOM_STATE)" in said["coded_values"]


def test_one_layer_of_it_is_the_same_as_among_the_others(read: Reader) -> None:
    """A version is made again layer by layer."""
    whole, alone = read(CASE, "FileGDB"), read(CASE, "FileGDB", layer="valves")
    assert alone.table == whole.tables["valves"]
    assert "Not read: 'valves__ATTACH'." in next(each.message for each in alone.warnings if each.code == "relationship")
    (attachments,) = [each for each in alone.warnings if each.code == "attachments"]
    assert '"layer": "valves__ATTACH"' in attachments.remedy
    assert read(CASE, "FileGDB", layer="arcs").warnings == []


@pytest.mark.parametrize("asked", [{"keep_key": True}, {"named": ["objectid"]}])
def test_a_key_that_is_asked_for(read: Reader, asked: dict[str, Any]) -> None:
    got = read(CASE, "FileGDB", layer="arcs", **asked)
    assert got.table.column_names == ["OBJECTID", "geom"]
    assert got.table["OBJECTID"].to_pylist() == [1]
    assert got.warnings == []


@pytest.mark.parametrize("asked", [{"keep_key": True}, {"named": ["Fid"] + [f"column_{n}" for n in range(20_000)]}])
def test_a_key_of_a_geopackage_that_is_asked_for(read: Reader, tmp_path: Path, asked: dict[str, Any]) -> None:
    got = read(sites(tmp_path / "a.gpkg"), "GPKG", **asked)
    assert got.table.column_names == ["fid", "name", "geom"]
    assert got.table["fid"].to_pylist() == [1, 2**40]


def test_a_key_that_nobody_asks_for_or_refers_to(read: Reader, tmp_path: Path) -> None:
    got = read(sites(tmp_path / "a.gpkg", "CREATE TABLE visits (id INTEGER PRIMARY KEY, remark TEXT)"), "GPKG", named=["name"])
    assert got.tables["sites"].column_names == ["name", "geom"]
    assert got.warnings == []


def test_a_key_that_there_is_not(read: Reader, write: Callable[..., Path], places: gpd.GeoDataFrame, tmp_path: Path) -> None:
    shapefile = read(write(places[["geometry"]], "a.shp", "ESRI Shapefile"), "ESRI Shapefile", keep_key=True)
    assert [(warning.code, warning.where) for warning in shapefile.warnings] == [("no_key", "files[0].keep_key")]
    path = sites(tmp_path / "a.gpkg", "CREATE TABLE plain (n INTEGER); INSERT INTO plain VALUES (7)")
    got = read(path, "GPKG", keep_key=True)
    assert got.tables["plain"].to_pydict() == {"n": [7]}
    assert [(warning.code, warning.where) for warning in got.warnings] == [("no_key", "files[0]: layer plain")]


@pytest.mark.parametrize(
    "table",
    [
        "visits (id INTEGER PRIMARY KEY, place INTEGER REFERENCES sites (fid))",
        "visits (id INTEGER PRIMARY KEY, place INTEGER REFERENCES SITES)",  # the primary key, whatever it is called
        "visits (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, FOREIGN KEY (a) REFERENCES sites (fid) ON DELETE CASCADE)",
    ],
)
def test_a_foreign_key_refers_to_a_key(read: Reader, tmp_path: Path, table: str) -> None:
    got = read(sites(tmp_path / "a.gpkg", f"CREATE TABLE {table}"), "GPKG")
    assert got.tables["sites"]["fid"].to_pylist() == [1, 2**40]
    (relationship,) = [warning.message for warning in got.warnings if warning.code == "relationship"]
    assert "one to many" in relationship
    assert "(fid)" in relationship


def test_one_foreign_key_of_two_refers_to_a_key(read: Reader, tmp_path: Path) -> None:
    script = """
        CREATE UNIQUE INDEX names ON sites (name);
        CREATE TABLE visits (id INTEGER PRIMARY KEY, place TEXT REFERENCES sites (name), number INTEGER REFERENCES sites);
    """
    got = read(sites(tmp_path / "a.gpkg", script), "GPKG")
    assert got.tables["sites"]["fid"].to_pylist() == [1, 2**40]
    assert [code for code in codes(got.warnings) if code == "relationship"] == ["relationship"] * 2


def test_a_foreign_key_to_the_same_table(read: Reader, tmp_path: Path) -> None:
    path = sites(tmp_path / "a.gpkg", "ALTER TABLE sites ADD COLUMN part_of INTEGER REFERENCES sites (fid)")
    assert read(path, "GPKG").table["fid"].to_pylist() == [1, 2**40]


def test_related_tables_refer_to_a_key(read: Reader, tmp_path: Path) -> None:
    got = read(sites(tmp_path / "a.gpkg", RELATIONS), "GPKG")
    assert got.tables["sites"]["fid"].to_pylist() == [1, 2**40]
    (relationship,) = [warning.message for warning in got.warnings if warning.code == "relationship"]
    for word in ("many to many", "'sites' (fid)", "'photos' (id)", "'sites_photos' (base_id, related_id)"):
        assert word in relationship


@pytest.mark.parametrize("column", ["sites_fid", "site_fid", "fid_sites", "SiteFID", "site_id", "id_site", "fk_sites", "siteref"])
def test_a_column_that_by_its_name_refers_to_a_key(read: Reader, tmp_path: Path, column: str) -> None:
    got = read(sites(tmp_path / "a.gpkg", f"CREATE TABLE visits (id INTEGER PRIMARY KEY, {column} INTEGER)"), "GPKG")
    assert got.tables["sites"]["fid"].to_pylist() == [1, 2**40]
    (kept,) = got.warnings
    assert kept.code == "key_kept"
    assert f"the column {column!r} of the table 'visits' refers to it" in kept.message


@pytest.mark.parametrize(
    ("column", "own"),
    [
        ("site_id INTEGER", "id"), ("site_id INTEGER", "site_id"), ("site_id INTEGER", "sites_id"),  # refer to those
        ("site_fid TEXT", "name"), ("site_fid POINT", "name"), ("road_fid INTEGER", "name"), ("fid_name INTEGER", "name"),
    ],
)  # fmt: skip
def test_a_column_that_does_not_refer_to_a_key(read: Reader, tmp_path: Path, column: str, own: str) -> None:
    path = sites(tmp_path / "a.gpkg", f"CREATE TABLE visits (pk INTEGER PRIMARY KEY, {column})", **{own: ["1", "2"]})
    assert "fid" not in read(path, "GPKG").tables["sites"].column_names


def test_attachments_without_a_relationship(read: Reader, tmp_path: Path) -> None:
    """As ogr2ogr copies them out of a FileGDB."""
    script = """
        ALTER TABLE sites RENAME COLUMN fid TO OBJECTID;
        CREATE TABLE sites__ATTACH (ATTACHMENTID INTEGER PRIMARY KEY, REL_OBJECTID INTEGER, DATA BLOB);
        INSERT INTO sites__ATTACH VALUES (1, 1099511627776, x'ff'), (2, 1, NULL);
    """
    got = read(sites(tmp_path / "a.gpkg", script), "GPKG")
    assert got.tables["sites"]["OBJECTID"].to_pylist() == [1, 2**40]
    assert codes(got.warnings) == ["attachments", "key_kept"]


def test_attachments_by_a_global_id_need_no_key(read: Reader, tmp_path: Path) -> None:
    script = "CREATE TABLE sites__ATTACH (ATTACHMENTID INTEGER PRIMARY KEY, REL_GLOBALID TEXT, DATA BLOB)"
    got = read(sites(tmp_path / "a.gpkg", script), "GPKG")
    assert got.tables["sites"].column_names == ["name", "geom"]
    assert codes(got.warnings) == ["attachments"]


def test_layers_of_an_archive_are_named_in_full(read: Reader, tmp_path: Path) -> None:
    script = f"{STYLES} CREATE TABLE sites__ATTACH (ATTACHMENTID INTEGER PRIMARY KEY, REL_OBJECTID INTEGER, DATA BLOB)"
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        for name in ("a.gpkg", "b.gpkg"):
            archive.write(sites(tmp_path / name, script), name)
    got = read(tmp_path / "both.zip", "GPKG")
    assert list(got.tables) == ["a/sites", "a/sites__ATTACH", "b/sites", "b/sites__ATTACH"]
    remedies = [warning.remedy for warning in got.warnings if warning.code == "internal_table_skipped"]
    assert [json.loads(f"{{{remedy.partition('with ')[2].rstrip('.')}}}")["layer"] for remedy in remedies] == [
        "a/layer_styles", "b/layer_styles"
    ]  # fmt: skip
    one = read(tmp_path / "both.zip", "GPKG", layer="a/sites")
    (remedy,) = [warning.remedy for warning in one.warnings if warning.code == "attachments" and "another" in warning.remedy]
    wanted = json.loads(f"{{{remedy.partition('with ')[2].rstrip('.')}}}")
    assert list(read(tmp_path / "both.zip", "GPKG", **wanted).tables) == ["a/sites__ATTACH"]


@pytest.mark.parametrize("registered", [False, True])
def test_saved_styles_are_no_layer(read: Reader, tmp_path: Path, registered: bool) -> None:
    script = STYLES
    if registered:
        script += "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('layer_styles', 'attributes', 's');"
    path = sites(tmp_path / "a.gpkg", script)
    got = read(path, "GPKG")
    assert list(got.tables) == ["sites"]
    assert [(warning.code, warning.where) for warning in got.warnings] == [
        ("internal_table_skipped", "files[0]: layer layer_styles")
    ]
    asked = read(path, "GPKG", layer="layer_styles")
    assert asked.table["styleName"].to_pylist() == ["default"]


@pytest.mark.parametrize(
    "table",
    [
        "qgis_projects (name TEXT PRIMARY KEY, metadata BLOB, content BLOB)",
        "log_fids (layer_id INTEGER, offline_fid INTEGER, remote_fid INTEGER, remote_pk TEXT)",
        "log_added_attrs (layer_id INTEGER, commit_no INTEGER, name TEXT, type, length, precision, comment TEXT)",
        "android_metadata (locale TEXT)",
        "views_geometry_columns (view_name TEXT, view_geometry TEXT, view_rowid TEXT, f_table_name TEXT, f_geometry_column TEXT)",
    ],
)
def test_tables_of_programs_are_no_layers(read: Reader, tmp_path: Path, table: str) -> None:
    got = read(sites(tmp_path / "a.gpkg", f"CREATE TABLE {table}"), "GPKG")
    assert list(got.tables) == ["sites"]
    (warning,) = got.warnings
    assert warning.code == "internal_table_skipped"
    assert table.split(maxsplit=1)[0] in warning.message


@pytest.mark.parametrize(
    "table", ["layer_styles (id INTEGER PRIMARY KEY, colour TEXT)", "qgis_projects (name TEXT, client TEXT)"]
)
def test_a_table_of_the_data_may_be_called_like_one_of_a_program(read: Reader, tmp_path: Path, table: str) -> None:
    got = read(sites(tmp_path / "a.gpkg", f"CREATE TABLE {table}"), "GPKG")
    assert list(got.tables) == ["sites", table.split(maxsplit=1)[0]]
    assert got.warnings == []


def test_a_table_that_the_geopackage_does_not_register(read: Reader, tmp_path: Path) -> None:
    """GDAL lists tables that are not registered only as long as no table without geometry is."""
    script = f"""
        CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE visits (id INTEGER PRIMARY KEY, remark TEXT);
        {STYLES}
    """
    path = sites(tmp_path / "a.gpkg", script)
    assert sorted(read(path, "GPKG").tables) == ["owners", "sites", "visits"]
    register = "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES (?, 'attributes', ?)"
    with sqlite3.connect(path) as database:
        database.execute(register, ("owners", "owners"))
    got = read(path, "GPKG")
    assert sorted(got.tables) == ["owners", "sites"]
    assert [(warning.code, warning.where) for warning in got.warnings] == [("table_not_registered", "files[0]: layer visits")]
    with sqlite3.connect(path) as database:
        database.execute(register, ("visits", "visits"))
    assert sorted(read(path, "GPKG").tables) == ["owners", "sites", "visits"]
    assert read(path, "GPKG").warnings == []


def test_nothing_but_tables_of_programs(refused: Refuser, tmp_path: Path) -> None:
    path = sites(tmp_path / "a.gpkg", STYLES)
    with sqlite3.connect(path) as database:
        database.executescript("DROP TABLE sites; DELETE FROM gpkg_contents; DELETE FROM gpkg_geometry_columns")
    problem = refused(path, "GPKG")
    assert problem.code == "no_layers"
    assert "'layer_styles'" in problem.message


def _with_domain(path: Path, *constraints: str, column: str = "n INTEGER", name: str = "d") -> Path:
    column_name = column.split(maxsplit=1)[0]
    script = (
        f"{DOMAINS} ALTER TABLE sites ADD COLUMN {column};"
        f"INSERT INTO gpkg_data_columns VALUES ('sites', '{column_name}', 'Nummer', NULL, 'Was es ist', NULL, '{name}');"
    )
    script += "".join(f"INSERT INTO gpkg_data_column_constraints VALUES ({constraint});" for constraint in constraints)
    return sites(path, script)


def test_labels_of_codes_in_a_geopackage(read: Reader, tmp_path: Path) -> None:
    path = _with_domain(
        tmp_path / "a.gpkg",
        "'d', 'enum', '10', NULL, NULL, NULL, NULL, 'offen'", "'d', 'enum', '2', NULL, NULL, NULL, NULL, NULL",
    )  # fmt: skip
    got = read(path, "GPKG")
    values = (CodedValue(value=10, label="offen"), CodedValue(value=2))
    assert got.notes["sites"]["n"].title == "Nummer"
    assert got.notes["sites"]["n"].description == "Was es ist"
    assert got.notes["sites"]["n"].domain.values == values
    assert codes(got.warnings) == ["coded_values"]


@pytest.mark.parametrize(
    ("constraint", "column", "expected"),
    [
        ("'d', 'range', NULL, 1, 1, 7.5, 0, NULL", "n REAL", {"min": 1.0, "max": 7.5, "max_excluded": True}),
        ("'d', 'glob', '[A-Z]*', NULL, NULL, NULL, NULL, NULL", "n TEXT", {"pattern": "[A-Z]*"}),
    ],
)
def test_ranges_and_patterns(read: Reader, tmp_path: Path, constraint: str, column: str, expected: dict[str, Any]) -> None:
    got = read(_with_domain(tmp_path / "a.gpkg", constraint, column=column), "GPKG")
    assert got.notes["sites"]["n"].domain == Domain(name="d", **expected)
    assert got.warnings == []


@pytest.mark.parametrize("said", ["{", "[]", '{"n": 1}', '{"n": {"title": {}}, "x": {}}', '{"n": {"new": 1}}'])
def test_notes_of_a_parquet_file_that_make_no_sense(read: Reader, tmp_path: Path, said: str) -> None:
    table = pa.table({"n": [1]}).replace_schema_metadata({"spatial_etl:columns": said})
    pq.write_table(table, tmp_path / "a.parquet")
    got = read(tmp_path / "a.parquet", "GeoParquet", type="tabular")
    assert got.table.to_pydict() == {"n": [1]}
    assert got.notes["a"] == {}
    assert codes(got.warnings) == ["column_notes_ignored"]


def test_a_domain_that_is_not_there_loses_no_data(read: Reader, tmp_path: Path) -> None:
    got = read(_with_domain(tmp_path / "a.gpkg"), "GPKG")
    assert got.table.num_rows == 2
    assert codes(got.warnings) == ["domain_not_read"]
    assert got.notes["sites"]["n"].domain == Domain(name="d")
