"""What is special about a folder: people and other programs have their hands in it."""

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from libs.models import ServiceUnavailable
from libs.storage import FolderStore, ObjectRefused


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "home" / "bucket", "bucket")


def keys(store: FolderStore) -> list[str]:
    return [info.key for info in store.list()]


def test_files_dropped_by_hand_are_objects(store: FolderStore) -> None:
    (store.root / "Straßen 2024").mkdir()
    (store.root / "Straßen 2024" / "Karte #1.geojson").write_bytes(b"{}")
    assert keys(store) == ["Straßen 2024/Karte #1.geojson"]
    assert store.read("Straßen 2024/Karte #1.geojson") == b"{}"


def test_a_name_that_is_no_unicode_hides_nothing_else(store: FolderStore) -> None:
    (store.root / "good").write_bytes(b"")
    Path(os.fsdecode(os.fsencode(store.root) + b"/latin-\xe4")).write_bytes(b"")
    assert keys(store) == ["good"]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "secret").write_bytes(b"secret")
    return folder / "secret"


def test_links_are_neither_listed_nor_followed(store: FolderStore, secret: Path) -> None:
    (store.root / "file").symlink_to(secret)
    (store.root / "folder").symlink_to(secret.parent)
    (store.root / "below").mkdir()
    (store.root / "below" / "folder").symlink_to(secret.parent)
    (store.root / "broken").symlink_to("nowhere")
    (store.root / "loop").symlink_to("loop")
    assert keys(store) == []
    for key in ("file", "folder", "folder/secret", "below/folder/secret", "broken", "loop"):
        with pytest.raises(ObjectRefused, match="symbolic link"):
            store.head(key)
        with pytest.raises(ObjectRefused, match="symbolic link"):
            store.read(key)
        with pytest.raises(ObjectRefused, match="symbolic link"):
            next(store.stream(key))
    assert list(store.list("folder/")) == []


def test_nothing_is_written_or_removed_behind_a_link(store: FolderStore, secret: Path) -> None:
    (store.root / "folder").symlink_to(secret.parent)
    (store.root / "file").symlink_to(secret)
    for write in (store.put, store.create):
        with pytest.raises(ObjectRefused, match="symbolic link"):
            write("folder/new", b"new")
    with pytest.raises(ObjectRefused, match="symbolic link"):
        store.delete("folder/secret")
    assert not store.create("file", b"new")
    store.put("file", b"new")  # replaces the link itself
    assert secret.read_bytes() == b"secret"
    assert [path.name for path in secret.parent.iterdir()] == ["secret"]


def test_a_link_to_the_bucket_itself_is_fine(tmp_path: Path) -> None:
    (tmp_path / "large-disk").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "large-disk")
    store = FolderStore(tmp_path / "home" / "bucket", "bucket")
    store.put("a/b", b"1")
    assert (tmp_path / "large-disk" / "bucket" / "a" / "b").read_bytes() == b"1"


def test_what_is_passed_over_is_told(store: FolderStore, secret: Path) -> None:
    store.put("folder/good", b"")
    (store.root / "folder/link").symlink_to(secret)
    (store.root / "linked").symlink_to(secret.parent)
    os.mkfifo(store.root / "folder/pipe")
    Path(os.fsdecode(os.fsencode(store.root) + b"/latin-\xe4")).mkdir()
    for look in (
        lambda tell: list(store.list("", tell)),
        lambda tell: [*store.look([""], tell)[0], *store.look(["folder/"], tell)[0]],
    ):
        refused: list[ObjectRefused] = []
        assert [info.key for info in look(refused.append)] == ["folder/good"]
        told = {error.uri.removeprefix("s3://bucket/"): error.reason for error in refused}
        assert told.keys() - {"latin-\\xe4/"} == {"folder/link", "linked", "folder/pipe"}
        assert "symbolic link" in told["linked"]


