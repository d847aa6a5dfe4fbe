"""What somebody at a terminal can do, and what they see when it goes wrong."""

import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
from contextlib import closing
from pathlib import Path
from unittest.mock import ANY

import openpyxl
import pytest
from rich.cells import cell_len

from libs.models import Report

pytestmark = pytest.mark.integration

DEMO = Path(__file__).parents[2] / "demo" / "data"
GEODATABASE = Path(__file__).parents[1] / "data/cases/08-filegdb/net.gdb.zip"


def test_a_file_becomes_a_dataset_that_every_command_knows(cli, points):
    report = Report.model_validate(cli("ingest", points, "--project", "Alpha", "--json").json)
    (dataset,) = report.datasets
    assert (dataset.dataset_id, dataset.version, dataset.features, dataset.crs) == ("alpha.points", 1, 2, "EPSG:4326")
    assert (cli.home / "data-lake/alpha.points/v1/data.parquet").stat().st_size == dataset.files[0].bytes

    assert [asset["dataset_id"] for asset in cli("datasets", "--json").json] == ["alpha.points"]
    assert cli("show", "alpha.points", "--json").json["files"][0]["sha256"] == dataset.files[0].sha256
    lineage = cli("lineage", "alpha.points@1", "--json").json
    assert (lineage["uploader"], lineage["inputs"][0]["features"]) == ("tester", 2)
    (batch,) = cli("status", "--json").json
    assert (batch["batch_id"], batch["status"], batch["datasets"]) == (report.batch_id, "success", ["alpha.points@1"])
    assert [verdict["finding"] for verdict in cli("verify", "--json").json] == ["intact"]
    assert cli("replay", "alpha.points", "--json").json["identical"] is True


def test_people_read_what_programs_read(stocked):
    assert "alpha.points" in stocked("datasets").out
    assert re.search(r"^name +string$", stocked("show", "alpha.points").out, re.MULTILINE)
    assert "points.geojson  layer points" in stocked("lineage", "alpha.points").out
    assert "1 dataset, 2 features" in stocked("status").out
    report = stocked("status", "first").out
    assert "first  success: 1 dataset" in report
    assert "alpha.points@1  2 features  Point  EPSG:4326" in report
    assert "var/data-lake/alpha.points/v1/data.parquet" in report
    assert "all there and unchanged" in stocked("verify").out
    assert "byte for byte" in stocked("replay", "alpha.points").out
    assert not any(line.endswith(" ") for line in report.splitlines())


def test_what_was_set_aside_is_told_everywhere(cli, tmp_path):
    (tmp_path / "a.csv").write_text("id,x,y\n1,7.5,46.5\n2,7.6,46.x\n3,1\n")
    recipes = cli.home / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "mine.yaml").write_text("name: mine\ndescription: d\non_bad_geometry: set_aside\nmax_set_aside: 2\n")
    assert "on_bad_geometry = set_aside, max_set_aside = 2" in cli("recipes", "mine").out
    assert cli("recipes", "mine", "--json").json["max_set_aside"] == 2
    (recipes / "broken.yaml").write_text("name: broken\n")
    assert "broken.yaml: description" in cli("recipes").out
    assert "broken.yaml: description" in cli("doctor", code=3).out
    (recipes / "broken.yaml").unlink()
    ingest = ("ingest", tmp_path / "a.csv", "--crs", "EPSG:4326", "--intent", "mine")
    assert "--on-bad-value set_aside" in cli(*ingest, code=1).out
    report = cli(*ingest, "--on-bad-value", "set_aside", "--batch-id", "b").out
    assert "2 set aside" in report
    assert "rejects.parquet" in report
    assert "2 set aside" in cli("status", "b").out
    assert "1 dataset, 1 feature, 2 set aside" in cli("status").out
    assert cli("status", "--json").json[0]["set_aside"] == 2
    assert re.search(r"^DATASET +VERSION +FEATURES +SET ASIDE .*\na +1 +1 +2 ", cli("datasets").out)
    shown = cli("show", "a").out
    assert re.search(r"changed +2 set aside", shown)
    assert re.search(r"rejects .*rejects\.parquet", shown)
    lineage = cli("lineage", "a").out
    assert re.search(r"policies +on_bad_value = set_aside, on_bad_geometry = set_aside, max_set_aside = 2", lineage)
    assert cli("replay", "a", "--json").json["identical"] is True


