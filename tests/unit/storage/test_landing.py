import hashlib
import json
import os
import threading
import time
from pathlib import Path

import pytest

from libs.models import InputObject, Rejected, Report
from libs.storage import FolderStore, LandingZone


@pytest.fixture
def landing(tmp_path: Path) -> LandingZone:
    return LandingZone(FolderStore(tmp_path / "home", "landing-zone"))


def dropped(landing: LandingZone, key: str, content: bytes = b"") -> Path:
    path = landing.store.root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_waiting_are_the_manifests_and_nothing_else_oldest_first(landing: LandingZone) -> None:
    others = ["manifests/readme.txt", "manifests/sub/a.json", "manifests/._b.json", "archive/a/1.json", "x/a.json"]
    for key in ["manifests/b #1.JSON", *others]:
        dropped(landing, key)
    time.sleep(0.02)
    dropped(landing, "manifests/a.json")
    assert [info.key for info in landing.waiting()] == ["manifests/b #1.JSON", "manifests/a.json"]
    assert landing.unrecognized() == ["manifests/readme.txt", "manifests/sub/a.json"]


def test_a_manifest_still_being_copied_is_waited_for(landing: LandingZone) -> None:
    path = dropped(landing, "manifests/a.json", b'{"half')

    def finish() -> None:
        time.sleep(0.2)
        path.write_bytes(b'{"half": 1}')

    writer = threading.Thread(target=finish)
    writer.start()
    assert landing.read_manifest("manifests/a.json").content == b'{"half": 1}'
    writer.join()


def test_a_manifest_that_stays_broken_is_given_back_as_it_is(landing: LandingZone) -> None:
    dropped(landing, "manifests/a.json", b'{"half')
    assert landing.read_manifest("manifests/a.json").content == b'{"half'
    assert landing.read_manifest("manifests/gone.json") is None


def test_a_key_resolves_to_its_object_or_to_those_of_its_folder(landing: LandingZone) -> None:
    for key in ("x/a.gpkg", "x/a.gpkg-wal", "x/roads.gdb/1.gdbtable", "x/roads.gdb/2.gdbtable", "x/roads.gdb.zip"):
        dropped(landing, key)
    assert [info.key for info in landing.resolve("x/a.gpkg")] == ["x/a.gpkg"]
    assert [info.key for info in landing.resolve("x/roads.gdb")] == ["x/roads.gdb/1.gdbtable", "x/roads.gdb/2.gdbtable"]
    assert landing.resolve("x/b.gpkg") == []
    assert [info.key for info in landing.siblings("x/a.gpkg")] == ["x/a.gpkg", "x/a.gpkg-wal", "x/roads.gdb.zip"]


@pytest.mark.parametrize("copy", [False, True])
def test_fetching_brings_the_content_and_its_hash(landing: LandingZone, tmp_path: Path, copy: bool) -> None:
    content = os.urandom(9_000_001)
    dropped(landing, "x/a.bin", content)
    fetched = landing.fetch("x/a.bin", tmp_path / "a.bin", copy=copy)
    assert (tmp_path / "a.bin").read_bytes() == content
    assert fetched.object() == InputObject(key="x/a.bin", sha256=hashlib.sha256(content).hexdigest(), bytes=9_000_001)
    with pytest.raises(FileExistsError):
        landing.fetch("x/a.bin", tmp_path / "a.bin", copy=copy)


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
        landing.fetch("a/b.gpkg", tmp_path / "b.gpkg", copy=False)
    (thread,) = started
    assert pressed.tb is not None, "it holds on to what was being done, as cycles of errors and frames do"
    thread.join(10)
    assert not thread.is_alive()


def test_fetching_nothing_hashes_nothing(landing: LandingZone, tmp_path: Path) -> None:
    dropped(landing, "x/empty")
    assert landing.fetch("x/empty", tmp_path / "empty").object().sha256 == hashlib.sha256().hexdigest()


@pytest.mark.parametrize("copy", [False, True])
def test_an_upload_under_the_same_name_does_not_touch_what_was_fetched(landing: LandingZone, tmp_path: Path, copy: bool) -> None:
    landing.store.put("x/a.bin", b"first")
    fetched = landing.fetch("x/a.bin", tmp_path / "a.bin", copy=copy)
    landing.store.put("x/a.bin", b"second")
    assert (tmp_path / "a.bin").read_bytes() == b"first"
    assert fetched.object().sha256 == hashlib.sha256(b"first").hexdigest()
    landing.store.delete("x/a.bin")
    assert fetched.object().bytes == 5


@pytest.mark.parametrize("more", [b"x", b"xyz"])
def test_a_file_that_is_written_into_while_it_is_read_is_told(landing: LandingZone, tmp_path: Path, more: bytes) -> None:
    """As ``cp`` over a file that is there does."""
    dropped(landing, "x/a.bin", b"old")
    fetched = landing.fetch("x/a.bin", tmp_path / "a.bin")
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
    landing.fetch("x/a.bin", tmp_path / "a.bin", copy=True)
    (tmp_path / "a.bin").write_bytes(b"new")
    assert landing.store.read("x/a.bin") == b"old"


@pytest.mark.parametrize(
    ("there", "asked"),
    [
        ("x/Roads.geojson", "x/roads.geojson"),
        ("x/caf\u0065\u0301.json", "x/caf\u00e9.json"),
        ("x/roads.geojson", "x/raods.geojson"),
    ],
)
def test_a_missing_file_is_told_with_the_one_that_was_meant(landing: LandingZone, tmp_path: Path, there: str, asked: str) -> None:
    dropped(landing, there)
    with pytest.raises(Rejected) as rejection:
        landing.fetch(asked, tmp_path / "target")
    (problem,) = rejection.value.problems
    assert problem.code == "missing_file"
    assert f"s3://landing-zone/{there}" in problem.message
    assert landing.missing("nothing/like/it", "files[0].path").message.endswith("landing zone.")


def test_a_link_is_refused_with_a_reason(landing: LandingZone, tmp_path: Path) -> None:
    (landing.store.root / "passwd.geojson").symlink_to("/etc/passwd")
    for attempt in (lambda: landing.resolve("passwd.geojson"), lambda: landing.fetch("passwd.geojson", tmp_path / "t")):
        with pytest.raises(Rejected) as rejection:
            attempt()
        (problem,) = rejection.value.problems
        assert (problem.code, problem.where) == ("unreadable_file", "s3://landing-zone/passwd.geojson")
        assert "symbolic link" in problem.message


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
    landing.submit(b"{}", "a")
    (manifest,) = landing.waiting()
    landing.archive(manifest, b"first", "a", "a#1")
    landing.archive(manifest, b"second", "a", "a#1")
    assert landing.store.read("archive/a/a-1.json") == b"first"


def test_a_report_lies_where_its_uploader_looks(landing: LandingZone) -> None:
    report = Report(batch_id="a", run_id=None, status="rejected", intent=None, recipe=None)
    assert landing.report(report) == "reports/a.json"
    assert Report.model_validate(json.loads(landing.store.read("reports/a.json"))) == report


def test_an_upload_is_named_as_manifests_name_it(landing: LandingZone, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x,y\n")
    assert landing.upload(tmp_path / "a.csv", "u/1/a.csv") == "s3://landing-zone/u/1/a.csv"
    assert landing.store.read("u/1/a.csv") == b"x,y\n"
