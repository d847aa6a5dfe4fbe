"""What people say of a dataset: one insert for each change, on every store."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from libs.ledger import DocumentStore, Ledger
from libs.models import About

pytestmark = pytest.mark.integration


def test_each_change_is_kept_and_the_last_one_counts(store: DocumentStore) -> None:
    ledger = Ledger(store)
    assert ledger.describe("a", {"title": " Roads ", "tags": ("roads", "2026")}, "ada")
    assert ledger.describe("a", {"title": "Roads"}, "ben") is None, "it is said already"
    assert ledger.describe("a", {"licence": "CC0-1.0", "tags": ()}, "ben")
    assert ledger.describe("a.b", {"title": "Other"}, "ben")
    assert ledger.descriptions("a")["a"].about == About(title="Roads", licence="CC0-1.0")
    assert [(each.number, each.decided_by, each.about.title) for each in ledger.said_of("a")] == [
        (1, "ada", "Roads"), (2, "ben", "Roads"),
    ]  # fmt: skip
    assert {name: each.number for name, each in ledger.descriptions().items()} == {"a": 2, "a.b": 1}
    assert [entry.action for entry in ledger.activity("a")] == ["described", "described"]
    assert ledger.chain.without([f"descriptions/{name}" for name in ("a#1", "a#2", "a.b#1")]) == []


def test_what_two_say_at_once_is_both_said(store: DocumentStore) -> None:
    fields = ("title", "description", "contact", "licence", "attribution")
    with ThreadPoolExecutor(len(fields)) as pool:
        made = [*pool.map(lambda name: Ledger(store).describe("a", {name: f"the {name}"}, name), fields)]
    assert sorted(each.number for each in made if each) == [1, 2, 3, 4, 5]
    about = Ledger(store).descriptions("a")["a"].about
    assert {name: getattr(about, name) for name in fields} == {name: f"the {name}" for name in fields}


def test_what_cannot_be_said(store: DocumentStore) -> None:
    ledger = Ledger(store)
    for said in ({"title": "x" * 301}, {"title": "a\nb"}, {"tags": ("",)}, {"colour": "red"}, {"description": "\0"}):
        with pytest.raises(ValidationError):
            ledger.describe("a", said, "ada")
    assert ledger.said_of("a") == []