def test_local_coordinates(cli, points):
    assert "points@1  2 features  Point  no CRS" in cli("ingest", points, "--crs", "none").out
    assert re.search(r"^ *CRS +no CRS$", cli("show", "points").out, re.MULTILINE)
    assert " no CRS " in cli("datasets").out
    assert "GeoJSON, 2 features, no CRS" in cli("lineage", "points").out
    assert "ST_IsValid" in cli("recipes", "keep_crs", "--sql", "duckdb", "--dataset", "points").out
    assert cli("replay", "points", "--json").json["identical"] is True


def test_a_name_in_another_script_is_read_as_id_and_as_title(cli, points):
    file = points.with_name("道路.geojson")
    shutil.copy(points, file)
    said = cli("ingest", file).out
    assert "daolu-a44c7ba2@1" in said
    assert re.search(r"title +道路$", said, re.MULTILINE)
    assert re.search(r"^daolu-a44c7ba2 +道路 +1 ", cli("datasets").out, re.MULTILINE)
    assert re.search(r"title +道路$", cli("show", "daolu-a44c7ba2").out, re.MULTILINE)
    assert cli("show", "daolu-a44c7ba2", "--json").json["title"] == "道路"


def test_a_file_name_as_long_as_file_systems_allow(cli, points):
    file = points.with_name(f"{'Straßen' * 30}.geojson")
    shutil.copy(points, file)
    assert 245 <= len(os.fsencode(file.name)) <= 255
    (dataset,) = cli("ingest", file, "--json").json["datasets"]
    assert (len(dataset["dataset_id"]), dataset["features"]) == (128, 2)
    assert cli("show", dataset["dataset_id"], "--json").json["title"] == file.stem


def test_ingesting_again_makes_the_next_version(cli, points):
    said = cli("ingest", points).out
    assert "points@1  2 features  Point  EPSG:4326" in said
    assert "var/data-lake/points/v1/data.parquet" in said
    assert cli("ingest", points, "--json").json["datasets"][0]["version"] == 2
    assert cli("show", "points@1", "--json").json["version"] == 1
    assert cli("show", "points", "--json").json["version"] == 2


def test_sidecars_and_folders_go_along(cli, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    with_sidecars = DEMO / "districts.zip"
    shutil.unpack_archive(with_sidecars, folder)
    report = cli("ingest", folder / "delivery/districts.shp", "--json").json
    assert report["datasets"][0]["features"] == 4
    keys = {item["key"].rpartition("/")[2] for item in cli("lineage", "districts", "--json").json["inputs"][0]["objects"]}
    assert {"districts.shp", "districts.shx", "districts.dbf", "districts.prj", "districts.cpg"} <= keys


def test_keys_and_the_meaning_of_codes(cli):
    report = cli("ingest", GEODATABASE, "--keep-key", "--json").json
    assert report["status"] == "success"
    for dataset in ("net.valves", "net.arcs", "net.valves__attach"):
        assert "OBJECTID" in {field["name"] for field in cli("show", dataset, "--json").json["table_schema"]}
        assert cli("replay", dataset, "--json").json["identical"] is True
    shown = cli("show", "net.valves").out
    assert re.search(r"^STATE +int32 +Zustand des Schiebers; domain DOM_STATE, 2 codes$", shown, re.MULTILINE)
    assert "MEANING" not in cli("show", "net.arcs").out


def test_files_of_one_name_from_two_folders_are_two_datasets_in_one_batch(cli, points, tmp_path):
    twin = tmp_path / "twin" / points.name
    twin.parent.mkdir()
    twin.write_bytes(points.read_bytes())
    said = cli("ingest", points, twin, "--json", code=1).json
    assert [problem["code"] for problem in said["problems"]] == ["dataset_id_taken"]
    appended = cli("ingest", points, twin, "--dataset-id", "both", "--json").json
    assert appended["datasets"][0]["features"] == 4


def test_csv_columns_and_parameters_reach_the_recipe(cli):
    report = cli(
        "ingest", DEMO / "trees.csv", "--x", "easting", "--y", "northing", "--crs", "EPSG:25832",
        "--intent", "reproject", "--param", "crs=EPSG:3857", "--json",
    ).json  # fmt: skip
    assert report["datasets"][0]["crs"] == "EPSG:3857"
    assert cli("recipes", "reproject", "--json").json["name"] == "reproject"


def test_a_manifest_goes_through_submit_and_process(cli, points):
    landing = cli.home / "landing-zone" / "b1"
    landing.mkdir(parents=True)
    shutil.copy(points, landing)
    manifest = {
        "batch_id": "b1", "uploader": "u", "intent": "ingest_vector",
        "files": [{"path": "s3://landing-zone/b1/points.geojson", "type": "vector", "format": "GeoJSON"}],
    }  # fmt: skip
    path = cli.folder / "any-name.json"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert cli("submit", path, "--json").json == {"batch_id": "b1", "manifest": "s3://landing-zone/manifests/b1.json"}
    assert "1 manifest waiting" in cli("doctor").out
    (report,) = cli("process", "--json").json
    assert (report["batch_id"], report["status"]) == ("b1", "success")
    assert cli("process", "--json").json == []
    assert "Nothing is waiting" in cli("process").out


def test_a_rejected_batch_is_explained_and_recorded(cli):
    landing = cli.home / "landing-zone" / "manifests"
    landing.mkdir(parents=True)
    (landing / "bad.json").write_text('{"batch_id": "bad", "intent": "x", "files": []}', encoding="utf-8")
    said = cli("process", code=1).out
    assert "bad  rejected: 2 problems" in said
    assert "1. uploader  missing_key" in said
    assert "→ Add 'uploader'." in said
    assert "rejected" in cli("status").out
    assert "missing_key" in cli("status", "bad").out
    assert {problem["code"] for problem in cli("status", "bad", "--json").json["problems"]} == {"missing_key", "empty"}


def test_something_that_is_no_json_is_submitted_under_its_own_name_and_rejected(cli):
    path = cli.folder / "broken.json"
    path.write_text("{", encoding="utf-8")
    cli("submit", path)
    (report,) = cli("process", "--json", code=1).json
    assert (report["batch_id"], report["problems"][0]["code"]) == ("broken", "manifest_not_json")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["show", "alpha.pionts"], "Did you mean 'alpha.points'?"),
        (["lineage", "points"], "Did you mean 'alpha.points'?"),
        (["show", "alpha.points@9"], "has no version 9; it has 1"),
        (["show", "alpha.points@x"], "no version number"),
        (["status", "frist"], "Did you mean 'first'?"),
        (["recipes", "simplfy"], "Did you mean 'simplify'?"),
        (["recipes", "--sql", "duckdb"], "Name the recipe"),
        (["datasest"], "Did you mean 'datasets'?"),
        (["ingest", "nowhere.gpkg"], "does not exist"),
        (["ingest", "notes.unknown"], "--format"),
        (["ingest", "points.geojson", "--param", "tolerance"], "NAME=VALUE"),
    ],
)
def test_wrong_usage_is_met_by_a_hint(stocked, arguments, hint):
    (stocked.folder / "notes.unknown").touch()
    assert hint in stocked(*arguments, code=2).err


