"""Nothing is changed, removed or added without `verify` naming it: every field of every record, and the objects of the lake."""

import copy
import secrets
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from libs.ledger import Ledger, parts
from libs.ledger.audit import audit
from libs.ledger.kinds import KINDS
from libs.models import SEAL, Finding, Verified, digest
from libs.pipeline.maintenance import reconcile
from libs.pipeline.verify import chain_head, verify, verify_ledger
from libs.storage import IDENTITY
from tests.sampling import FULL, every

pytestmark = pytest.mark.integration

OLD = Path(__file__).parents[2] / "data" / "old_ledger" / "home.tar.gz"


@pytest.fixture(params=["sqlite", "mongo"])
def kept(request: pytest.FixtureRequest, open_platform: Callable[..., Any]) -> Iterator[Any]:
    """A platform with its ledger in each kind of store."""
    if request.param == "sqlite":
        yield open_platform()
        return
    uri, database = request.getfixturevalue("mongodb").environment["MONGO_CONNECTION_STRING"], f"test_{secrets.token_hex(6)}"
    yield open_platform(mongo_connection_string=SecretStr(uri), mongo_database=database)
    with MongoClient(uri) as client:
        client.drop_database(database)


@pytest.fixture
def filled(kept: Any, geojson: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A ledger with every kind of record: versions of two datasets, one batch in parts, a rejected manifest, a rejected and a lost
    run, one at work."""
    kept.ingest("one", kept.entry(kept.put("in/a.geojson", geojson(3)), dataset_id="a"))
    with monkeypatch.context() as small:
        small.setattr(parts.split, "__defaults__", (1,))
        prices = kept.entry(kept.put("in/p.csv", "year,price\n2024,1.5\n"), dataset_id="p", type="tabular")
        kept.ingest("two", kept.entry(kept.put("in/b.geojson", geojson(4)), dataset_id="a"), prices)
    assert kept.ingest("gone", kept.entry("s3://landing-zone/in/gone.geojson")).problems
    assert kept.ingest("bad", kept.entry(kept.put("in/bad.geojson", "{"))).problems
    begin(kept, "lost", geojson(1), lease_seconds=0.0)
    reconcile(kept.stack)
    begin(kept, "at-work", geojson(2), lease_seconds=600.0)
    return kept


def begin(platform: Any, batch_id: str, content: str, lease_seconds: float) -> None:
    """Do what a worker does until just before it decides."""
    key = platform.submit(batch_id, platform.entry(platform.put(f"in/{batch_id}.geojson", content)))
    landing, ledger = platform.stack.landing, Ledger(platform.stack.ledger.store, lease_seconds=lease_seconds)
    run = ledger.claim(ledger.receive(key, landing.read_manifest(key), landing.store.head(key).version), {"gdal": "3"})
    reservation = ledger.reserve({"a": ["data.parquet"]}, run, platform.stack.lake.prefix)["a"]
    platform.stack.lake.store.create(reservation.keys[0], b"half a run's work")


def damage(found: Iterator[Verified]) -> dict[str | None, Finding]:
    return {each.record or each.uri: each.finding for each in found if each.finding.damages}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where all values of a document stand, those in lists and documents in it too."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


def edited(document: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    """A copy of a document with another value in one place, of the same type where there are others."""
    document = copy.deepcopy(document)
    *to, last = path
    place: Any = document
    for key in to:
        place = place[key]
    match place[last]:
        case bool(value):
            place[last] = not value
        case int(value) | float(value):
            place[last] = value + 1
        case str(value):
            place[last] = f"{value[:-1]}{'0' if value[-1:] != '0' else '1'}"
        case datetime() as value:
            place[last] = value + timedelta(milliseconds=1)
        case list(value):
            place[last] = [*value, "more"]
        case dict(value):
            place[last] = {**value, "more": 1}
        case None:
            place[last] = "something"
    return document


def records(platform: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for collection in KINDS:
        for identity, document in list(platform.stack.ledger.store.find(collection)):
            yield collection, identity, document


def put(platform: Any, collection: str, identity: str, document: dict[str, Any] | None) -> None:
    """Replace a record, or remove it."""
    platform.stack.ledger.store.remove(collection, [identity])
    if document is not None:
        assert platform.stack.ledger.store.insert(collection, identity, document)


def sampled(platform: Any, items: list[Any]) -> Iterator[Any]:
    """On a server a look at the ledger takes 20 times as long."""
    first, step = every(10 if "SQLite" in platform.stack.ledger.store.place else 150)
    return iter(items[first - 1 :: step])


def test_every_kind_of_record_is_there_and_nothing_is_wrong(filled: Any) -> None:
    assert {collection for collection, _, _ in records(filled)} == KINDS.keys()
    found = list(verify(filled.stack))
    assert damage(iter(found)) == {}
    notes = {(each.record or each.uri, each.finding.value) for each in found if each.finding is not Finding.INTACT}
    assert notes == {
        ("s3://data-lake/a/v3/data.parquet", "removable"), ("s3://data-lake/a/v4/data.parquet", "pending"),
    }  # fmt: skip
    assert len(found) == 3 + len(notes)


def test_every_field_that_is_edited_is_named(filled: Any) -> None:
    edits = [(collection, identity, document, path) for collection, identity, document in records(filled) for path in places(document)]
    assert len(edits) > 700
    for collection, identity, document, path in sampled(filled, edits):
        put(filled, collection, identity, edited(document, path))
        assert f"{collection}/{identity}" in damage(audit(filled.stack.ledger)), path
        put(filled, collection, identity, document)
    assert damage(audit(filled.stack.ledger)) == {}
