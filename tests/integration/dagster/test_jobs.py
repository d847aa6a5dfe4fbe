"""The jobs, run in this process: what is shown of datasets, and what a failed run says."""

import base64
import json
import re
import struct
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from libs.ledger import Ledger, SqliteStore
from libs.models import Status, utc_now
from libs.pipeline.ingest import canceled
from libs.pipeline.intake import receive
from libs.pipeline.process import cancel, process
from services.dagster.etl_pipelines.assets.known import Known
from services.dagster.etl_pipelines.checks.in_time import IN_TIME, LATE, WAITING
from services.dagster.etl_pipelines.definitions import build_defs
from tests.plain_tiff import plain_tiff

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


def test_a_raster_is_seen_with_a_picture(orchestra: Any) -> None:
    pixels = bytes(n % 251 for n in range(3 * 700 * 600))
    orchestra.stack.landing.store.put("in/photo.tif", plain_tiff(pixels, 700, 600, 3))
    entry = {"path": "s3://landing-zone/in/photo.tif", "type": "raster", "format": "GeoTIFF"}
    assert ran(orchestra, "b1", entry["path"], files=[entry]).success
    seen = shown(orchestra, "photo")
    assert (seen["pixels"], seen["crs"]) == ("700 x 600", "EPSG:25832")
    picture = base64.b64decode(seen["preview"].partition("base64,")[2].rstrip(")"))
    assert picture.startswith(b"\x89PNG")
    assert struct.unpack(">II", picture[16:24]) == (175, 150)
    assert seen["preview"].startswith("An overview of 350 x 300 of 700 x 600 pixels.")


def test_the_preview_is_a_drawing_without_a_request(orchestra: Any) -> None:
    square = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 2], [0, 2], [0, 0]], [[1, 1], [2, 1], [1, 1.5], [1, 1]]]}
    line = {"type": "MultiLineString", "coordinates": [[[0, 0, 5], [4, 2, 5]], [[1, 1, 0], [2, 2, 0]]]}
    features = [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry in (square, line, None)]
    ran(orchestra, "b1", orchestra.put("a.geojson", json.dumps({"type": "FeatureCollection", "features": features})))
    preview = shown(orchestra, "a")["preview"]
    image = ET.fromstring(base64.b64decode(preview.partition("base64,")[2].rstrip(")")))
    assert (image.get("width"), image.get("height")) == ("320", "178")
    areas, lines, frame, bar = image
    drawn = [path.get("d") for path in (areas, lines)]
    assert (drawn[0].count("M"), drawn[0].count("Z"), drawn[1].count("M")) == (2, 2, 2)
    assert (frame.get("width"), frame.get("height"), "h78" in bar.get("d")) == ("319", "163", True)
    assert preview.startswith(
        "All 3 features, 1 of them without geometry. Frame: 0, 0 to 4, 2, EPSG:4326. Bar: 1 degrees, about 111 km in the middle."
    )


