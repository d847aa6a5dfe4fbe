"""Several deliveries under one name: each gets its answer, and none is done twice, or not at all."""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from libs.models import Decision, Rejected, Report, Status
from libs.pipeline.intake import receive
from libs.pipeline.maintenance import garbage, gc, reconcile
from libs.pipeline.process import process
from libs.pipeline.replay import replay
from libs.pipeline.reprocess import reprocess
from libs.pipeline.verify import Finding, verify

pytestmark = pytest.mark.integration


@pytest.fixture(params=["embedded", "servers"])
def platform(request: pytest.FixtureRequest, open_platform: Callable[..., Any]) -> Iterator[Any]:
    """The platform on folders and SQLite, or on S3 and a server of MongoDB's protocol."""
    if request.param == "embedded":
        yield open_platform()
        return
    uri, database = request.getfixturevalue("mongodb").environment["MONGO_CONNECTION_STRING"], f"test_{secrets.token_hex(6)}"
    buckets = request.getfixturevalue("buckets")
    names = {"minio_landing_bucket": buckets.new(), "minio_lake_bucket": buckets.new()}
    given = buckets.settings(**names, mongo_connection_string=SecretStr(uri), mongo_database=database)
    yield open_platform(**given.model_dump(exclude_unset=True))
    with MongoClient(uri) as client:
        client.drop_database(database)


def manifest_of(platform: Any, path: str, batch_id: str = "b1", uploader: str = "alice", **more: Any) -> bytes:
    content = {"batch_id": batch_id, "uploader": uploader, "intent": "ingest_vector", "files": [platform.entry(path)]}
    return json.dumps(content | more).encode()


def drop(platform: Any, content: bytes, batch_id: str = "b1") -> None:
    """As a plain client puts it there, whatever lies there."""
    platform.stack.landing.store.put(f"manifests/{batch_id}.json", content)


def report_of(platform: Any, name: str) -> Report:
    return Report.model_validate_json(platform.stack.landing.store.read(f"reports/{name}.json"))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def codes(report: Report) -> list[str]:
    return [problem.code for problem in (*report.problems, *report.warnings)]


def test_two_uploaders_one_name_one_after_the_other(platform: Any, geojson: Callable[..., str]) -> None:
    path = platform.put("in/a.geojson", geojson())
    first, second = manifest_of(platform, path), manifest_of(platform, path, uploader="bob")
    platform.stack.landing.submit(first, "b1")
    with pytest.raises(Rejected, match="of 'alice' waits under the name 'b1'"):
        platform.stack.landing.submit(second, "b1")
    (done,) = platform.process()
    drop(platform, second)
    (refused,) = platform.process()
    assert (done.status, codes(refused)) == (Status.SUCCESS, ["batch_done"])
    assert report_of(platform, "b1") == report_of(platform, "b1/b1-1") == done
    assert report_of(platform, f"b1/rejected-{sha256(second)[:16]}") == refused
    assert (done.manifest_sha256, refused.manifest_sha256) == (sha256(first), sha256(second))
    ledger = platform.stack.ledger
    assert [ledger.batch("b1", sha256(each)).status for each in (first, second)] == [Status.SUCCESS, Status.REJECTED]
    assert ledger.batch("b1").status is Status.SUCCESS
    assert len([key for key in platform.lies_in("landing") if key.startswith("archive/b1/")]) == 2


def test_one_that_is_overwritten_while_it_is_processed(platform: Any, geojson: Callable[..., str]) -> None:
    path = platform.put("in/a.geojson", geojson())
    first, second = manifest_of(platform, path), manifest_of(platform, path, uploader="bob")
    drop(platform, first)

    def overwrite(event: Any) -> None:
        if event.phase == "write":
            time.sleep(0.02)
            drop(platform, second)

    (done,) = process(platform.stack, progress=overwrite)
    assert (done.status, done.manifest_sha256) == (Status.SUCCESS, sha256(first))
    assert platform.stack.landing.store.read("manifests/b1.json") == second, "it still waits for its answer"
    (refused,) = platform.process()
    assert (codes(refused), refused.manifest_sha256) == (["batch_done"], sha256(second))
    assert report_of(platform, "b1") == done
    assert platform.stack.landing.waiting() == []


def test_one_that_was_seen_and_overwritten_before_it_was_processed(platform: Any, geojson: Callable[..., str]) -> None:
    path = platform.put("in/a.geojson", geojson())
    first, second = manifest_of(platform, path), manifest_of(platform, path, uploader="bob")
    drop(platform, first)
    (info,) = platform.stack.landing.waiting()
    receive(platform.stack, info)  # as the sensor does
    drop(platform, second)
    (done,) = platform.process()
    assert (done.status, done.manifest_sha256) == (Status.SUCCESS, sha256(second))
    answer = report_of(platform, f"b1/rejected-{sha256(first)[:16]}~2")
    assert (answer.status, codes(answer), answer.manifest_sha256) == (Status.REJECTED, ["manifest_replaced"], sha256(first))
    assert "'bob'" in answer.problems[0].message
    assert report_of(platform, "b1") == done
    assert platform.stack.ledger.batch("b1", sha256(first)).status is Status.REJECTED


