"""One pass of validation: what is parsed, bound and looked up for a batch, counted; and lists of problems that stay short."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pytest
from typer.testing import CliRunner

from libs.models import Status
from libs.models.manifest import MAX_PROBLEMS

pytestmark = pytest.mark.integration


def once(files: int) -> dict[str, int]:
    """Each step of a batch done once; all files looked up together."""
    return {"parsed": 1, "validated": 1, "bound": 1, f"looked up {files}": 1}


def test_process_does_each_step_once(platform: Any, geojson: Callable[..., str], calls: Counter[str]) -> None:
    names = [f"in/{number}.geojson" for number in range(5)]
    platform.submit("b1", *[platform.entry(platform.put(name, geojson())) for name in names])
    calls.clear()
    (report,) = platform.process()
    assert report.status is Status.SUCCESS
    assert calls == once(5)


def test_a_file_with_sidecars_in_folders_and_an_archive(
    platform: Any, frame: geopandas.GeoDataFrame, tmp_path: Path, calls: Counter[str]
) -> None:
    frame.to_file(tmp_path / "shape.shp")
    frame.to_file(tmp_path / "pack.gpkg")
    entries = [
        platform.entry(platform.put(f"{folder}/shape.shp", tmp_path / "shape.shp"), dataset_id=f"{folder}-shape")
        for folder in ("north", "south")
    ]
    entries.append(platform.entry(platform.put("north/pack.gpkg", tmp_path / "pack.gpkg")))
    calls.clear()
    assert platform.ingest("b1", *entries).status is Status.SUCCESS
    assert calls == once(3)


def test_ingest_does_each_step_once(
    tmp_path: Path, geojson: Callable[..., str], calls: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.cli.main import app

    monkeypatch.setenv("SPATIAL_ETL_HOME", str(tmp_path / "home"))
    (tmp_path / "roads.geojson").write_text(geojson())
    result = CliRunner().invoke(app, ["ingest", str(tmp_path / "roads.geojson"), "--batch-id", "b1", "--json"])
    assert result.exit_code == 0, result.output
    assert calls == once(1)
    assert json.loads(result.stdout)["status"] == "success"


def test_missing_files_cost_one_listing_and_give_a_short_list(
    platform: Any, geojson: Callable[..., str], calls: Counter[str]
) -> None:
    platform.put("in/7.GEOJSON", geojson())
    platform.put("in/150.GEOJSON", geojson())
    missing = MAX_PROBLEMS + 300
    entries = [platform.entry(f"s3://landing-zone/in/{number}.geojson") for number in range(missing)]
    report = platform.ingest("b1", *entries)
    assert [problem.code for problem in report.problems] == ["missing_file"] * MAX_PROBLEMS + ["more_problems"]
    assert [problem.where for problem in report.problems[:2]] == ["files[0].path", "files[1].path"]
    assert "300 more" in report.problems[-1].message
    assert "in/7.GEOJSON" in report.problems[7].message
    assert "in/150.GEOJSON" in report.problems[150].message
    assert calls["listed in/"] == 1
    assert platform.stack.ledger.receipts("b1")[0].problems == report.problems


def test_files_that_cannot_be_read_give_a_short_list_after_all_of_them_were_read(
    platform: Any, geojson: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.models.manifest.MAX_PROBLEMS", 3)
    bad = [platform.entry(platform.put(f"in/{number}.geojson", geojson()[:-20])) for number in range(5)]
    good = platform.entry(platform.put("in/good.geojson", geojson()))
    report = platform.ingest("b1", *bad, good, platform.entry(platform.put("in/last.geojson", "<!doctype html>")))
    assert report.status is Status.REJECTED
    assert [problem.where.partition(":")[0] for problem in report.problems] == ["files[0]", "files[1]", "files[2]", "manifest"]
    assert "3 more" in report.problems[-1].message


@pytest.fixture
def cli_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPATIAL_ETL_HOME", str(tmp_path / "home"))
    return tmp_path


def test_the_command_line_lists_each_bad_file_of_a_batch(cli_home: Path, geojson: Callable[..., str]) -> None:
    from services.cli.main import app

    contents = {
        "good.geojson": geojson(),
        "cut.geojson": geojson()[:-20],
        "page.geojson": "<!doctype html><p>404</p>",
        "document.geojson": '{"type": "Document"}',
        "table.gpkg": "id,name\n1,x\n",
        "nothing.fgb": "",
    }
    for name, content in contents.items():
        (cli_home / name).write_text(content)
    result = CliRunner().invoke(app, ["ingest", *[str(cli_home / name) for name in contents], "--batch-id", "b1", "--json"])
    assert result.exit_code == 1, result.output
    problems = json.loads(result.stdout)["problems"]
    assert [problem["where"].partition(":")[0].partition(".")[0] for problem in problems] == [
        f"files[{number}]" for number in range(1, 6)
    ]
