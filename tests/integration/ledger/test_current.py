"""Which version is the current one: decided by inserts, on every store."""

import pytest

from libs.ledger import DocumentStore, Ledger
from libs.models import Asset
from tests.integration.ledger.test_outcome_parts import outcome_of, run_of

pytestmark = pytest.mark.integration


@pytest.fixture
def versions(store: DocumentStore) -> list[Asset]:
    """Three versions of ten datasets; the first of them are called d00000@1 and so on."""
    ledger = Ledger(store)
    first = outcome_of(ledger, run_of(ledger), 10, columns=1).assets
    made = [asset.model_copy(update={"version": number}) for number in (1, 2, 3) for asset in first]
    store.insert_missing(("assets", asset.id, asset.to_document()) for asset in made)
    return made


def test_a_decision_holds_until_a_newer_version_is_there(store: DocumentStore, versions: list[Asset]) -> None:
    ledger = Ledger(store)
    by_id = {asset.id: asset for asset in versions}
    name, other = versions[0].dataset_id, versions[1].dataset_id
    assert ledger.make_current(by_id[f"{name}@3"], "me") is None, "it is the newest"
    decision = ledger.make_current(by_id[f"{name}@1"], "me")
    assert decision is not None
    assert (decision.id, decision.version, decision.newest, decision.decided_by) == (f"{name}#1", 1, 3, "me")
    assert ledger.make_current(by_id[f"{name}@1"], "you") is None, "it is already"
    assert (ledger.standing(name).current, ledger.standing(name).decision) == (1, decision)
    assert (ledger.standing(other).current, ledger.standing(other).decision) == (3, None)
    assert ledger.asset(name) == by_id[f"{name}@1"]
    assert ledger.current([name, other]) == {name: by_id[f"{name}@1"], other: by_id[f"{other}@3"]}
    assert [asset.version for asset in ledger.datasets()] == [1] + [3] * 9
    assert [entry.actor for entry in ledger.activity(f"{name}@1")] == ["me"]

    forward = ledger.make_current(by_id[f"{name}@3"], "you")
    assert forward is not None
    assert (forward.id, ledger.standing(name).current) == (f"{name}#2", 3)
    back = ledger.make_current(by_id[f"{name}@2"], "me")
    assert back is not None
    newer = by_id[f"{name}@3"].model_copy(update={"version": 5})
    store.insert_missing([("assets", newer.id, newer.to_document())])
    assert (ledger.asset(name), ledger.standing(name).decision) == (newer, None), "a later delivery is the current one"


def test_of_two_who_decide_at_once_both_are_recorded_and_the_later_one_counts(
    store: DocumentStore, versions: list[Asset], monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, other = Ledger(store), Ledger(store)
    first, second, _ = (asset for asset in versions if asset.dataset_id == versions[0].dataset_id)
    insert = store.insert

    def meanwhile(*document: object) -> bool:
        monkeypatch.setattr(store, "insert", insert)
        assert other.make_current(second, "the other") is not None
        return insert(*document)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "insert", meanwhile)
    decision = ledger.make_current(first, "me")
    assert decision is not None
    assert (decision.number, ledger.standing(first.dataset_id).current) == (2, 1)
    assert [each.decided_by for each in ledger.decisions(first.dataset_id).values()] == ["me"]
