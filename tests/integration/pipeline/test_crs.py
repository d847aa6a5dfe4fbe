"""CRSs through the whole platform, on both engines: local coordinates, what a format assumes, codes of others, guessed datums."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import pyarrow.parquet as pq
import pyproj
import pytest
import shapely

from libs.models import Status
from libs.pipeline.replay import replay
from libs.pipeline.verify import Finding, verify

pytestmark = pytest.mark.integration
CASES = Path(__file__).parents[2] / "data" / "cases"
SITE = [shapely.box(0, 0, 10, 10), shapely.Polygon([(20, 0), (30, 10), (30, 0), (20, 10)])]
"""A building site in metres from its corner; the second one is a bow tie."""


@pytest.fixture(params=["duckdb", "postgis"])
def platform(request: pytest.FixtureRequest, open_platform: Callable[..., Any]) -> Any:
    if request.param == "duckdb":
        return open_platform()
    settings = request.getfixturevalue("postgis").environment
    platform = open_platform(**{name.lower(): value for name, value in settings.items()})
    assert platform.stack.engine.capabilities.name == "postgis"
    return platform


@pytest.fixture
def site(platform: Any, tmp_path: Path) -> dict[str, Any]:
    features = [
        {"type": "Feature", "properties": {"n": n}, "geometry": json.loads(shapely.to_geojson(shape))}
        for n, shape in enumerate(SITE)
    ]
    path = platform.put("in/site.geojson", json.dumps({"type": "FeatureCollection", "features": features}))
    return dict(platform.entry(path, crs="none"))


def said(report: Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.where) for problem in report.problems]


def test_local_coordinates(platform: Any, site: dict[str, Any]) -> None:
    report = platform.ingest("b1", site)
    assert (report.status, report.problems, report.warnings) == (Status.SUCCESS, (), ())
    (dataset,) = report.datasets
    assert (dataset.crs, dataset.bbox, dataset.changes.repaired) == (None, (0, 0, 30, 10), 1)
    asset = platform.asset("site")
    assert (asset.crs, asset.has_geometry) == (None, True)
    file = platform.stack.lake.store.root / "site/v1/data.parquet"
    geo = json.loads(pq.read_metadata(file).metadata[b"geo"])
    assert geo["columns"]["geom"]["crs"] is None  # left out, it would mean longitude and latitude
    rows = geopandas.read_parquet(file).sort_values("n")
    assert rows.crs is None
    assert rows.geometry.iloc[0].normalize() == SITE[0].normalize()
    assert rows.geometry.iloc[1].equals(shapely.make_valid(SITE[1]))
    lineage = platform.stack.ledger.lineage("site", 1)
    assert [(layer.crs, layer.crs_source) for layer in lineage.inputs] == [(None, "manifest")]
    assert [each.finding for each in verify(platform.stack)] == [Finding.INTACT]
    assert replay(platform.stack, asset, lineage).identical


def test_a_lake_file_of_local_coordinates_is_read_again(platform: Any, site: dict[str, Any]) -> None:
    platform.ingest("b1", site)
    content = (platform.stack.lake.store.root / "site/v1/data.parquet").read_bytes()
    path = platform.put("in/again.parquet", content)
    assert said(platform.ingest("b2", platform.entry(path))) == [("crs_missing", "files[0]: layer again")]
    report = platform.ingest("b3", platform.entry(path, crs="none"))
    assert (report.status, report.datasets[0].crs, report.datasets[0].features) == (Status.SUCCESS, None, 2)


@pytest.mark.parametrize("intent", ["raw", "keep_crs", "explode", "dissolve"])
def test_recipes_that_do_without_a_crs(intent: str, platform: Any, site: dict[str, Any]) -> None:
    report = platform.ingest("b1", site, intent=intent)
    assert (report.status, report.datasets[0].crs) == (Status.SUCCESS, None)


def test_lengths_in_the_unit_of_the_coordinates(platform: Any, site: dict[str, Any]) -> None:
    report = platform.ingest(
        "b1", site, intent="set_precision", parameters={"grid": {"value": 1, "unit": "crs"}, "crs": "EPSG:4326"}
    )
    assert (report.status, report.datasets[0].bbox) == (Status.SUCCESS, (0, 0, 30, 10))
    report = platform.ingest("b2", site, intent="simplify", parameters={"tolerance": {"value": 1, "unit": "m"}})
    ((code, _),) = said(report)
    assert code == "wrong_unit"
    assert "unit" in report.problems[0].remedy


@pytest.mark.parametrize(
    ("intent", "parameters"),
    [("web_mercator", {}), ("reproject", {"crs": "EPSG:25832"}), ("clip", {"bbox": [0, 0, 1, 1]})],
)
def test_recipes_that_need_a_crs(intent: str, parameters: dict[str, Any], platform: Any, site: dict[str, Any]) -> None:
    report = platform.ingest("b1", site, intent=intent, parameters=parameters)
    ((code, where),) = said(report)
    assert (report.status, code, intent in where or "reproject" in where) == (Status.REJECTED, "missing_crs", True)


def test_local_coordinates_beside_others(platform: Any, site: dict[str, Any], geojson: Callable[..., str]) -> None:
    """They do not go into one dataset; in one batch they do."""
    other = platform.entry(platform.put("in/other.geojson", geojson()))
    report = platform.ingest("b1", site | {"dataset_id": "a"}, other | {"dataset_id": "a"}, intent="raw")
    assert [code for code, _ in said(report)] == ["schema_mismatch"]
    assert "the CRS is EPSG:4326 instead of none" in report.problems[0].message
    report = platform.ingest("b2", site, other)
    assert [dataset.crs for dataset in report.datasets] == [None, "EPSG:4326"]


def test_a_table_has_no_crs_whatever_the_manifest_says(platform: Any) -> None:
    entry = platform.entry(platform.put("in/t.csv", "a,b\n1,x\n"), type="tabular", crs="none")
    report = platform.ingest("b1", entry)
    assert (report.status, platform.asset("t").has_geometry) == (Status.SUCCESS, False)


def test_none_for_a_file_that_carries_a_crs(platform: Any, frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    frame.to_file(tmp_path / "a.gpkg")
    report = platform.ingest("b1", platform.entry(platform.put("in/a.gpkg", tmp_path / "a.gpkg"), crs="none"))
    assert said(report) == [("crs_mismatch", "files[0].crs")]
    assert '"none"' in report.problems[0].message
    assert "EPSG:25832" in report.problems[0].message


def test_a_file_whose_crs_is_wrong_lands_as_the_remedies_say(
    platform: Any, frame: geopandas.GeoDataFrame, tmp_path: Path
) -> None:
    frame.set_crs("EPSG:4326", allow_override=True).to_file(tmp_path / "a.gpkg")
    path = platform.put("in/a.gpkg", tmp_path / "a.gpkg")
    (problem, *_) = platform.ingest("b1", platform.entry(path)).problems
    assert problem.code == "coordinates_impossible"
    assert '"crs": "EPSG:25832"' in problem.remedy
    assert '"replace_crs": true' in problem.remedy
    report = platform.ingest("b2", platform.entry(path, crs="EPSG:25832", replace_crs=True))
    assert (report.status, [warning.code for warning in report.warnings]) == (Status.SUCCESS, ["crs_replaced"])
    assert (report.datasets[0].features, report.datasets[0].crs) == (len(frame), platform.asset("a").crs)


def test_geojson_in_metres(platform: Any) -> None:
    path = platform.put("in/a.geojson", CASES / "projected_undeclared.geojson")
    report = platform.ingest("b1", platform.entry(path, crs="EPSG:25832"))
    assert (report.status, report.warnings) == (Status.SUCCESS, ())
    expected = pyproj.Transformer.from_crs(25832, 4326, always_xy=True).transform(434843.55, 5791841.9)
    assert report.datasets[0].bbox == pytest.approx((*expected, *expected), abs=1e-9)
    assert platform.stack.ledger.lineage("a", 1).inputs[0].crs_source == "manifest"


def test_a_crs_that_only_the_format_says(platform: Any, geojson: Callable[..., str]) -> None:
    platform.ingest("b1", platform.entry(platform.put("in/a.geojson", geojson())))
    (layer,) = platform.stack.ledger.lineage("a", 1).inputs
    assert (layer.crs, layer.crs_source) == ("EPSG:4326", "format")


def test_a_code_of_esri(platform: Any) -> None:
    report = platform.ingest("b1", platform.entry(platform.put("in/a.geojson", CASES / "epsg102100.geojson")))
    assert [warning.code for warning in report.warnings] == ["crs_code_not_epsg"]
    assert report.datasets[0].bbox == pytest.approx((10, 50, 10, 50), abs=1e-6)
    point = json.dumps({"type": "Point", "coordinates": [843_000, 5_000_000]})
    report = platform.ingest("b2", platform.entry(platform.put("in/b.geojson", point), crs="EPSG:54030"))
    expected = pyproj.Transformer.from_crs("ESRI:54030", 4326, always_xy=True).transform(843_000, 5_000_000)
    assert report.datasets[0].bbox == pytest.approx((*expected, *expected), abs=1e-9)
    assert [(warning.code, warning.where) for warning in report.warnings] == [("crs_code_not_epsg", "files[0].crs")]


def test_a_prj_of_wkt_2(platform: Any) -> None:
    report = platform.ingest("b1", platform.entry(platform.put("in/a.shp", CASES / "wkt2_prj.shp")))
    assert (report.status, report.warnings) == (Status.SUCCESS, ())
    assert platform.stack.ledger.lineage("a", 1).inputs[0].crs == "EPSG:25832"


def test_a_datum_that_is_guessed(platform: Any) -> None:
    path = platform.put("in/a.shp", CASES / "unknown_datum.shp")
    report = platform.ingest("b1", platform.entry(path))
    (warning,) = report.warnings
    assert (report.status, warning.code, warning.where) == (Status.SUCCESS, "ballpark_transformation", "files[0]: layer a")
    assert "DHDN" in warning.message
    (layer,) = platform.stack.ledger.lineage("a", 1).inputs
    file = geopandas.read_file(CASES / "unknown_datum.shp").geometry.iloc[0]
    expected = pyproj.Transformer.from_crs(layer.crs, 4326, always_xy=True).transform(file.x, file.y)
    assert report.datasets[0].bbox == pytest.approx((*expected, *expected), abs=1e-9)
    (warning,) = platform.ingest("b2", platform.entry(path), intent="keep_crs").warnings
    assert (warning.code, warning.message) == ("crs_changed", "It has the CRS 'Lokal_Netz', in WKT; a@1 has EPSG:4326.")


def test_a_guessed_datum_is_told_once_for_a_file(platform: Any, tmp_path: Path) -> None:
    town = pyproj.CRS.from_wkt((CASES / "unknown_datum.prj").read_text())
    for name in ("one", "two"):
        frame = geopandas.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(3_500_000, 5_500_000)], crs=town)
        frame.to_file(tmp_path / "a.gpkg", layer=name)
    report = platform.ingest("b1", platform.entry(platform.put("in/a.gpkg", tmp_path / "a.gpkg")))
    assert [warning.code for warning in report.warnings].count("ballpark_transformation") == 1
    assert len(report.datasets) == 2