def test_a_name_that_is_no_text_is_refused(cli, points):
    strange = points.rename(cli.folder / os.fsdecode(b"b\xff.geojson"))
    assert "has to be renamed" in cli("ingest", strange, code=2).err


def test_a_wrong_option_is_rejected_before_anything_is_uploaded(cli, points):
    said = cli("ingest", points, "--dataset-id", "no spaces", "--json", code=1).json
    assert said["problems"][0]["where"] == "files[0].dataset_id"
    assert not list((cli.home / "landing-zone").glob("points*"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--batch-id", ""], "batch_id: bad_identifier"),
        (["--uploader", ""], "uploader: empty"),
        (["--x", "lon"], "files[0].options: bad_options"),
        (["--project", ""], "metadata.project: project_not_used"),
        (["--x", "lon", "--y", "lat", "--delimiter", ";"], "files[0].options: options_ignored"),
    ],
)
def test_no_option_is_ignored_silently(cli, points, options, said):
    wrong = said.endswith(("identifier", "empty", "bad_options"))
    report = cli("ingest", points, *options, "--json", code=int(wrong)).json
    told = report["problems" if wrong else "warnings"]
    assert said in [f"{problem['where']}: {problem['code']}" for problem in told]


def test_options_of_a_csv_say_nothing_of_the_files_beside_it(cli, points):
    table = points.with_name("stops.csv")
    table.write_text("lon,lat\n9.5,48.5\n")
    assert cli("ingest", table, points, "--x", "lon", "--y", "lat", "--crs", "EPSG:4326", "--json").json["warnings"] == []


def test_what_lies_among_the_manifests_and_is_none_is_told(cli):
    for key in ("sub/b.json", "c.txt"):
        path = cli.home / "landing-zone" / "manifests" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", encoding="utf-8")
    said = cli("process")
    assert "Nothing is waiting" in said.out
    for key in ("sub/b.json", "c.txt"):
        assert f"s3://landing-zone/manifests/{key} is not processed: a manifest is manifests/<batch_id>.json" in said.err
    checks = {check["name"]: check for check in cli("doctor", "--json").json}
    assert checks["Landing"]["verdict"] == "weak"
    said = "2 files in manifests/ without the name of a manifest: manifests/c.txt, manifests/sub/b.json"
    assert said in checks["Landing"]["found"]


