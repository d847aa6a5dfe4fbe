"""Manifests and raw files that are still being written are left alone, and hold nobody up."""

import json
import threading
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from libs.models import Status
from libs.pipeline.intake import take_in
from libs.pipeline.process import process, watch

pytestmark = pytest.mark.integration


def manifest(path: str, batch_id: str) -> bytes:
    entry = {"path": path, "type": "vector", "format": "GeoJSON", "dataset_id": batch_id}
    return json.dumps({"batch_id": batch_id, "uploader": "someone", "intent": "ingest_vector", "files": [entry]}).encode()


def test_a_manifest_that_is_copied_slowly_is_processed_whole_after_all_others(
    open_platform: Callable[..., Any], geojson: Callable[..., str]
) -> None:
    platform = open_platform(spatial_etl_settle_seconds=20.0)
    path = platform.put("in/a.geojson", geojson())
    lying = platform.stack.landing.store.root / "manifests/slow.json"
    platform.stack.landing.submit(manifest(path, "good"), "good")
    content = manifest(path, "slow")
    begun = threading.Event()

    def copy() -> None:
        with lying.open("wb", buffering=0) as file:
            begun.set()
            for at in range(0, len(content), len(content) // 4):
                time.sleep(0.5)
                file.write(content[at : at + len(content) // 4])

    writer = threading.Thread(target=copy)
    writer.start()
    begun.wait()
    reports = list(islice(watch(platform.stack, interval=0.1), 2))
    writer.join()
    assert [(report.batch_id, report.status) for report in reports] == [("good", Status.SUCCESS), ("slow", Status.SUCCESS)]
    assert platform.stack.landing.waiting() == []
    assert content in [
        platform.stack.landing.store.read(key) for key in platform.lies_in("landing") if key.startswith("archive/slow")
    ]


def test_a_manifest_that_stays_cut_is_answered_last_and_one_that_grows_is_left(
    open_platform: Callable[..., Any], geojson: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = open_platform(spatial_etl_settle_seconds=2.0)
    manifests = platform.stack.landing.store.root / "manifests"
    manifests.mkdir()
    (manifests / "cut.json").write_text('{"batch_id": ')
    (manifests / "growing.json").write_text('{"batch_id": ')
    platform.stack.landing.submit(manifest(platform.put("in/a.geojson", geojson()), "good"), "good")

    def grow(_: float) -> None:
        time.sleep(0.05)
        with (manifests / "growing.json").open("a") as file:
            file.write(" ")

    monkeypatch.setattr("libs.pipeline.process.sleep", grow)
    assert [report.batch_id for report in process(platform.stack)] == ["good", "cut"]
    assert [path.name for path in manifests.iterdir()] == ["growing.json"]


def test_the_sensor_waits_for_no_manifest(open_platform: Callable[..., Any], geojson: Callable[..., str]) -> None:
    platform = open_platform()
    manifests = platform.stack.landing.store.root / "manifests"
    manifests.mkdir()
    for n in range(50):
        (manifests / f"cut-{n}.json").write_text('{"batch_id": ')
    platform.stack.landing.submit(manifest(platform.put("in/a.geojson", geojson()), "good"), "good")
    started = time.monotonic()
    intake = take_in(platform.stack, seconds=60)
    assert time.monotonic() - started < 15, "a second for each is what it took before"
    assert [work.key for work in intake.ready] == ["manifests/good.json"]
    assert (intake.reports, intake.unseen) == ((), 0)


def test_a_raw_file_that_was_replaced_since_its_batch_was_checked_is_taken_as_it_is_now(
    platform: Any, geojson: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from libs.pipeline import staging

    path = platform.put("in/a.geojson", geojson(3))
    platform.submit("b1", platform.entry(path))
    fetch = staging._fetch

    def meanwhile(*arguments: Any) -> Any:
        if platform.stack.landing.store.read("in/a.geojson") != geojson(5).encode():
            platform.put("in/a.geojson", geojson(5))
        return fetch(*arguments)

    monkeypatch.setattr(staging, "_fetch", meanwhile)
    (report,) = platform.process()
    assert (report.status, report.datasets[0].features) == (Status.SUCCESS, 5)


def test_a_raw_file_that_never_stays_as_it_is_is_a_problem(
    platform: Any, geojson: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from libs.pipeline import staging

    path = platform.put("in/a.geojson", geojson())
    platform.submit("b1", platform.entry(path))
    look_up = staging.BatchFiles.require

    def meanwhile(files: Any, key: str) -> Any:
        info = look_up(files, key)
        platform.put("in/a.geojson", geojson())
        return info

    monkeypatch.setattr(staging.BatchFiles, "require", meanwhile)
    (report,) = platform.process()
    assert report.status is Status.REJECTED
    assert [(problem.code, problem.where) for problem in report.problems] == [
        ("changed_while_read", "s3://landing-zone/in/a.geojson")
    ]
