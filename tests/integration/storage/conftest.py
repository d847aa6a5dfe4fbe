import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from libs.storage import FolderStore, ObjectStore

KINDS = ["folder"]
"""Every implementation of the seam: a further one is added here, and to ``store_of`` in ``racer.py``."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def store(kind: str, tmp_path: Path) -> ObjectStore:
    return {"folder": lambda: FolderStore(tmp_path, "bucket")}[kind]()


@pytest.fixture
def start(kind: str, tmp_path: Path) -> Callable[..., list[subprocess.Popen[str]]]:
    """Starts processes that work on the bucket of ``store``, and returns when all of them are ready to go."""

    def start(count: int, *arguments: str) -> list[subprocess.Popen[str]]:
        command = [sys.executable, str(Path(__file__).with_name("racer.py")), kind, str(tmp_path), *arguments]
        processes = [subprocess.Popen([*command, str(n)], stdin=-1, stdout=-1, text=True) for n in range(count)]
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * count
        return processes

    return start


@pytest.fixture
def race(start: Callable[..., list[subprocess.Popen[str]]]) -> Callable[..., list[str]]:
    """Lets processes go at once, and returns what each of them printed."""

    def race(count: int, *arguments: str) -> list[str]:
        processes = start(count, *arguments)
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        printed = [process.communicate(timeout=60)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * count
        return printed

    return race
