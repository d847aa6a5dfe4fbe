"""A lake belongs to one ledger, on every pair of stores: first use, races, crashes between the writes, and who is refused."""

import json
import os
import pty
import secrets
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from libs.ledger import Ledger
from libs.models import Decision, LakeIdentity, LakeOfAnother, Outcome, Run, utc_now
from libs.models.settings import Settings
from libs.pipeline.identity import require_own_lake
from libs.pipeline.maintenance import Collected, Garbage, garbage, gc
from libs.pipeline.stack import Stack
from libs.platform import open_lake, open_ledger, open_stack
from libs.storage import IDENTITY, DataLake

pytestmark = pytest.mark.integration

KINDS = {
    "folder, SQLite": (),
    "MinIO, MongoDB": ("minio", "mongodb"),
    "MinIO, SQLite": ("minio",),
    "folder, MongoDB": ("mongodb",),
}


@dataclass
class Place:
    """Where lakes and ledgers can be had, each under a name of its own."""

    folder: Path
    minio: Any = None
    mongodb: Any = None

    def settings(self, lake: str = "one", ledger: str = "one") -> Settings:
        """Settings that bring a lake and a ledger together. What is a folder or a file lies in the ledger's home."""
        more: dict[str, Any] = {"minio_lake_bucket": lake}
        if self.minio is not None:
            more |= {name.lower(): value for name, value in self.minio.environment.items()}
            more |= {"minio_landing_bucket": self.minio.bucket("landing"), "minio_lake_bucket": self.minio.bucket(lake)}
        if self.mongodb is not None:
            more |= {name.lower(): value for name, value in self.mongodb.environment.items()}
            more["mongo_database"] = self.mongodb.database(ledger)
        return Settings(_env_file=None, spatial_etl_home=self.folder / ("shared" if self.mongodb else ledger), **more)

    @contextmanager
    def opened(self, lake: str = "one", ledger: str = "one") -> Iterator[tuple[Settings, DataLake, Ledger]]:
        """A lake and a ledger, as a process opens them. Of folders, the lake is the same whatever the ledger."""
        settings = self.settings(lake, ledger)
        at = settings.model_copy(update={"spatial_etl_home": self.folder / "lakes"})
        opened = open_ledger(settings)
        try:
            yield settings, open_lake(at if self.minio is None else settings), opened
        finally:
            opened.store.close()

    def start(self, lake: str = "one", ledger: str = "one", *, bind: bool = True) -> bool:
        """What a process does first."""
        with self.opened(lake, ledger) as (settings, its_lake, its_ledger):
            return require_own_lake(settings, its_lake, its_ledger, bind=bind)


class _Named:
    """A server, with buckets and databases of the test's own by short names."""

    def __init__(self, environment: dict[str, str], make: Callable[[], str]) -> None:
        self.environment, self._make, self._names = environment, make, dict[str, str]()

    def bucket(self, name: str) -> str:
        return self._names.setdefault(name, self._names.get(name) or self._make())

    database = bucket

    @property
    def names(self) -> list[str]:
        return list(self._names.values())


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    with ExitStack() as ended:
        if "minio" in KINDS[request.param]:
            buckets = request.getfixturevalue("buckets")
            found.minio = _Named(buckets.environment, buckets.new)
        if "mongodb" in KINDS[request.param]:
            server = request.getfixturevalue("mongodb")
            found.mongodb = _Named(server.environment, lambda: f"test_{secrets.token_hex(6)}")

            def drop() -> None:
                with MongoClient[Any](server.environment["MONGO_CONNECTION_STRING"]) as client:
                    for name in found.mongodb.names:
                        client.drop_database(name)

            ended.callback(drop)
        yield found


def refused(place: Place, lake: str, ledger: str) -> str:
    """The message by which a pair is refused, whether it would read or write. Neither of the two is changed by it."""
    with place.opened(lake, ledger) as (settings, its_lake, its_ledger):

        def state() -> Any:
            content = {info.key: its_lake.store.read(info.key) for info in its_lake.store.list()}
            return content, its_ledger.identity()

        before, said = state(), set()
        for bind in (False, True):
            with pytest.raises(LakeOfAnother) as caught:
                require_own_lake(settings, its_lake, its_ledger, bind=bind)
            said.add(str(caught.value))
            assert state() == before
        (message,) = said
        assert its_lake.store.place in message
        assert its_ledger.store.place in message
    return message


