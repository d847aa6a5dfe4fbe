"""The jobs, run in this process: what is shown of datasets, and what a failed run says."""

import base64
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from libs.ledger import Ledger, SqliteStore
from libs.models import Status, utc_now
from libs.pipeline.ingest import canceled
from libs.pipeline.intake import receive
from libs.pipeline.process import process
from services.dagster.etl_pipelines.checks.in_time import IN_TIME, LATE, WAITING

pytestmark = pytest.mark.integration


def ran(orchestra: Any, batch_id: str, path: str, **more: Any) -> dg.ExecuteInProcessResult:
    orchestra.submit(batch_id, path, **more)
    (request,) = orchestra.tick().run_requests
    return orchestra.run(request)


def shown(orchestra: Any, dataset_id: str) -> dict[str, Any]:
    event = orchestra.instance.get_latest_materialization_event(dg.AssetKey(dataset_id))
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_a_dataset_is_seen_with_what_matters(orchestra: Any) -> None:
    assert ran(orchestra, "b1", orchestra.put("a.geojson")).success
    seen = shown(orchestra, "a")
    asset = orchestra.stack.ledger.asset("a")
    assert (seen["dagster/row_count"], seen["version"], seen["crs"]) == (1, 1, "EPSG:4326")
    assert seen["title"] == "a"
    assert next((column.name, column.type) for column in seen["dagster/column_schema"].columns) == ("n", "int32")
    assert (seen["file"], seen["sha256"]) == (f"s3://data-lake/{asset.files[0].key}", asset.files[0].sha256)
    assert {"read and transform", "write", "place"} <= seen["seconds"].keys()
    assert "s3://landing-zone/in/a.geojson" in seen["lineage"]


def test_the_preview_is_a_drawing_without_a_request(orchestra: Any) -> None:
    square = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 2], [0, 2], [0, 0]], [[1, 1], [2, 1], [1, 1.5], [1, 1]]]}
    line = {"type": "MultiLineString", "coordinates": [[[0, 0, 5], [4, 2, 5]], [[1, 1, 0], [2, 2, 0]]]}
    features = [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry in (square, line, None)]
    ran(orchestra, "b1", orchestra.put("a.geojson", json.dumps({"type": "FeatureCollection", "features": features})))
    preview = shown(orchestra, "a")["preview"]
    image = ET.fromstring(base64.b64decode(preview.partition("base64,")[2].rstrip(")")))
    assert (image.get("width"), image.get("height")) == ("320", "164")
    areas, lines = (path.get("d") for path in image)
    assert (areas.count("M"), areas.count("Z"), lines.count("M")) == (2, 2, 2)


