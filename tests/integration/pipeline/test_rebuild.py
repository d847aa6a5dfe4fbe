"""A ledger that is lost is made again out of its lake, on folders and on S3."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libs.ledger import Ledger
from libs.models import Decision, LakeOfAnother, NotEmpty, Status
from libs.pipeline import rebuild as rebuilding
from libs.pipeline.maintenance import gc, reconcile
from libs.pipeline.rebuild import rebuild
from libs.pipeline.replay import replay
from libs.pipeline.verify import Finding, verify

pytestmark = pytest.mark.integration


@pytest.fixture(params=["folder", "s3"])
def opened(request: pytest.FixtureRequest, open_platform: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Opens the platform with a ledger of some name; landing zone and lake are the same for all."""
    places: dict[str, Any] = {
        "spatial_etl_landing": str(tmp_path / "home" / "landing-zone"), "spatial_etl_lake": str(tmp_path / "home" / "data-lake"),
    }  # fmt: skip
    if request.param == "s3":
        buckets = request.getfixturevalue("buckets")
        places = {name.lower(): value for name, value in buckets.environment.items()}
        places |= {"minio_landing_bucket": buckets.new(), "minio_lake_bucket": buckets.new()}
    return lambda ledger: open_platform(spatial_etl_home=tmp_path / ledger, **places)


def fill(platform: Any, geojson: Callable[..., str]) -> None:
    """Two datasets and three versions; b2 failed once and took version 2 of a."""
    paths = {name: platform.put(f"in/{name}.geojson", geojson()) for name in ("a", "b")}
    platform.ingest("b1", *(platform.entry(path, dataset_id=name) for name, path in paths.items()))
    key = platform.submit("b2", platform.entry(paths["a"], dataset_id="a"))
    ledger, landing = platform.stack.ledger, platform.stack.landing
    _, parsed = landing.read_manifest(key)
    run = ledger.claim(ledger.receive(key, parsed, "an upload"), {})
    ledger.reserve({"a": ["data.parquet"]}, run, platform.stack.lake.prefix)
    failed = rebuilding._not_known(run, "me")  # any failure
    assert ledger.decide(failed)
    (report,) = platform.process()
    assert (report.run_id, report.datasets[0].version) == ("b2#2", 3)
    platform.submit("bad", platform.entry(paths["a"].replace("a.geo", "none.geo"), dataset_id="a"))
    platform.process()


def known(ledger: Ledger) -> dict[str, Any]:
    return {
        "assets": [*ledger.assets()],
        "lineage": [ledger.lineage(asset.dataset_id, asset.version) for asset in ledger.assets()],
        "runs": [run for batch in ("b1", "b2") for run in (each.id for each in ledger.runs(batch))],
        "reserved": sorted(each.id for each in ledger.reservations()),
        "status": {batch: ledger.batch(batch).status for batch in ("b1", "b2")},
        "manifests": [receipt for batch in ("b1", "b2") for receipt in ledger.receipts(batch)],
        "decided": [ledger.outcome(run).decided_at for run in ("b1#1", "b2#2")],
    }


def test_all_that_was_committed_is_known_again(opened: Callable[..., Any], geojson: Callable[..., str]) -> None:
    lost = opened("lost")
    fill(lost, geojson)
    before, old_id = known(lost.stack.ledger), lost.stack.ledger.identity()[0].ledger_id
    new = opened("new")
    with pytest.raises(LakeOfAnother):
        list(verify(new.stack))
    done = rebuild(new.stack.lake, new.stack.ledger)
    assert (done.batches, done.versions, done.files, done.damaged, done.without_record, done.incomplete) == (2, 3, 3, (), (), ())
    assert (done.ledger_before, done.hashed > 0, len(done.unknown)) == (old_id, True, 5)
    ledger = new.stack.ledger
    assert known(ledger) == before
    assert ledger.outcome("b2#1").decision is Decision.FAILURE
    assert [warning.code for warning in ledger.outcome("b1#1").warnings] == ["rebuilt"]
    assert ledger.batch("bad") is None
    assert {each.finding for each in verify(new.stack)} == {Finding.INTACT}
    assert (reconcile(new.stack).published, gc(new.stack).removed) == ((), ())
    asset = ledger.asset("a", 3)
    assert replay(new.stack, asset, ledger.lineage("a", 3)).identical
    assert new.ingest("b3", new.entry(new.put("in/a.geojson", geojson(4)), dataset_id="a")).datasets[0].version == 4
    (again,) = [new.submit("b1", *before["manifests"][0].content["files"])] and new.process()
    assert (again.status, again.run_id) == (Status.SUCCESS, "b1#2"), "it knows what it has processed"
    # the old ledger turns up again
    with pytest.raises(LakeOfAnother):
        list(verify(lost.stack))
    with pytest.raises(NotEmpty, match="belong together already"):
        rebuild(new.stack.lake, ledger)
    with pytest.raises(NotEmpty, match="not empty"):
        rebuild(new.stack.lake, lost.stack.ledger)


