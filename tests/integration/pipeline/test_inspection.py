"""What ``inspect`` finds in a file, within this process."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from libs.models.settings import Settings
from libs.pipeline.delivery import local_files
from libs.platform.inspection import inspect
from services.cli.main import app

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "data" / "cases"


def found(home: Path, path: Path, **of_all: Any) -> Any:
    (file,) = local_files([path])
    return inspect(Settings(spatial_etl_home=home, _env_file=None), file, "someone", {}, of_all)


def test_layers_columns_and_a_picture(tmp_path: Path) -> None:
    town = found(tmp_path / "home", ROOT / "demo/data/town.gpkg")
    assert [(layer.name, layer.features, layer.crs) for layer in town.layers] == [
        ("buildings", 144, "EPSG:25832"), ("roads", 12, "EPSG:25832"),
    ]  # fmt: skip
    assert town.layers[0].extent == pytest.approx((573020, 5934020, 573694.3196, 5934694.142))
    assert len(town.layers[0].picture) == 16
    assert not (tmp_path / "home").exists()


def test_what_is_refused_is_looked_at_all_the_same(tmp_path: Path) -> None:
    dates = found(tmp_path / "home", CASES / "dates_invalid.shp")
    assert ([problem.code for problem in dates.problems], dates.layers[0].features) == (["value_lost"], 2)
    assert found(tmp_path / "home", CASES / "networklink.kml").layers == ()


@pytest.mark.parametrize(
    ("arguments", "code", "shown"),
    [
        ([ROOT / "demo/data/town.gpkg"], 0, "144 features  Polygon"),
        ([ROOT / "demo/data/trees.csv", "--crs", "EPSG:25832"], 0, "(as given)"),
        ([CASES / "dates_invalid.shp"], 1, "1 problem"),
        ([CASES / "wfs_truncated_page.gml"], 0, "1 warning"),
        ([ROOT / "demo/data/trees.csv", "--manifest"], 0, '"format": "CSV"'),
        ([ROOT / "demo/data/trees.csv", "--json"], 0, '"looks_like"'),
    ],
)
def test_it_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[Any], code: int, shown: str) -> None:
    monkeypatch.setenv("SPATIAL_ETL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["inspect", *map(str, arguments)])
    assert (done.exit_code, shown in done.output) == (code, True), done.output
