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
from libs.ledger.notices import Notices
from libs.models import FORMAT, SEAL, Event, Finding, NoticeResult, NoticeTry, Verified, digest
from libs.pipeline.maintenance import reconcile
from libs.pipeline.verify import chain_head, verify, verify_ledger
from libs.storage import IDENTITY, RECORD
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
    """A ledger with every kind of record: versions of two datasets, one batch in parts, a rejected manifest; runs that were
    rejected or lost, one at work."""
    rules = [{"rule": "in_range", "column": "n", "max": 1, "severity": "warn"}]
    first = kept.entry(kept.put("in/a.geojson", geojson(3, words=["x"], of={"s": 1.5})), dataset_id="a", rules=rules)
    kept.ingest("one", first)
    with monkeypatch.context() as small:
        small.setattr(parts.split, "__defaults__", (1,))
        prices = kept.entry(kept.put("in/p.csv", "year,price\n2024,1.5\n"), dataset_id="p", type="tabular")
        kept.ingest("two", kept.entry(kept.put("in/b.geojson", geojson(4)), dataset_id="a"), prices)
    kept.ingest("same", inputs=[{"dataset": "a@2", "dataset_id": "c"}])
    assert kept.ingest("gone", kept.entry("s3://landing-zone/in/gone.geojson")).problems
    assert kept.ingest("odd", uploader=["list"], intent={}).problems
    assert kept.ingest("bad", kept.entry(kept.put("in/bad.geojson", "{"))).problems
    begin(kept, "lost", geojson(1), lease_seconds=0.0)
    reconcile(kept.stack)
    begin(kept, "at-work", geojson(2), lease_seconds=600.0)
    ledger = kept.stack.ledger
    assert ledger.make_current(ledger.asset("a", 1), "ada")
    assert ledger.grant("a", "ben", "ada")
    assert ledger.describe("a", {"title": "All of a", "tags": ("x",), "licence": "CC0-1.0"}, "ada")
    assert ledger.describe("p", {"retired": "Use a."}, "ada")
    notices = Notices(ledger)
    notices.note("one#1", "one", Event.PUBLISHED, ["mail", "webhook"], run_id="one#1")
    by_mail, by_web = sorted(notices.owed(), key=lambda notice: notice.channel)
    assert isinstance(notices.claim(by_mail), NoticeTry)
    notices.end(by_web, NoticeResult.SENT, 1)
    return kept


TOLD = {"notices", "notice_tries", "notice_ends"}
"""What is told to the outside, and removed when it has been: no decision on data, so the chain does not hold it."""


def begin(platform: Any, batch_id: str, content: str, lease_seconds: float) -> None:
    """Do what a worker does until just before it decides."""
    key = platform.submit(batch_id, platform.entry(platform.put(f"in/{batch_id}.geojson", content)))
    landing, ledger = platform.stack.landing, Ledger(platform.stack.ledger.store, lease_seconds=lease_seconds)
    run = ledger.claim(ledger.receive(key, landing.read_manifest(key)[1], landing.store.head(key).version), {"gdal": "3"})
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
    assert len(found) == 4 + len(notes)


def test_every_field_that_is_edited_is_named(filled: Any) -> None:
    edits = [
        (collection, identity, document, path) for collection, identity, document in records(filled) for path in places(document)
    ]
    assert len(edits) > 700
    for collection, identity, document, path in sampled(filled, edits):
        put(filled, collection, identity, edited(document, path))
        assert f"{collection}/{identity}" in damage(audit(filled.stack.ledger)), path
        put(filled, collection, identity, document)
    assert damage(audit(filled.stack.ledger)) == {}


def test_every_field_that_is_removed_is_named(filled: Any) -> None:
    """A seal that is gone from a copy may be an earlier release's doing: that is no damage, but said."""
    removals = [(collection, identity, document, name) for collection, identity, document in records(filled) for name in document]
    for collection, identity, document, name in sampled(filled, removals):
        put(filled, collection, identity, {key: value for key, value in document.items() if key != name})
        found = {each.record: each.finding for each in audit(filled.stack.ledger)}
        unsealed = name == SEAL and KINDS[collection].copied
        assert found[f"{collection}/{identity}"] in ({Finding.UNSEALED} if unsealed else {Finding.EDITED, Finding.DAMAGED}), name
        put(filled, collection, identity, document)


