import hashlib
import json
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from libs.models import InputObject, Rejected, Report, Status
from libs.storage import Fetched, FolderStore, LandingZone, ObjectChanged, ObjectInfo, ObjectRefused


@pytest.fixture
def landing(tmp_path: Path) -> LandingZone:
    return LandingZone(FolderStore(tmp_path / "home" / "landing-zone", "landing-zone"))


def dropped(landing: LandingZone, key: str, content: bytes = b"") -> Path:
    path = landing.store.root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def fetch(landing: LandingZone, key: str, target: Path, *, copy: bool = False) -> Fetched:
    return landing.fetch(landing.store.head(key), target, copy=copy)


def test_waiting_are_the_manifests_and_nothing_else_oldest_first(landing: LandingZone) -> None:
    others = ["manifests/readme.txt", "manifests/sub/a.json", "manifests/._b.json", "archive/a/1.json", "x/a.json"]
    for key in ["manifests/b #1.JSON", *others]:
        dropped(landing, key)
    time.sleep(0.02)
    dropped(landing, "manifests/a.json")
    assert [info.key for info in landing.waiting()] == ["manifests/b #1.JSON", "manifests/a.json"]
    assert landing.unrecognized() == ["manifests/readme.txt", "manifests/sub/a.json"]


def test_a_manifest_that_is_cut_is_left_until_it_is_whole(landing: LandingZone) -> None:
    path = dropped(landing, "manifests/a.json", b'{"half')
    with pytest.raises(ObjectChanged, match=r"manifests/a\.json is still being written"):
        landing.read_manifest("manifests/a.json")
    path.write_bytes(b'{"half": 1}')
    assert landing.read_manifest("manifests/a.json")[1].content == b'{"half": 1}'


@pytest.mark.parametrize("content", [b"[]", b'{"a": 1, "a": 2}', b"NaN", b'{"a": 1e999}'])
def test_what_is_complete_but_no_manifest_is_not_waited_for(landing: LandingZone, content: bytes) -> None:
    dropped(landing, "manifests/a.json", content)
    assert landing.read_manifest("manifests/a.json")[1].problems


def test_a_manifest_that_stays_broken_is_given_back_as_it_is(landing: LandingZone) -> None:
    landing.settle_seconds = 0.1
    dropped(landing, "manifests/a.json", b'{"half')
    time.sleep(0.12)
    assert landing.read_manifest("manifests/a.json")[1].content == b'{"half'
    assert landing.read_manifest("manifests/gone.json") is None


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
def test_a_store_whose_clock_is_wrong_holds_nobody_up_and_hurries_nothing(
    landing: LandingZone, monkeypatch: pytest.MonkeyPatch, skew: float
) -> None:
    """The times of objects and the clock of their store are of one machine; that of this one does not matter."""
    landing.settle_seconds = 0.1
    monkeypatch.setattr("libs.storage.folder.moment", lambda seconds: datetime.fromtimestamp(seconds + skew, UTC))
    dropped(landing, "manifests/a.json", b'{"half')
    with pytest.raises(ObjectChanged):
        landing.read_manifest("manifests/a.json")
    time.sleep(0.12)
    assert landing.read_manifest("manifests/a.json")[1].content == b'{"half'
    assert abs((landing.store.clock() - datetime.now(UTC)).total_seconds() - skew) < 5