def test_the_picture_of_many_features_says_that_it_is_a_sample(orchestra: Any) -> None:
    points = [{"type": "Point", "coordinates": [n % 100, n // 100]} for n in range(4_000)]
    features = [{"type": "Feature", "properties": {}, "geometry": geometry} for geometry in points]
    ran(orchestra, "b1", orchestra.put("a.geojson", json.dumps({"type": "FeatureCollection", "features": features})))
    assert re.match(r"A sample of [12],\d{3} of 4,000 features\. Frame: 0, 0 to 99, 39,", shown(orchestra, "a")["preview"])


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


def test_the_check_of_quality(orchestra: Any) -> None:
    rules = [{"rule": "has_geometry"}, {"rule": "features", "min": 2, "severity": "warn"}]
    result = ran(orchestra, "b1", orchestra.put("a.geojson"), rules=rules)
    (check,) = [
        event.event_specific_data
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION and event.event_specific_data.check_name == "quality"
    ]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description.startswith("Version 1: 1 of 2 rules held: features did not")
    assert {name: value.value for name, value in check.metadata.items()} == {
        "1. has_geometry": "reject: every feature holds it",
        "2. features": "warn: It has 1 features; at least 2 are asked for.",
    }
    graph = build_defs(datasets=[Known("a", has_rules=True), Known("b")]).get_repository_def().asset_graph
    assert {key.asset_key.path[0] for key in graph.asset_check_keys if key.name == "quality"} == {"a"}


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
    assert result.success, "good deliveries are in no red run"
    (row,) = rows(orchestra)
    assert (row.status, row.tags["spatial-etl/batch"], row.tags["user"]) == (dg.DagsterRunStatus.FAILURE, "b1", "someone")
    assert row.tags["spatial-etl/reason"].startswith("files[0]: ")
    (said,) = [entry.dagster_event.message for entry in orchestra.instance.all_logs(row.run_id) if "rejected" in entry.message]
    (problem,) = orchestra.stack.ledger.outcome("b1#1").problems
    assert said.splitlines()[1] == str(problem), "with its remedy"
    statuses = [orchestra.stack.ledger.batch(f"b{number}").status for number in range(3)]
    assert statuses == [Status.SUCCESS, Status.REJECTED, Status.SUCCESS]
    assert orchestra.stack.ledger.versions("good") == [1, 2]


def test_reconcile_shows_what_was_made_by_the_command_line_and_what_waits(
    orchestra: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = orchestra.put("a.geojson")
    orchestra.submit("b1", path)
    orchestra.submit("broken", orchestra.put("broken.geojson", "{"))
    orchestra.submit("absent", "s3://landing-zone/in/nothing.geojson")
    list(process(orchestra.stack))
    orchestra.submit("b1b", path)
    list(process(orchestra.stack))
    key = orchestra.submit("given-up", path)
    list(cancel(orchestra.stack, [key]))
    orchestra.submit("b2", path)
    job = orchestra.defs.resolve_job_def("reconcile")
    for _ in range(2):  # the second time there is nothing to be shown
        assert job.execute_in_process(instance=orchestra.instance).success
        assert shown(orchestra, "a")["version"] == 2
        assert times(orchestra, "a") == [orchestra.stack.ledger.asset("a", version).created_at for version in (2, 1)]
        ends = {row.tags["spatial-etl/batch"]: row.status for row in rows(orchestra)}
        failed = dict.fromkeys(("broken", "absent"), dg.DagsterRunStatus.FAILURE)
        assert ends == {**failed, "given-up": dg.DagsterRunStatus.CANCELED}
        assert len(rows(orchestra)) == 3
    outcome = orchestra.stack.ledger.outcome("broken#1")
    (row,) = orchestra.instance.get_run_records(dg.RunsFilter(tags={"spatial-etl/delivery": "broken#1"}))
    assert datetime.fromtimestamp(row.end_time, UTC) == outcome.decided_at
    orchestra.instance.wipe_assets([dg.AssetKey("a")])
    assert job.execute_in_process(instance=orchestra.instance).success
    assert job.execute_in_process(instance=orchestra.instance).success
    assert (len(times(orchestra, "a")), shown(orchestra, "a")["version"]) == (2, 2)
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


def rows(orchestra: Any) -> list[dg.DagsterRun]:
    """What stands for one delivery among the runs."""
    return [run for run in orchestra.instance.get_runs() if "spatial-etl/delivery" in run.tags]


def times(orchestra: Any, dataset_id: str) -> list[datetime]:
    """When the versions that are shown were made, the last one first."""
    found = orchestra.instance.fetch_materializations(dg.AssetKey(dataset_id), limit=100).records
    return [datetime.fromtimestamp(record.timestamp, UTC) for record in found]


def test_a_run_of_one_batch_has_its_status(orchestra: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rejected = ran(orchestra, "b1", orchestra.put("a.geojson", "{"))
    (row,) = rows(orchestra)
    assert (row.run_id, row.status, row.tags["spatial-etl/status"]) == (rejected.run_id, dg.DagsterRunStatus.FAILURE, "rejected")

    orchestra.submit("b2", orchestra.put("b.geojson"))
    (request,) = orchestra.tick().run_requests
    (info,) = orchestra.stack.landing.waiting()
    ready = receive(orchestra.stack, info)
    canceled(orchestra.stack, orchestra.stack.ledger.claim(ready.received, {}), ready.batch)
    done = orchestra.run(request)
    assert status(orchestra, done) is dg.DagsterRunStatus.CANCELED
    orchestra.defs.resolve_job_def("reconcile").execute_in_process(instance=orchestra.instance)
    assert {row.run_id for row in rows(orchestra)} == {rejected.run_id, done.run_id}, "no second row for what has one"


def test_a_run_that_is_executed_again_and_has_nothing_to_do_is_not_green(orchestra: Any) -> None:
    for name in ("a", "b"):
        orchestra.submit(name, orchestra.put(f"{name}.geojson"))
    (request,) = orchestra.tick().run_requests
    assert orchestra.run(request).success
    again = orchestra.run(request)
    assert status(orchestra, again) is dg.DagsterRunStatus.CANCELED
    told = " ".join(entry.message for entry in orchestra.instance.all_logs(again.run_id))
    assert "no manifest of this run waits any more" in told
    assert "a: success (a#1)" in told


def status(orchestra: Any, done: dg.ExecuteInProcessResult) -> dg.DagsterRunStatus:
    found: dg.DagsterRunStatus = orchestra.instance.get_run_by_id(done.run_id).status
    return found


def test_verify_looks_at_what_it_is_told_to_and_damage_turns_the_check_red(orchestra: Any) -> None:
    for name in ("a", "b"):
        ran(orchestra, name, orchestra.put(f"{name}.geojson"), metadata={"project": f"The {name}"})
    damaged = orchestra.stack.lake.store.root / "the-a.a" / "v1" / "data.parquet"
    damaged.write_bytes(b"damaged")

    def verify(**config: Any) -> dg.ExecuteInProcessResult:
        job = orchestra.defs.resolve_job_def("verify")
        run_config = {"ops": {"verify_files": {"config": config}}}
        return job.execute_in_process(instance=orchestra.instance, run_config=run_config, raise_on_error=False)

    def looked(done: dg.ExecuteInProcessResult) -> dict[str, bool]:
        stored = orchestra.instance.all_logs(done.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        events = [entry.dagster_event for entry in stored]
        return {each.event_specific_data.asset_key.to_user_string(): each.event_specific_data.passed for each in events}

    assert looked(verify(datasets=["the-b.b"])) == {"the-b.b": True}
    assert looked(verify(projects=["The a"])) == {"the-a.a": False}
    done = verify(everything=True)
    assert looked(done) == {"the-a.a": False, "the-b.b": True}
    assert "1 files or records are not as recorded, 2 files were read." in failure(done)
    key = dg.AssetCheckKey(dg.AssetKey("the-a.a"), "intact")
    record = orchestra.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)[0]
    found = record.event.dagster_event.event_specific_data
    assert found.description.startswith("1 of 1 files of version 1 are not as recorded, at 20")
    assert "changed: It has 7 bytes" in found.metadata[f"s3://data-lake/the-a.a/v1/{damaged.name}"].text
    assert "The ledger knows no The c, the-b.c." in failure(verify(projects=["The c"], datasets=["the-b.c"]))


def test_what_users_wrote_is_inert(orchestra: Any) -> None:
    name = "![x](u) www.evil <b> " + chr(0x202E) + "gpj.geojson"
    content = json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"<i>" + chr(0x202E): 1}, "geometry": {"type": "Point", "coordinates": [9, 53]}},
    ]})  # fmt: skip
    assert ran(orchestra, "b1", orchestra.put(name, content), uploader="<b>" + chr(0x202E)).success
    (dataset_id,) = orchestra.stack.ledger.newest_versions()
    seen = shown(orchestra, dataset_id)
    told = repr({label: value for label, value in seen.items() if label != "preview"})
    assert chr(0x202E) not in told + "".join(column.name for column in seen["dagster/column_schema"].columns)
    assert "![x](" not in seen["lineage"]
    assert "<b>" not in seen["lineage"]
    assert "&#33;&#91;x&#93;&#40;u&#41; www&#46;evil &#60;b&#62;" in seen["lineage"]


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