def test_the_name_of_a_batch_is_not_taken_twice(cli, points):
    cli("ingest", points, "--batch-id", "b1")
    before = (cli.home / "landing-zone/b1/points.geojson").stat().st_ino
    refused = cli("ingest", points, "--batch-id", "b1", "--uploader", "bob", "--json", code=1).json
    assert [problem["code"] for problem in refused["problems"]] == ["batch_done"]
    assert (cli.home / "landing-zone/b1/points.geojson").stat().st_ino == before


def test_two_uploaders_and_one_name(cli, points):
    names = {}
    for uploader in ("alice", "bob"):
        manifest = {
            "batch_id": "b1", "uploader": uploader, "intent": "ingest_vector",
            "files": [{"path": "s3://landing-zone/b1/points.geojson", "type": "vector", "format": "GeoJSON"}],
        }  # fmt: skip
        names[uploader] = cli.folder / f"{uploader}.json"
        names[uploader].write_text(json.dumps(manifest), encoding="utf-8")
    cli("submit", names["alice"], points)
    lying = [*(cli.home / "landing-zone").rglob("*.*json")]
    before = [(path, path.stat().st_ino, path.stat().st_ctime_ns) for path in lying]
    said = cli("submit", names["bob"], points, code=1).out
    assert "A manifest of 'alice' waits under the name 'b1'" in said
    assert "'alice' waits" in cli("ingest", points, "--batch-id", "b1", code=1).out
    assert [(path, path.stat().st_ino, path.stat().st_ctime_ns) for path in lying] == before, "nothing of it is touched"
    assert [report["status"] for report in cli("process", "--json").json] == ["success"]
    cli("submit", names["bob"])
    assert [report["status"] for report in cli("process", "--json", code=1).json] == ["rejected"]
    assert "batch_done" in cli("status", "--manifest", names["bob"]).out
    assert cli("status", "--manifest", names["alice"], "--json").json["datasets"] == ["points@1"]
    assert "rejected, received just now from bob  batch_id: batch_done" in cli("status", "b1").out
    assert json.loads((cli.home / "landing-zone/reports/b1.json").read_text(encoding="utf-8"))["status"] == "success"
    names["bob"].write_text("{}", encoding="utf-8")
    assert "No manifest with this content" in cli("status", "b1", "--manifest", names["bob"], code=2).err


def test_the_same_again_is_told_and_what_has_changed_is_made(cli, points):
    first = cli("ingest", points, "--batch-id", "b1").out
    assert "points@1" in first
    again = cli("ingest", points, "--batch-id", "b1").out
    assert "= b1  nothing new" in again
    assert "already processed as points@1, unchanged" in again
    assert "success" not in again
    assert cli("status", "b1", "--json").json["unchanged_since"] == "b1#1"
    assert "1 dataset, 2 features, unchanged in the last delivery" in cli("status").out
    points.write_text(points.read_text(encoding="utf-8").replace("10.0", "10.5"), encoding="utf-8")
    assert "points@2" in cli("ingest", points, "--batch-id", "b1").out
    assert "points@3" in cli("reprocess", "b1").out
    assert "Did you mean 'b1'?" in cli("reprocess", "b11", code=2).err
    (cli.home / "landing-zone/b1/points.geojson").unlink()
    refused = cli("reprocess", "b1", "--json", code=1).json
    assert [problem["code"] for problem in refused["problems"]] == ["missing_file"]
    assert "same_as_before" in cli("ingest", points, "--batch-id", "b2").out


def test_a_csv_that_may_have_been_points_is_pointed_out(cli):
    assert "--x easting --y northing --on-change kind=allow" in cli("ingest", DEMO / "trees.csv").out
    assert (
        "--x"
        not in cli(
            "ingest", DEMO / "trees.csv", "--x", "easting", "--y", "northing", "--crs", "EPSG:25832", "--on-change", "kind=allow"
        ).out
    )


