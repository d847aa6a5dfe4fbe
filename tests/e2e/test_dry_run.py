"""``--dry-run``: the report that would be, and nothing else."""

import hashlib
import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

BAD = '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": {"type": "Po'


def snapshot(folder: Path) -> dict[str, str]:
    """Every file below a folder with its hash; a folder's is empty."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def outcome(report):
    """What a dry run and the run itself must agree in: all but names made anew for each batch."""
    text = json.dumps({name: report[name] for name in ("status", "recipe", "problems", "warnings", "datasets")})
    return json.loads(text.replace(report["batch_id"], "BATCH"))


def test_without_a_home_it_makes_none(cli, points):
    before = snapshot(cli.folder)
    report = cli("ingest", points, "--dry-run", "--json", TMPDIR=str(cli.folder)).json
    assert (report["dry_run"], report["status"]) == (True, "success")
    assert [(dataset["dataset_id"], dataset["version"]) for dataset in report["datasets"]] == [("points", 1)]
    assert snapshot(cli.folder) == before


def test_the_report_is_that_of_the_run_which_follows(cli, points):
    cli("ingest", points)
    before = snapshot(cli.home)
    dry = cli("ingest", points, "--dry-run", "--json").json
    assert snapshot(cli.home) == before
    real = cli("ingest", points, "--json").json
    assert [dataset["version"] for dataset in dry["datasets"]] == [2]
    assert outcome(dry) == outcome(real)


def test_a_problem_is_reported_as_by_the_run(cli):
    bad = cli.folder / "bad.geojson"
    bad.write_text(BAD)
    dry = cli("ingest", bad, "--dry-run", "--json", code=1).json
    assert not cli.home.exists()
    real = cli("ingest", bad, "--json", code=1).json
    assert dry["problems"]
    assert outcome(dry) == outcome(real)


def test_people_are_told_that_nothing_was_stored(cli, points):
    said = cli("ingest", points, "--dry-run").out
    assert "points@1  2 features  Point  EPSG:4326" in said
    assert said.rstrip().endswith("Dry run: nothing was stored.")


def test_submit(cli, points):
    manifest = cli.folder / "manifest.json"
    entry = {"path": f"s3://landing-zone/here/{points.name}", "type": "vector", "format": "GeoJSON"}
    content = {"batch_id": "here", "uploader": "tester", "intent": "ingest_vector", "files": [entry]}
    manifest.write_text(json.dumps(content))
    before = snapshot(cli.folder)
    report = cli("submit", manifest, points, "--dry-run", "--json").json
    assert (report["batch_id"], report["status"], report["datasets"][0]["features"]) == ("here", "success", 2)
    assert entry["path"] in cli("submit", manifest, "--dry-run", code=2, COLUMNS="400").err
    assert snapshot(cli.folder) == before

    manifest.write_text(json.dumps({**content, "files": [{**entry, "crs": 7}], "surprise": 1}))
    rejected = cli("submit", manifest, points, "--dry-run", "--json", code=1).json
    assert {problem["where"] for problem in rejected["problems"]} >= {"files[0].crs", "surprise"}
    assert not cli.home.exists()


def test_nobody_is_told(cli, points):
    told = cli.folder / "told"
    told.mkdir()
    tell = {
        "SPATIAL_ETL_NOTIFY_COMMAND": f"/bin/sh -c 'cat > {told}/command.json'",
        "SPATIAL_ETL_OPENLINEAGE": str(told / "events"),
    }
    cli("ingest", points, "--dry-run", **tell)
    assert [*told.iterdir()] == []
    batch = cli("ingest", points, "--json", **tell).json["batch_id"]
    assert json.loads((told / "command.json").read_text())["batch_id"] == batch
    assert len([*(told / "events").iterdir()]) == 2
    assert "published: sent" in cli("status", batch).out