def test_a_manifest_from_the_future_is_not_waited_for(landing: LandingZone, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock was set back since it came."""
    dropped(landing, "manifests/a.json", b'{"half')
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr(FolderStore, "clock", lambda _: an_hour_ago)
    assert landing.read_manifest("manifests/a.json")[1].content == b'{"half'


def test_links_among_the_manifests_are_told_and_hide_nothing(landing: LandingZone) -> None:
    dropped(landing, "manifests/good.json", b"{}")
    (landing.store.root / "manifests/link.json").symlink_to("good.json")
    os.mkfifo(landing.store.root / "manifests/pipe.json")
    Path(os.fsdecode(os.fsencode(landing.store.root) + b"/manifests/latin-\xe4.json")).write_bytes(b"{}")
    (landing.store.root / "manifests/link.txt").symlink_to("good.json")
    refused: list[ObjectRefused] = []
    assert [info.key for info in landing.waiting(refused.append)] == ["manifests/good.json"]
    assert sorted(landing.key_of(error) for error in refused) == [
        "manifests/latin-\\xe4.json", "manifests/link.json", "manifests/pipe.json",
    ]  # fmt: skip
    assert "manifests/link.txt" in landing.unrecognized()
    assert len(landing.closed(10)) == 4


@pytest.mark.parametrize("copy", [False, True])
def test_fetching_brings_the_content_and_its_hash(landing: LandingZone, tmp_path: Path, copy: bool) -> None:
    content = os.urandom(9_000_001)
    dropped(landing, "x/a.bin", content)
    fetched = fetch(landing, "x/a.bin", tmp_path / "a.bin", copy=copy)
    assert (tmp_path / "a.bin").read_bytes() == content
    assert fetched.object() == InputObject(key="x/a.bin", sha256=hashlib.sha256(content).hexdigest(), bytes=9_000_001)
    with pytest.raises(FileExistsError):
        fetch(landing, "x/a.bin", tmp_path / "a.bin", copy=copy)


def test_ctrl_c_as_hashing_begins_leaves_no_thread_that_the_program_would_wait_for(
    landing: LandingZone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped(landing, "a/b.gpkg", b"content")
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        started.append(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt) as pressed:
        fetch(landing, "a/b.gpkg", tmp_path / "b.gpkg", copy=False)
    (thread,) = started
    assert pressed.tb is not None, "it holds on to what was being done, as cycles of errors and frames do"
    thread.join(10)
    assert not thread.is_alive()


def test_fetching_nothing_hashes_nothing(landing: LandingZone, tmp_path: Path) -> None:
    dropped(landing, "x/empty")
    assert fetch(landing, "x/empty", tmp_path / "empty").object().sha256 == hashlib.sha256().hexdigest()


@pytest.mark.parametrize("copy", [False, True])
def test_an_upload_under_the_same_name_does_not_touch_what_was_fetched(landing: LandingZone, tmp_path: Path, copy: bool) -> None:
    landing.store.put("x/a.bin", b"first")
    fetched = fetch(landing, "x/a.bin", tmp_path / "a.bin", copy=copy)
    landing.store.put("x/a.bin", b"second")
    assert (tmp_path / "a.bin").read_bytes() == b"first"
    assert fetched.object().sha256 == hashlib.sha256(b"first").hexdigest()
    landing.store.delete("x/a.bin")
    assert fetched.object().bytes == 5


@pytest.mark.parametrize("more", [b"x", b"xyz"])
def test_a_file_that_is_written_into_while_it_is_read_is_told(landing: LandingZone, tmp_path: Path, more: bytes) -> None:
    """As ``cp`` over a file that is there does."""
    dropped(landing, "x/a.bin", b"old")
    fetched = fetch(landing, "x/a.bin", tmp_path / "a.bin")
    assert fetched.object().bytes == 3
    time.sleep(0.02)  # the clock of a file system ticks in milliseconds
    with (landing.store.root / "x/a.bin").open("r+b") as file:
        file.write(more)
    with pytest.raises(Rejected) as rejection:
        fetched.object()
    assert [(problem.code, problem.where) for problem in rejection.value.problems] == [
        ("changed_while_read", "s3://landing-zone/x/a.bin")
    ]


def test_what_will_be_written_to_is_a_copy(landing: LandingZone, tmp_path: Path) -> None:
    dropped(landing, "x/a.bin", b"old")
    fetch(landing, "x/a.bin", tmp_path / "a.bin", copy=True)
    (tmp_path / "a.bin").write_bytes(b"new")
    assert landing.store.read("x/a.bin") == b"old"


@pytest.mark.parametrize("copy", [False, True])
def test_what_was_replaced_since_it_was_looked_up_is_not_taken_for_it(landing: LandingZone, tmp_path: Path, copy: bool) -> None:
    landing.store.put("x/a.bin", b"first")
    info = landing.store.head("x/a.bin")
    landing.store.put("x/a.bin", b"other")
    with pytest.raises(ObjectChanged):
        landing.fetch(info, tmp_path / "a.bin", copy=copy)


def test_a_copy_of_a_file_that_grows_afterwards_is_told(landing: LandingZone, tmp_path: Path) -> None:
    """As when somebody else's file is copied slowly: no link to it can be made."""
    dropped(landing, "x/a.bin", b"half")
    fetched = fetch(landing, "x/a.bin", tmp_path / "a.bin", copy=True)
    with (landing.store.root / "x/a.bin").open("ab") as file:
        file.write(b" and the rest")
    with pytest.raises(Rejected, match="changed_while_read"):
        fetched.object()


def test_archiving_takes_the_manifest_away_and_can_be_repeated(landing: LandingZone) -> None:
    landing.submit(b'{"n": 1}', "a")
    (manifest,) = landing.waiting()
    for _ in range(2):
        assert landing.archive(manifest, b'{"n": 1}', "a", "a#1") == "archive/a/a-1.json"
        assert landing.waiting() == []
    assert landing.store.read("archive/a/a-1.json") == b'{"n": 1}'


def test_archiving_leaves_a_newer_upload_even_of_the_same_content(landing: LandingZone) -> None:
    landing.submit(b"{}", "a")
    (manifest,) = landing.waiting()
    time.sleep(0.02)
    landing.submit(b"{}", "a")
    landing.archive(manifest, b"{}", "a", "a#1")
    assert [info.key for info in landing.waiting()] == ["manifests/a.json"]


def test_an_archived_manifest_is_never_overwritten(landing: LandingZone) -> None:
    """Nor is the second one lost: its ledger was begun anew, or its name differs by case on a file system that does not tell."""
    landing.submit(b"{}", "a")
    (manifest,) = landing.waiting()
    landing.archive(manifest, b"first", "a", "a#1")
    key = landing.archive(manifest, b"second", "a", "a#1")
    assert landing.store.read("archive/a/a-1.json") == b"first"
    assert key.startswith("archive/a/a-1~")
    assert landing.store.read(key) == b"second"


def test_a_manifest_that_waits_is_not_replaced_by_another(landing: LandingZone) -> None:
    waiting = json.dumps({"batch_id": "a", "uploader": "alice"}).encode()
    landing.submit(waiting, "a")
    (before,) = landing.waiting()
    with pytest.raises(Rejected, match=r"A manifest of 'alice' waits under the name 'a'.*manifests/a.json") as refused:
        landing.submit(b'{"batch_id": "a", "uploader": "bob"}', "a")
    assert [(problem.code, problem.where) for problem in refused.value.problems] == [("batch_waiting", "batch_id")]
    with pytest.raises(Rejected, match="batch_waiting"):
        landing.require_free(b"{}", "a")
    with pytest.raises(Rejected, match="Your files were uploaded before"):
        landing.submit(b"{}", "a", after_files=True)
    assert landing.waiting() == [before]
    assert landing.store.read("manifests/a.json") == waiting
    landing.require_free(waiting, "a")
    landing.submit(waiting, "a")
    (again,) = landing.waiting()
    assert again.version != before.version, "the same manifest is a new delivery"


def test_a_name_that_differs_by_case_where_the_file_system_does_not_tell(landing: LandingZone) -> None:
    dropped(landing, "manifests/Roads.json", b'{"batch_id": "Roads", "uploader": "alice"}')
    (landing.store.root / "manifests/roads.json").hardlink_to(landing.store.root / "manifests/Roads.json")
    with pytest.raises(Rejected, match="of 'alice' for the batch 'Roads' waits under the name 'roads'"):
        landing.submit(b'{"batch_id": "roads"}', "roads")


def test_a_manifest_that_replaces_another_while_it_is_read_is_read_as_a_whole(
    landing: LandingZone, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped(landing, "manifests/a.json", b'{"n": 1}')
    head = landing.store.head

    def head_then_replaced(key: str) -> ObjectInfo | None:
        info = head(key)
        landing.store.put(key, b'{"n": 2, "of": "another"}')
        return info

    with monkeypatch.context() as racing:
        racing.setattr(landing.store, "head", head_then_replaced)
        with pytest.raises(ObjectChanged):
            landing.read_manifest("manifests/a.json")
    info, parsed = landing.read_manifest("manifests/a.json")
    assert (parsed.value["n"], info) == (2, landing.store.head("manifests/a.json"))


def test_a_report_lies_where_its_uploader_looks(landing: LandingZone) -> None:
    report = Report(batch_id="a", run_id=None, status="rejected", intent=None, recipe=None)
    assert landing.report(report) == "reports/a.json"
    assert Report.model_validate(json.loads(landing.store.read("reports/a.json"))) == report


def test_reports_are_kept_by_attempt(landing: LandingZone) -> None:
    report = Report(batch_id="a", run_id="a#1", status=Status.SUCCESS, intent=None, recipe=None)
    failed = report.model_copy(update={"run_id": "a#2", "status": Status.FAILURE})
    for _ in range(2):
        assert landing.keep_report(report, "a#1") == "reports/a/a-1.json"
        assert landing.keep_report(failed, "a#2") == "reports/a/a-2.json"
    assert [info.key for info in landing.store.list("reports/")] == ["reports/a/a-1.json", "reports/a/a-2.json"]
    assert Report.model_validate_json(landing.store.read("reports/a/a-1.json")) == report
    landing.keep_report(report.model_copy(update={"batch_id": "a.json"}), "a.json#1")
    assert landing.report(report) == "reports/a.json", "no folder of another batch is in its way"