def test_from_the_first_use_both_carry_the_identity_of_the_other(place: Place) -> None:
    assert place.start(bind=False) is False, "who only reads decides nothing"
    with place.opened() as (_, lake, ledger):
        assert (lake.identity(), *ledger.identity()) == (None, None, None)
    assert place.start()
    with place.opened() as (_, lake, ledger):
        found, (own, bound) = lake.identity(), ledger.identity()
        assert (found.lake_id, found.ledger_id) == (bound.lake_id, own.ledger_id)
        assert (found.ledger, bound.place) == (ledger.store.place, lake.store.place)
        assert list(lake.objects()) == [], "no version, nor anything that gc looks at"
    assert place.start()
    assert place.start(bind=False)
    with place.opened() as (_, lake, ledger):
        assert (lake.identity(), ledger.identity()) == (found, (own, bound))


def test_another_ledger_is_refused_and_both_are_named(place: Place) -> None:
    place.start("one", "one")
    message = refused(place, "one", "two")
    with place.opened("one", "one") as (_, lake, ledger):
        own, bound = ledger.identity()
        assert all(each in message for each in (own.ledger_id, bound.lake_id, ledger.store.place, lake.store.place))
    if place.minio and not place.mongodb:
        assert message.endswith("Check MONGO_CONNECTION_STRING: it is not set, so that the ledger is a file of this machine.")
    place.start("two", "two")
    for lake, ledger in (("one", "two"), ("two", "one")):
        assert "it belongs to another ledger" in refused(place, lake, ledger)
    assert place.start("one", "one")
    assert place.start("two", "two")


def test_a_ledger_does_not_take_a_second_lake(place: Place) -> None:
    place.start("one", "one")
    assert "this ledger has a lake, but here lies none of its versions" in refused(place, "two", "one")


@pytest.mark.parametrize("workers", [8])
def test_workers_that_start_at_once_end_with_the_same_pair(place: Place, workers: int) -> None:
    place.settings()  # names are given out once
    with ThreadPoolExecutor(workers) as pool:
        assert all(pool.map(lambda _: place.start(), range(workers)))
    assert place.start(bind=False)


def test_of_two_ledgers_that_start_at_once_on_one_lake_one_gets_it(place: Place) -> None:
    ledgers = ["one", "two"] * 4
    for ledger in set(ledgers):
        place.settings(ledger=ledger)

    def start(ledger: str) -> str | None:
        try:
            place.start("one", ledger)
        except LakeOfAnother:
            return None
        return ledger

    with ThreadPoolExecutor(len(ledgers)) as pool:
        winners = set(pool.map(start, ledgers)) - {None}
    assert len(winners) == 1
    (winner,) = winners
    (loser,) = {"one", "two"} - winners
    assert place.start("one", winner)
    refused(place, "one", loser)
    assert place.start("two", loser), "the other is free to take another lake"


@pytest.mark.parametrize("step", ["ledger named", "lake named"])
def test_a_crash_between_the_writes_is_healed_by_the_next_start(place: Place, step: str) -> None:
    with place.opened() as (_, lake, ledger):
        own = ledger.identify()
        if step == "lake named":
            identity = LakeIdentity(
                lake_id=str(uuid.uuid4()), ledger_id=own.ledger_id, ledger=ledger.store.place, bound_at=ledger.clock()
            )
            assert lake.identify(identity)
    assert place.start(bind=False) is False, "who only reads may go on, and leaves it to others"
    if step == "lake named":
        refused(place, "one", "two")
    assert place.start()
    with place.opened() as (_, lake, ledger):
        assert ledger.identity()[0] == own
        if step == "lake named":
            assert lake.identity() == identity
    refused(place, "one", "two")


# What lies in a lake without identity