def test_every_record_that_is_removed_is_named(filled: Any) -> None:
    """What only the audit log tells of is told by that. Of an entry of that log, what it was about."""
    everything = list(records(filled))
    last = max(identity for collection, identity, _ in everything if collection == "chain")
    at_work = {("runs", "at-work#1"), ("versions", "a@4")}
    for collection, identity, document in everything:
        put(filled, collection, identity, None)
        found = {each.record or each.uri: each.finding for each in verify_ledger(filled.stack)}
        if collection == "activity_logs":
            assert Finding.UNLOGGED in found.values()
        elif (collection, identity) == ("chain", last):
            assert Finding.PENDING in found.values(), "the decision that it held has no link"
        elif (collection, identity) == ("versions", "a@4"):
            assert damage(verify(filled.stack))["s3://data-lake/a/v4/data.parquet"] is Finding.UNEXPECTED
        elif collection not in TOLD and ((collection, identity) not in at_work or collection == "runs"):
            assert found.get(f"{collection}/{identity}") is Finding.DELETED, (collection, identity, found)
        put(filled, collection, identity, document)


def test_who_seals_again_what_he_edits_is_found_by_the_chain(filled: Any) -> None:
    """But for the last link, for what nothing was decided of yet, for the release that a ledger is used with, and for the format
    of a copy, on which nothing is built: see the how-to for what an outside head adds."""
    everything = list(records(filled))
    last = max(identity for collection, identity, _ in everything if collection == "chain")
    unknown = {
        ("chain", last),
        ("releases", FORMAT),
        ("runs", "at-work#1"),
        ("versions", "a@4"),
        ("manifests", filled.stack.ledger.run("at-work#1").receipt_id),
    }
    edits = [
        (collection, identity, document, path)
        for collection, identity, document in everything
        for path in places(document)
        if collection not in {"activity_logs", *TOLD}
        and (collection, identity) not in unknown
        and path[0] not in {SEAL, "heartbeat_at"}
        and (collection, path) != ("uses", ("format",))
    ]
    for collection, identity, document, path in sampled(filled, edits):
        changed = edited(document, path)
        put(filled, collection, identity, changed | {SEAL: digest(changed)})
        assert damage(audit(filled.stack.ledger)), (collection, identity, path)
        put(filled, collection, identity, document)
    assert damage(audit(filled.stack.ledger)) == {}


def test_a_head_that_was_kept_outside_tells_what_the_chain_cannot(filled: Any) -> None:
    ledger = filled.stack.ledger
    head = chain_head(filled.stack)
    assert head.number == len(list(ledger.store.ids("chain")))
    assert damage(verify_ledger(filled.stack, head)) == {}
    identity = f"{head.number:012}"
    document = ledger.store.get("chain", identity)
    changed = document | {"added_by": "another"}
    put(filled, "chain", identity, changed | {SEAL: digest(changed)})
    assert damage(verify_ledger(filled.stack)) == {}, "of the last link nothing follows"
    assert damage(verify_ledger(filled.stack, head)) == {f"chain/{identity}": Finding.EDITED}
    put(filled, "chain", identity, None)
    assert damage(verify_ledger(filled.stack, head)) == {f"chain/{identity}": Finding.DELETED}
    assert Ledger(ledger.store).link_missing(), "whoever works on closes the chain again"
    assert damage(verify_ledger(filled.stack)) == {}
    assert damage(verify_ledger(filled.stack, head)) == {f"chain/{identity}": Finding.EDITED}
    other = head.model_copy(update={"ledger_id": "another"})
    assert damage(verify_ledger(filled.stack, other))["identity/ledger"] is Finding.EDITED


