import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from libs.ledger import DocumentStore, SqliteStore
from libs.ledger.mongo import MongoStore

KINDS = ["sqlite", "mongo"]
"""Every implementation of the seam: a further one is added here, and to ``store_of`` in ``racer.py``."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def database(mongodb) -> Iterator[str]:
    """Name of a database of the test's own."""
    name = f"test_{secrets.token_hex(6)}"
    yield name
    with MongoClient(mongodb.environment["MONGO_CONNECTION_STRING"]) as client:
        client.drop_database(name)


@pytest.fixture
def place(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Where the store is: a file, or the name of a database."""
    return str(tmp_path / "ledger.db") if kind == "sqlite" else request.getfixturevalue("database")


@pytest.fixture
def environment(kind: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings that reach it."""
    return {} if kind == "sqlite" else request.getfixturevalue("mongodb").environment


@pytest.fixture
def open_store(kind: str, place: str, environment: dict[str, str]) -> Iterator[Callable[[], DocumentStore]]:
    """Opens the same store anew with each call, as another process would."""
    opened: list[DocumentStore] = []

    def open_store() -> DocumentStore:
        if kind == "sqlite":
            opened.append(SqliteStore(Path(place)))
        else:
            opened.append(MongoStore(environment["MONGO_CONNECTION_STRING"], place))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], DocumentStore]) -> DocumentStore:
    return open_store()


@pytest.fixture
def start(kind: str, place: str, environment: dict[str, str]) -> Iterator[Callable[..., list[subprocess.Popen[str]]]]:
    """Starts processes that work on the store, and returns when all of them are ready to go."""
    started: list[subprocess.Popen[str]] = []

    def start(count: int, *arguments: str) -> list[subprocess.Popen[str]]:
        command = [sys.executable, str(Path(__file__).with_name("racer.py")), kind, place, *arguments]
        surroundings = {**os.environ, **environment}
        processes = [subprocess.Popen([*command, str(n)], env=surroundings, stdin=-1, stdout=-1, text=True) for n in range(count)]
        started.extend(processes)
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * count
        return processes

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def race(start: Callable[..., list[subprocess.Popen[str]]]) -> Callable[..., list[list[str]]]:
    """Lets processes go at once, and returns the words that each of them printed."""

    def race(count: int, *arguments: str) -> list[list[str]]:
        processes = start(count, *arguments)
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        printed = [process.communicate(timeout=600)[0].split() for process in processes]
        assert [process.returncode for process in processes] == [0] * count
        return printed

    return race
