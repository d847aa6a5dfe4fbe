"""One object never stops the others: what the platform may not read, list or remove is its own batch's problem.

Root may do everything, so the command line runs as a root that gave up what makes it more than another user.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pytest

from libs.models import Status

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files that belong to somebody else"),
]

SOMEBODY = 65534
"""The account of whoever else has a share in the landing zone."""

PLAIN = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
"""Runs a program without the rights to others' files."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("manifests", "in", "archive", "reports"):
        (tmp_path / "landing-zone" / name).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def spatial_etl(home: Path) -> Callable[..., Any]:
    """Runs a command; what it printed as JSON, or as text."""

    def run(*arguments: str) -> Any:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SPATIAL_ETL")}
        environment |= {
            "SPATIAL_ETL_HOME": str(home), "SPATIAL_ETL_SETTLE_SECONDS": "0.2",
        }  # fmt: skip
        done = subprocess.run(
            [*PLAIN, sys.executable, "-c", "from services.cli.main import main; main()", *arguments],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in {0, 1}, done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    return run


def dropped(home: Path, key: str, content: str, mode: int = 0o644) -> Path:
    """A file of somebody else's."""
    path = home / "landing-zone" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    of_somebody(path, mode)
    return path


def submitted(home: Path, batch_id: str, content: str) -> None:
    """A manifest that the platform may remove."""
    (home / f"landing-zone/manifests/{batch_id}.json").write_text(content)


def of_somebody(path: Path, mode: int) -> None:
    path.chmod(mode)
    os.chown(path, SOMEBODY, SOMEBODY)


def manifest(batch_id: str, *keys: str, kind: str = "GeoJSON") -> str:
    files = [
        {"path": f"s3://landing-zone/{key}", "type": "vector", "format": kind, "dataset_id": f"{batch_id}-{n}"}
        for n, key in enumerate(keys)
    ]
    return json.dumps({"batch_id": batch_id, "uploader": "someone", "intent": "ingest_vector", "files": files})


def said(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(problem["code"], problem["where"]) for problem in report["problems"] + report["warnings"]]


@pytest.fixture
def landing(home: Path, geojson: Callable[..., str], frame: geopandas.GeoDataFrame) -> Path:
    """A landing zone with raw files and folders, many of them closed."""
    landing, good = home / "landing-zone", geojson()
    dropped(home, "in/good.geojson", good)
    dropped(home, "in/closed.geojson", good, 0o600)
    of_somebody(dropped(home, "private/a.geojson", good).parent, 0o700)
    (landing / "in/link.geojson").symlink_to("good.geojson")
    dropped(home, "in/roads.gdb/a00000001.gdbtable", "x", 0o600)
    frame.to_file(landing / "in/shape.shp")
    of_somebody(landing / "in/shape.dbf", 0o600)
    for name in ("lost+found", "manifests/lost+found"):
        (landing / name).mkdir()
        of_somebody(landing / name, 0o700)
    return landing


def test_nothing_that_is_closed_stops_what_is_open(home: Path, landing: Path, spatial_etl: Callable[..., Any]) -> None:
    dropped(home, "manifests/closed-manifest.json", manifest("closed-manifest", "in/good.geojson"), 0o600)
    (landing / "manifests/link.json").symlink_to("closed-manifest.json")
    Path(os.fsdecode(os.fsencode(landing) + b"/manifests/latin-\xe4.json")).write_text("{}")
    submitted(home, "closed", manifest("closed", "in/closed.geojson"))
    submitted(home, "closed-folder", manifest("closed-folder", "private/a.geojson"))
    submitted(home, "linked", manifest("linked", "in/link.geojson"))
    submitted(home, "closed-part", manifest("closed-part", "in/roads.gdb", kind="FileGDB"))
    submitted(home, "closed-table", manifest("closed-table", "in/shape.shp", kind="ESRI Shapefile"))
    submitted(home, "cut", '{"batch_id": ')
    submitted(home, "no-archive", manifest("no-archive", "in/good.geojson"))
    (landing / "archive/no-archive").mkdir()
    of_somebody(landing / "archive/no-archive", 0o755)
    submitted(home, "no-report", manifest("no-report", "in/good.geojson"))
    (landing / "reports/no-report.json").mkdir()
    of_somebody(landing / "manifests", 0o1777)
    dropped(home, "manifests/sticky.json", manifest("sticky", "in/good.geojson"))
    submitted(home, "good", manifest("good", "in/good.geojson"))

    doctor = spatial_etl("doctor").replace("\n", "")
    for place in ("manifests/closed-manifest.json", "manifests/link.json", "latin-", "private/", "lost+found/"):
        assert place in doctor, doctor
    assert "manifests/sticky.json cannot be removed" in doctor
    assert "manifests/good.json" not in doctor

    reports = {report["batch_id"]: report for report in spatial_etl("process", "--json")}
    latin = next(name for name in reports if name.startswith("latin-"))
    closed = {
        "closed-manifest": ("unreadable_manifest", "manifests/closed-manifest.json"),
        "link": ("unreadable_manifest", "manifests/link.json"),
        latin: ("unreadable_manifest", "manifests/latin-\\xe4.json"),
        "closed": ("unreadable_file", "files[0].path"),
        "closed-folder": ("unreadable_file", "files[0].path"),
        "linked": ("unreadable_file", "files[0].path"),
        "closed-part": ("unreadable_file", "files[0].path"),
        "closed-table": ("unreadable_file", "s3://landing-zone/in/shape.dbf"),
        "cut": ("manifest_not_json", "manifest"),
    }
    assert {name: said(report) for name, report in reports.items() if report["status"] == Status.REJECTED} == {
        name: [problem] for name, problem in closed.items()
    }
    assert "s3://landing-zone/private/" in reports["closed-folder"]["problems"][0]["message"]
    assert {name: said(report) for name, report in reports.items() if report["status"] == Status.SUCCESS} == {
        "no-archive": [("manifest_left", "manifests/no-archive.json")],
        "no-report": [("report_not_written", "reports/no-report.json")],
        "sticky": [("manifest_left", "manifests/sticky.json")],
        "good": [],
    }
    assert "Operation not permitted" in reports["sticky"]["warnings"][0]["message"]
    assert len(reports) == len(closed) + 4
    told = json.loads((landing / "reports/link.json").read_text())
    assert said(told) == [closed["link"]]
    assert said(json.loads((landing / "reports/no-archive.json").read_text())) == [("manifest_left", "manifests/no-archive.json")]
    left = {"closed-manifest.json", "link.json", "no-archive.json", "sticky.json", "lost+found"}
    assert {path.name for path in (landing / "manifests").iterdir() if "latin" not in path.name} == left
    assert closed["link"][1] in json.dumps(spatial_etl("status", "link", "--json"))

    # the rights are given: what was left goes on, and nothing is done twice
    os.chown(landing / "manifests/closed-manifest.json", 0, 0)
    os.chown(landing / "archive/no-archive", 0, 0)
    again = {report["batch_id"]: report for report in spatial_etl("process", "--json")}
    assert again.keys() == {"closed-manifest", "link", latin, "no-archive", "sticky"}
    assert said(again["closed-manifest"]) == said(again["no-archive"]) == []
    assert again["no-archive"]["datasets"][0]["version"] == again["sticky"]["datasets"][0]["version"] == 1
