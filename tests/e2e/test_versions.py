"""Versions of a dataset, as somebody at a terminal meets them."""

import json

import pytest

pytestmark = pytest.mark.integration


def test_a_version_unlike_the_last_is_told_and_gone_back_from(cli, points):
    cli("ingest", points, "--batch-id", "b1")
    changed = json.loads(points.read_text())
    for feature in changed["features"]:
        feature["properties"]["surface"] = "gravel"
    whole, points_text = json.dumps(changed), points.read_text()
    points.write_text(whole)
    refused = cli("ingest", points, "--on-change", "columns=reject", "--dry-run", code=1, COLUMNS="400").out
    assert "Other columns than in points@1: new: surface (string)." in refused
    assert "--on-change columns=allow" in refused
    report = cli("ingest", points, "--json").json
    assert [warning["code"] for warning in report["warnings"]] == ["columns_changed"]
    assert (report["datasets"][0]["version"], report["datasets"][0]["previous"]) == (2, 1)

    assert "points@1 is the current version" in cli("make-current", "points@1", "--by", "Ada").out
    assert "points@1" in cli("make-current", "points", code=2).err
    (listed,) = cli("datasets", "--json").json
    assert (listed["version"], listed["newest"]) == (1, 2)
    assert "by Ada" in cli("show", "points").out
    shown = cli("show", "points@2", "--json").json
    assert (shown["is_current"], shown["decision"]["decided_by"]) == (False, "Ada")
    assert "no: version 1 is, by Ada" in cli("lineage", "points@2").out

    points.write_text(points_text)
    report = cli("ingest", points, "--on-change", "reject", "--json").json
    assert [warning["code"] for warning in report["warnings"]] == ["same_as_before"], "it follows the current version"
    assert report["datasets"][0]["previous"] == 1
    (cli.home / "data-lake/points/v2/data.parquet").unlink()
    (problem,) = cli("make-current", "points@2", "--json", code=1).json["problems"]
    assert problem["code"] == "version_incomplete"


def test_another_uploader_is_told_whose_it_is(cli, points):
    cli("ingest", points)
    strict = {"SPATIAL_ETL_OWNERS": "reject", "COLUMNS": "400"}
    said = cli("ingest", points, "--uploader", "Ben B", "--dry-run", code=1, **strict).out
    assert "belongs to the uploader 'tester'; this delivery is of the uploader 'Ben B'" in said
    assert "spatial-etl admin grant points --to 'Ben B'" in said
    warnings = cli("ingest", points, "--uploader", "Ben B", "--dry-run", "--json").json["warnings"]
    assert [warning["code"] for warning in warnings] == ["owned_by_another", "same_as_before"]
    assert "Ben B may deliver points." in cli("admin", "grant", "points", "--to", "Ben B").out
    warnings = cli("ingest", points, "--uploader", "Ben B", "--json", **strict).json["warnings"]
    assert [warning["code"] for warning in warnings] == ["same_as_before"]
