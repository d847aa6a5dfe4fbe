import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.ledger import Action, Ledger, Received, SqliteStore
from libs.models import Asset, Changes, Decision, Lineage, Outcome, Reservation, Run, VectorSummary, parse_manifest

LANDING = "landing-zone"
LEASE = 60.0


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now, self.passed = datetime(2026, 1, 1, tzinfo=UTC), 0.0

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.passed += seconds

    def monotonic(self) -> float:
        return self.passed


def manifest(batch_id: str, **changes: Any) -> bytes:
    file = {"path": f"s3://{LANDING}/a/b.geojson", "type": "vector", "format": "GeoJSON"}
    content = {"batch_id": batch_id, "uploader": "someone", "intent": "ingest_vector", "files": [file]}
    return json.dumps(content | changes).encode()


def prefix(dataset_id: str, version: int) -> str:
    return f"{dataset_id}/v{version}/"


@dataclass
class Worker:
    """A ledger with what a pipeline does around it."""

    ledger: Ledger

    def receive(self, batch_id: str = "a", upload: str = "upload 1", content: bytes | None = None, **kwargs: Any) -> Received:
        content = manifest(batch_id) if content is None else content
        return self.ledger.receive(
            f"manifests/{batch_id}.json", parse_manifest(content, landing_bucket=LANDING), upload, **kwargs
        )

    def claim(self, batch_id: str = "a", upload: str = "upload 1", content: bytes | None = None) -> Run | None:
        received = self.receive(batch_id, upload, content)
        assert received.action is Action.PROCESS, received
        return self.ledger.claim(received, {"python": "3"})

    def reserve(self, run: Run, dataset_id: str = "roads") -> Reservation:
        return self.ledger.reserve({dataset_id: ["data.parquet"]}, run, prefix)[dataset_id]

    def outcome(self, run: Run, decision: Decision, reservations: tuple[Reservation, ...] = ()) -> Outcome:
        now = self.ledger.clock()
        assets = [
            Asset(
                dataset_id=each.dataset_id, version=each.version, run_id=run.id, batch_id=run.batch_id, created_at=now,
                summary=VectorSummary(
                    features=1, crs="EPSG:4326", bbox=(0, 0, 1, 1), geometry_types=("Point",), table_schema=()
                ), changes=Changes(), files=(),
            )
            for each in reservations
        ]  # fmt: skip
        lineage = [
            Lineage(
                dataset_id=each.dataset_id, version=each.version, run_id=run.id, batch_id=run.batch_id, uploader="someone",
                created_at=now, intent="ingest_vector", recipe={}, manifest={}, inputs=(), changes=Changes(), engine="duckdb",
                software={},
            )
            for each in reservations
        ]  # fmt: skip
        return Outcome(
            run_id=run.id, batch_id=run.batch_id, decision=decision, decided_at=now, decided_by=self.ledger.owner,
            assets=tuple(assets), lineage=tuple(lineage),
        )  # fmt: skip

    def decide(self, run: Run, decision: Decision, *reservations: Reservation) -> bool:
        return self.ledger.decide(self.outcome(run, decision, reservations))


@pytest.fixture
def new_clock() -> type[Clock]:
    return Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def new_ledger(tmp_path: Path) -> Iterator[Callable[[Clock], Callable[[], Worker]]]:
    """Makes an empty ledger, and gives what starts workers on it."""
    stores: list[SqliteStore] = []

    def new_ledger(clock: Clock) -> Callable[[], Worker]:
        store = SqliteStore(tmp_path / f"ledger-{len(stores)}.db")
        stores.append(store)
        return lambda: Worker(Ledger(store, clock, LEASE, clock.monotonic))

    yield new_ledger
    for store in stores:
        store.close()


@pytest.fixture
def open_worker(new_ledger: Callable[[Clock], Callable[[], Worker]], clock: Clock) -> Callable[[], Worker]:
    """Starts another worker on the same ledger."""
    return new_ledger(clock)


@pytest.fixture
def worker(open_worker: Callable[[], Worker]) -> Worker:
    return open_worker()