def reserve(lake: DataLake, ledger: Ledger, dataset_id: str, *, content: bytes | None = b"PAR1") -> tuple[Run, str]:
    """Begin a run as one does and place a file; the run and the file's key."""
    now = ledger.clock()
    run = Run(
        batch_id=secrets.token_hex(4), attempt=1, receipt_id="r", manifest_version="u", owner=ledger.owner, started_at=now,
        heartbeat_at=now, lease_seconds=60,
    )  # fmt: skip
    assert ledger.store.insert("runs", run.id, run.to_document())
    (key,) = ledger.reserve({dataset_id: ["data.parquet"]}, run, lake.prefix)[dataset_id].keys
    if content is not None:
        assert lake.store.create(key, content)
    return run, key


def test_a_pair_from_before_there_were_identities_is_taken_over(place: Place) -> None:
    with place.opened() as (_, lake, ledger):
        reserve(lake, ledger, "a")
        lake.store.put("notes.txt", b"somebody's")
    assert place.start(bind=False) is False
    assert place.start()
    refused(place, "one", "two")


def test_a_lake_with_files_that_the_ledger_does_not_know_is_not_taken_over(place: Place) -> None:
    with place.opened() as (_, lake, ledger):
        reserve(lake, ledger, "a")
        lake.store.put("b/v1/data.parquet", b"whose?")
    message = refused(place, "one", "one")
    assert "1 of 2 files in it are unknown to this ledger, the first is 'b/v1/data.parquet'" in message
    with place.opened() as (_, lake, _):
        lake.remove("b/v1/data.parquet")
    assert place.start()


