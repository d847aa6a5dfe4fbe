"""Outcomes that are too large for one document: parts first, then the one insert that decides."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import pytest

from libs.ledger import DocumentStore, DocumentTooLarge, Ledger, mongo, parts
from libs.models import (
    Asset,
    Changes,
    DamagedDocument,
    Decision,
    Field,
    InputLayer,
    InputObject,
    LakeFile,
    Lineage,
    Outcome,
    Problem,
    Run,
    VectorSummary,
    utc_now,
)
from tests.sampling import FULL
from tests.watching import long_watched

pytestmark = pytest.mark.integration

SHA = "0123456789abcdef" * 4


def run_of(ledger: Ledger, batch_id: str = "large", lease_seconds: float = 60) -> Run:
    now = ledger.clock()
    run = Run(
        batch_id=batch_id, attempt=1, receipt_id="r", manifest_version="u", owner=ledger.owner, started_at=now, heartbeat_at=now,
        lease_seconds=lease_seconds,
    )  # fmt: skip
    assert ledger.store.insert("runs", run.id, run.to_document())
    return run


def outcome_of(ledger: Ledger, run: Run, count: int, columns: int = 30) -> Outcome:
    """As a run of that many datasets decides, each with a warning."""
    names = {f"d{number:05}": ["data.parquet"] for number in range(count)}
    reserved = ledger.reserve(names, run, lambda dataset_id, version: f"{dataset_id}/v{version}/")
    now = utc_now()
    schema = tuple(Field(name=f"column_{number}", type="int64") for number in range(columns))
    summary = VectorSummary(features=1, crs="EPSG:4326", bbox=(0, 0.1, 1e-300, 1), geometry_types=("Point",), table_schema=schema)
    assets, lineage = [], []
    for dataset_id, reservation in reserved.items():
        common = {
            "dataset_id": dataset_id, "version": reservation.version, "run_id": run.id, "batch_id": run.batch_id,
            "created_at": now, "changes": Changes(),
        }  # fmt: skip
        assets.append(
            Asset(**common, summary=summary, files=(LakeFile(key=reservation.keys[0], sha256=SHA, bytes=1000, features=1),))
        )
        path = f"s3://landing-zone/{dataset_id}.geojson"
        read = InputLayer(
            file=0, path=path, format="GeoJSON", layer=dataset_id, crs="EPSG:4326", features=1,
            objects=(InputObject(key=path, sha256=SHA, bytes=100),),
        )  # fmt: skip
        lineage.append(
            Lineage(
                **common,
                uploader="someone",
                intent="ingest_vector",
                inputs=(read,),
                engine="duckdb",
                software={"duckdb": "1.5.5"},
                recipe={"name": "default", "steps": [{"op": "reproject", "crs": "EPSG:4326"}, {"op": "repair"}]},
                manifest={"batch_id": run.batch_id, "files": [{"path": path, "type": "vector", "format": "GeoJSON"}]},
            )
        )
    warnings = tuple(Problem(code="c", where=f"files[{n}]", message="m" * 50, remedy="r" * 50) for n in range(count))
    return Outcome(
        run_id=run.id, batch_id=run.batch_id, decision=Decision.SUCCESS, decided_at=now, decided_by=ledger.owner,
        assets=tuple(assets), lineage=tuple(lineage), warnings=warnings,
    )  # fmt: skip


def test_a_small_outcome_is_one_document(store: DocumentStore) -> None:
    ledger = Ledger(store)
    outcome = outcome_of(ledger, run_of(ledger), 3)
    assert ledger.decide(outcome)
    assert list(store.ids(parts.COLLECTION)) == []
    assert ledger.outcome(outcome.id) == outcome


def test_a_batch_of_ten_thousand_datasets_is_committed(
    kind: str, open_store: Callable[[], DocumentStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 10_000 if kind == "sqlite" or FULL else 500  # a server takes a minute
    if count < 10_000:  # as large an outcome as its parts are small
        monkeypatch.setattr(parts.split, "__defaults__", (parts.PART_BYTES * count // 10_000,))
    ledger, other = Ledger(open_store()), Ledger(open_store())
    run = run_of(ledger)
    started = perf_counter()
    outcome = outcome_of(ledger, run, count, columns=30 if FULL else 3)
    print(f"reserved in {perf_counter() - started:.1f} s")
    started = perf_counter()
    assert ledger.decide(outcome)
    assert not other.decide(outcome), "it is decided once"
    print(f"decided in {perf_counter() - started:.1f} s")
    assert len(list(ledger.store.ids(parts.COLLECTION))) > 5
    head = ledger.store.get("outcomes", run.id)
    assert (head["assets"], head["lineage"], head["warnings"]) == ([], [], [])
    started = perf_counter()
    assert other.outcome(run.id) == outcome
    (unpublished,) = other.unpublished()
    assert unpublished == outcome
    other.publish(unpublished)
    print(f"copied in {perf_counter() - started:.1f} s")
    assert len(list(ledger.store.ids("assets"))) == len(list(ledger.store.ids("lineage"))) == count
    assert ledger.asset(f"d{count - 1:05}", 1) == outcome.assets[-1]
    assert other.unpublished() == other.abandoned() == other.unused_parts() == []


KILLED = """
import os, sys
from tests.integration.ledger.racer import store_of
from tests.integration.ledger.test_outcome_parts import outcome_of, run_of
from libs.ledger import Ledger, parts

