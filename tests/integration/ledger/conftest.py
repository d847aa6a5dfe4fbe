import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libs.ledger import DocumentStore, SqliteStore

KINDS = ["sqlite"]
"""Every implementation of the seam: a further one is added here, and to ``store_of`` in ``racer.py``."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def open_store(kind: str, tmp_path: Path) -> Iterator[Callable[[], DocumentStore]]:
    """Opens the same store anew with each call, as another process would."""
    opened: list[DocumentStore] = []

    def open_store() -> DocumentStore:
        opened.append({"sqlite": lambda: SqliteStore(tmp_path / "ledger.db")}[kind]())
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], DocumentStore]) -> DocumentStore:
    return open_store()


@pytest.fixture
def start(kind: str, tmp_path: Path) -> Iterator[Callable[..., list[subprocess.Popen[str]]]]:
    """Starts processes that work on the store, and returns when all of them are ready to go."""
    started: list[subprocess.Popen[str]] = []

    def start(count: int, *arguments: str) -> list[subprocess.Popen[str]]:
        command = [sys.executable, str(Path(__file__).with_name("racer.py")), kind, str(tmp_path / "ledger.db"), *arguments]
        processes = [subprocess.Popen([*command, str(n)], stdin=-1, stdout=-1, text=True) for n in range(count)]
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
        printed = [process.communicate(timeout=120)[0].split() for process in processes]
        assert [process.returncode for process in processes] == [0] * count
        return printed

    return race
