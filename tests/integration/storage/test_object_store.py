"""The contract of an object store; every implementation must pass."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from libs.storage import ObjectChanged, ObjectInfo, ObjectMissing, ObjectStore

pytestmark = pytest.mark.integration

NAMES = [
    "Straßen 2024 #1.geojson",
    "a#1",
    "50% of it.csv",
    "a%20b.json",
    "what?.json",
    "a&b+c=d;e,f@g$h!i()",
    "[a]{b}^`|<>\"'.x",
    "composed-\u00e9.txt",
    "decomposed-e\u0301.txt",
    "emoji 😀.kml",
    ".hidden",
    "trailing ",
    "a:b*c~d",
    "back\\slash",
    "ü/ö/deep/file.shp",
    "roads.gdb/a00000001.gdbtable",
]


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


@pytest.mark.parametrize("name", NAMES)
def test_a_key_round_trips_whatever_its_characters(store: ObjectStore, name: str) -> None:
    store.put(name, b"put")
    assert keys(store) == [name]
    assert store.head(name).key == name
    assert store.read(name) == b"put"
    assert store.delete(name)
    assert store.create(name, b"created")
    assert b"".join(store.stream(name)) == b"created"
    assert store.uri(name) == f"s3://{store.bucket}/{name}"


def test_a_part_of_an_object_is_streamed_by_itself(store: ObjectStore) -> None:
    store.put("x/a", bytes(range(200)))
    for start, end in [(0, 1), (0, 200), (7, 100), (199, 200), (150, None)]:
        pieces = [*store.stream("x/a", 40, start=start, end=end)]
        assert b"".join(pieces) == bytes(range(200))[start:end], (start, end)
        assert max(map(len, pieces)) <= 40


def test_what_is_lent_is_the_object_and_stays_it(store: ObjectStore, tmp_path: Path) -> None:
    """A store may refuse: then there is nothing."""
    store.put("x/a", b"first")
    lent = store.link_local("x/a", tmp_path / "lent")
    store.put("x/a", b"second")
    assert not lent or (tmp_path / "lent").read_bytes() == b"first"
    assert (tmp_path / "lent").exists() is lent
    with pytest.raises(ObjectMissing):
        store.link_local("x/b", tmp_path / "b")


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a/.", "a\0b", "a" * 1025, "half-\ud800"])
def test_a_key_not_in_normal_form_is_refused_by_every_method(store: ObjectStore, key: str) -> None:
    for attempt in (
        lambda: store.head(key),
        lambda: store.read(key),
        lambda: list(store.stream(key)),
        lambda: store.link_local(key, Path("target")),
        lambda: store.put(key, b""),
        lambda: store.create(key, b""),
        lambda: store.delete(key),
    ):
        with pytest.raises(ValueError, match="key"):
            attempt()
    assert keys(store) == []


def test_a_listing_is_recursive_sorted_and_filtered_by_any_prefix(store: ObjectStore) -> None:
    for key in ("b/2", "b/10", "a/z/y", "bb", "c", "b.c/d", "B"):
        store.put(key, b"12345")
    assert keys(store) == ["B", "a/z/y", "b.c/d", "b/10", "b/2", "bb", "c"]
    assert keys(store, "b/") == ["b/10", "b/2"]
    assert keys(store, "b/1") == ["b/10"]
    assert keys(store, "a/z") == ["a/z/y"]
    assert keys(store, "nothing/here") == []
    assert keys(store, "c/") == []
    assert {info.size for info in store.list()} == {5}


def test_a_look_finds_what_begins_with_any_of_many_prefixes_and_no_more(store: ObjectStore) -> None:
    for key in ("x/a.shp", "x/a.dbf", "x/ab.shp", "x/b.gdb/1", "x/b.gdb/2", "x/y/a.shp", "top.shp", "a.shp", "z"):
        store.put(key, b"")
    objects, folders = store.look(["x/a.", "x/a.s", "x/b.", "top.", "nothing/here.", "x/c."])
    assert [info.key for info in objects] == ["top.shp", "x/a.dbf", "x/a.shp"]
    assert set(folders) == {"x/b.gdb"}
    assert [info.key for info in store.look(["x/"])[0]] == ["x/a.dbf", "x/a.shp", "x/ab.shp"]
    assert set(store.look([""])[1]) == {"x"}
    assert len(store.look(["x/"], limit=2)[0]) == 2


def test_a_look_for_many_gives_what_looks_for_each_give(store: ObjectStore) -> None:
    for n in range(0, 150, 3):
        store.put(f"x/{n:03}.shp", b"")
    store.put("x/001.gdb/1", b"")
    objects, folders = store.look([f"x/{n:03}." for n in range(120)])
    assert [info.key for info in objects] == [f"x/{n:03}.shp" for n in range(0, 120, 3)]
    assert set(folders) == {"x/001.gdb"}


def test_content_that_is_another_one_is_not_streamed_for_the_one_that_was_meant(store: ObjectStore) -> None:
    store.put("a", b"first")
    info = store.head("a")
    assert b"".join(store.stream("a", stamp=info.stamp)) == b"first"
    store.put("a", b"other")
    with pytest.raises(ObjectChanged, match=f"s3://{store.bucket}/a"):
        list(store.stream("a", stamp=info.stamp))
    assert store.head("a").stamp != info.stamp
    assert not store.grew(info), "it was replaced, not written into"


def test_the_clock_is_that_of_the_times_of_objects_and_what_is_put_is_whole(store: ObjectStore) -> None:
    store.put("a", b"")
    info = store.head("a")
    assert abs((store.clock() - info.modified).total_seconds()) < 5
    assert store.settled(info, 0)
    assert store.removable("a")


def test_head_tells_size_and_time_and_another_version_after_each_upload(store: ObjectStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    store.put("a", b"same")
    first = store.head("a")
    assert isinstance(first, ObjectInfo)
    assert first.size == 4
    assert before < first.modified < datetime.now(UTC) + timedelta(seconds=5)
    assert next(store.list()) == first == store.head("a")
    time.sleep(0.02)
    store.put("a", b"same")
    assert store.head("a").version != first.version
    assert store.head("missing") is None


def test_what_is_missing_is_missing(store: ObjectStore) -> None:
    store.put("folder/file", b"")
    for key in ("missing", "folder", "folder/missing", "folder/file/below", "missing/missing"):
        assert store.head(key) is None
        with pytest.raises(ObjectMissing, match=f"s3://{store.bucket}/{key}"):
            store.read(key)
        with pytest.raises(ObjectMissing, match=f"s3://{store.bucket}/{key}"):
            next(store.stream(key))
        assert not store.delete(key)
    assert store.read("folder/file") == b""


def test_reading_with_a_limit_and_in_pieces(store: ObjectStore) -> None:
    content = bytes(range(256)) * 4000
    store.put("a", content)
    assert store.read("a", 10) == content[:10]
    assert store.read("a", 10**9) == content
    pieces = list(store.stream("a", 65_536))
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 65_536
    assert len(pieces) > 10


def test_files_are_written_as_they_are(store: ObjectStore, tmp_path: Path) -> None:
    content = os.urandom(9 * 1024 * 1024 + 1)
    source = tmp_path / "source"
    source.write_bytes(content)
    store.put("put", source)
    assert store.create("created", source)
    assert source.read_bytes() == content
    source.write_bytes(b"changed since")
    assert store.read("put") == store.read("created") == content


def test_a_file_given_away_is_gone_and_one_refused_is_not(store: ObjectStore, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"first")
    second.write_bytes(b"second")
    assert store.create("v1/data", first, give=True)
    assert not first.exists()
    assert not store.create("v1/data", second, give=True)
    assert second.read_bytes() == b"second"
    assert store.read("v1/data") == b"first"


def test_a_missing_source_leaves_nothing(store: ObjectStore, tmp_path: Path) -> None:
    for write in (store.put, store.create):
        with pytest.raises(FileNotFoundError):
            write("a/b", tmp_path / "missing")
    assert keys(store) == []


@pytest.mark.parametrize("size", [0, 1000, 20 * 2**20])
def test_put_tells_of_every_byte_of_a_file(store: ObjectStore, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * size)
    told: list[int] = []
    store.put("a", source, told.append)
    info = store.head("a")
    assert info is not None
    assert sum(told) == size == info.size
    assert store.create("b", source, moved=told.append)
    assert sum(told) == 2 * size


@pytest.mark.parametrize("size", [5, 20 * 2**20])
def test_replace_replaces_the_content_that_is_meant_and_no_other(store: ObjectStore, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"b" * size)
    assert not store.replace("x/a", source, "anything"), "nothing lies there"
    assert keys(store) == []
    store.put("x/a", b"first")
    first = store.head("x/a")
    told: list[int] = []
    assert store.replace("x/a", source, first.stamp, told.append)
    assert (sum(told), store.head("x/a").size) == (size, size)
    source.write_bytes(b"c" * size)
    assert not store.replace("x/a", source, first.stamp)
    assert store.read("x/a") == b"b" * size
    assert store.replace("x/a", source, store.head("x/a").stamp)
    assert store.read("x/a") == b"c" * size
    with pytest.raises(ValueError, match="not a key in normal form"):
        store.replace("x/../a", source, first.stamp)


def test_of_many_that_replace_one_content_one_wins(store: ObjectStore, tmp_path: Path) -> None:
    sources = [tmp_path / f"{number}" for number in range(8)]
    for source in sources:
        source.write_bytes(source.name.encode() * 10_000)
    for attempt in range(10):
        store.put("a", f"old {attempt}".encode())
        stamp = store.head("a").stamp
        with ThreadPoolExecutor(len(sources)) as pool:
            won = [*pool.map(lambda source: store.replace("a", source, stamp), sources)]  # noqa: B023
        assert won.count(True) == 1
        assert store.read("a") == sources[won.index(True)].read_bytes()


def test_when_content_was_written_is_told(store: ObjectStore, tmp_path: Path) -> None:
    """Whatever is done with the object since that leaves the content as it is."""
    store.put("a", b"1")
    written = store.head("a").written
    assert abs(written - store.clock()) < timedelta(seconds=30)
    if store.link_local("a", tmp_path / "linked"):
        (tmp_path / "linked").unlink()
    assert store.head("a").written == written == next(store.list()).written


def test_create_never_overwrites_and_put_does(store: ObjectStore) -> None:
    assert store.create("a", b"1")
    assert not store.create("a", b"2")
    assert store.read("a") == b"1"
    store.put("a", b"3")
    assert store.read("a") == b"3"


def test_a_delete_of_another_version_leaves_the_object(store: ObjectStore) -> None:
    store.put("a", b"old")
    old = store.head("a").version
    time.sleep(0.02)
    store.put("a", b"new")
    assert not store.delete("a", old)
    assert store.read("a") == b"new"
    assert store.delete("a", store.head("a").version)
    assert not store.delete("a", old)
    assert store.head("a") is None


def test_of_eight_processes_that_create_one_object_one_wins(race, store: ObjectStore) -> None:
    winners = {int(won): str(number) for number, printed in enumerate(race(8, "create")) for won in printed.split()}
    assert sum(len(list(store.list(f"dataset/v{i}/"))) for i in range(50)) == 50
    for i in range(50):
        assert store.read(f"dataset/v{i}/data.parquet").decode() == winners[i] * 10_000


def test_of_eight_processes_that_give_a_file_for_one_object_one_wins(race, store: ObjectStore) -> None:
    printed = race(8, "give")
    won = [int(word) for line in printed for word in line.split()]
    assert sorted(won) == list(range(50))
    for number, line in enumerate(printed):
        for i in line.split():
            assert store.read(f"dataset/v{i}/data.parquet").decode() == str(number) * 10_000


def test_of_four_processes_that_create_one_large_object_one_wins(race, store: ObjectStore) -> None:
    winners = {int(won): str(number) for number, printed in enumerate(race(4, "large")) for won in printed.split()}
    assert sorted(winners) == list(range(5))
    for i in range(5):
        assert set(store.read(f"large/{i}").decode()) == {winners[i]}
    assert store.sweep() == 0


def test_readers_see_one_content_while_writers_replace_it(start, store: ObjectStore) -> None:
    store.put("reports/one.json", b"0" * 100_000)
    writers = start(2, "put")
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    seen = set()
    while any(writer.poll() is None for writer in writers):
        content = store.read("reports/one.json")
        assert len(content) == 100_000
        assert len(set(content)) == 1
        seen.add(content[:1])
    for writer in writers:
        writer.communicate()
    assert seen == {b"0", b"1"}


def test_a_writer_that_is_killed_leaves_whole_objects_only(start, store: ObjectStore, tmp_path: Path) -> None:
    content = os.urandom(2_000_000)
    (tmp_path / "large").write_bytes(content)
    (writer,) = start(1, "forever")
    writer.stdin.write("go\n")
    writer.stdin.flush()
    while len(keys(store)) < 5:
        time.sleep(0.001)
    writer.kill()
    writer.communicate()
    for key in keys(store):
        assert store.read(key) == content
