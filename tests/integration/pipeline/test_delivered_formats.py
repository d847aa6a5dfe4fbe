"""Files of several parts, as they are delivered: through the whole platform, with all that is recorded of them."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from libs.models import Report, Status
from libs.models.settings import Settings
from libs.pipeline.delivery import local_files
from libs.pipeline.upload import upload
from libs.platform.inspection import inspect
from services.cli.main import app
from tests.integration.reading.writing import seamless

pytestmark = pytest.mark.integration


def delivered(platform: Any, path: Path, **more: Any) -> Report:
    """A local file, delivered as the command line does it."""
    (file,) = local_files([path])
    uri = upload(platform.stack.landing, file.path, file.format, "one")
    return platform.ingest("one", {"path": uri, "type": "vector", "format": file.format.name} | more)


def test_a_seamless_table_with_the_tables_that_it_names(platform: Any, tmp_path: Path) -> None:
    index = seamless(tmp_path / "in", "DATA\\North.tab", "data\\south.TAB")
    report = delivered(platform, index)
    assert report.status is Status.SUCCESS, report.problems
    assert [(dataset.dataset_id, dataset.features) for dataset in report.datasets] == [("all", 7)]
    (layer,) = platform.stack.ledger.lineage("all", 1).inputs
    names = [f"one/{name}.{part}" for name in ("all", "Data/north", "Data/south") for part in ("tab", "dat", "id", "map")]
    assert sorted(each.key for each in layer.objects) == sorted(names)
    assert all(each.sha256 for each in layer.objects)


def test_a_seamless_table_that_lacks_one(platform: Any, tmp_path: Path) -> None:
    index = seamless(tmp_path / "in", "Data\\north.tab", "Data\\west.tab")
    (problem,) = delivered(platform, index).problems
    assert problem.code == "missing_sidecar"
    assert "'Data/west.tab'" in problem.message


def test_a_seamless_table_by_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPATIAL_ETL_HOME", str(tmp_path / "home"))
    index = seamless(tmp_path / "in", "DATA\\North.tab", "data\\south.TAB")
    (file,) = local_files([index])
    found = inspect(Settings(_env_file=None), file, "someone", {}, {})
    assert [(layer.name, layer.features) for layer in found.layers] == [("all", 7)]
    assert not found.problems
    result = CliRunner().invoke(app, ["ingest", str(index), "--project", "P"])
    assert result.exit_code == 0, result.output
    assert "7" in result.output