def test_a_folder_is_one_batch_or_one_for_each_file(cli, points):
    folder = cli.folder / "in"
    (folder / "sub").mkdir(parents=True)
    shutil.copy(points, folder / "a.geojson")
    shutil.copy(points, folder / "sub" / "A.geojson")
    (folder / "sub" / "c.geojson").write_text(points.read_text(encoding="utf-8")[:-30], encoding="utf-8")
    (folder / "plan.pdf").write_bytes(b"%PDF-1.4")
    together = cli("ingest", "in", code=1)
    assert "Left out of in: plan.pdf (a document)." in together.err
    assert re.search(r"^ *1\. in/sub/A.geojson\b", together.out, re.MULTILINE)
    assert "--keep-going" in together.out
    each = cli("ingest", "in", "--keep-going", "--batch-id", "b", code=1).out
    assert "would become the dataset 'a', as 'in/a.geojson' does" in each
    assert re.search(r"b-1  success.*b-2  rejected.*b-3  rejected", each, re.DOTALL)
    assert each.endswith("1 file ingested, 2 features; 2 files not ingested.\n")
    assert [dataset["version"] for dataset in cli("datasets", "--json").json] == [1]
    shutil.copy(points, folder / "odd\x1b.geojson")
    odd = cli("ingest", "in/odd\x1b.geojson", "in/a.geojson", "--keep-going", code=1).out
    assert re.search(r"✗.*1\. in/odd\\x1b\.geojson  bad_path", odd, re.DOTALL)
    assert odd.endswith("1 file ingested, 2 features; 1 file not ingested.\n")
    assert "1. in/a.geojson, --crs" in cli("ingest", "in/a.geojson", "in/plan.pdf", "--keep-going", "--crs", "", code=1).out
    again = cli("ingest", "in/a.geojson", "in/plan.pdf", "--keep-going", "--dry-run", "--json", code=1).json
    assert [(report["status"], len(report["datasets"])) for report in again] == [("success", 1), ("rejected", 0)]
    assert "--dataset-id" in cli("ingest", "in", "--keep-going", "--dataset-id", "x", code=2).err
    (folder / "empty").mkdir()
    assert "holds no data" in cli("ingest", "in/empty", code=2).err


WORKING = """
import sys, time
from libs.pipeline.progress import counted
from services.cli import progress, streams
streams.prepare()
with progress.shown() as tell:
    moved = counted(tell, "b", "upload", "道路.gpkg", 4_000_000)
    moved(1_000_000)
    while sys.stderr.isatty() and not streams.status._is_shown:
        time.sleep(0.1)
    time.sleep(1.4)
    print("a result")
    moved(3_000_000)
    time.sleep(0.6)
"""


@pytest.mark.parametrize("at_terminal", [True, False])
def test_progress_is_seen_at_a_terminal_and_leaves_nothing(cli, at_terminal):
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    errors = theirs if at_terminal else subprocess.PIPE
    environment = {**cli.environment, "TERM": "xterm"}
    environment.pop("COLUMNS")
    with subprocess.Popen([sys.executable, "-c", WORKING], env=environment, stdout=theirs, stderr=errors) as working:
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # the other side is closed
            while piece := os.read(ours, 4096):
                seen += piece
    os.close(ours)
    assert working.returncode == 0
    if not at_terminal:
        assert seen == b"a result\r\n"
        return
    drawn = seen.decode().replace("\x1b[K", "").split("\r")
    assert any(re.fullmatch("b: uploading 道路.gpkg  1.0 MB of 4.0 MB  .* kB/s  .*", line) for line in drawn)
    assert all(cell_len(line.strip()) < 60 for line in drawn)
    assert b"\r\x1b[Ka result\r\n" in seen
    assert seen.endswith(b"\r\x1b[K")


NAMED = (
    '{"type": "FeatureCollection", "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4258"}}, "features": '
    '[{"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [7.5, 46.5]}}]}'
)
TABLE = "id,x,y\n1,7.5,46.5\n2,7.6,{}\n"


@pytest.mark.parametrize(
    ("name", "content", "typed", "hint"),
    [
        ("a b.csv", TABLE.format("46.6"), "--x x --y y", "--crs EPSG:4326"),
        ("a.csv", TABLE.format("46.x"), "--x x --y y --crs EPSG:4326", "--on-bad-geometry set_aside"),
        ("a.csv", TABLE.format("46.x"), "--x x --y y --crs EPSG:4326 --on-bad-geometry set_aside --max-set-aside 0",
         "--max-set-aside 1"),
        ("a.csv", "7.5,46.5\n", "", "--header none"),
        ("points.geojson", NAMED, "--crs EPSG:4326", "--replace-crs"),
        ("points.geojson", None, "--format CSV", "--format GeoJSON"),
    ],
)  # fmt: skip
def test_a_hint_leads_on_as_it_stands(cli, points, name, content, typed, hint):
    file = cli.folder / name
    file.write_text(content or points.read_text(encoding="utf-8"), encoding="utf-8")
    said = " ".join(cli("ingest", name, *shlex.split(typed), code=1).out.split())
    assert re.search(rf"1\. (?:{re.escape(name)}|dataset a)\b", said)
    assert hint in said
    assert not re.search(r"files\[0\]|in the manifest|…", said)
    cli("ingest", name, *shlex.split(typed), *shlex.split(hint))


