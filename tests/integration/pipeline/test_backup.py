"""A ledger is backed up while work goes on, and restored: on both stores, and from one to the other."""

import itertools
import json
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from libs.ledger import DocumentStore, Ledger, SqliteStore
from libs.ledger.audit import audit
from libs.ledger.copies import Copied, fill, line, may_fill, record_of, records
from libs.ledger.kinds import KINDS
from libs.ledger.mongo import MongoStore
from libs.models import DamagedBackup, Decision, NotEmpty, Outcome, ServiceUnavailable, parse_manifest
from libs.pipeline.backup import INDEX, LAKE, LEDGER, back_up, read_backup, restore
from libs.pipeline.maintenance import reconcile
from libs.pipeline.verify import Finding, verify
from tests.sampling import examples

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["sqlite", "mongo"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], DocumentStore]]:
    """Makes an empty store with each call."""
    opened: list[DocumentStore] = []
    numbers = itertools.count()

    def new_store() -> DocumentStore:
        if request.param == "sqlite":
            opened.append(SqliteStore(tmp_path / f"store-{next(numbers)}.sqlite"))
        else:
            uri = request.getfixturevalue("mongodb").environment["MONGO_CONNECTION_STRING"]
            opened.append(MongoStore(uri, f"test_{secrets.token_hex(6)}"))
        return opened[-1]

    yield new_store
    for store in opened:
        if isinstance(store, MongoStore):
            with MongoClient(request.getfixturevalue("mongodb").environment["MONGO_CONNECTION_STRING"]) as client:
                client.drop_database(store.database)
        store.close()


def content(store: DocumentStore, *, logged: bool = False) -> dict[str, Any]:
    return {name: dict(store.find(name)) for name in KINDS if logged or name != "activity_logs"}


def two_batches(platform: Any, geojson: Callable[..., str]) -> None:
    path = platform.put("in/a.geojson", geojson())
    platform.ingest("b1", platform.entry(path, dataset_id="a"))
    platform.ingest("b2", platform.entry(platform.put("in/b.geojson", geojson(5)), dataset_id="b"))
    platform.submit("bad", platform.entry(path.replace("a.geo", "none.geo"), dataset_id="a"))
    platform.process()


def damages(stack: Any) -> list[Any]:
    return [each for each in verify(stack) if each.finding.damages]