def test_a_rejection_of_another_manifest_leaves_the_report_of_a_running_batch(platform: Any, geojson: Callable[..., str]) -> None:
    path = platform.put("in/a.geojson", geojson())
    drop(platform, manifest_of(platform, path))
    second = manifest_of(platform, path, uploader="bob")
    told: list[Report] = []

    def deliver(event: Any) -> None:
        if event.phase == "write" and not told:
            time.sleep(0.02)
            drop(platform, second)
            told.extend(platform.process())

    (done,) = process(platform.stack, progress=deliver)
    assert [codes(report) for report in told] == [["batch_running"]]
    assert report_of(platform, f"b1/rejected-{sha256(second)[:16]}") == told[0]
    assert report_of(platform, "b1") == done


def test_the_same_manifest_with_the_same_files_makes_nothing(platform: Any, geojson: Callable[..., str]) -> None:
    path = platform.put("in/a.geojson", geojson())
    content = manifest_of(platform, path)
    for _ in range(3):
        drop(platform, content)
        (report,) = platform.process()
        platform.put("in/a.geojson", geojson())  # another object with the same bytes
    assert (report.status, report.run_id, report.unchanged_since, codes(report)) == ("success", "b1#3", "b1#1", ["unchanged"])
    assert "already processed as a@1, unchanged" in report.warnings[0].message
    assert platform.stack.ledger.versions("a") == [1]
    assert [reservation.version for reservation in platform.stack.ledger.reservations()] == [1]
    assert report_of(platform, "b1") == report
    assert report_of(platform, "b1/b1-1").unchanged_since is None
    state = platform.stack.ledger.batch("b1")
    assert (state.status, [asset.id for asset in state.made.assets]) == (Status.SUCCESS, ["a@1"])
    assert reconcile(platform.stack).published == ()


def test_the_same_manifest_with_other_files_makes_a_new_version(platform: Any, geojson: Callable[..., str]) -> None:
    """Of the same size: only the content tells."""
    path = platform.put("in/a.geojson", geojson(name="x"))
    content = manifest_of(platform, path)
    drop(platform, content)
    platform.process()
    platform.put("in/a.geojson", geojson(name="y"))
    drop(platform, content)
    (changed,) = platform.process()
    assert (changed.status, changed.unchanged_since) == (Status.SUCCESS, None)
    assert [f"{dataset.dataset_id}@{dataset.version}" for dataset in changed.datasets] == ["a@2"]
    assert platform.stack.ledger.asset("a", 2).files[0].sha256 != platform.stack.ledger.asset("a", 1).files[0].sha256
    drop(platform, content)
    assert platform.process()[0].unchanged_since == "b1#2"


def test_a_batch_that_is_forced_again(platform: Any, geojson: Callable[..., str]) -> None:
    path = platform.put("in/a.geojson", geojson())
    content = manifest_of(platform, path)
    drop(platform, content)
    (done,) = platform.process()
    again = reprocess(platform.stack, "b1")
    assert (again.status, again.run_id, codes(again)) == (Status.SUCCESS, "b1#2", ["same_as_before"])
    assert again.manifest_sha256 == done.manifest_sha256 == sha256(content)
    assert platform.stack.ledger.versions("a") == [1, 2]
    assert report_of(platform, "b1") == report_of(platform, "b1/b1-2") == again
    assert report_of(platform, "b1/b1-1") == done
    platform.stack.landing.store.delete("in/a.geojson")
    before = platform.lies_in("landing"), [*platform.stack.ledger.activity()]
    with pytest.raises(Rejected, match=r"missing_file") as refused:
        reprocess(platform.stack, "b1")
    assert refused.value.problems[0].where == "files[0].path"
    assert (platform.lies_in("landing"), [*platform.stack.ledger.activity()]) == before, "a refusal leaves no trace"
    with pytest.raises(Rejected, match="never_processed"):
        reprocess(platform.stack, "b2")


# On one platform: what does not depend on the stores


@pytest.fixture
def embedded(open_platform: Callable[..., Any]) -> Any:
    return open_platform()


