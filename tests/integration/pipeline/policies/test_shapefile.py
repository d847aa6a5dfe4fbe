"""Policies for cells of dBASE tables."""

from pathlib import Path

import geopandas
import pytest

from tests.integration.pipeline.conftest import Platform
from tests.integration.pipeline.policies.rows import CASES, data, only_problem, rejects

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(("policy", "features", "count"), [("set_aside", 1, "set_aside"), ("null", 2, "bad_value_to_null")])
def test_a_day_that_does_not_exist(platform: Platform, policy: str, features: int, count: str) -> None:
    path = platform.put("in/dates_invalid.shp", CASES / "dates_invalid.shp")
    entry = platform.entry(path, crs="EPSG:4326")
    assert only_problem(platform.ingest("a", entry)).code == "value_lost"
    assert platform.ingest("b", entry, on_bad_value=policy).status == "success"
    asset = platform.asset("dates_invalid")
    assert (asset.features, asset.changes.counts[count]) == (features, 1)
    if policy == "set_aside":
        aside = rejects(platform, asset)
        assert (aside["D"].tolist(), aside["reject_feature"].tolist(), aside.geometry.notna().all()) == (["20231301"], [2], True)
    else:
        assert data(platform, asset)["D"].isna().sum() == 1


@pytest.mark.parametrize(
    ("policy", "names", "count"),
    [
        ("set_aside", ["Hamburg"], "set_aside"),
        ("null", ["Hamburg", None], "bad_text_to_null"),
        ("fix", ["Hamburg", "M\ufffdnchen"], "text_replaced"),
    ],
)
def test_text_that_cannot_be_decoded(
    platform: Platform, tmp_path: Path, policy: str, names: list[str | None], count: str
) -> None:
    frame = geopandas.GeoDataFrame(
        {"name": ["Hamburg", "Munchen"]}, geometry=geopandas.points_from_xy([10, 11], [53, 48]), crs=4326
    )
    frame.to_file(tmp_path / "a.shp", encoding="UTF-8")
    dbf = tmp_path / "a.dbf"
    dbf.write_bytes(dbf.read_bytes().replace(b"Munchen", b"M\xfcnchen"))
    entry = platform.entry(platform.put("in/a.shp", tmp_path / "a.shp"))
    problem = only_problem(platform.ingest("a", entry))
    assert (problem.code, '"on_bad_text": "set_aside"' in problem.remedy) == ("wrong_encoding", True)
    assert platform.ingest("b", entry, on_bad_text=policy).status == "success"
    asset = platform.asset("a")
    assert asset.changes.counts[count] == 1
    found = [name if isinstance(name, str) else None for name in data(platform, asset)["name"]]
    assert sorted(found, key=str) == sorted(names, key=str)
    if policy == "set_aside":
        assert rejects(platform, asset)["name"].tolist() == [r"M\xfcnchen"]


def test_a_name_that_was_cut_within_a_character(platform: Platform) -> None:
    path = platform.put("in/utf8_truncated_fieldname.shp", CASES / "utf8_truncated_fieldname.shp")
    report = platform.ingest("a", platform.entry(path))
    assert report.status == "success"
    assert "column_name_cut" in {warning.code for warning in report.warnings}
    assert "Straßenl" in [field.name for field in platform.asset("utf8_truncated_fieldname").table_schema]
