"""What is wrong with a batch is said at once and in full, and nothing of it gets into the lake."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.models import Problem, Status

pytestmark = pytest.mark.integration
CRS84 = '{"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}'


def said(report: Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.where) for problem in report.problems]


def test_one_list_for_the_manifest_and_its_surroundings(platform: Any, geojson: Callable) -> None:
    good = platform.put("in/good.geojson", geojson())
    report = platform.ingest(
        "b1",
        platform.entry(good, format="GeoJSON", crs="EPSG:99999"),
        platform.entry("s3://landing-zone/in/goood.geojson"),
        platform.entry("s3://elsewhere/a.geojson", format="Word"),
        platform.entry(good, layer="x", encoding="klingon", sha256="abc"),
        {"path": good, "format": "GeoJSON", "type": "picture"},
        {"path": "s3://landing-zone/in/a.tif", "format": "FlatGeobuf", "type": "raster"},
        intent="reproject",
        parameters={"csr": 1},
        metadata={"dataset_id": "no/good"},
        extra=1,
    )
    assert report.status is Status.REJECTED
    assert set(said(report)) >= {
        ("unknown_crs", "files[0].crs"),
        ("missing_file", "files[1].path"),
        ("bad_path", "files[2].path"),
        ("unknown_format", "files[2].format"),
        ("unknown_encoding", "files[3].encoding"),
        ("bad_sha256", "files[3].sha256"),
        ("not_allowed", "files[4].type"),
        ("format_mismatch", "files[5].type"),
        ("unknown_parameter", "parameters.csr"),
        ("missing_parameter", "parameters.crs"),
        ("bad_identifier", "metadata.dataset_id"),
        ("unknown_key", "extra"),
    }
    assert all(problem.message and problem.remedy for problem in report.problems)
    assert len(report.problems) == len(set(report.problems))
    assert json.loads(platform.stack.landing.store.read("reports/b1.json"))["status"] == "rejected"
    assert platform.stack.landing.waiting() == []
    assert any(key.startswith("archive/b1/rejected-") for key in platform.lies_in("landing"))
    assert platform.stack.ledger.batch("b1").status is Status.REJECTED


def test_all_files_of_a_batch_are_checked_in_one_pass(platform: Any, geojson: Callable) -> None:
    report = platform.ingest(
        "b1",
        platform.entry(platform.put("in/good.geojson", geojson()), dataset_id="all"),
        platform.entry(platform.put("in/cut.geojson", geojson()[:-20])),
        platform.entry(platform.put("in/page.geojson", "<!doctype html><p>404</p>"), dataset_id="all"),
        platform.entry(platform.put("in/points.csv", "a,b\n1,2\n"), format="CSV", crs="EPSG:4326", options={"x": "x", "y": "y"}),
        platform.entry(platform.put("in/other.geojson", geojson()), sha256="0" * 64, dataset_id="all"),
        platform.entry(platform.put("in/document.geojson", '{"type": "Document"}')),
    )
    assert report.status is Status.REJECTED
    assert [place.partition(":")[0].partition(".")[0] for _, place in said(report)] == [
        f"files[{number}]" for number in range(1, 6)
    ]
    assert platform.lies_in("lake") == []
    assert platform.ingest("b2", platform.entry("s3://landing-zone/in/good.geojson")).status is Status.SUCCESS


def test_a_missing_file_names_what_was_probably_meant(platform: Any, geojson: Callable) -> None:
    platform.put("in/Roads 2024.geojson", geojson())
    report = platform.ingest("b1", platform.entry("s3://landing-zone/in/roads 2024.geojson"))
    (problem,) = report.problems
    assert (problem.code, problem.where) == ("missing_file", "files[0].path")
    assert "s3://landing-zone/in/Roads 2024.geojson" in problem.message + problem.remedy


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b'{"batch_id": "b1", "batch_id": "b1"}'])
def test_a_manifest_that_is_none(content: bytes, platform: Any) -> None:
    platform.stack.landing.submit(content, "b1")
    (report,) = platform.process()
    assert report.status is Status.REJECTED
    assert report.problems
    assert platform.stack.ledger.receipts("b1")[0].problems == report.problems
    assert platform.stack.landing.waiting() == []


@pytest.mark.parametrize(
    "area",
    [
        {"type": ["Polygon"], "coordinates": []},
        {"type": {}},
        f"POLYGON {'(' * 3000}0 0{')' * 3000}",
        "POLYGON ((1 1, 1 1, 1 1, 1 1))",
        "POLYGON ((-1e308 -1e308, 1e308 -1e308, 1e308 1e308, -1e308 -1e308))",
    ],
)
def test_an_area_that_is_none(area: Any, platform: Any, geojson: Callable) -> None:
    entry = platform.entry(platform.put("in/a.geojson", geojson()))
    report = platform.ingest("b1", entry, intent="clip", parameters={"area": area, "crs": "EPSG:3857"})
    assert said(report) == [("bad_parameter", "parameters.area")]


def test_a_manifest_that_the_checks_fail_at_is_answered_and_blocks_no_other(
    platform: Any, geojson: Callable, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    from libs.transformations import Recipe

    entry = platform.entry(platform.put("in/a.geojson", geojson()))
    platform.submit("bad", entry, intent="clip", parameters={"area": "what nobody has thought of"})
    platform.submit("good", entry)
    bind = Recipe.bind
    monkeypatch.setattr(Recipe, "bind", lambda self, given: {}[given["area"]] if "area" in given else bind(self, given))
    bad, good = platform.process()
    assert (bad.batch_id, bad.status, said(bad)) == ("bad", Status.REJECTED, [("internal_error", "platform")])
    assert "KeyError: 'what nobody has thought of'" in caplog.text
    assert (good.batch_id, good.status) == ("good", Status.SUCCESS)
    assert platform.stack.landing.waiting() == []


def test_a_checksum(platform: Any, geojson: Callable) -> None:
    import hashlib

    content = geojson()
    right, wrong = hashlib.sha256(content.encode()).hexdigest(), "0" * 64
    path = platform.put("in/a.geojson", content)
    report = platform.ingest("b1", platform.entry(path, sha256=wrong))
    assert said(report) == [("sha256_mismatch", "files[0].sha256")]
    assert right in report.problems[0].message
    assert platform.ingest("b2", platform.entry(path, sha256=right)).status is Status.SUCCESS


@pytest.mark.parametrize(
    ("name", "content", "more", "code"),
    [
        ("a.geojson", "", {}, "empty_file"),
        ("a.geojson", "not json", {}, None),
        ("a.gpkg", "not sqlite", {}, "format_mismatch"),
        ("a.csv", "a,b\n1,2\n", {}, None),
        ("a.geojson", f'{{"type": "FeatureCollection", "crs": {CRS84}, "features": []}}', {"crs": "EPSG:3857"}, "crs_mismatch"),
        ("a.geojson", '{"type": "FeatureCollection", "features": [', {}, None),
    ],
)
def test_one_bad_file_of_three(name: str, content: str, more: dict, code: str | None, platform: Any, geojson: Callable) -> None:
    """The batch is atomic: the good files, before the bad one and after it, get nowhere."""
    first, last = (platform.entry(platform.put(f"in/{good}.geojson", geojson())) for good in ("first", "last"))
    report = platform.ingest("b1", first, platform.entry(platform.put(f"in/bad/{name}", content), **more), last)
    assert report.status is Status.REJECTED
    assert all(problem.where.startswith("files[1]") for problem in report.problems)
    assert code is None or [problem.code for problem in report.problems] == [code]
    assert platform.lies_in("lake") == []
    assert list(platform.stack.ledger.assets()) == []
    assert platform.transient() == []


def test_a_bad_last_file(platform: Any, geojson: Callable) -> None:
    good = platform.entry(platform.put("in/good.geojson", geojson()))
    bad = platform.entry(platform.put("in/bad.geojson", geojson().replace("{", f'{{"crs": {CRS84}, ', 1)), crs="EPSG:3857")
    report = platform.ingest("b1", good, bad)
    assert report.status is Status.REJECTED
    assert platform.lies_in("lake") == []


def test_a_file_that_may_not_be_read(platform: Any, geojson: Callable, tmp_path: Path) -> None:
    path = platform.put("in/a.geojson", geojson())
    elsewhere = tmp_path / "elsewhere.geojson"
    elsewhere.write_text(geojson())
    lying = platform.stack.landing.store.root / "in/a.geojson"
    lying.unlink()
    lying.symlink_to(elsewhere)
    report = platform.ingest("b1", platform.entry(path))
    assert report.status is Status.REJECTED
    (problem,) = report.problems
    assert problem.where == "files[0].path"
    assert "link" in problem.message


def test_a_manifest_that_may_not_be_read_stays_and_is_told_of(platform: Any, geojson: Callable) -> None:
    platform.put("in/a.geojson", geojson())
    target = platform.home / "target.json"
    target.write_text("{}")
    lying = platform.stack.landing.store.root / "manifests/b1.json"
    lying.parent.mkdir(exist_ok=True)
    import os

    os.mkfifo(lying)
    assert stat.S_ISFIFO(lying.stat().st_mode)
    (report,) = platform.process()
    assert (report.batch_id, said(report)) == ("b1", [("unreadable_manifest", "manifests/b1.json")])
    assert platform.process() == [], "a process tells of it once"
    assert platform.stack.ledger.batch("b1").status is Status.REJECTED
    assert lying.exists()


def test_a_place_in_the_lake_that_cannot_be_written_to_fails_its_batch_only(platform: Any, geojson: Callable) -> None:
    (platform.stack.lake.store.root / "bad").write_text("in the way")
    platform.submit("b1", platform.entry(platform.put("in/bad.geojson", geojson())))
    platform.submit("b2", platform.entry(platform.put("in/good.geojson", geojson())))
    first, second = platform.process()
    assert (first.status, said(first)) == (Status.FAILURE, [("not_writable", "s3://data-lake/bad/v1/data.parquet")])
    assert second.status is Status.SUCCESS


def test_problems_are_for_people(platform: Any, geojson: Callable) -> None:
    """Nothing of the inside of the platform shows in what is told to an uploader."""
    reports = [
        platform.ingest("b1", platform.entry(platform.put("in/a.geojson", "{"))),
        platform.ingest("b2", platform.entry(platform.put("in/a.gpkg", b"SQLite format 3\0" + b"\0" * 4096))),
        platform.ingest("b3", platform.entry(platform.put("in/a.geojson", geojson()), crs="EPSG:4326", layer="none")),
    ]
    problems: list[Problem] = [problem for report in reports for problem in report.problems]
    assert len(problems) == 3
    for problem in problems:
        assert str(platform.home) not in problem.message + problem.remedy
        assert "Traceback" not in problem.message
        assert problem.remedy
