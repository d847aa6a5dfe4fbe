"""Verify, replay, reconcile, gc: what keeps lake and ledger in agreement, and what it leaves alone."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import geopandas
import pytest

from libs.ledger import Ledger
from libs.models import Decision, Outcome, Rejected, ServiceUnavailable, Status
from libs.pipeline.maintenance import Collected, gc, reconcile
from libs.pipeline.replay import replay
from libs.pipeline.scratch import run_folder
from libs.pipeline.verify import Finding, verify
from tests.watching import long_watched

pytestmark = pytest.mark.integration


def findings(platform: Any) -> dict[str, Finding]:
    return {verified.uri.removeprefix("s3://data-lake/"): verified.finding for verified in verify(platform.stack)}


@pytest.fixture
def filled(platform: Any, geojson: Callable) -> Any:
    """Three versions of one dataset."""
    for number in (1, 2, 3):
        platform.ingest(f"b{number}", platform.entry(platform.put(f"in/{number}.geojson", geojson(number)), dataset_id="a"))
    return platform


def test_verify_finds_what_is_missing_or_changed(filled: Any) -> None:
    files = [filled.stack.lake.store.root / f"a/v{number}/data.parquet" for number in (1, 2, 3)]
    assert set(findings(filled).values()) == {Finding.INTACT}
    files[0].unlink()
    content = bytearray(files[1].read_bytes())
    content[len(content) // 2] ^= 1
    files[1].write_bytes(content)
    assert findings(filled) == {
        "a/v1/data.parquet": Finding.MISSING, "a/v2/data.parquet": Finding.CHANGED, "a/v3/data.parquet": Finding.INTACT,
    }  # fmt: skip
    files[2].unlink()
    files[2].symlink_to(files[1])
    assert findings(filled)["a/v3/data.parquet"] is Finding.UNREADABLE
    assert [each.version for each in verify(filled.stack, [filled.asset("a", 2)])] == [2]


# Replay


def again(platform: Any, dataset_id: str, version: int = 1, **options: Any) -> Any:
    lineage = platform.stack.ledger.lineage(dataset_id, version)
    return replay(platform.stack, platform.asset(dataset_id, version), lineage, **options)


def test_replay_gives_the_same_bytes(filled: Any, tmp_path: Path) -> None:
    replayed = again(filled, "a", 2, output=tmp_path / "again.parquet")
    assert replayed.identical
    assert replayed.software == {}
    lying = filled.stack.lake.store.root / "a/v2/data.parquet"
    assert (tmp_path / "again.parquet").read_bytes() == lying.read_bytes()
    assert filled.lies_in("lake") == [f"a/v{number}/data.parquet" for number in (1, 2, 3)]
    assert filled.transient() == []


def test_replay_names_the_release_that_made_other_bytes(filled: Any) -> None:
    """Release 0.1.0 wrote the same rows to other bytes."""
    asset, lineage = filled.asset("a", 1), filled.stack.ledger.lineage("a", 1)
    then = lineage.model_copy(update={"software": lineage.software | {"spatial-etl": "0.1.0"}})
    theirs = asset.model_copy(update={"files": (asset.files[0].model_copy(update={"sha256": "0" * 64}),)})
    replayed = replay(filled.stack, theirs, then)
    assert not replayed.identical
    assert replayed.software == {"spatial-etl": ("0.1.0", lineage.software["spatial-etl"])}


def test_replay_of_one_dataset_of_many(platform: Any, frame: geopandas.GeoDataFrame, geojson: Callable, tmp_path: Path) -> None:
    """Of several files and layers, under names that the batch as a whole gave them."""
    for layer in ("roads", "rivers"):
        frame.to_file(tmp_path / "city.gpkg", layer=layer)
    files = [
        platform.entry(platform.put("in/city.gpkg", tmp_path / "city.gpkg")),
        platform.entry(platform.put("in/a.geojson", geojson(2)), dataset_id="all"),
        platform.entry(platform.put("in/c.geojson", geojson(4))),
        platform.entry(platform.put("in/b.geojson", geojson(3)), dataset_id="all"),
    ]
    report = platform.ingest("b1", *files, metadata={"project": "p", "dataset_id": "unused"}, intent="web_mercator")
    names = [each.dataset_id for each in report.datasets]
    assert names == ["p.city.roads", "p.city.rivers", "p.c", "all"]
    assert [again(platform, name).identical for name in names] == [True] * 4


def test_replay_of_a_recipe_with_parameters(platform: Any, geojson: Callable) -> None:
    entry = platform.entry(platform.put("in/a.geojson", geojson(20)))
    platform.ingest("b1", entry, intent="filter", parameters={"condition": {"column": "n", "op": "lt", "value": 5}})
    assert platform.read("a").num_rows == 5
    assert again(platform, "a").identical


@pytest.mark.parametrize("content", ["other", "damaged"])
def test_replay_says_which_input_changed(content: str, filled: Any, geojson: Callable) -> None:
    filled.put("in/2.geojson", geojson(5) if content == "other" else "{")
    with pytest.raises(Rejected) as caught:
        again(filled, "a", 2)
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [("input_changed", "in/2.geojson")]
    assert again(filled, "a", 1).identical
    assert filled.transient() == []


def test_replay_says_which_input_is_gone(filled: Any) -> None:
    filled.stack.landing.store.delete("in/2.geojson")
    with pytest.raises(Rejected) as caught:
        again(filled, "a", 2)
    (problem,) = caught.value.problems
    assert "in/2.geojson" in problem.where + problem.message


def test_replay_says_which_sidecar_has_come_or_gone(platform: Any, frame: geopandas.GeoDataFrame, tmp_path: Path) -> None:
    frame.to_file(tmp_path / "a.shp")
    report = platform.ingest("b1", platform.entry(platform.put("in/a.shp", tmp_path / "a.shp")))
    assert report.problems == ()
    assert again(platform, "a").identical
    platform.stack.landing.store.delete("in/a.cpg")
    with pytest.raises(Rejected) as caught:
        again(platform, "a")
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [("input_changed", "in/a.cpg")]
    platform.put("in/a.cpg", (tmp_path / "a.cpg").read_bytes())
    platform.put("in/a.qpj", b"")
    with pytest.raises(Rejected) as caught:
        again(platform, "a")
    assert [(problem.code, problem.where) for problem in caught.value.problems] == [("input_changed", "in/a.qpj")]


# Reconcile and gc


def abandon(platform: Any, batch_id: str, geojson: Callable) -> Any:
    """Do what a worker does until just before it decides, and then no more: its run."""
    from libs.ledger import Action

    entry = platform.entry(platform.put(f"in/{batch_id}.geojson", geojson()))
    key = platform.submit(batch_id, entry)
    ledger, landing = platform.stack.ledger, platform.stack.landing
    info = landing.store.head(key)
    received = ledger.receive(key, landing.read_manifest(key)[1], info.version)
    assert received.action is Action.PROCESS
    run = ledger.claim(received, {})
    reservation = ledger.reserve({"a": ["data.parquet"]}, run, platform.stack.lake.prefix)["a"]
    platform.stack.lake.store.create(reservation.keys[0], b"half a run's work")
    with run_folder(platform.stack.scratch, run.id) as folder:
        pass
    folder.mkdir()
    (folder / "rest").touch()
    return run


def later(platform: Any) -> Any:
    """The same platform a day on."""
    from dataclasses import replace

    ledger = platform.stack.ledger
    ahead = long_watched(ledger.store, clock=lambda: ledger.clock() + timedelta(days=1))
    return replace(platform, stack=replace(platform.stack, ledger=ahead))


def test_an_undecided_run_is_never_touched(platform: Any, geojson: Callable) -> None:
    run = abandon(platform, "b1", geojson)
    before = platform.lies_in("lake"), platform.transient()
    done = reconcile(platform.stack)
    assert (done.given_up, done.published, done.scratch) == ((), (), ())
    collected = gc(platform.stack)
    assert (collected.removed, collected.unknown) == ((), ())
    assert (platform.lies_in("lake"), platform.transient()) == before
    assert platform.stack.ledger.outcome(run.id) is None


def test_a_lost_run_is_given_up_cleaned_up_and_tried_again(platform: Any, geojson: Callable) -> None:
    run = abandon(platform, "b1", geojson)
    ahead = later(platform)
    done = reconcile(ahead.stack)
    assert (done.given_up, done.scratch) == (("b1#1",), ("b1#1",))
    assert ahead.transient() == []
    assert ahead.lies_in("lake") == ["a/v1/data.parquet"], "the lake is gc's"
    assert gc(ahead.stack).removed == ("a/v1/data.parquet",)
    assert ahead.lies_in("lake") == []
    assert ahead.stack.ledger.outcome(run.id).decision is Decision.FAILURE
    (report,) = ahead.process()
    assert (report.run_id, report.status.value) == ("b1#2", "success")
    again = reconcile(ahead.stack)
    assert (again.given_up, again.published, again.scratch, gc(ahead.stack).removed) == ((), (), (), ())


@pytest.mark.parametrize("decision", [Decision.FAILURE, Decision.REJECTED, Decision.CANCELED])
def test_what_a_decided_run_left_is_removed(decision: Decision, platform: Any, geojson: Callable) -> None:
    run = abandon(platform, "b1", geojson)
    ledger = platform.stack.ledger
    ledger.decide(Outcome(run_id=run.id, batch_id="b1", decision=decision, decided_at=ledger.clock(), decided_by="test"))
    assert reconcile(platform.stack).scratch == ("b1#1",)
    assert gc(platform.stack) == Collected(young=("a/v1/data.parquet",))
    assert platform.lies_in("lake") == ["a/v1/data.parquet"]
    assert gc(later(platform).stack).removed == ("a/v1/data.parquet",)
    assert [entry.action for entry in ledger.activity("a/v1/data.parquet")] == ["removed"]


def test_a_commit_that_was_not_copied_is_rolled_forward(
    platform: Any, geojson: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies right after the commit: the data exists, and is found."""
    files = [platform.entry(platform.put(f"in/{name}.geojson", geojson())) for name in "ab"]
    platform.submit("b1", *files)
    with monkeypatch.context() as dying:
        dying.setattr(Ledger, "publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            platform.process()
    assert list(platform.stack.ledger.assets()) == []
    assert gc(platform.stack).removed == ()
    assert reconcile(platform.stack).published == ("b1#1",)
    assert set(findings(platform).values()) == {Finding.INTACT}
    assert [asset.dataset_id for asset in platform.stack.ledger.datasets()] == ["a", "b"]
    (report,) = platform.process()
    assert (report.run_id, [each.version for each in report.datasets]) == ("b1#1", [1, 1])
    assert platform.stack.landing.waiting() == []


def test_what_nobody_knows_is_told_and_left(filled: Any) -> None:
    filled.stack.lake.store.put("a/v7/data.parquet", b"whose?")
    filled.stack.lake.store.put("notes.txt", b"mine")
    assert gc(filled.stack).unknown == ("a/v7/data.parquet", "notes.txt")
    assert {"a/v7/data.parquet", "notes.txt"} < set(filled.lies_in("lake"))


def test_what_lies_in_the_way_is_never_replaced(filled: Any, geojson: Callable) -> None:
    filled.stack.lake.store.put("a/v4/data.parquet", b"whose?")
    report = filled.ingest("b4", filled.entry(filled.put("in/4.geojson", geojson(4)), dataset_id="a"))
    assert [each.version for each in report.datasets] == [5]
    assert filled.stack.lake.store.read("a/v4/data.parquet") == b"whose?"
    assert filled.read("a", 5).num_rows == 4
    assert gc(later(filled).stack) == Collected(unknown=("a/v4/data.parquet",)), "nor removed later: it is not the run's"
    assert filled.stack.lake.store.read("a/v4/data.parquet") == b"whose?"


def test_scratch_of_a_replay_that_was_killed_is_removed(platform: Any) -> None:
    with run_folder(platform.stack.scratch, "replay-0123456789ab") as folder:
        assert reconcile(platform.stack).scratch == (), "it is at work"
        assert folder.exists()
    folder.mkdir()
    assert reconcile(platform.stack).scratch == ("replay-0123456789ab",)
    assert platform.transient() == []


def test_what_others_have_in_scratch_is_left_alone(platform: Any) -> None:
    scratch = platform.stack.scratch
    for theirs in (scratch / "runs" / "experiment-7", scratch / "duckdb_backup"):
        theirs.mkdir(parents=True)
        done = reconcile(platform.stack)
        assert (done.scratch, done.workspaces) == ((), ())
        assert theirs.exists()


def test_a_run_that_gets_no_folder_is_not_left_running(platform: Any, geojson: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """All was well a moment ago, when the batch was begun."""
    platform.stack.scratch.mkdir(exist_ok=True)
    monkeypatch.setattr("libs.pipeline.process.scratch.check", lambda scratch: (scratch / "runs").touch())
    platform.submit("b1", platform.entry(platform.put("in/a.geojson", geojson())))
    with pytest.raises(ServiceUnavailable, match=r"Not a directory\. Check SPATIAL_ETL_SCRATCH"):
        platform.process()
    assert platform.stack.ledger.batch("b1").status is Status.QUEUED


def test_scratch_of_a_worker_that_lives_is_its_own_to_remove(platform: Any, geojson: Callable) -> None:
    """Even when its run was given up meanwhile."""
    run = abandon(platform, "b1", geojson)
    with run_folder(platform.stack.scratch, run.id) as folder:
        done = reconcile(later(platform).stack)
        assert (done.given_up, done.scratch) == (("b1#1",), ())
        assert folder.exists()
    assert not folder.exists()