def test_local_coordinates_are_no_table(orchestra: Any) -> None:
    path = orchestra.put("a.geojson")
    result = ran(orchestra, "b1", path, files=[{"path": path, "type": "vector", "format": "GeoJSON", "crs": "none"}])
    assert result.success
    seen = shown(orchestra, "a")
    assert (seen["crs"], "image/svg+xml" in seen["preview"]) == ("none: local coordinates", True)
    (check,) = [
        event.event_specific_data for event in result.all_events if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    assert check.metadata["CRS"].text == "none, in the file as in the record"


@pytest.mark.parametrize(("intent", "validity"), [("ingest_vector", "0 repaired"), ("raw", "not asked for by the recipe")])
def test_the_check_of_a_version(orchestra: Any, intent: str, validity: str) -> None:
    result = ran(orchestra, "b1", orchestra.put("a.geojson"), intent=intent)
    (check,) = [
        event.event_specific_data for event in result.all_events if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    assert (check.check_name, check.passed) == ("self_check", True)
    assert {name: value.value for name, value in check.metadata.items()} == {
        "counts agree": "1 read, 0 dropped by the recipe, 1 in the file as in the record",
        "CRS": "EPSG:4326, in the file as in the record",
        "covering": "the boxes of the rows come to 9, 53, 9, 53",
        "geometry valid": validity,
    }


def test_what_was_set_aside_is_seen(orchestra: Any) -> None:
    bad = {"type": "Feature", "properties": {"n": 2}, "geometry": {"type": "Point", "coordinates": ["a", "b"]}}
    good = {"type": "Feature", "properties": {"n": 1}, "geometry": {"type": "Point", "coordinates": [9, 53]}}
    text = json.dumps({"type": "FeatureCollection", "features": [good, bad]})
    result = ran(orchestra, "b1", orchestra.put("a.geojson", text), on_bad_geometry="set_aside")
    assert result.success
    seen = shown(orchestra, "a")
    assert (seen["dagster/row_count"], seen["set aside"]) == (1, 1)
    assert seen["rejects"].endswith("/a/v1/rejects.parquet")
    (check,) = [
        event.event_specific_data for event in result.all_events if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    counts = "2 read, 1 set aside, 0 dropped by the recipe, 1 in the file as in the record"
    assert check.metadata["counts agree"].value == counts


def test_a_run_that_failed_says_why_on_its_first_line(orchestra: Any) -> None:
    result = ran(orchestra, "b1", orchestra.put("a.geojson", "{"))
    (failure,) = [event for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_FAILURE]
    description = failure.step_failure_data.user_failure_data.description
    assert description.splitlines()[0].startswith("b1 rejected: files[0]: ")
    assert not [event for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY]


def test_one_bad_batch_does_not_keep_the_others_of_its_run(orchestra: Any) -> None:
    good, bad = orchestra.put("good.geojson"), orchestra.put("bad.geojson", "{")
    for number, path in enumerate([good, bad, good]):
        orchestra.submit(f"b{number}", path)
    (request,) = orchestra.tick().run_requests
    result = orchestra.run(request)
    assert not result.success
    statuses = [orchestra.stack.ledger.batch(f"b{number}").status for number in range(3)]
    assert statuses == [Status.SUCCESS, Status.REJECTED, Status.SUCCESS]
    assert orchestra.stack.ledger.versions("good") == [1, 2]


def test_reconcile_shows_what_was_made_by_the_command_line_and_what_waits(
    orchestra: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = orchestra.put("a.geojson")
    orchestra.submit("b1", path)
    list(process(orchestra.stack))
    orchestra.submit("b2", path)
    job = orchestra.defs.resolve_job_def("reconcile")
    assert job.execute_in_process(instance=orchestra.instance).success
    assert shown(orchestra, "a")["version"] == 1
    (record,) = orchestra.instance.fetch_observations(WAITING, limit=1).records
    assert record.asset_observation.metadata["manifests"].value == 1
    assert in_time(orchestra).passed
    monkeypatch.setattr(type(orchestra.stack.landing.store), "clock", lambda _: utc_now() + timedelta(seconds=LATE + 1))
    assert job.execute_in_process(instance=orchestra.instance).success
    late = in_time(orchestra)
    assert (late.passed, late.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert late.description.startswith("1 waiting; the oldest, manifests/b2.json, for 90")


def test_reconcile_shows_which_version_somebody_made_the_current_one(orchestra: Any) -> None:
    path = orchestra.put("a.geojson")
    for batch in ("b1", "b2"):
        assert ran(orchestra, batch, path).success
    assert (shown(orchestra, "a")["version"], shown(orchestra, "a")["current"]) == (2, "yes")
    assert shown(orchestra, "a")["owner"].startswith("the uploader")
    orchestra.stack.ledger.make_current(orchestra.stack.ledger.asset("a", 1), "Ada")
    job = orchestra.defs.resolve_job_def("reconcile")
    for _ in range(2):
        assert job.execute_in_process(instance=orchestra.instance).success
    assert (shown(orchestra, "a")["version"], shown(orchestra, "a")["current"]) == (1, "yes, as Ada decided")
    events = orchestra.instance.fetch_materializations(dg.AssetKey("a"), limit=10).records
    assert len(events) == 3, "it is shown once"


def in_time(orchestra: Any) -> Any:
    (record,) = orchestra.instance.event_log_storage.get_asset_check_execution_history(IN_TIME.key, limit=1)
    return record.event.dagster_event.event_specific_data


def test_verify_looks_at_the_whole_lake_in_a_month(orchestra: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(orchestra, "b1", orchestra.put("a.geojson"))
    lake = orchestra.stack.lake.store.root
    (lake / "a/v1/data.parquet").write_bytes(b"damaged")
    job = orchestra.defs.resolve_job_def("verify")
    nights = []
    for night in range(30):
        monkeypatch.setattr(
            "services.dagster.etl_pipelines.jobs.maintenance.utc_now", lambda night=night: utc_now() + timedelta(night)
        )
        nights.append(job.execute_in_process(instance=orchestra.instance, raise_on_error=False).success)
    assert nights.count(False) == 1
    orchestra.stack.ledger.store.touch("lineage", "a@1", {"uploader": "another"})
    done = job.execute_in_process(instance=orchestra.instance, raise_on_error=False)
    assert "lineage/a@1 is edited: It does not match its seal" in failure(done)


def test_gc_removes_what_a_failed_run_had_placed(orchestra: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = orchestra.stack
    orchestra.submit("b1", orchestra.put("a.geojson"))
    (info,) = stack.landing.waiting()
    ready = receive(stack, info)
    run = stack.ledger.claim(ready.received, {})
    reservation = stack.ledger.reserve({"a": ["data.parquet"]}, run, stack.lake.prefix)["a"]
    (tmp_path / "file").write_bytes(b"of no use")
    assert stack.lake.place(reservation.keys[0], tmp_path / "file")
    assert canceled(stack, run, ready.batch) is not None
    job = orchestra.defs.resolve_job_def("gc")
    assert job.execute_in_process(instance=orchestra.instance).success
    assert [info.key for info in stack.lake.objects()] == ["a/v1/data.parquet"], "it is younger than a day"
    monkeypatch.setattr(stack.ledger, "clock", lambda: utc_now() + timedelta(days=1))
    assert job.execute_in_process(instance=orchestra.instance).success
    assert list(stack.lake.objects()) == []


def test_with_another_ledger_nothing_is_done(orchestra: Any, tmp_path: Path) -> None:
    """The sensor says why it asks for no run, and every job fails with the same words."""
    ran(orchestra, "b1", orchestra.put("a.geojson"))
    orchestra.submit("b2", orchestra.put("b.geojson"))
    request = orchestra.tick().run_requests[0]
    right = orchestra.stack
    before = [info.version for store in (right.lake.store, right.landing.store) for info in store.list()]
    other = SqliteStore(tmp_path / "other.sqlite")
    wrong = replace(orchestra, stack=replace(right, ledger=Ledger(other)))
    refusal = "it belongs to another ledger"
    assert refusal in wrong.tick().skip_reason.skip_message
    assert refusal in failure(wrong.run(request))
    for job in ("reconcile", "gc", "verify"):
        done = wrong.defs.resolve_job_def(job).execute_in_process(instance=orchestra.instance, raise_on_error=False)
        said = failure(done)
        assert all(each in said for each in (refusal, other.place, right.ledger.store.place, right.lake.store.place)), job
    assert [info.version for store in (right.lake.store, right.landing.store) for info in store.list()] == before
    assert list(other.ids("manifests")) == []
    other.close()
    assert orchestra.run(request).success


def failure(done: dg.ExecuteInProcessResult) -> str:
    """Why the run failed."""
    assert not done.success
    (event,) = (event for event in done.all_events if event.is_step_failure)
    return str(event.step_failure_data.error)