def test_a_recipe_is_shown_as_steps_and_as_sql(stocked):
    assert "1. reproject" in stocked("recipes", "default").out
    assert "simplify" in {recipe["name"] for recipe in stocked("recipes", "--json").json}
    duckdb, postgis = (stocked("recipes", "default", "--sql", engine).out for engine in ("duckdb", "postgis"))
    assert "always_xy" in duckdb
    assert duckdb != postgis
    condition = 'condition={"column": "name", "op": "eq", "value": "a"}'
    assert '"name"' in stocked("recipes", "filter", "--param", condition, "--sql", "duckdb", "--dataset", "alpha.points").out


def test_damage_in_the_lake_is_found(cli, points):
    cli("ingest", points)
    file = cli.home / "data-lake/points/v1/data.parquet"
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    assert "changed" in cli("verify", code=4).out
    file.unlink()
    assert [verdict["finding"] for verdict in cli("verify", "--json", code=4).json] == ["missing"]


def test_damage_in_the_ledger_is_found_and_told_from_that_in_the_lake(cli, points, tmp_path):
    cli("ingest", points)
    key, head = tmp_path / "key", tmp_path / "head.json"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    cli("admin", "chain-head", "--output", head, "--sign", key)
    assert json.loads(head.read_text()) == json.loads(cli("admin", "chain-head").out) | {"taken_at": ANY}
    assert cli("verify", "--chain").out.startswith("✓ The ledger's records agree, and its chain has")
    checked = ["verify", "--head", head, "--key", f"{key}.pub"]
    assert cli(*checked, "--json").json == []

    with closing(sqlite3.connect(cli.home / "ledger.sqlite")) as ledger, ledger:
        ledger.execute("UPDATE documents SET body = replace(body, '\"features\":', '\"features\":1') WHERE collection = 'assets'")
    said = cli("verify", code=5).out
    assert "✗ points@1  edited\n  assets/points@1\n  It does not match its seal" in said
    assert {item["record"]: item["finding"] for item in cli(*checked, "--json", code=5).json} == {"assets/points@1": "edited"}
    (cli.home / "data-lake/points/v1/foreign.txt").write_text("foreign")
    assert "points/v1/foreign.txt" in cli("verify", code=6).out

    head.write_text(head.read_text().replace('"number": ', '"number": 1'))
    assert "is no signature of" in cli(*checked, code=2).err
    assert "chain/0000000000" in cli("verify", "--head", head, code=5).out


def test_damage_is_repaired_by_replay_where_that_makes_the_recorded_bytes(cli, points):
    (cli.folder / "a.csv").write_text("id,n\n1,x\n")
    cli("ingest", points, "--batch-id", "b1")
    cli("ingest", cli.folder / "a.csv", "--batch-id", "b2")
    files = [cli.home / "data-lake" / name / "v1/data.parquet" for name in ("points", "a")]
    before = [file.read_bytes() for file in files]
    for file, damage in zip(files, (b"", None), strict=True):
        file.chmod(0o644)
        if damage is None:
            file.unlink()
        else:
            file.write_bytes(damage)
    (cli.home / "landing-zone/b2/a.csv").write_text("id,n\n1,y\n")
    said = cli("verify", "--repair", code=4)
    assert re.search(r"points@1  restored.*put back", said.out, re.DOTALL)
    assert re.search(
        r"a@1  not restored.*It cannot be made again. b2/a\.csv: .* Or restore it from a backup", said.out, re.DOTALL
    )
    assert files[0].read_bytes() == before[0]
    assert not files[1].exists()
    (cli.home / "landing-zone/b2/a.csv").write_text("id,n\n1,x\n")
    again = cli("verify", "--repair", "--json")
    assert "a@1 restored" in again.err
    assert {verdict["finding"] for verdict in again.json} == {"intact"}
    assert files[1].read_bytes() == before[1]
    assert cli("verify", "--repair").out.startswith("✓ 2 files")


def test_a_replay_needs_the_recorded_inputs(cli, points):
    cli("ingest", points, "--batch-id", "b1")
    (cli.home / "landing-zone/b1/points.geojson").write_text('{"type": "FeatureCollection", "features": []}', encoding="utf-8")
    said = cli("replay", "points", "--json", code=1).json
    assert {problem["code"] for problem in said["problems"]} & {"input_changed", "sha256_mismatch"}


