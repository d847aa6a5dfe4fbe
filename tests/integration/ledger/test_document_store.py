"""The contract of a document store; every implementation must pass."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from libs.ledger import DocumentStore

pytestmark = pytest.mark.integration

EVERYTHING = {
    "null": None,
    "true": True,
    "one": 1,
    "large": 2**63 - 1,
    "small": -(2**63),
    "whole": 1.0,
    "sum": 0.1 + 0.2,
    "tiny": 5e-324,
    "text": "Straße 😀 \0 'quoted\"",
    "bytes": b"\0\xff",
    "decimal": Decimal("1234567890.12345678901234567890"),
    "moment": datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC),
    "list": [1, [2.5, None], {"$date": "no date", "a.b": {"$": []}}],
    "$set": {"a.b.c": 1},
    "": {"": {}},
}


def test_a_document_comes_back_as_it_went_from_wherever_it_is_read(open_store: Callable[[], DocumentStore]) -> None:
    assert open_store().insert("manifests", "a@1", EVERYTHING)
    read = open_store().get("manifests", "a@1")
    assert read == EVERYTHING
    assert {key: type(value) for key, value in read.items()} == {key: type(value) for key, value in EVERYTHING.items()}
    assert list(read) == list(EVERYTHING)


def test_a_field_that_looks_like_another_is_its_own(store: DocumentStore) -> None:
    document = {"_id": "mine", "": {"": {"_id": []}}, "%": "%00", "a%2Eb": [[1, [2]], []], "n": {"\0": -0.0, "%text": "\0%00"}}
    store.insert("manifests", "a", document)
    assert store.get("manifests", "a") == document
    assert list(store.find("manifests")) == [("a", document)]


@pytest.mark.parametrize("value", [2**63, {1: 1}, (1,), datetime(2026, 1, 1, microsecond=1, tzinfo=UTC), "\ud800"])
def test_what_would_not_come_back_is_refused(store: DocumentStore, value: object) -> None:
    for attempt in (
        lambda: store.insert("runs", "a", {"value": value}),
        lambda: store.insert_missing([("runs", "b", {}), ("runs", "a", {"value": value})]),
    ):
        with pytest.raises((TypeError, ValueError)):
            attempt()
    assert store.get("runs", "a") is None


def test_an_id_is_taken_once_and_in_one_collection(store: DocumentStore) -> None:
    assert store.insert("runs", "a", {"n": 1})
    assert not store.insert("runs", "a", {"n": 2})
    assert store.get("runs", "a") == {"n": 1}
    assert store.insert("outcomes", "a", {"n": 3})
    assert store.get("versions", "a") is None


def test_inserting_what_is_missing_leaves_what_is_there(store: DocumentStore) -> None:
    store.insert("assets", "b", {"n": 1})
    for _ in range(2):
        store.insert_missing([("lineage", "b", {"n": 2}), ("assets", "a", {"n": 2}), ("assets", "b", {"n": 2})])
    assert dict(store.find("assets")) == {"a": {"n": 2}, "b": {"n": 1}}
    assert store.get("lineage", "b") == {"n": 2}


def test_of_many_copies_those_that_are_missing_are_made(store: DocumentStore) -> None:
    copies = [(collection, f"d{i:04}@1", {"i": i}) for collection in ("lineage", "assets") for i in range(1_200)]
    for taken in (0, 3, 499, 500, 1_199):
        store.insert("assets", f"d{taken:04}@1", {"i": -1})
    for _ in range(2):
        store.insert_missing(iter(copies))
    assert dict(store.find("lineage")) == {
        identity: document for collection, identity, document in copies if collection == "lineage"
    }
    found = dict(store.find("assets"))
    assert [identity for identity, document in found.items() if document["i"] < 0] == [
        f"d{taken:04}@1" for taken in (0, 3, 499, 500, 1_199)
    ]
    assert len(found) == 1_200


def test_of_many_inserts_at_once_those_that_were_free_are_ours(store: DocumentStore) -> None:
    documents = {f"d{i:04}@1": {"i": i} for i in range(1_200)}
    for taken in (0, 3, 4, 700, 1_199):
        store.insert("versions", f"d{taken:04}@1", {"i": -1})
    won = store.insert_new("versions", documents)
    assert documents.keys() - won == {"d0000@1", "d0003@1", "d0004@1", "d0700@1", "d1199@1"}
    found = dict(store.find("versions"))
    assert found == documents | {key: {"i": -1} for key in documents.keys() - won}
    assert store.insert_new("versions", documents) == set()
    assert store.insert_new("versions", {}) == set()


def test_what_is_removed_is_gone_and_nothing_else(store: DocumentStore) -> None:
    store.insert_new("outcome_parts", {name: {"n": 1} for name in "abc"})
    store.insert("outcomes", "a", {"n": 1})
    store.remove("outcome_parts", ["a", "c", "missing"])
    assert list(store.ids("outcome_parts")) == ["b"]
    assert list(store.ids("outcomes")) == ["a"]
    assert store.insert("outcome_parts", "a", {"n": 2})


def test_touching_sets_fields_and_makes_nothing(store: DocumentStore) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    store.insert("runs", "a", {"owner": "me", "heartbeat_at": moment})
    store.touch("runs", "a", {"heartbeat_at": moment + timedelta(seconds=1)})
    store.touch("runs", "b", {"heartbeat_at": moment})
    assert dict(store.find("runs")) == {"a": {"owner": "me", "heartbeat_at": moment + timedelta(seconds=1)}}


def test_ids_are_listed_by_prefix_in_code_point_order(store: DocumentStore) -> None:
    ids = ["a#10", "a#2", "a.b#1", "a#", "ab#1", "A#1", "a\U0010ffff", "b", "a%#1", "a_#1"]
    store.insert_missing(("runs", identity, {"id": identity}) for identity in ids)
    store.insert("outcomes", "a#99", {})
    assert list(store.ids("runs")) == sorted(ids)
    assert list(store.ids("runs", "a#")) == ["a#", "a#10", "a#2"]
    assert list(store.ids("runs", "a%")) == ["a%#1"]
    assert list(store.ids("runs", "a_")) == ["a_#1"]
    assert list(store.ids("runs", "c")) == []
    assert [identity for identity, _ in store.find("runs", prefix="a#")] == ["a#", "a#10", "a#2"]
    assert [identity for identity, _ in store.find("runs", limit=2)] == ["A#1", "a#"]
    assert list(store.find("runs", limit=0)) == []


def test_documents_are_found_by_fields_and_newest_first(store: DocumentStore) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for n in range(1000):
        entry = {"at": start + timedelta(milliseconds=n * 7919 % 1000 // 2), "subject": f"batch-{n % 3}", "n": n}
        store.insert("activity_logs", f"{n:04}", entry)
    everything = list(store.find("activity_logs", latest=True))
    assert [(document["at"], identity) for identity, document in everything] == sorted(
        ((document["at"], identity) for identity, document in everything), reverse=True
    )
    assert len(everything) == 1000
    assert list(store.find("activity_logs", latest=True, limit=700)) == everything[:700]
    of_one = list(store.find("activity_logs", where={"subject": "batch-1"}, latest=True, prefix="0"))
    assert of_one == [(identity, document) for identity, document in everything if document["n"] % 3 == 1]
    assert len(of_one) == 333
    assert list(store.find("activity_logs", where={"subject": "batch-1", "at": "x"})) == []
    assert list(store.find("activity_logs", where={"subject": "' OR 1=1 --"})) == []


def test_what_is_found_can_be_written_to_meanwhile(store: DocumentStore, open_store: Callable[[], DocumentStore]) -> None:
    other = open_store()
    store.insert_missing(("runs", f"{n:04}", {"n": n}) for n in range(600))
    for identity, document in store.find("runs"):
        other.insert("outcomes", f"other {identity}", {})
        store.insert("outcomes", identity, document)
    assert len(list(store.ids("outcomes"))) == 1200


def test_threads_share_a_store(store: DocumentStore) -> None:
    won: list[int] = []

    def insert(thread: int) -> None:
        for n in range(50):
            if store.insert("runs", f"{n}", {"thread": thread}):
                won.append(n)
            assert store.get("runs", f"{n}") is not None

    threads = [threading.Thread(target=insert, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(50))


def test_of_eight_processes_that_open_a_new_store_and_insert_one_wins(race, open_store: Callable[[], DocumentStore]) -> None:
    printed = race(8, "insert")
    assert sorted(int(word) for words in printed for word in words) == list(range(100))
    stored = dict(open_store().find("runs"))
    assert stored == {f"batch#{i}": {"owner": str(n)} for n, words in enumerate(printed) for i in words}


def test_of_eight_processes_that_insert_the_same_many_each_document_has_one_winner(
    race: Callable[..., list[list[str]]], store: DocumentStore
) -> None:
    printed = race(8, "insert_new")
    won = {identity: str(number) for number, words in enumerate(printed) for identity in words}
    assert (sum(map(len, printed)), len(won)) == (1_000, 1_000)
    assert dict(store.find("versions")) == {identity: {"owner": owner} for identity, owner in won.items()}


def test_eight_processes_copy_the_same_documents(race, store: DocumentStore) -> None:
    race(8, "insert_many")
    assert {document["i"] for _, document in store.find("assets")} == set(range(100))


def test_what_was_acknowledged_survives_the_death_of_its_writer(start, store: DocumentStore) -> None:
    (writer,) = start(1, "insert_forever")
    writer.stdin.write("go\n")
    writer.stdin.flush()
    acknowledged = [int(writer.stdout.readline()) for _ in range(100)]
    writer.kill()
    acknowledged += [int(line) for line in writer.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]
    assert [store.get("outcomes", f"run#{n}")["n"] for n in acknowledged] == acknowledged
    assert len(list(store.ids("outcomes"))) - len(acknowledged) in {0, 1}  # one may have been killed before it told us


def test_readers_go_on_while_others_write(start, store: DocumentStore) -> None:
    (writer,) = start(1, "insert_forever")
    writer.stdin.write("go\n")
    writer.stdin.flush()
    counts = []
    while len(counts) < 50 or counts[-1] < 50:
        counts.append(sum(1 for _ in store.find("outcomes")))
    assert counts == sorted(counts)