kind, place, spared = sys.argv[1:]
parts.split.__defaults__ = (20_000,)
ledger = Ledger(store_of(kind, place))
run = run_of(ledger, lease_seconds=0.1)
outcome = outcome_of(ledger, run, 100)
insert, left = ledger.store.insert, int(spared)
if left < 0:
    left = len(parts.split(outcome, ledger.store)[1])


def dying(collection, identity, document):
    global left
    if collection in {"outcomes", parts.COLLECTION}:
        if left == 0:
            os._exit(9)
        left -= 1
    return insert(collection, identity, document)


ledger.store.insert = dying
ledger.decide(outcome)
os._exit(8)
"""


@pytest.mark.parametrize("spared", [0, 2, -1])
def test_a_worker_killed_between_parts_and_decision_has_decided_nothing(
    spared: int, kind: str, place: str, environment: dict[str, str], open_store: Callable[[], DocumentStore]
) -> None:
    """After so many inserts; the last number stands for all parts, so that only the decision is missing."""
    store = open_store()
    surroundings = {**os.environ, **environment, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", KILLED, kind, place, str(spared)], env=surroundings, check=False)
    assert done.returncode == 9
    ahead = long_watched(store)
    there = len(list(store.ids(parts.COLLECTION)))
    assert there == spared if spared >= 0 else there > 2
    (run,) = ahead.undecided()
    assert ahead.unused_parts() == [], "nothing of an undecided run is touched"
    assert ahead.give_up(run).decision is Decision.FAILURE
    assert (ahead.unpublished(), len(ahead.abandoned()), list(store.ids("assets"))) == ([], 100, [])
    assert len(ahead.unused_parts()) == there
    assert ahead.remove_unused_parts() == there
    assert list(store.ids(parts.COLLECTION)) == []


def test_a_decision_that_came_before_the_parts_stands(store: DocumentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts.split, "__defaults__", (20_000,))
    ledger = Ledger(store)
    run = run_of(ledger)
    outcome = outcome_of(ledger, run, 50)
    lost = Outcome(run_id=run.id, batch_id=run.batch_id, decision=Decision.FAILURE, decided_at=utc_now(), decided_by="another")
    assert ledger.decide(lost)
    assert not ledger.decide(outcome)
    assert ledger.outcome(run.id) == lost
    assert ledger.remove_unused_parts() > 1


def test_parts_of_a_committed_outcome_are_never_removed_and_their_loss_is_said(
    store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts.split, "__defaults__", (20_000,))
    ledger = Ledger(store)
    run = run_of(ledger)
    outcome = outcome_of(ledger, run, 50)
    assert ledger.decide(outcome)
    assert (ledger.remove_unused_parts(), ledger.outcome(run.id)) == (0, outcome)
    first, *_ = store.ids(parts.COLLECTION)
    store.touch(parts.COLLECTION, first, {"lists": "{}"})
    with pytest.raises(DamagedDocument, match=r"part .* it was changed\. Restore the ledger"):
        ledger.outcome(run.id)
    store.remove(parts.COLLECTION, [first])
    with pytest.raises(DamagedDocument, match=r"part .* it is gone\. Restore the ledger"):
        ledger.outcome(run.id)
    with pytest.raises(DamagedDocument, match=r"part .* it is gone\. Restore the ledger"):
        ledger.abandoned()


def test_an_item_that_the_store_could_not_copy_is_refused_before_anything_is_decided(
    kind: str, store: DocumentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts.split, "__defaults__", (10_000,))
    monkeypatch.setattr(mongo, "_MAX_BYTES", 50_000)
    ledger = Ledger(store)
    run = run_of(ledger)
    outcome = outcome_of(ledger, run, 1)
    lineage = outcome.lineage[0].model_copy(update={"recipe": {"numbers": [1] * 10_000}})  # 20 kB as JSON, 100 as BSON
    outcome = outcome.model_copy(update={"lineage": (lineage,)})
    if kind == "mongo":
        with pytest.raises(DocumentTooLarge):
            ledger.decide(outcome)
        assert (list(store.ids(parts.COLLECTION)), ledger.outcome(run.id)) == ([], None)
    else:
        assert ledger.decide(outcome)
        assert ledger.outcome(run.id) == outcome


def test_what_is_loose_is_found_one_by_one_and_in_one_pass(store: DocumentStore) -> None:
    """Few records are read each by itself, many by passing over all."""
    ledger = Ledger(store)
    run = run_of(ledger)
    outcome = outcome_of(ledger, run, 60, columns=1)
    assert ledger.decide(outcome)
    ledger.publish(outcome)
    assert [asset.id for asset in ledger.current(["d00003", "missing", "d00001"]).values()] == ["d00001@1", "d00003@1"]
    assert tuple(ledger.datasets()) == outcome.assets
    for lost in (["d00007@1"], [asset.id for asset in outcome.assets if asset.id > "d00005"]):
        store.remove("assets", lost)
        assert ledger.unpublished() == [outcome]
        ledger.publish(outcome)
        assert (ledger.unpublished(), tuple(ledger.datasets())) == ([], outcome.assets)
