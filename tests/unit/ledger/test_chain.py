"""The chain of decisions, as those see it who add to it."""

from pathlib import Path

import pytest

from libs.ledger import SqliteStore
from libs.ledger.chain import COLLECTION, Chain
from libs.models import NOTHING, Link, digest, utc_now


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "ledger.sqlite")


def chain(store: SqliteStore) -> Chain:
    return Chain(store, utc_now, "somebody")


def links(store: SqliteStore) -> list[Link]:
    return [Link.from_document(document) for _, document in store.find(COLLECTION)]


def test_each_link_follows_the_one_before_whoever_adds_it(store: SqliteStore) -> None:
    assert chain(store).head() == (0, NOTHING)
    first, second = chain(store), chain(store)
    for number in range(1, 12):
        (first if number % 3 else second).add({f"outcomes/b#{number}": f"{number:064}"})
    chain(store).add({"outcomes/c#1": f"{0:064}"})
    found = links(store)
    assert [link.number for link in found] == list(range(1, 13))
    assert [link.previous for link in found] == [NOTHING, *(digest(link.unsealed()) for link in found[:-1])]
    assert dict(found[6].held) == {"outcomes/b#7": f"{7:064}"}
    head = (12, digest(found[-1].unsealed()))
    assert first.head() == second.head() == chain(store).head() == head


def test_what_has_no_link_is_found(store: SqliteStore) -> None:
    chain(store).add({"outcomes/a#1": NOTHING, "runs/a#1": NOTHING})
    assert chain(store).without(["runs/a#1", "outcomes/b#1", "runs/a"]) == ["outcomes/b#1", "runs/a"]
    assert chain(store).without([]) == []


def test_very_many_records_go_into_several_links(store: SqliteStore) -> None:
    chain(store).add({f"versions/d@{number}": NOTHING for number in range(12_000)})
    assert [len(list(link.held)) for link in links(store)] == [5_000, 5_000, 2_000]
    assert chain(store).without([f"versions/d@{number}" for number in range(12_001)]) == ["versions/d@12000"]
    chain(store).add({})
    assert chain(store).head()[0] == 3