def test_housekeeping_has_nothing_to_do_and_says_so(cli, points):
    cli("ingest", points)
    assert cli("gc", "--json").json == {
        "removed": [], "young": [], "unknown": [], "partial": 0, "records": 0, "raw": [],
    }  # fmt: skip
    stray = cli.home / "data-lake/stray.parquet"
    stray.write_bytes(b"x")
    assert "left alone" in cli("gc").out
    assert stray.exists()
    assert set(cli("reconcile", "--json").json) >= {"given_up", "published", "scratch", "workspaces"}


def test_settings_say_where_they_come_from_and_hide_secrets(cli):
    (cli.folder / ".env").write_text("SPATIAL_ETL_MEMORY_MB=512\n", encoding="utf-8")
    rows = {row["name"]: row for row in cli("config", "--json", MINIO_ROOT_PASSWORD="hunter2", SPATIAL_ETL_THREADS="3").json}
    assert (rows["SPATIAL_ETL_MEMORY_MB"]["value"], rows["SPATIAL_ETL_MEMORY_MB"]["from"]) == (512, ".env")
    assert (rows["SPATIAL_ETL_THREADS"]["value"], rows["SPATIAL_ETL_THREADS"]["from"]) == (3, "environment")
    assert rows["POSTGRES_PORT"]["from"] == "default"
    assert rows["MINIO_ROOT_PASSWORD"]["value"] == "********"
    assert "hunter2" not in cli("config", MINIO_ROOT_PASSWORD="hunter2").out
    schema = cli("config", "--schema").json
    assert (schema["required"], schema["anyOf"]) == (
        ["batch_id", "uploader", "intent"],
        [{"required": ["files"]}, {"required": ["inputs"]}],
    )


def test_a_wrong_setting_is_named(cli):
    said = cli("config", code=3, SPATIAL_ETL_MEMORY_MB="plenty").err
    assert "SPATIAL_ETL_MEMORY_MB" in said
    assert "plenty" in said
    said = cli("config", code=3, MINIO_LAKE_BUCKET="landing-zone", MINIO_ROOT_PASSWORD="hunter2").err
    assert said.startswith("The settings are wrong: MINIO_LANDING_BUCKET and MINIO_LAKE_BUCKET are both 'landing-zone'")
    assert "hunter2" not in said


def test_a_home_that_cannot_be_is_unreachable(cli, points):
    cli.home.write_text("a file, not a folder", encoding="utf-8")
    for command in (["datasets"], ["process"], ["ingest", points]):
        assert "SPATIAL_ETL_HOME" in cli(*command, code=3).err
    assert cli("datasets", "--json", code=3).json["setting"] == "SPATIAL_ETL_HOME"
    assert "✗" in cli("doctor", code=3).out


def test_doctor_is_content_here(cli):
    checks = cli("doctor", "--json").json
    assert {"Python", "Home", "Ledger", "Lake", "Landing", "Engine", "Reading", "Sandbox"} <= {check["name"] for check in checks}
    assert "bad" not in {check["verdict"] for check in checks}


def test_another_home_by_an_option(cli, points):
    cli("--home", cli.folder / "other", "ingest", points)
    assert cli("datasets", "--json", code=3).json["code"] == "no_home"
    assert len(cli("--home", cli.folder / "other", "datasets", "--json").json) == 1


def test_one_home_is_found_from_any_folder_below_it(cli, points):
    del cli.environment["SPATIAL_ETL_HOME"]
    looks = ["status", "datasets", "verify", "show x", "lineage x", "replay x", "gc", "reconcile"]
    for command in looks:
        said = cli(*command.split(), code=3).err
        assert f"no home here: There is none in {cli.folder}, nor in a folder above it" in said
        assert "`spatial-etl ingest FILE` makes one here" in said
    for command in ("config", "doctor", "recipes", f"inspect {points}", f"ingest --dry-run {points}"):
        cli(*command.split())
    assert [path.name for path in cli.folder.iterdir()] == [points.name], "who only looks makes nothing"
    assert f"This made a home: {cli.folder}/var." in cli("ingest", points.name).err
    cli.folder = below = cli.folder / "a" / "b"
    below.mkdir(parents=True)
    made = cli("ingest", points)
    assert ("points@2" in made.out, made.err) == (True, "")
    assert [dataset["version"] for dataset in cli("datasets", "--json").json] == [2]
    assert str(points.parent / "var") in cli("doctor").out
    rows = {row["name"]: row for row in cli("config", "--json").json}
    assert rows["SPATIAL_ETL_HOME"]["value"] == str(points.parent / "var")
    assert "found above" in rows["SPATIAL_ETL_HOME"]["from"]
    assert not any(below.iterdir())