def test_a_chain_that_is_gone_is_missed(filled: Any) -> None:
    ledger = filled.stack.ledger
    ledger.store.remove("chain", list(ledger.store.ids("chain")))
    later = Ledger(ledger.store, clock=lambda: ledger.clock() + timedelta(hours=2))
    found = damage(audit(later))
    assert set(found.values()) == {Finding.DELETED}
    decided = {f"outcomes/{identity}" for identity in ledger.store.ids("outcomes")}
    assert decided <= found.keys()
    assert set(ledger.link_missing()) == found.keys()
    assert "chain/000000000001" in damage(audit(later)), "a worker that has seen the old chain goes on where that ended"
    ledger.store.remove("chain", list(ledger.store.ids("chain")))
    assert set(Ledger(ledger.store).link_missing()) == found.keys()
    assert damage(audit(later)) == {}, "one that has not begins a new one: only a head that was kept outside tells"


def test_every_object_of_the_lake_that_is_damaged_is_named(filled: Any) -> None:
    root = filled.stack.lake.store.root
    recorded = [root / IDENTITY, *(root / f"{each}/data.parquet" for each in ("a/v1", "a/v2", "p/v1")), root / "a/v1" / RECORD]
    for path in recorded:
        content, uri = path.read_bytes(), filled.stack.lake.uri(str(path.relative_to(root)))
        for position in sampled(filled, [*range(len(content))] if FULL else [*range(0, len(content), len(content) // 20)]):
            path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
            assert uri in damage(verify(filled.stack)), position
        for cut in (0, 1, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:cut])
            assert uri in damage(verify(filled.stack)), cut
        path.unlink()
        assert damage(verify(filled.stack))[uri] is Finding.MISSING
        path.write_bytes(content)
    assert damage(verify(filled.stack)) == {}


def test_every_object_that_no_record_names_is_told_by_what_it_is(filled: Any) -> None:
    store = filled.stack.lake.store
    foreign = ["notes.txt", "a/notes.txt", "a/v1/more.parquet", "a/v9/data.parquet", "other/v1/data.parquet", "a/v1/deep/er.txt"]
    for key in foreign:
        assert store.create(key, b"foreign")
    found = {store.uri(key): Finding.UNEXPECTED for key in foreign}
    assert damage(verify(filled.stack)) == found
    messages = {each.uri: each.message for each in verify(filled.stack)}
    assert "older backup" in messages[store.uri("a/v9/data.parquet")]
    assert "lost#1 has left it, and did not commit it" in messages[store.uri("a/v3/data.parquet")]
    assert "at-work#1 has placed it, and is not decided yet" in messages[store.uri("a/v4/data.parquet")]
    store.put("a/v1/data.parquet", b"")
    assert damage(verify(filled.stack)) == found | {store.uri("a/v1/data.parquet"): Finding.CHANGED}


RAW = ["", "{", "[]", "null", "7", '"text"', '{"$date": 1}', '{"at": {"$date": "never"}}', b"\xff\xfe", "{}", None]


@pytest.mark.parametrize("body", RAW, ids=map(repr, RAW))
def test_a_record_that_cannot_be_read_is_named_without_a_traceback(
    body: Any, open_platform: Callable[..., Any], geojson: Callable[..., str]
) -> None:
    """The database's own file is written to, past everything that holds its indexes."""
    platform = open_platform()
    platform.ingest("one", platform.entry(platform.put("in/a.geojson", geojson(3)), dataset_id="a"))
    store = platform.stack.ledger.store
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").fetchall():
            connection.execute(f"DROP INDEX {name}")
        for collection, identity, text in connection.execute("SELECT collection, id, body FROM documents").fetchall():
            where = (collection, identity)
            if body is None:
                connection.execute("UPDATE documents SET id = 'elsewhere' WHERE collection = ? AND id = ?", where)
                where = (collection, "elsewhere")
            else:
                value = body if isinstance(body, str) else body.decode("latin-1")
                sql = "UPDATE documents SET body = CAST(? AS TEXT) WHERE collection = ? AND id = ?"
                connection.execute(sql, (body if isinstance(body, bytes) else value, *where))
            found = damage(verify(platform.stack))
            if (collection, body) != ("activity_logs", None):
                assert f"{collection}/{where[1]}" in found, (collection, identity)
            connection.execute("UPDATE documents SET body = ?, id = ? WHERE collection = ? AND id = ?", (text, identity, *where))
        assert damage(verify(platform.stack)) == {}


@pytest.fixture
def old(tmp_path: Path, open_platform: Callable[..., Any]) -> Any:
    """A ledger without seals and without a chain."""
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path, filter="data")
    return open_platform(spatial_etl_home=tmp_path / "old-home")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("features", 5),
        ("crs", "EPSG:25832"),
        ("crs", None),
        ("bbox", [0, 0, 3, 4]),
        ("geometry_types", ["Polygon"]),
        ("table_schema", []),
    ],
)
def test_a_record_without_seal_is_held_against_its_file(field: str, value: Any, old: Any) -> None:
    """Edited in the outcome and in its copy alike."""
    run_id = old.asset("alpha.points", 2).run_id
    for collection, identity in (("assets", "alpha.points@2"), ("outcomes", run_id)):
        document = copy.deepcopy(old.stack.ledger.store.get(collection, identity))
        for asset in document["assets"] if collection == "outcomes" else [document]:
            asset.get("summary", asset)[field] = value
        put(old, collection, identity, document)
    found = [each for each in verify(old.stack) if each.finding.damages]
    assert "assets/alpha.points@2" in {each.record for each in found}