def test_everything_deleted_and_restored_is_as_before(
    open_platform: Callable[..., Any], geojson: Callable[..., str], tmp_path: Path
) -> None:
    platform = open_platform()
    two_batches(platform, geojson)
    before = content(platform.stack.ledger.store)
    made = back_up(platform.stack.ledger, platform.stack.lake, tmp_path / "backup", with_lake=True)
    assert (made, made.records["outcomes"], made.lake_files) == (read_backup(tmp_path / "backup"), 2, 5)
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0, "what uploaders sent is not for all accounts"
    platform.stack.ledger.store.close()
    for path in (platform.home / "data-lake", *platform.home.glob("ledger.sqlite*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    new = open_platform()
    done = restore(tmp_path / "backup", new.stack.ledger, new.stack.lake)
    assert (done.lake_files, content(new.stack.ledger.store)) == (5, before)
    assert {each.finding for each in verify(new.stack)} == {Finding.INTACT}
    assert new.ingest("b3", new.entry(new.put("in/a.geojson", geojson(4)), dataset_id="a")).datasets[0].version == 2
    with pytest.raises(NotEmpty, match="empty ledger only"):
        restore(tmp_path / "backup", new.stack.ledger, new.stack.lake)
    with pytest.raises(NotEmpty, match="folder of its own"):
        back_up(new.stack.ledger, new.stack.lake, tmp_path / "backup")


def test_a_lake_is_restored_into_its_own_or_an_empty_one(
    open_platform: Callable[..., Any], geojson: Callable[..., str], tmp_path: Path
) -> None:
    platform = open_platform()
    two_batches(platform, geojson)
    back_up(platform.stack.ledger, platform.stack.lake, tmp_path / "backup", with_lake=True)
    lake = platform.stack.lake.store.root
    (lake / "a/v1/data.parquet").unlink()
    new = open_platform(spatial_etl_home=tmp_path / "new", spatial_etl_lake=str(lake))
    assert restore(tmp_path / "backup", new.stack.ledger, new.stack.lake).lake_files == 1
    assert damages(new.stack) == []
    other = open_platform(spatial_etl_home=tmp_path / "other")
    other.stack.lake.store.put("something", b"of others")
    with pytest.raises(NotEmpty, match="not the lake of this backup"):
        restore(tmp_path / "backup", other.stack.ledger, other.stack.lake)
    assert content(other.stack.ledger.store, logged=True) == {name: {} for name in KINDS}


def test_a_backup_that_is_damaged_is_refused_before_anything_is_written(
    open_platform: Callable[..., Any], geojson: Callable[..., str], tmp_path: Path
) -> None:
    platform = open_platform()
    two_batches(platform, geojson)
    back_up(platform.stack.ledger, platform.stack.lake, tmp_path / "backup", with_lake=True)
    new = open_platform(spatial_etl_home=tmp_path / "new")
    for name in (LEDGER, "lake.jsonl.zst", f"{LAKE}/b/v1/data.parquet"):
        path = tmp_path / "backup" / name
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        for harmed in (bytes(flipped), whole[:-1], None):
            path.unlink() if harmed is None else path.write_bytes(harmed)
            with pytest.raises(DamagedBackup, match="Nothing was restored"):
                restore(tmp_path / "backup", new.stack.ledger, new.stack.lake)
            path.write_bytes(whole)
    assert content(new.stack.ledger.store, logged=True) == {name: {} for name in KINDS}
    assert [*new.stack.lake.store.list()] == []


def test_a_backup_that_was_not_finished_or_is_of_a_later_release_is_refused(platform: Any, tmp_path: Path) -> None:
    back_up(platform.stack.ledger, platform.stack.lake, tmp_path / "backup")
    index = tmp_path / "backup" / INDEX
    index.write_text(index.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(DamagedBackup, match="it has the format 2, this release reads 1"):
        read_backup(tmp_path / "backup")
    index.unlink()
    with pytest.raises(DamagedBackup, match="was not finished"):
        read_backup(tmp_path / "backup")
    assert back_up(platform.stack.ledger, platform.stack.lake, tmp_path / "backup") == read_backup(tmp_path / "backup")


def test_a_folder_that_cannot_be_written_to_is_named(platform: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ServiceUnavailable, match=r"the backup in .*/file/backup: Not a directory\. Check the folder"):
        back_up(platform.stack.ledger, platform.stack.lake, tmp_path / "file" / "backup")


def test_a_restore_that_was_killed_goes_on(
    open_platform: Callable[..., Any], geojson: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = open_platform()
    two_batches(platform, geojson)
    before = content(platform.stack.ledger.store)
    back_up(platform.stack.ledger, platform.stack.lake, tmp_path / "backup", with_lake=True)
    platform.stack.ledger.log("looked", "something")
    back_up(platform.stack.ledger, platform.stack.lake, tmp_path / "another")
    for number, step in enumerate(("insert", "insert_missing", "remove", "create")):
        new = open_platform(spatial_etl_home=tmp_path / f"new-{number}")
        target = new.stack.lake.store if step == "create" else new.stack.ledger.store
        real = getattr(target, step)
        for left in range(20):
            countdown = iter(range(left))

            def dies(*given: Any, countdown: Any = countdown, real: Any = real) -> Any:
                if next(countdown, None) is None:
                    raise KeyboardInterrupt
                return real(*given)

            with monkeypatch.context() as patch:
                patch.setattr(target, step, dies)
                try:
                    restore(tmp_path / "backup", new.stack.ledger, new.stack.lake)
                    break
                except KeyboardInterrupt:
                    pass
            if new.stack.ledger.store.get("restoring", "backup"):
                with pytest.raises(NotEmpty):
                    restore(tmp_path / "another", new.stack.ledger, new.stack.lake)
        assert content(new.stack.ledger.store) == before
        assert damages(new.stack) == []


_WORK = """
import sys
from pathlib import Path
from libs.ledger import SqliteStore
from libs.ledger.mongo import MongoStore
from tests.integration.pipeline.test_backup import attempts
kind, place, uri = sys.argv[1:]
for _ in attempts(SqliteStore(Path(place)) if kind == "sqlite" else MongoStore(uri, place)):
    pass
"""


def attempts(store: DocumentStore) -> Iterator[None]:
    """Attempts at a few batches of a few datasets, one after the other without end, as a worker makes them."""
    ledger = Ledger(store)
    for number in itertools.count():
        batch = f"b{number * 7 % 12}"
        file = {"path": f"s3://landing-zone/{number}.geojson", "type": "vector", "format": "GeoJSON"}
        manifest = {"batch_id": batch, "intent": "ingest_vector", "uploader": "someone", "files": [file]}
        parsed = parse_manifest(json.dumps(manifest).encode(), landing_bucket="landing-zone")
        run = ledger.claim(ledger.receive(f"manifests/{batch}.json", parsed, f"upload {number}"), {})
        assert run is not None
        ledger.reserve({f"d{number % 5}": ["data.parquet"]}, run, lambda name, version: f"{name}/v{version}/")
        decided = {"decision": Decision.CANCELED, "decided_at": ledger.clock(), "decided_by": ledger.owner}
        assert ledger.decide(Outcome(run_id=run.id, batch_id=batch, **decided))
        yield


def flaws(ledger: Ledger) -> list[Any]:
    return [each for each in audit(ledger) if each.finding.damages or each.finding is Finding.UNLOGGED]


def test_a_ledger_that_is_backed_up_under_load_is_whole(
    new_store: Callable[[], DocumentStore], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store = new_store()
    work_kind = "sqlite" if isinstance(store, SqliteStore) else "mongo"
    place = str(store.path) if isinstance(store, SqliteStore) else store.database
    uri = request.getfixturevalue("mongodb").environment["MONGO_CONNECTION_STRING"] if work_kind == "mongo" else ""
    Ledger(store).identify()
    worker = subprocess.Popen([sys.executable, "-c", _WORK, work_kind, place, uri], cwd=ROOT)
    try:
        while sum(1 for _ in store.ids("outcomes")) < 15:
            assert worker.poll() is None
            time.sleep(0.05)
        copies = [[*records(store)] for _ in range(2)]
        assert worker.poll() is None
    finally:
        worker.kill()
        worker.wait()
    assert len(copies[0]) < len(copies[-1])
    for copied in copies:
        ledger = Ledger(new_store())
        fill(ledger, "a backup", (record_of(line(each).removesuffix(b"\n")) for each in copied))
        assert len(ledger.link_missing()) < 20
        assert flaws(ledger) == []


def test_what_comes_while_its_collection_is_read_is_in_it_with_all_that_it_names(tmp_path: Path) -> None:
    class Interrupted(SqliteStore):
        """Between the first records of each collection that is read, a worker makes an attempt."""

        def find(self, collection: str, **_: Any) -> Iterator[tuple[str, Any]]:
            last, left = "", iter(range(25))
            while following := next((each for each in self.ids(collection) if each > last), None):
                document = self.get(collection, following)
                assert document is not None
                yield following, document
                last = following
                if next(left, None) is not None:
                    next(work)

    work = attempts(SqliteStore(tmp_path / "ledger.sqlite"))
    for _ in range(20):
        next(work)
    copied = [*records(Interrupted(tmp_path / "ledger.sqlite"))]
    assert len({(each.collection, each.identity) for each in copied}) == len(copied)
    restored = Ledger(SqliteStore(tmp_path / "restored.sqlite"))
    fill(restored, "a backup", copied)
    restored.link_missing()
    assert flaws(restored) == []


def test_a_backup_of_one_store_is_restored_into_the_other(
    new_store: Callable[[], DocumentStore], open_platform: Callable[..., Any], geojson: Callable[..., str], tmp_path: Path
) -> None:
    platform = open_platform()
    two_batches(platform, geojson)
    back_up(platform.stack.ledger, platform.stack.lake, tmp_path / "backup")
    there = Ledger(new_store())
    restore(tmp_path / "backup", there, platform.stack.lake)
    assert content(there.store) == content(platform.stack.ledger.store)
    back_up(there, platform.stack.lake, tmp_path / "and-back")
    again = open_platform(spatial_etl_home=tmp_path / "again", spatial_etl_lake=str(platform.stack.lake.store.root))
    restore(tmp_path / "and-back", again.stack.ledger, again.stack.lake)
    assert content(again.stack.ledger.store) == content(platform.stack.ledger.store)
    assert (damages(again.stack), reconcile(again.stack).published) == ([], ())


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(document=st.dictionaries(st.text(), _VALUES, max_size=5), identity=st.text(min_size=1))
@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_record_comes_back_from_its_line(document: dict[str, Any], identity: str) -> None:
    record = Copied("runs", identity, document)
    text = line(record)
    assert (text.count(b"\n"), record_of(text)) == (1, record)


def test_a_ledger_may_be_filled_once(tmp_path: Path) -> None:
    ledger = Ledger(SqliteStore(tmp_path / "ledger.sqlite"))
    assert may_fill(ledger, "a")
    fill(ledger, "a", [Copied("runs", "b#1", {"n": 1})])
    assert not may_fill(ledger, "a")
