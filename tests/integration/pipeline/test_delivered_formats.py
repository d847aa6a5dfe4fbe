"""Files of several parts, as they are delivered: through the whole platform, with all that is recorded of them."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely
from typer.testing import CliRunner

from libs.models import Report, Status
from libs.models.settings import Settings
from libs.pipeline.delivery import local_files
from libs.pipeline.upload import Upload, upload_all
from libs.platform.inspection import inspect
from services.cli.main import app
from tests.integration.reading.bag import delivery
from tests.integration.reading.writing import seamless

pytestmark = pytest.mark.integration


def delivered(platform: Any, path: Path, **more: Any) -> Report:
    """A local file, delivered as the command line does it."""
    (file,) = local_files([path])
    upload = Upload(file.path, file.format, "one", "files[0].path")
    upload_all(platform.stack.landing, [upload], b"", "one")
    return platform.ingest(
        "one", {"path": platform.stack.landing.store.uri(upload.key), "type": "vector", "format": file.format.name} | more
    )


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


def test_an_extract_of_the_bag_as_it_is_delivered(platform: Any, tmp_path: Path) -> None:
    report = delivered(platform, delivery(tmp_path / "BAGGEM0344L.zip", of_each=3))
    assert report.status is Status.SUCCESS, report.problems
    assert {dataset.dataset_id.rpartition(".")[2]: dataset.features for dataset in report.datasets} == dict.fromkeys(
        ("pand", "verblijfsobject", "nummeraanduiding", "openbareruimte", "ligplaats", "standplaats", "woonplaats"), 3
    )
    homes = platform.read("baggem0344l.verblijfsobject").to_pylist()
    assert homes[0]["gebruiksdoel"] == ["woonfunctie", "winkelfunctie"]
    assert shapely.from_wkb(homes[0]["geom"]).x == pytest.approx(5.01, abs=0.2)


def test_vector_tiles(platform: Any, tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"n": [1, 2]}, geometry=[shapely.Point(1, 2), shapely.Point(8, 47)], crs="EPSG:4326")
    frame.to_file(tmp_path / "a.pmtiles", driver="PMTiles", engine="pyogrio", layer="a", dataset_options={"MAXZOOM": 2})
    report = delivered(platform, tmp_path / "a.pmtiles")
    assert report.status is Status.SUCCESS, report.problems
    assert [(dataset.features, dataset.crs) for dataset in report.datasets] == [(2, "EPSG:4326")]
    assert "cut_by_tiles" in {warning.code for warning in report.warnings}


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