def test_watch_works_on_what_arrives_until_it_is_interrupted(cli, points):
    command = [*cli.command, "watch", "--interval", "0.1", "--json"]
    with subprocess.Popen(command, env=cli.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        try:
            assert cli("ingest", points, "--batch-id", "b1", "--json").json["status"] == "success"
            submitted = json.loads((next((cli.home / "landing-zone/archive/b1").iterdir())).read_text(encoding="utf-8"))
            again = cli.folder / "b2.json"
            again.write_text(json.dumps(submitted | {"batch_id": "b2"}), encoding="utf-8")
            cli("submit", again)
            reports = (json.loads(line) for line in watching.stdout)
            assert next(report["status"] for report in reports if report["batch_id"] == "b2") == "success"
            watching.send_signal(signal.SIGINT)
            _, errors = watching.communicate(timeout=30)
        finally:
            watching.kill()
    assert watching.returncode == 130
    assert "Interrupted" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_datasets(stocked, shell):
    script = {"_TYPER_COMPLETE_ARGS": "spatial-etl show alp", "_SPATIAL_ETL_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        script |= {"COMP_WORDS": "spatial-etl show alp", "COMP_CWORD": "2"}
    if shell == "fish":
        script |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert "alpha.points" in stocked(**script).out


def test_names_of_files_and_layers_steer_no_terminal(cli, points):
    content = json.loads(points.read_text(encoding="utf-8")) | {"name": "x\x1b]0;owned\x07\u202e\n✓ all is well"}
    evil = cli.folder / "evil\u202e.geojson"
    evil.write_text(json.dumps(content), encoding="utf-8")
    worse = cli.folder / "x\x1b[2J\n✓ all is well.geojson"
    shutil.copy(evil, worse)
    nothing = worse.with_suffix(".unknown")
    nothing.touch()
    said = [
        cli("inspect", evil),
        cli("ingest", evil, "--dataset-id", "evil", "--batch-id", "b"),
        *(cli(*command) for command in (["status", "b"], ["show", "evil"], ["lineage", "evil"], ["lineage", "evil", "--json"])),
        cli("ingest", worse, code=1),
        cli("ingest", nothing, code=2),
        cli("ingest", evil, "--dataset-id", "evil", "--json"),
    ]
    for shown in (*(text for result in said for text in (result.out, result.err)), *cli.reports()):
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", shown)
        assert not re.search("^ *✓ all is well", shown, re.MULTILINE)
    assert r"evil\u202e.geojson  layer x\x1b]0;owned\x07\u202e\n✓ all is well" in cli("lineage", "evil").out
    assert "\u202e" in cli("lineage", "evil", "--json").json["inputs"][0]["layer"]


@pytest.mark.parametrize(
    ("arguments", "redirected", "code", "said"),
    [
        ("datasets", ">&-", 0, ""),
        ("datasets", "<&- >&- 2>&-", 0, ""),
        ("show alpha.points --json", ">&-", 0, ""),
        ("datasets", ">/dev/full", 3, "The standard output cannot be written: No space left on device."),
        ("recipes --json", ">/dev/full", 3, "The standard output cannot be written: No space left on device."),
        ("recipes --json", "| true", 1, ""),
        ("recipes clip --sql postgis", "| true", 1, ""),
        ("status frist", ">&-", 2, "Did you mean 'first'?"),
    ],
)
def test_an_output_that_is_not_there_is_no_fault_of_the_program(stocked, arguments, redirected, code, said):
    line = f"set -o pipefail; {shlex.join(map(str, stocked.command))} {arguments} {redirected}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=stocked.folder, env=stocked.environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert (done.returncode, said in done.stderr) == (code, True)


def test_help_waits_for_nothing_heavy(cli):
    program = (
        "import sys; from services.cli.main import main; sys.argv = ['spatial-etl', '--help']\n"
        "try: main()\n"
        "finally: print('loaded:', *{'pydantic', 'rich', 'pyarrow', 'duckdb', 'numpy'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=cli.environment, capture_output=True, text=True, check=True)
    assert "ingest" in done.stdout
    assert done.stderr.strip() == "loaded:"


def test_a_spreadsheet_is_a_table_or_points(cli, tmp_path):
    book = openpyxl.Workbook()
    for row in (["name", 2019, "lon", "lat"], ["a", 3, 8.5, 47.4]):
        book.active.append(row)
    path = tmp_path / "trees.xlsx"
    book.save(path)
    assert "--header 3" in cli("ingest", path, code=1).out
    points = cli("ingest", path, "--header", "1", "--x", "lon", "--y", "lat", "--crs", "EPSG:4326").out
    assert re.search(r"1 features?  Point", points)
    assert "Point" not in cli("ingest", path, "--header", "1", "--on-change", "kind=allow").out