def test_sidecars_and_files_that_came_or_went_are_changes(embedded: Any, frame: Any, tmp_path: Path) -> None:
    frame.to_file(tmp_path / "a.shp")
    path = embedded.put("in/a.shp", tmp_path / "a.shp")
    content = manifest_of(embedded, path)
    drop(embedded, content)
    assert embedded.process()[0].status is Status.SUCCESS
    drop(embedded, content)
    assert embedded.process()[0].unchanged_since == "b1#1"
    embedded.stack.landing.store.delete("in/a.cpg")
    drop(embedded, content)
    assert embedded.process()[0].unchanged_since is None
    assert embedded.stack.ledger.versions("a") == [1, 2]


def test_another_recipe_is_a_change_although_the_files_are_the_same(
    open_platform: Callable[..., Any], geojson: Callable[..., str]
) -> None:
    platform = open_platform()
    recipe = platform.home / "recipes" / "ours.yaml"
    recipe.parent.mkdir()
    steps = "name: ours\ndescription: Ours.\nsteps:\n  - {op: reproject, crs: 'EPSG:%d'}\n"
    recipe.write_text(steps % 4326)
    platform = open_platform()
    content = manifest_of(platform, platform.put("in/a.geojson", geojson()), intent="ours")
    for number, (code, since) in enumerate([(4326, None), (4326, "b1#1"), (3857, None)], 1):
        recipe.write_text(steps % code)
        platform = open_platform()
        drop(platform, content)
        (report,) = platform.process()
        assert (report.run_id, report.status, report.unchanged_since) == (f"b1#{number}", Status.SUCCESS, since)


def test_a_delivery_that_is_older_than_what_others_made_says_so(embedded: Any, geojson: Callable[..., str]) -> None:
    content = manifest_of(embedded, embedded.put("in/a.geojson", geojson()))
    drop(embedded, content)
    embedded.process()
    embedded.ingest("b2", embedded.entry(embedded.put("other/a.geojson", geojson(5))))
    drop(embedded, content)
    (report,) = embedded.process()
    assert "already processed as a@1, unchanged" in report.warnings[0].message
    assert "other batches have made a@2" in report.warnings[0].message


def test_the_same_files_in_another_batch_make_a_version_that_says_so(embedded: Any, geojson: Callable[..., str]) -> None:
    entry = embedded.entry(embedded.put("in/a.geojson", geojson()))
    assert codes(embedded.ingest("b1", entry)) == []
    second = embedded.ingest("b2", entry)
    assert (codes(second), second.datasets[0].version) == (["same_as_before"], 2)
    assert "it is byte for byte a@1, of the batch 'b1'" in second.warnings[0].message


def test_a_bad_delivery_after_a_success_is_answered_and_the_success_stays(embedded: Any, geojson: Callable[..., str]) -> None:
    content = manifest_of(embedded, embedded.put("in/a.geojson", geojson()))
    drop(embedded, content)
    (done,) = embedded.process()
    embedded.put("in/a.geojson", "{")
    drop(embedded, content)
    (bad,) = embedded.process()
    assert (bad.status, bad.run_id) == (Status.REJECTED, "b1#2")
    assert report_of(embedded, "b1") == bad, "the uploader asks what became of the last delivery"
    assert report_of(embedded, "b1/b1-1") == done
    embedded.stack.landing.store.delete("in/a.geojson")
    drop(embedded, content)
    (missing,) = embedded.process()
    assert codes(missing) == ["missing_file"]
    assert embedded.stack.ledger.batch("b1").status is Status.REJECTED
    drop(embedded, manifest_of(embedded, "s3://landing-zone/in/a.geojson", uploader="bob"))
    assert "batch_done" in codes(embedded.process()[0]), "the name still stands for the manifest that succeeded"
    embedded.put("in/a.geojson", geojson())
    drop(embedded, content)
    assert embedded.process()[0].unchanged_since == "b1#1"


def test_a_worker_that_dies_while_it_compares_is_followed_by_another(embedded: Any, geojson: Callable[..., str]) -> None:
    content = manifest_of(embedded, embedded.put("in/a.geojson", geojson()))
    drop(embedded, content)
    embedded.process()
    drop(embedded, content)

    def die(event: Any) -> None:
        if event.phase == "compare":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(process(embedded.stack, progress=die))
    assert embedded.stack.ledger.outcome("b1#2").decision is Decision.CANCELED
    assert embedded.transient() == []
    assert embedded.process()[0].status is Status.CANCELED
    drop(embedded, content)
    assert embedded.process()[0].unchanged_since == "b1#1"


