"""One process of a race: says that it is ready, waits for the word to go, then does what it is told."""

import json
import os
import sys
import time
from pathlib import Path

from libs.ledger import Action, DocumentStore, Ledger, SqliteStore
from libs.models import (
    Asset,
    Changes,
    Decision,
    Lineage,
    Outcome,
    ParsedManifest,
    Reservation,
    Run,
    TableSummary,
    parse_manifest,
    utc_now,
)  # fmt: skip


def store_of(kind: str, place: str) -> DocumentStore:
    """Opens a store. A MongoDB is named by the environment, and the place in it is a database."""
    if kind == "mongo":
        from libs.ledger.mongo import MongoStore

        return MongoStore(os.environ["MONGO_CONNECTION_STRING"], place)
    return SqliteStore(Path(place))


def insert(kind: str, place: str, number: str) -> None:
    """Open the store and try to insert each of 100 documents; print which were ours."""
    store = store_of(kind, place)
    print(*(i for i in range(100) if store.insert("runs", f"batch#{i}", {"owner": number})))


def insert_new(kind: str, place: str, number: str) -> None:
    """Try to insert the same 1,000 documents at once; print which were ours."""
    store = store_of(kind, place)
    print(*sorted(store.insert_new("versions", {f"dataset@{i}": {"owner": number} for i in range(1_000)})))


def insert_forever(kind: str, place: str, _number: str) -> None:
    """Insert until killed, printing what has been acknowledged."""
    store = store_of(kind, place)
    n = 0
    while True:
        if store.insert("outcomes", f"run#{n}", {"n": n, "padding": "x" * 1000}):
            print(n, flush=True)
        n += 1


def insert_many(kind: str, place: str, number: str) -> None:
    """Copy the same 100 documents, as all others do."""
    store = store_of(kind, place)
    store.insert_missing(("assets", f"dataset@{i}", {"number": number, "i": i}) for i in range(100))


def manifest(batch_id: str) -> ParsedManifest:
    file = {"path": "s3://landing-zone/a/b.geojson", "type": "vector", "format": "GeoJSON"}
    content = json.dumps({"batch_id": batch_id, "uploader": "racer", "intent": "ingest_vector", "files": [file]}).encode()
    return parse_manifest(content, landing_bucket="landing-zone")


def work(kind: str, place: str, _number: str) -> None:
    """Process 200 batches as workers do, with a version of one dataset each; print those that were ours."""
    ledger = Ledger(store_of(kind, place))
    for i in range(200):
        batch_id = f"batch-{i}"
        received = ledger.receive(f"manifests/{batch_id}.json", manifest(batch_id), "upload 1")
        if received.action is not Action.PROCESS:
            continue
        run = ledger.claim(received, {})
        if run is None:
            continue
        reservation = ledger.reserve({"dataset": ["data.parquet"]}, run, lambda name, version: f"{name}/v{version}/")["dataset"]
        outcome = Outcome(
            run_id=run.id, batch_id=batch_id, decision=Decision.SUCCESS, decided_at=ledger.clock(), decided_by=ledger.owner
        )
        assert ledger.decide(outcome)
        ledger.publish(outcome)
        print(f"{batch_id}:{reservation.version}")


def work_until_done(kind: str, place: str, _number: str) -> None:
    """Process 120 batches, slowly, again and again until none is left; to be killed at any time."""
    ledger = Ledger(store_of(kind, place), lease_seconds=1.0)
    left = [f"batch-{i}" for i in range(120)]
    while left:
        for batch_id in list(left):
            received = ledger.receive(f"manifests/{batch_id}.json", manifest(batch_id), "upload 1")
            if received.action is Action.FINISH:
                left.remove(batch_id)
            run = ledger.claim(received, {}) if received.action is Action.PROCESS else None
            if run is not None:
                reservation = ledger.reserve({"dataset": ["data.parquet"]}, run, lambda name, version: f"{name}/v{version}/")[
                    "dataset"
                ]
                time.sleep(0.02)
                ledger.heartbeat(run)
                outcome = success(run, reservation)
                if ledger.decide(outcome):
                    ledger.publish(outcome)
        time.sleep(0.02)


def success(run: Run, reservation: Reservation) -> Outcome:
    common = {
        "dataset_id": reservation.dataset_id, "version": reservation.version, "run_id": run.id, "batch_id": run.batch_id,
        "created_at": utc_now(), "changes": Changes(),
    }  # fmt: skip
    asset = Asset(**common, summary=TableSummary(features=0, table_schema=()), files=())
    lineage = Lineage(
        **common, uploader="racer", intent="ingest_vector", recipe={}, manifest={}, inputs=(), engine="none", software={}
    )
    return Outcome(
        run_id=run.id, batch_id=run.batch_id, decision=Decision.SUCCESS, decided_at=utc_now(), decided_by=run.owner,
        assets=(asset,), lineage=(lineage,),
    )  # fmt: skip


def main() -> None:
    kind, place, what, number = sys.argv[1:]
    print("ready", flush=True)
    sys.stdin.readline()
    tasks = (insert, insert_new, insert_forever, insert_many, work, work_until_done)
    {task.__name__: task for task in tasks}[what](kind, place, number)


if __name__ == "__main__":
    main()
