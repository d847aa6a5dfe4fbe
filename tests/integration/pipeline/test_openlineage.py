"""OpenLineage's events of real runs, held against its own models, which are made from its JSON schemas."""

import json
import typing
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

import attr
import geopandas
import pytest
from openlineage.client import event_v2
from openlineage.client.generated import (
    column_lineage_dataset,
    dataset_version_dataset,
    datasource_dataset,
    error_message_run,
    job_type_job,
    output_statistics_output_dataset,
    processing_engine_run,
    schema_dataset,
)

from libs.ledger.notices import PAUSES, Notices
from libs.models import utc_now
from libs.notify.openlineage import KEEPING
from libs.pipeline.maintenance import reconcile
from libs.transformations.steps import STEPS
from tests.integration.pipeline.receivers import Web, serving

pytestmark = pytest.mark.integration

MODELS = {
    "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet,
    "dataSource": datasource_dataset.DatasourceDatasetFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
    "processing_engine": processing_engine_run.ProcessingEngineRunFacet,
    "schema": schema_dataset.SchemaDatasetFacet,
    "version": dataset_version_dataset.DatasetVersionDatasetFacet,
}
MAKING = {"dissolve", "join", "measure", "spatial_join", "summarize"}
"""Steps that make columns of others."""
EVERYWHERE = {
    "type": "Polygon",
    "coordinates": [[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]],
}


def checked(model: type, value: dict[str, Any]) -> None:
    """Hold a JSON object against one of OpenLineage's models: required and known fields, types, and the address of the schema."""
    hints = typing.get_type_hints(model, localns={"ClassVar": typing.ClassVar, "Any": Any})
    fields = {field.name: field for field in attr.fields(model)}
    assert value.keys() <= fields.keys(), (model, value.keys() - fields.keys())
    missing = {name for name, field in fields.items() if field.default is attr.NOTHING and field.init} - value.keys()
    assert missing == set(), (model, missing)
    for name, item in value.items():
        if name in {"_schemaURL", "schemaURL"}:
            assert item == model._get_schema()
        elif name in {"facets", "outputFacets"}:
            for facet, content in item.items():
                checked(MODELS[facet], content)
        else:
            fits(hints[name], item)
        if (check := fields[name].validator) is not None:
            check(None, fields[name], item)


