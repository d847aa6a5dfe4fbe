"""The pipeline on a ledger that is a server: it may be killed in the middle of a batch, and it has a limit for a record."""

import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from libs.ledger import mongo
from libs.models import Status
from libs.pipeline.process import process
from libs.pipeline.progress import Event
from services.local import throwaway_services
from tests.services import start

pytestmark = pytest.mark.integration


@pytest.fixture
def killable() -> Iterator[Any]:
    """A server of the test's own."""
    with throwaway_services() as services:
        start(services.mongodb)
        yield services.mongodb


@pytest.mark.parametrize("phase", ["read", "write", "place"])
def test_a_ledger_killed_in_the_middle_of_a_batch_costs_time_only(
    open_platform: Callable[..., Any], geojson: Callable[..., str], killable: Any, phase: str
) -> None:
    uri = SecretStr(killable.environment["MONGO_CONNECTION_STRING"])
    platform = open_platform(mongo_connection_string=uri, mongo_database="ledger")
    files = [platform.put(f"b/{name}.geojson", geojson(5)) for name in ("one", "two")]
    platform.submit("b", *(platform.entry(file, dataset_id=f"d{n}") for n, file in enumerate(files)))
    restarts: list[threading.Thread] = []

    def kill(event: Event) -> None:
        if event.phase == phase and not restarts:
            killable.kill()
            restarts.append(threading.Thread(target=killable.start))
            restarts[0].start()

    (report,) = process(platform.stack, progress=kill)
    restarts[0].join()
    assert report.status is Status.SUCCESS
    ledger = platform.stack.ledger
    assert [run.attempt for run in ledger.runs("b")] == [1]
    assert sorted(asset.id for asset in ledger.assets()) == ["d0@1", "d1@1"]
    assert sorted(platform.lies_in("lake")) == ["d0/v1/data.parquet", "d1/v1/data.parquet"]
    assert ledger.abandoned() == ledger.unpublished() == ledger.undecided() == []


def test_a_batch_whose_record_is_too_large_is_rejected_with_what_to_do(
    open_platform: Callable[..., Any], geojson: Callable[..., str], mongodb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, database = mongodb.environment["MONGO_CONNECTION_STRING"], f"test_{secrets.token_hex(6)}"
    monkeypatch.setattr(mongo, "_MAX_BYTES", 6_000)  # a batch of thousands of datasets would take minutes
    platform = open_platform(mongo_connection_string=SecretStr(uri), mongo_database=database)
    files = [platform.entry(platform.put(f"b/{n}.geojson", geojson(1)), dataset_id=f"d{n}") for n in range(4)]
    report = platform.ingest("b", *files)
    assert report.status is Status.REJECTED
    assert [(problem.code, problem.where) for problem in report.problems] == [("batch_too_large", "files")]
    assert "4 datasets" in report.problems[0].message
    assert list(platform.stack.ledger.assets()) == []
    assert len(platform.stack.ledger.abandoned()) == 4
    with MongoClient(uri) as client:
        client.drop_database(database)