def test_a_record_without_seal_is_held_against_the_others(old: Any) -> None:
    store = old.stack.ledger.store
    for collection, identity, change in (
        ("lineage", "roads@1", {"uploader": "another"}),
        ("assets", "roads@1", {"changes": {"repaired": 3}}),
        ("versions", "roads@1", {"run_id": "trees#1"}),
        ("runs", "roads#1", {"receipt_id": "trees@0"}),
    ):
        document = store.get(collection, identity)
        put(old, collection, identity, document | change)
        assert f"{collection}/{identity}" in damage(audit(old.stack.ledger)), collection
        put(old, collection, identity, document)
    for collection in ("runs", "outcomes", "versions", "manifests"):
        (identity,) = (each for each in store.ids(collection) if each.startswith("roads"))
        document = store.get(collection, identity)
        put(old, collection, identity, None)
        assert damage(audit(old.stack.ledger))[f"{collection}/{identity}"] is Finding.DELETED
        put(old, collection, identity, document)
    assert damage(verify(old.stack)) == {}


def test_decisions_of_earlier_releases_are_in_the_chain_once_someone_has_reconciled(old: Any) -> None:
    said = {each.record: each.message for each in verify(old.stack) if each.finding is Finding.PENDING and each.record}
    assert "decisions are of a release before the chain" in said["chain"]
    linked = reconcile(old.stack).linked
    assert {f"outcomes/{identity}" for identity in old.stack.ledger.store.ids("outcomes")} <= {*linked, "outcomes/unpublished#1"}
    assert reconcile(old.stack).linked == ()
    assert damage(verify(old.stack)) == {}
    assert "chain" not in {each.record for each in verify(old.stack)}
    document = old.stack.ledger.store.get("outcomes", "roads#1")
    put(old, "outcomes", "roads#1", document | {"recipe": "another"})
    assert damage(audit(old.stack.ledger)) == {"outcomes/roads#1": Finding.EDITED}


def test_a_ledger_that_has_lost_its_name_is_damaged_and_an_empty_one_is_another(filled: Any) -> None:
    from libs.models import LakeOfAnother

    store = filled.stack.ledger.store
    identity = store.get("identity", "ledger")
    put(filled, "identity", "ledger", None)
    assert damage(verify(filled.stack)) == {"identity/ledger": Finding.DELETED}
    put(filled, "identity", "ledger", identity | {"ledger_id": "another"})
    with pytest.raises(LakeOfAnother):
        list(verify(filled.stack))
    for collection in KINDS:
        store.remove(collection, list(store.ids(collection)))
    with pytest.raises(LakeOfAnother, match="The ledger that the settings name is new"):
        list(verify(replace(filled.stack, ledger=Ledger(store))))