def fits(kind: Any, value: Any) -> None:
    """Hold a value against the type of a field."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, UnionType}:
        options = [each for each in arguments if each is not NoneType]
        assert value is not None
        fits(options[0], value)
    elif origin is list:
        assert isinstance(value, list)
        for item in value:
            fits(arguments[0], item)
    elif origin is dict:
        for item in value.values():
            fits(arguments[1], item)
    elif attr.has(kind):
        checked(kind, value)
    elif issubclass(kind, event_v2.RunState):
        assert value in {each.value for each in kind}
    else:
        assert type(value) is kind, (kind, value)


@pytest.fixture
def told(open_platform: Callable[..., Any], tmp_path: Path) -> tuple[Any, Callable[[], list[dict[str, Any]]]]:
    """A platform whose events go to a folder, and what lies there, each held against the models, in order of time."""
    folder = tmp_path / "events"
    platform = open_platform(spatial_etl_openlineage=str(folder))

    def events() -> list[dict[str, Any]]:
        found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
        for event in found:
            checked(event_v2.RunEvent, event)
        assert {path.name for path in folder.iterdir()} == {f"{each['run']['runId']}-{each['eventType']}.json" for each in found}
        return sorted(found, key=lambda event: event["eventTime"])

    return platform, events


def test_a_published_batch(told: Any, frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    platform, events = told
    frame.rename(columns={"name": "bbox"}).to_file(tmp_path / "town.gpkg", layer="town")
    path = platform.put("in/town.gpkg", tmp_path / "town.gpkg")
    platform.ingest("town", platform.entry(path, dataset_id="city.town"), metadata={"project": "ALPHA"})
    platform.ingest("again", platform.entry(path, dataset_id="city.town"), metadata={"project": "ALPHA"})
    start, complete, _, second = events()
    assert [start["eventType"], complete["eventType"]] == ["START", "COMPLETE"]
    assert start["run"]["runId"] == complete["run"]["runId"] != second["run"]["runId"]
    outcome = platform.stack.ledger.outcome("town#1")
    assert datetime.fromisoformat(complete["eventTime"]) == outcome.decided_at
    assert (complete["job"]["namespace"], complete["job"]["name"]) == ("spatial-etl", "ALPHA.ingest_vector")
    engine = complete["run"]["facets"]["processing_engine"]
    assert engine["name"] == "duckdb"
    (source,), (made,) = complete["inputs"], complete["outputs"]
    assert source["name"] == f"{platform.home}/landing-zone/in/town.gpkg"
    assert source["facets"]["version"]["datasetVersion"] == outcome.lineage[0].inputs[0].objects[0].sha256
    assert start["inputs"] == [{"namespace": "file", "name": source["name"]}]
    assert (made["namespace"], made["name"]) == ("file", f"{platform.home}/data-lake/city.town")
    assert [each["outputs"][0]["facets"]["version"]["datasetVersion"] for each in (complete, second)] == ["1", "2"]
    assert made["outputFacets"]["outputStatistics"]["rowCount"] == 4
    columns = {field["name"]: field["type"] for field in made["facets"]["schema"]["fields"]}
    assert columns["height"] == "double"
    lineage = made["facets"]["columnLineage"]["fields"]
    renamed = outcome.assets[0].changes.renamed["bbox"]
    assert lineage[renamed]["inputFields"][0]["field"] == "bbox"
    assert lineage.keys() == columns.keys() - {"geom", "bbox"}
    assert {field["name"] for each in lineage.values() for field in each["inputFields"]} == {source["name"]}


def test_columns_that_were_made_of_others_have_no_lineage(told: Any, geojson: Callable[..., str]) -> None:
    platform, events = told
    (platform.home / "recipes").mkdir(parents=True)
    entry = platform.entry(platform.put("in/a.geojson", geojson(kind="x")))
    platform.ingest("town", entry, intent="dissolve", parameters={"by": ["kind"]})
    *_, complete = events()
    assert complete["eventType"] == "COMPLETE", complete
    assert "columnLineage" not in complete["outputs"][0]["facets"]


def test_columns_come_from_the_features_and_not_from_what_cuts_them(told: Any, geojson: Callable[..., str]) -> None:
    platform, events = told
    entry = platform.entry(platform.put("in/a.geojson", geojson(kind="x")))
    area = platform.entry(platform.put("in/area.geojson", json.dumps(EVERYWHERE)), name="other")
    platform.ingest("town", entry, area, intent="clip_by")
    *_, complete = events()
    (made,) = complete["outputs"]
    columns = made["facets"]["columnLineage"]["fields"]
    assert {field["name"] for each in columns.values() for field in each["inputFields"]} == {
        f"{platform.home}/landing-zone/in/a.geojson"
    }


def test_every_step_is_known_to_keep_or_to_make_columns() -> None:
    assert {*STEPS} == KEEPING | MAKING


def test_a_rejected_run_fails_and_a_manifest_without_a_run_is_none(told: Any, geojson: Callable[..., str]) -> None:
    platform, events = told
    platform.ingest("broken", platform.entry(platform.put("in/a.geojson", geojson()[:-20])))
    platform.ingest("missing", platform.entry("s3://landing-zone/in/none.geojson"))
    start, fail = events()
    assert (start["eventType"], fail["eventType"]) == ("START", "FAIL")
    assert "files[0]" in fail["run"]["facets"]["errorMessage"]["message"]
    assert fail["inputs"] == start["inputs"] != []
    assert fail["outputs"] == []


def test_each_attempt_is_told(told: Any, geojson: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    platform, events = told
    platform.submit("town", platform.entry(platform.put("in/a.geojson", geojson())))
    with monkeypatch.context() as patched:
        patched.setattr("libs.pipeline.ingest.DatasetMaker.make", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            platform.process()
    platform.submit("town", platform.entry("s3://landing-zone/in/a.geojson"))  # asked for again
    platform.process()
    assert [event["eventType"] for event in events()] == ["START", "ABORT", "START", "COMPLETE"]


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(Web()) as server:
        yield server


def test_a_server_that_is_down_gets_them_later_with_the_same_ids(
    web: Web, open_platform: Callable[..., Any], geojson: Callable[..., str]
) -> None:
    platform = open_platform(
        spatial_etl_openlineage=f"{web.url}/lineage",
        spatial_etl_openlineage_token="t0ken",
        spatial_etl_openlineage_namespace="gis",
    )
    web.status = 503
    platform.ingest("town", platform.entry(platform.put("in/a.geojson", geojson())))
    web.status = 201
    platform.stack.__dict__.pop("sender")  # another process
    platform.stack.ledger.clock = lambda: utc_now() + timedelta(seconds=PAUSES[0])
    assert reconcile(platform.stack).notices == 1
    bodies = [json.loads(got.body) for got in web.got]
    assert [body["eventType"] for body in bodies] == ["START", "START", "COMPLETE"]
    assert len({uuid.UUID(body["run"]["runId"]) for body in bodies}) == 1
    assert {body["job"]["namespace"] for body in bodies} == {"gis"}
    assert {got.headers["Authorization"] for got in web.got} == {"Bearer t0ken"}
    for body in bodies:
        checked(event_v2.RunEvent, body)


def test_a_folder_that_cannot_be_written_to_holds_no_batch(
    tmp_path: Path, open_platform: Callable[..., Any], geojson: Any
) -> None:
    (tmp_path / "file").write_text("in the way")
    platform = open_platform(spatial_etl_openlineage=str(tmp_path / "file" / "events"))
    report = platform.ingest("town", platform.entry(platform.put("in/a.geojson", geojson())))
    assert report.status == "success"
    assert [notice.channel for notice in Notices(platform.stack.ledger).owed()] == ["openlineage"]