def test_what_is_damaged_or_has_no_record_is_told_and_left(
    open_platform: Callable[..., Any], geojson: Callable[..., str], tmp_path: Path
) -> None:
    lost = open_platform()
    fill(lost, geojson)
    lake = lost.stack.lake.store.root
    (lake / "a/v1/data.parquet").write_bytes(b"x" * (lake / "a/v1/data.parquet").stat().st_size)
    (lake / "b/v1/_version.json").write_bytes(b"{}")
    (lake / "a/v2").mkdir()
    (lake / "a/v2/data.parquet").write_bytes(b"a leftover")
    new = open_platform(spatial_etl_home=tmp_path / "new", spatial_etl_lake=str(lake))
    done = rebuild(new.stack.lake, new.stack.ledger, hashes=True)
    said = {damage.uri: damage.message for damage in done.damaged}
    assert said.keys() == {"s3://data-lake/a/v1/data.parquet", "s3://data-lake/b/v1/_version.json"}
    assert "It has the SHA-256" in said["s3://data-lake/a/v1/data.parquet"]
    assert (done.without_record, done.incomplete, done.versions) == (("a/v2/",), ("b1#1: 1 of 2 versions",), 2)
    ledger = new.stack.ledger
    assert (ledger.versions("a"), ledger.versions("b")) == ([1, 3], [])
    assert "1 are not in the lake" in ledger.outcome("b1#1").warnings[0].message
    assert gc(new.stack).removed == (), "nobody knows whose it is"
    # a version whose record is gone is not written over
    assert new.ingest("b4", new.entry(new.put("in/b.geojson", geojson()), dataset_id="b")).datasets[0].version == 2


def test_a_rebuild_that_was_killed_goes_on(
    open_platform: Callable[..., Any], geojson: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = open_platform()
    fill(lost, geojson)
    before, lake = known(lost.stack.ledger), lost.stack.lake.store.root
    for number, step in enumerate(("insert", "insert_missing", "insert_new", "give_to")):
        shutil.copytree(lake, tmp_path / f"lake-{number}")
        new = open_platform(spatial_etl_home=tmp_path / f"new-{number}", spatial_etl_lake=str(tmp_path / f"lake-{number}"))
        for left in range(1, 100):
            countdown = iter(range(left))
            target = new.stack.lake if step == "give_to" else new.stack.ledger.store
            real = getattr(target, step)

            def dies(*given: Any, real: Any = real, countdown: Any = countdown, **more: Any) -> Any:
                if next(countdown, None) is None:
                    raise KeyboardInterrupt
                return real(*given, **more)

            with monkeypatch.context() as patch:
                patch.setattr(target, step, dies)
                try:
                    rebuild(new.stack.lake, new.stack.ledger)
                    break
                except KeyboardInterrupt:
                    pass
            with pytest.raises(LakeOfAnother):
                new.stack.require_own_lake(bind=True)
        assert known(new.stack.ledger) == before
        # what died between a record and its entry in the audit log
        assert {each.finding for each in verify(new.stack)} - {"unlogged"} == {Finding.INTACT}


def test_a_lake_that_tells_nothing_makes_no_ledger(
    open_platform: Callable[..., Any], geojson: Callable[..., str], tmp_path: Path
) -> None:
    platform = open_platform()
    new = open_platform(spatial_etl_home=tmp_path / "new", spatial_etl_lake=str(platform.stack.lake.store.root))
    with pytest.raises(NotEmpty, match="no version in the lake carries its record"):
        rebuild(new.stack.lake, new.stack.ledger)
    assert new.ingest("b1", new.entry(new.put("in/a.geojson", geojson()))).status is Status.SUCCESS, "it is a new pair still"
