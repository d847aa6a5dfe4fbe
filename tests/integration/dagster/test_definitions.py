"""Which datasets have a definition, and what it is good for."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType

from services.dagster.etl_pipelines.assets import known
from services.dagster.etl_pipelines.assets.known import Known, describe
from services.dagster.etl_pipelines.checks.in_time import WAITING
from services.dagster.etl_pipelines.definitions import build_defs, defs

pytestmark = pytest.mark.integration

A, B = dg.AssetKey("a"), dg.AssetKey("b")
IN_TIME = dg.AssetCheckKey(WAITING, "in_time")


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if this one had begun just now, on the home of ``orchestra``."""
    monkeypatch.setattr(known, "_known", [])
    monkeypatch.setenv("SPATIAL_ETL_HOME", str(tmp_path / "home"))


def loaded(why: DefinitionsLoadType) -> AssetGraph:
    with DefinitionsLoadContext.scoped(DefinitionsLoadContext(why)):
        return defs().get_repository_def().asset_graph


def made(orchestra: Any, dataset_id: str) -> dg.ExecuteInProcessResult:
    orchestra.submit(dataset_id, orchestra.put(f"{dataset_id}.geojson"))
    return orchestra.run(orchestra.tick().run_requests[0])


def test_a_code_server_defines_what_the_ledger_knows_and_a_worker_nothing(orchestra: Any) -> None:
    made(orchestra, "a")
    made(orchestra, "b")
    assert loaded(DefinitionsLoadType.RECONSTRUCTION).get_all_asset_keys() == set()
    for why in (DefinitionsLoadType.INITIALIZATION, DefinitionsLoadType.RECONSTRUCTION):  # as a code server does
        graph = loaded(why)
        assert graph.get_all_asset_keys() == {A, B, WAITING}
        checks = {dg.AssetCheckKey(key, name) for key in (A, B) for name in ("self_check", "intact")}
        assert graph.asset_check_keys == {IN_TIME, *checks}


def test_the_ledger_may_be_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "home").write_text("not a folder")
    assert loaded(DefinitionsLoadType.INITIALIZATION).get_all_asset_keys() == set()
    assert "SPATIAL_ETL_HOME" in caplog.text


def test_what_a_job_reports_is_the_check_that_is_defined(orchestra: Any) -> None:
    for version in (1, 2):  # the dataset is new to the first, and has a definition in the second
        orchestra.submit(f"b{version}", orchestra.put("a.geojson"))
        assert orchestra.run(orchestra.tick().run_requests[0]).success
        defined = dg.AssetCheckKey(A, "self_check")
        assert defined in build_defs(datasets=[Known("a")]).get_repository_def().asset_graph.asset_check_keys
        (record,) = orchestra.instance.event_log_storage.get_asset_check_execution_history(defined, limit=1)
        assert f"Version {version} " in record.event.dagster_event.event_specific_data.description


@pytest.mark.parametrize("datasets", [["a"], ["a", "b"]])
def test_nobody_is_offered_to_start_a_check_and_their_number_does_not_square_the_time_to_load(datasets: list[str]) -> None:
    graph = build_defs(datasets=[Known(each) for each in datasets]).get_repository_def().asset_graph
    assert len(graph.asset_check_keys) == 2 * len(datasets) + 1
    (together,) = {graph.get_execution_set_identifier(key) for key in graph.asset_check_keys}
    assert together is not None
    (definition,) = {graph.assets_def_for_key(key) for key in graph.asset_check_keys}
    assert definition.node_def.input_defs == []
    assert len({graph.assets_def_for_key(key) for key in graph.get_all_asset_keys()}) == 1


def test_a_definition_says_what_a_dataset_is_and_shows_its_picture(orchestra: Any) -> None:
    metadata = {"project": "North <b>&</b> [South](javascript:1)"}
    key = orchestra.submit("a", orchestra.put("a.geojson"), metadata=metadata)
    assert key
    assert orchestra.run(orchestra.tick().run_requests[0]).success
    made(orchestra, "b")
    asset = orchestra.stack.ledger.asset("north-b-b-south-javascript-1.a")
    described = {each.dataset_id: each for each in describe(orchestra.stack.ledger, orchestra.stack.lake)}
    assert [each.group for each in described.values()] == ["no_project", "North_b_b_South_javascript_1"]
    assert described["b"].description.startswith("1 features, EPSG:4326, ")
    first, caption, picture, *_ = described[asset.dataset_id].description.split("\n\n")
    assert f"{asset.created_at:%Y-%m-%d %H:%M} UTC, by someone, version 1, project North &#60;b&#62;&#38;" in first
    assert "[" not in first
    assert caption.startswith("All 1 features. Frame: 9, 53 to 9, 53, EPSG:4326.")
    assert "data:image/svg+xml;base64," in picture

    path = orchestra.stack.lake.store.root / asset.dataset_id / "v1" / "data.parquet"
    path.write_bytes(b"damaged")
    assert [bool("data:" in each.description) for each in describe(orchestra.stack.ledger, orchestra.stack.lake)] == [True, False]
