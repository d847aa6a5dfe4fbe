"""A worker killed at every external effect of a batch of three files, and the one that comes after it."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

DRIVER = Path(__file__).with_name("crash_driver.py")
SIDE_BY_SIDE = 2
EVERYTHING = {
    "successes": 1,
    "datasets": {"points": 1, "stops": 3, "trees": 2},
    "versions": 3,
    "lineage": 3,
    "unrecorded": [],
    "intact": True,
    "report": "success",
    "problems": [],
    "reported": 3,
    "waiting": [],
    "left": [],
    "orphans": 0,
}


def crash_at(folder: Path, *, every: int = 1, before: int | None = None) -> list[dict[str, Any]]:
    """Try every so-manieth effect, some side by side; what was found at each, in order."""

    def drive(first: int) -> list[dict[str, Any]]:
        arguments = [first * every, SIDE_BY_SIDE * every, *([] if before is None else [before])]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # a process with threads should not be forked
        command = [sys.executable, DRIVER, folder / str(first), *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    with ThreadPoolExecutor(SIDE_BY_SIDE) as drivers:
        found = [point for points in drivers.map(drive, range(1, SIDE_BY_SIDE + 1)) for point in points]
    return sorted(found, key=lambda point: point["point"])


def wrong(points: list[dict[str, Any]]) -> list[str]:
    """What was lost, doubled or left, at which effect of the worker that lived."""
    trail = next(point["trail"] for point in points if point["trail"])
    named = [*trail, "none"]
    return [
        f"killed before effect {point['point']} ({named[min(point['point'], len(named)) - 1]}): {name} is {point[name]}"
        for point in points
        for name, expected in EVERYTHING.items()
        if point[name] != expected
    ]


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return crash_at(tmp_path_factory.mktemp("crash"))


def test_nothing_is_lost_doubled_or_left(points: list[dict[str, Any]]) -> None:
    assert wrong(points) == []


def test_the_sweep_met_every_kind_of_effect(points: list[dict[str, Any]]) -> None:
    trail = "\n".join(points[-1]["trail"])
    for effect in ("os.link", "os.rename", "os.fsync", "'runs'", "'versions'", "'outcomes'", "'assets'", "COMMIT", "Popen"):
        assert effect in trail, effect
    # two drivers, each ends with one worker that lived
    assert sum(point["trail"] is None for point in points) == len(points) - SIDE_BY_SIDE


def test_users_see_all_of_a_batch_or_nothing(points: list[dict[str, Any]]) -> None:
    assert {len(point["visible"]) for point in points} == {0, 3}
    assert [point["point"] for point in points if point["visible"] and not point["committed"]] == []


def test_what_was_committed_is_not_done_again(points: list[dict[str, Any]]) -> None:
    committed = [point for point in points if point["committed"]]
    assert len(committed) > 5
    assert {point["attempts"] for point in committed} == {1}
    assert 2 in {point["attempts"] for point in points}


@pytest.mark.slow
@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not-committed"])
def test_a_crash_of_the_recovery(points: list[dict[str, Any]], committed: bool, tmp_path: Path) -> None:
    before = [point["point"] for point in points if bool(point["committed"]) == committed]
    assert wrong(crash_at(tmp_path, every=1 if committed else 3, before=min(before) if committed else max(before))) == []