def test_to_have_counted_past_the_files_of_another_is_not_to_know_them(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new ledger on a lake that was in use tries v1, v2, ... until a number is free: they are reserved, but not its own."""
    with place.opened() as (_, lake, ledger):
        lake.store.put("a/v1/data.parquet", b"of another ledger")
        monkeypatch.setattr(ledger, "clock", lambda: Ledger(ledger.store).clock() + timedelta(hours=1))
        reserve(lake, ledger, "a", content=None)
        _, key = reserve(lake, ledger, "a", content=None)
        lake.store.put(key, b"its own")
    refused(place, "one", "one")


def test_an_empty_lake_is_not_the_one_of_a_ledger_that_has_data(place: Place) -> None:
    with place.opened() as (_, lake, ledger):
        _, key = reserve(lake, ledger, "a")
        ledger.store.insert("assets", "a@1", {"any": "record"})
        lake.remove(key)
    refused(place, "one", "one")


def test_a_lake_out_of_a_backup_without_its_identity_gets_it_back(place: Place) -> None:
    with place.opened() as (_, lake, ledger):
        reserve(lake, ledger, "a")
    place.start()
    with place.opened() as (_, lake, _):
        before = lake.identity()
        lake.store.delete(IDENTITY)
    assert place.start()
    with place.opened() as (_, lake, _):
        assert lake.identity().lake_id == before.lake_id


def test_an_identity_that_is_damaged_is_said(place: Place) -> None:
    place.start()
    with place.opened() as (_, lake, _):
        lake.store.put(IDENTITY, b"{}")
    assert f"{IDENTITY} is not the identity of a lake" in refused(place, "one", "one")


def test_what_later_releases_add_is_passed_over(place: Place) -> None:
    place.start()
    with place.opened() as (_, lake, _):
        known = json.loads(lake.store.read(IDENTITY))
        lake.store.put(IDENTITY, json.dumps(known | {"catalog": "new"}).encode())
    assert place.start()


def test_a_lake_that_was_copied_elsewhere_keeps_its_identity(place: Place) -> None:
    place.start("one", "one")
    with place.opened("one", "one") as (_, lake, _), place.opened("two", "two") as (_, other, _):
        for info in lake.store.list():
            other.store.put(info.key, lake.store.read(info.key))
    assert place.start("two", "one")
    refused(place, "two", "two")


# What gc leaves alone


def decide(ledger: Ledger, run: Run) -> None:
    outcome = Outcome(
        run_id=run.id, batch_id=run.batch_id, decision=Decision.FAILURE, decided_at=ledger.clock(), decided_by=ledger.owner
    )
    assert ledger.decide(outcome)


@contextmanager
def stacked(place: Place) -> Iterator[Stack]:
    """The whole platform on the place's stores, with a lake of its own."""
    with open_stack(place.settings()) as stack:
        stack.require_own_lake(bind=True)
        yield stack


def a_day_later(stack: Stack) -> Stack:
    ledger = stack.ledger
    return replace(stack, ledger=Ledger(ledger.store, clock=lambda: ledger.clock() + timedelta(days=1)))


def test_gc_says_what_it_would_remove_and_leaves_what_is_younger_than_a_day(place: Place) -> None:
    with stacked(place) as stack:
        run, key = reserve(stack.lake, stack.ledger, "a")
        _, at_work = reserve(stack.lake, stack.ledger, "a")
        assert garbage(stack) == Garbage(), "nothing is decided"
        decide(stack.ledger, run)
        assert garbage(stack) == Garbage(young=(key,))
        assert gc(stack) == Collected(young=(key,))
        later = a_day_later(stack)
        found = garbage(later)
        assert [(each.key, each.run_id) for each in found.removable] == [(key, run.id)]
        assert [info.key for info in stack.lake.objects()] == [key, at_work], "to look removes nothing"
        assert gc(later, found) == Collected(removed=(key,))
        assert [info.key for info in stack.lake.objects()] == [at_work]
        assert [entry.action for entry in stack.ledger.activity(key)] == ["removed"]


def test_gc_leaves_what_was_in_the_way_of_a_run(place: Place) -> None:
    """A number that somebody else's file had taken is reserved, and no version will ever have it: the file is not the run's."""
    with stacked(place) as stack:
        stack.lake.store.put("a/v1/data.parquet", b"whose?")
        run, key = reserve(stack.lake, stack.ledger, "a", content=None)
        stack.ledger.pass_over(next(stack.ledger.reservations()), [key])
        decide(stack.ledger, run)
        assert gc(a_day_later(stack)) == Collected(unknown=(key,))
        assert stack.lake.store.read(key) == b"whose?"


def test_gc_leaves_what_came_before_the_reservation(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that was killed before it could tell what it had found there."""
    with stacked(place) as stack:
        stack.lake.store.put("a/v1/data.parquet", b"whose?")
        with monkeypatch.context() as later:
            later.setattr(stack.ledger, "clock", lambda: utc_now() + timedelta(minutes=20))
            run, key = reserve(stack.lake, stack.ledger, "a", content=None)
        decide(stack.ledger, run)
        assert gc(a_day_later(a_day_later(stack))) == Collected(unknown=(key,))
        assert stack.lake.store.read(key) == b"whose?"


def test_gc_removes_nothing_that_came_since_it_said_what_it_would_remove(place: Place) -> None:
    with stacked(place) as stack:
        run, key = reserve(stack.lake, stack.ledger, "a")
        decide(stack.ledger, run)
        later = a_day_later(stack)
        found = garbage(later)
        stack.lake.store.put(key, b"restored by hand, say")
        assert gc(later, found).removed == ()
        assert stack.lake.store.read(key) == b"restored by hand, say"


WITHOUT_AGE = (
    "from datetime import timedelta; from libs.pipeline import maintenance; maintenance.garbage.__defaults__ = (timedelta(0),); "
    "from services.cli.main import main; main()"
)


@pytest.mark.parametrize(("answer", "removed"), [("n", False), ("y", True)])
def test_gc_at_a_terminal_says_what_it_would_remove_and_asks(answer: str, removed: bool, tmp_path: Path) -> None:
    place = Place(tmp_path)
    with stacked(place) as stack:
        run, key = reserve(stack.lake, stack.ledger, "a")
        decide(stack.ledger, run)
    home = place.settings().spatial_etl_home
    (home / "one").rename(home / "data-lake")
    environment = {**os.environ, "SPATIAL_ETL_HOME": str(home), "COLUMNS": "120"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", WITHOUT_AGE, "gc"], stdin=theirs, stdout=subprocess.PIPE, env=environment, text=True
    ) as asking:
        os.write(ours, f"{answer}\n".encode())
        said, _ = asking.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert said.index("1 lake file to remove: the run came to nothing") < said.index(key) < said.index("Remove?")
    assert (asking.returncode, "Removed 1 lake file" in said) == ((0, True) if removed else (1, False))
    assert (home / "data-lake" / key).exists() is not removed
