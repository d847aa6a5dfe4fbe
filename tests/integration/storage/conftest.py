import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from libs.storage import FolderStore, ObjectStore

KINDS = ["folder", "s3"]
"""Every implementation of the seam: a further one is added here, and to ``store_of`` in ``racer.py``."""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if kind == "folder":
        return FolderStore(tmp_path / "bucket", "bucket")
    buckets = request.getfixturevalue("buckets")
    return buckets.store(buckets.new())


@pytest.fixture
def start(
    kind: str, store: ObjectStore, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[..., list[subprocess.Popen[str]]]:
    """Starts processes that work on the bucket of ``store``, and returns when all of them are ready to go."""
    environment = os.environ | (request.getfixturevalue("buckets").environment if kind == "s3" else {})

    def start(count: int, *arguments: str) -> list[subprocess.Popen[str]]:
        command = [sys.executable, str(Path(__file__).with_name("racer.py")), kind, store.bucket, str(tmp_path), *arguments]
        processes = [subprocess.Popen([*command, str(n)], stdin=-1, stdout=-1, text=True, env=environment) for n in range(count)]
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
        printed = [process.communicate(timeout=120)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * count
        return printed

    return race
