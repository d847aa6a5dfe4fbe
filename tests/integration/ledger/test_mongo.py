"""What is special about MongoDB; what every store must do stands in the contract suite."""

import multiprocessing
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from libs.ledger import DocumentTooLarge, Ledger
from libs.ledger.migrations import MIGRATIONS, migrate
from libs.ledger.mongo import MongoStore
from libs.models import ServiceUnavailable, parse_manifest
from services.local import throwaway_services
from tests.disks import fill, make_room, small_disk
from tests.services import start

pytestmark = pytest.mark.integration


@pytest.fixture
def uri(mongodb) -> str:
    return mongodb.environment["MONGO_CONNECTION_STRING"]


@pytest.fixture
def client(uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient(uri) as client:
        yield client


class Wire:
    """A way to a server that can be cut when a message has gone through, before its answer comes back, and can hide a command."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.cut_answer_to: bytes | None = None
        self.cuts = 0
        self.hidden: bytes | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server:
            while message := _message(client):
                # A command of another name, which no server knows.
                server.sendall(message.replace(self.hidden, self.hidden.swapcase()) if self.hidden else message)
                answer = _message(server)
                if self.cut_answer_to is not None and self.cut_answer_to in message:
                    self.cut_answer_to = None
                    self.cuts += 1
                    return
                client.sendall(answer)


def _message(connection: socket.socket) -> bytes:
    """A message of the protocol: it begins with its length."""
    data = b""
    while len(data) < 4 or len(data) < int.from_bytes(data[:4], "little"):
        part = connection.recv(65536)
        if not part:
            return b""
        data += part
    return data


@pytest.fixture
def wire(uri: str) -> Iterator[Wire]:
    wire = Wire(_address(uri))
    yield wire
    wire.close()


def _address(uri: str) -> str:
    return urlsplit(uri).netloc.rpartition("@")[2]


@pytest.fixture
def by_wire(wire: Wire, uri: str, database: str) -> Iterator[MongoStore]:
    store = MongoStore(uri.replace(_address(uri), wire.address), database)
    yield store
    store.close()


def test_an_insert_whose_answer_was_lost_is_ours(by_wire: MongoStore, wire: Wire) -> None:
    wire.cut_answer_to = b"by wire"
    assert by_wire.insert("outcomes", "run#1", {"decided_by": "by wire", "nan": float("nan")})
    assert wire.cuts == 1
    assert not by_wire.insert("outcomes", "run#1", {"decided_by": "by wire", "nan": float("nan")})


def test_an_insert_whose_answer_was_lost_and_that_came_second_is_not_ours(
    by_wire: MongoStore, wire: Wire, uri: str, database: str
) -> None:
    other = MongoStore(uri, database)
    other.insert("outcomes", "run#1", {"decided_by": "other"})
    wire.cut_answer_to = b"by wire"
    assert not by_wire.insert("outcomes", "run#1", {"decided_by": "by wire"})
    assert wire.cuts == 1
    assert by_wire.get("outcomes", "run#1") == {"decided_by": "other"}
    other.close()


def test_copies_and_heartbeats_survive_lost_answers(by_wire: MongoStore, wire: Wire) -> None:
    wire.cut_answer_to = b"by wire"
    by_wire.insert_missing([("assets", f"a@{n:04}", {"n": n, "from": "by wire"}) for n in range(300)])
    wire.cut_answer_to = b"beat"
    by_wire.touch("assets", "a@0001", {"from": "beat"})
    assert wire.cuts == 2
    assert [document["n"] for _, document in by_wire.find("assets")] == list(range(300))


@pytest.mark.parametrize("latest", [True, False])
def test_a_reader_goes_on_where_it_was(by_wire: MongoStore, wire: Wire, latest: bool) -> None:
    by_wire.insert_missing(("assets", f"{n:04}", {"created_at": f"{n // 7:04}", "of": "a" if n % 2 else "b"}) for n in range(500))
    found = by_wire.find("assets", latest=latest, where={"of": "a"})
    begun = [next(found)[0] for _ in range(20)]
    wire.cut_answer_to = b"getMore"
    everything = begun + [identity for identity, _ in found]
    assert everything == sorted((f"{n:04}" for n in range(1, 500, 2)), reverse=latest)
    if not wire.cuts:
        pytest.skip("this server of MongoDB's protocol sends so many documents at once")


def test_a_server_that_knows_no_indexes_does_without(
    wire: Wire, uri: str, database: str, client: MongoClient[dict[str, Any]]
) -> None:
    wire.hidden = b"createIndexes"
    store = MongoStore(uri.replace(_address(uri), wire.address), database)
    store.insert("assets", "a@1", {"created_at": "1"})
    assert store.migrated == []
    assert "0 of 2 migrations made" in store.describe()
    assert [identity for identity, _ in store.find("assets", latest=True)] == ["a@1"]
    store.close()
    MongoStore(uri, database).close()  # it has learned
    assert _indexes(client, database)["assets"] == {"_id_", "by_time"}


@pytest.mark.parametrize("command", ["hello", "aggregate", "findAndModify", "startTransaction", "count"])
def test_no_more_of_the_protocol_is_used_than_every_server_has(wire: Wire, uri: str, database: str, command: str) -> None:
    wire.hidden = command.encode()
    store = MongoStore(uri.replace(_address(uri), wire.address), database)
    assert store.insert("runs", "a#1", {"beat": "1"})
    store.insert_missing([("runs", "a#1", {}), ("runs", "a#2", {"beat": "1"})])
    store.touch("runs", "a#1", {"beat": "2"})
    assert dict(store.find("runs", prefix="a#")) == {"a#1": {"beat": "2"}, "a#2": {"beat": "1"}}
    assert list(store.ids("runs")) == ["a#1", "a#2"]
    store.close()


def test_a_document_that_is_too_large_is_refused(by_wire: MongoStore) -> None:
    with pytest.raises(DocumentTooLarge, match="16,"):
        by_wire.check_size({"text": "x" * 17_000_000})
    by_wire.check_size({"text": "x" * 16_000_000})
    with pytest.raises(DocumentTooLarge, match="16,"):
        by_wire.insert("outcomes", "a", {"text": "x" * 2**24})
    assert by_wire.insert("outcomes", "a", {"text": "x" * (2**24 - 20_000)})
    assert len(by_wire.get("outcomes", "a")["text"]) == 2**24 - 20_000


def test_a_manifest_whose_record_is_too_large_is_rejected(by_wire: MongoStore) -> None:
    content = b'{"batch_id": "a", "metadata": {"n": [%s]}}' % b",".join([b"1"] * 1_400_000)
    ledger = Ledger(by_wire)
    for _ in range(2):
        received = ledger.receive("manifests/a.json", parse_manifest(content, landing_bucket="landing-zone"), "1")
        assert (received.action, received.receipt.problems[0].code) == ("reject", "manifest_too_large")
        assert received.receipt.revision == 1


def _indexes(client: MongoClient[dict[str, Any]], database: str) -> dict[str, set[str]]:
    return {name: set(client[database][name].index_information()) for name in client[database].list_collection_names()}


@pytest.mark.parametrize("made", range(len(MIGRATIONS) + 1))
def test_migrations_lead_to_the_same_from_every_state(
    client: MongoClient[dict[str, Any]], uri: str, database: str, made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("libs.ledger.migrations.MIGRATIONS", dict(list(MIGRATIONS.items())[:made]))
        assert migrate(client[database]) == list(MIGRATIONS)[:made]
    store = MongoStore(uri, database)
    assert store.migrated == list(MIGRATIONS)[made:]
    assert list(store.ids("migrations")) == list(MIGRATIONS)
    store.close()
    indexes = _indexes(client, database)
    assert all("by_time" in indexes[collection] for collection in ("manifests", "assets", "activity_logs"))
    assert "by_subject" in indexes["activity_logs"]


def test_a_migration_that_was_made_and_not_recorded_is_made_again(
    client: MongoClient[dict[str, Any]], uri: str, database: str
) -> None:
    MongoStore(uri, database).close()
    before = _indexes(client, database)
    client[database]["migrations"].delete_many({})
    MongoStore(uri, database).close()
    assert _indexes(client, database) == before


def _open(uri: str, database: str) -> None:
    MongoStore(uri, database).close()


def test_processes_migrate_at_once(client: MongoClient[dict[str, Any]], uri: str, database: str) -> None:
    processes = [multiprocessing.get_context("spawn").Process(target=_open, args=(uri, database)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert [record["_id"] for record in client[database]["migrations"].find()] == list(MIGRATIONS)


@pytest.mark.parametrize(
    ("string", "message"),
    [
        ("mongodb://me:se/cr@et@localhost", "not understood"),
        ("mongodb://me:se:cret@localhost:x", "not understood"),
        ("mongodb://me:secret@localhost/?authMechansim=PLAIN", "not understood"),
        ("me:secret@localhost", "not understood"),
        ("mongodb://me:secret@127.0.0.1:9", "cannot be reached"),
    ],
)
def test_a_server_that_cannot_be_had_names_the_setting_and_no_secret(string: str, message: str) -> None:
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable, match=message) as raised:
        MongoStore(string, "x")
    assert time.monotonic() - began < 15
    error: BaseException | None = raised.value
    assert raised.value.setting == "MONGO_CONNECTION_STRING"
    while error is not None:
        assert "secret" not in str(error)
        assert "cr@et" not in str(error)
        error = error.__cause__


def test_a_wrong_password_is_said_at_once(uri: str) -> None:
    if "@" not in uri:
        pytest.skip("MONGO_CONNECTION_STRING names a server without users")
    before, _, after = uri.rpartition("@")
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable, match="does not accept the user or the password") as raised:
        MongoStore(f"{before}wrong@{after}", "x")
    assert time.monotonic() - began < 5
    assert raised.value.setting == "MONGO_CONNECTION_STRING"
    assert before.rpartition(":")[2] not in str(raised.value)


def test_a_database_name_that_is_none_names_its_setting(uri: str) -> None:
    with pytest.raises(ServiceUnavailable) as raised:
        MongoStore(uri, "a b.c")
    assert raised.value.setting == "MONGO_DATABASE"


def test_a_program_ends_at_once_when_it_has_closed_the_store(uri: str) -> None:
    """Its driver would wait for threads that sleep for half a second; three in a row all waking in time is no chance."""
    program = """
import atexit, sys, time
atexit.register(lambda: print(time.monotonic() - closed))
from libs.ledger.mongo import MongoStore
store = MongoStore(sys.argv[1], "ended")
store.close()
closed = time.monotonic()
"""
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", program, uri], capture_output=True, text=True, check=True)
        assert float(done.stdout) < 0.1
        assert not done.stderr


def test_a_full_disk_is_said_and_loses_nothing() -> None:
    with throwaway_services() as services:
        mongodb, disk = services.mongodb, services.mongodb.folder / "data"
        start(mongodb)
        mongodb.stop()
        with small_disk(disk, 64):
            start(mongodb)
            store = MongoStore(mongodb.environment["MONGO_CONNECTION_STRING"], "full")
            large = {"text": secrets.token_hex(1_000_000)}
            assert store.insert("outcomes", "before", large)
            fill(disk, but=0)
            with pytest.raises(ServiceUnavailable, match="its disk is full") as raised:
                store.insert("outcomes", "after", large)
            assert raised.value.setting == "the disk of the server that MONGO_CONNECTION_STRING names"
            assert list(store.ids("outcomes")) == ["before"]
            make_room(disk)
            assert store.insert("outcomes", "after", large)
            assert store.get("outcomes", "before") == store.get("outcomes", "after") == large
            store.close()
            mongodb.kill()


@pytest.fixture
def killable() -> Iterator[Any]:
    """A server of the test's own."""
    with throwaway_services() as services:
        start(services.mongodb)
        yield services.mongodb


def test_a_server_that_is_killed_and_comes_back_costs_nothing_but_time(killable: Any) -> None:
    store = MongoStore(killable.environment["MONGO_CONNECTION_STRING"], "restarted")
    acknowledged: list[int] = []
    over = threading.Event()

    def write() -> None:
        n = 0
        while not over.is_set():
            assert store.insert("outcomes", f"{n:06}", {"n": n})
            acknowledged.append(n)
            n += 1

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(2):
        _wait_for_more(acknowledged)
        killable.kill()
        time.sleep(1)
        killable.start()
    _wait_for_more(acknowledged)
    over.set()
    writer.join(30)
    assert [document["n"] for _, document in store.find("outcomes")] == acknowledged == list(range(len(acknowledged)))
    store.close()


def _wait_for_more(acknowledged: list[int]) -> None:
    enough, deadline = len(acknowledged) + 50, time.monotonic() + 60
    while len(acknowledged) < enough and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(acknowledged) >= enough


def test_copies_that_are_there_already_take_a_command_for_hundreds(
    uri: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MongoStore(uri, database)
    commands: list[int] = []
    insert_many = Collection.insert_many

    def counted(self: Any, documents: Any, **options: Any) -> Any:
        commands.append(len(documents))
        return insert_many(self, documents, **options)

    monkeypatch.setattr(Collection, "insert_many", counted)
    copies = [("assets", f"d{i:04}@1", {"i": i}) for i in range(1_200)]
    for _ in range(2):
        store.insert_missing(copies)
    assert commands == [500, 500, 200] * 2
    store.close()