def test_what_somebody_writes_into_has_not_settled_and_grew(store: FolderStore) -> None:
    path = store.root / "a"
    path.write_bytes(b"half")
    info = store.head("a")
    assert not store.settled(info, 0.2)
    time.sleep(0.25)
    assert store.settled(info, 0.2)
    with path.open("ab") as file:
        file.write(b" and half")
    assert store.grew(info)
    assert not store.settled(info, 0.2)


def test_a_named_pipe_does_not_hang(store: FolderStore) -> None:
    os.mkfifo(store.root / "pipe")
    assert keys(store) == []
    with pytest.raises(ObjectRefused, match="not a regular file"):
        store.read("pipe")


@pytest.mark.parametrize("method", ["put", "create"])
def test_a_file_in_the_way_of_a_folder_is_said(store: FolderStore, method: str) -> None:
    store.put("a", b"")
    with pytest.raises(ObjectRefused, match="in its way"):
        getattr(store, method)("a/b", b"")


def test_a_folder_in_the_way_of_a_file_is_said(store: FolderStore) -> None:
    store.put("a/b", b"")
    with pytest.raises(ObjectRefused, match="in its way"):
        store.put("a", b"")
    assert not store.create("a", b"")


def test_what_is_being_written_cannot_be_named(store: FolderStore) -> None:
    for key in (".partial/x", ".partial/x/y"):
        with pytest.raises(ValueError, match="keeps for itself"):
            store.put(key, b"")


def test_what_is_being_written_is_no_object(store: FolderStore) -> None:
    (store.root / ".partial" / "x").write_bytes(b"half")
    assert keys(store) == list(store.list(".partial/")) == []
    assert store.head(".partial/x") is None
    assert not store.delete(".partial/x")
    assert (store.root / ".partial" / "x").exists()


def test_a_name_longer_than_the_file_system_takes_is_refused(store: FolderStore) -> None:
    with pytest.raises(ObjectRefused, match="too long"):
        store.head("a" * 300)


def test_a_folder_that_is_gone_does_not_look_empty(store: FolderStore) -> None:
    shutil.rmtree(store.root)
    with pytest.raises(ServiceUnavailable, match="SPATIAL_ETL_HOME"):
        keys(store)
    with pytest.raises(ServiceUnavailable):
        store.head("a")
    with pytest.raises(ServiceUnavailable):
        store.put("a", b"")
    with pytest.raises(ServiceUnavailable):
        store.delete("a")


def test_a_folder_that_cannot_be_made_is_a_service_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ServiceUnavailable, match="SPATIAL_ETL_HOME"):
        FolderStore(tmp_path / "file" / "bucket", "bucket")


def test_a_moved_file_arrives_when_it_is_moved(store: FolderStore, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_bytes(b"")
    os.utime(old, (0, 0))
    before = time.time() - 1
    old.rename(store.root / "old.json")
    assert store.head("old.json").modified.timestamp() > before


def test_sweeping_removes_what_dead_writers_left(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("a", b"")
    partial = store.root / ".partial"
    assert list(partial.iterdir()) == []
    (partial / "dead").write_bytes(b"half")
    with (partial / "alive").open("wb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert store.sweep() == 0  # too young to tell
        later = time.time() + 25 * 3600
        monkeypatch.setattr(time, "time", lambda: later)
        assert store.sweep() == 1
        assert [path.name for path in partial.iterdir()] == ["alive"]
    assert store.sweep() == 1
    assert keys(store) == ["a"]


def test_a_file_given_away_on_another_file_system_is_copied(store: FolderStore) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        source = Path(memory, "made")
        source.write_bytes(b"made elsewhere")
        assert source.stat().st_dev != store.root.stat().st_dev, "this test needs the temporary folder on a disk"
        assert store.create("a/b", source, give=True)
        assert not source.exists()
    assert store.read("a/b") == b"made elsewhere"
    assert list((store.root / ".partial").iterdir()) == []