def test_a_report_that_a_crash_left_out_is_written_although_another_manifest_came(
    embedded: Any, geojson: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = embedded.put("in/a.geojson", geojson())
    drop(embedded, manifest_of(embedded, path))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(type(embedded.stack.landing), "keep_report", die)
        with pytest.raises(KeyboardInterrupt):
            embedded.process()
    drop(embedded, manifest_of(embedded, path, uploader="bob"))
    assert codes(embedded.process()[0]) == ["batch_done"]
    assert report_of(embedded, "b1") == report_of(embedded, "b1/b1-1")
    assert report_of(embedded, "b1").run_id == "b1#1"


def test_a_worker_that_dies_after_it_found_nothing_new_is_followed_by_the_report(
    embedded: Any, geojson: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = manifest_of(embedded, embedded.put("in/a.geojson", geojson()))
    drop(embedded, content)
    embedded.process()
    drop(embedded, content)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(type(embedded.stack.landing), "archive", die)
        with pytest.raises(KeyboardInterrupt):
            embedded.process()
    (report,) = embedded.process()
    assert (report.run_id, report.unchanged_since) == ("b1#2", "b1#1")
    assert report_of(embedded, "b1/b1-2") == report
    assert len(embedded.stack.ledger.runs("b1")) == 2
    assert embedded.stack.landing.waiting() == []


def test_two_workers_and_one_delivery_that_is_the_same_again(
    open_platform: Callable[..., Any], geojson: Callable[..., str]
) -> None:
    one, other = open_platform(), open_platform()
    content = manifest_of(one, one.put("in/a.geojson", geojson()))
    drop(one, content)
    one.process()
    drop(one, content)
    both: list[Report] = []

    def meanwhile(event: Any) -> None:
        if event.phase == "compare":
            both.extend(other.process())

    both += process(one.stack, progress=meanwhile)
    assert [(report.run_id, report.unchanged_since) for report in both] == [("b1#2", "b1#1")]
    assert one.stack.ledger.versions("a") == [1]


def test_raw_files_that_are_kept_outlive_the_landing_zone(platform: Any, geojson: Callable[..., str]) -> None:
    path, other = platform.put("in/a.geojson", geojson()), platform.put("in/b.geojson", geojson())
    files = [platform.entry(path), platform.entry(other, dataset_id="b")]
    assert platform.ingest("b1", *files, raw="keep").status is Status.SUCCESS
    stack = platform.stack
    content = geojson().encode()
    (kept,) = [info.key for _, info in stack.lake.raw_objects()]
    assert (kept, stack.lake.store.read(kept)) == (f"raw/sha256/{sha256(content)[:2]}/{sha256(content)}", content)
    platform.put("in/a.geojson", geojson(5))
    stack.landing.store.delete("in/b.geojson")
    for dataset in ("a", "b"):
        assert replay(stack, stack.ledger.asset(dataset, 1), stack.ledger.lineage(dataset, 1)).identical
    platform.ingest("b2", platform.entry(path))
    platform.put("in/a.geojson", geojson(6))
    with pytest.raises(Rejected, match="input_changed"):
        replay(stack, stack.ledger.asset("a", 2), stack.ledger.lineage("a", 2))

    assert {each.finding for each in verify(stack)} == {Finding.INTACT}
    assert gc(stack, age=timedelta(0)).raw == ()
    stack.lake.store.put(kept, b"another")
    found = {(each.uri, each.finding) for each in verify(stack) if each.finding is not Finding.INTACT}
    assert found == {(stack.lake.uri(kept), Finding.CHANGED)}
    with pytest.raises(Rejected, match="is gone or damaged"):
        replay(stack, stack.ledger.asset("b", 1), stack.ledger.lineage("b", 1))
    stack.lake.remove(kept)
    assert {each.finding for each in verify(stack)} == {Finding.INTACT, Finding.MISSING}


def test_raw_files_of_a_run_that_came_to_nothing_are_removed(embedded: Any, geojson: Callable[..., str]) -> None:
    drop(embedded, manifest_of(embedded, embedded.put("in/a.geojson", geojson()), raw="keep"))
    stack = embedded.stack

    def die(event: Any) -> None:
        if event.phase == "place":
            assert gc(stack, age=timedelta(0)).raw == (), "the run may still succeed"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(process(stack, progress=die))
    (kept,) = [info.key for _, info in stack.lake.raw_objects()]
    assert gc(stack).raw == (), "it is young"
    assert [each.key for each in garbage(stack, timedelta(0)).raw] == [kept]
    assert gc(stack, age=timedelta(0)).raw == (kept,)
    assert list(stack.lake.raw_objects()) == []


def test_raw_files_of_a_batch_whose_records_are_not_copied_yet_stay(embedded: Any, geojson: Callable[..., str]) -> None:
    embedded.ingest("b1", embedded.entry(embedded.put("in/a.geojson", geojson())), raw="keep")
    embedded.stack.ledger.store.remove("lineage", ["a@1"])
    embedded.stack.ledger.store.remove("assets", ["a@1"])
    assert gc(embedded.stack, age=timedelta(0)).raw == ()
