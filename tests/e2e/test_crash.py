"""A worker killed at external effects of a batch of three files, and the one that comes after it; embedded, on servers.

``make test-full`` tries every effect. Otherwise every second one is tried, and every third of a recovery.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.e2e.crash_batch import (
    EVERYTHING,
    EVERYTHING_GROWN,
    EVERYTHING_JOINED,
    EVERYTHING_OF_RASTERS,
    GROWING,
    JOINED,
    RASTERS,
)
from tests.e2e.crash_platforms import drive, embedded, on_servers, wrong
from tests.sampling import every

pytestmark = pytest.mark.integration

SIDE_BY_SIDE = 2
EFFECTS = {
    "embedded": (
        "os.link", "os.rename", "os.fsync", "'identity'", "'runs'", "'versions'", "'outcomes'", "'assets'", "'chain'", "COMMIT",
        "Popen",
    ),
    "servers": (
        "PUT", "_spatial-etl/lake.json", "POST", "?uploadId", "DELETE", "insert identity", "insert runs", "insert versions",
        "insert outcomes", "insert assets", "insert chain",
        "CREATE SCHEMA", "COPY", "CREATE OR REPLACE VIEW", "DROP SCHEMA", "advisory", "os.rename", "Popen",
    ),
}  # fmt: skip


GROWING_EVERY = RASTERS_EVERY = JOINED_EVERY = 16


@pytest.fixture(scope="module", params=["embedded", "servers"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def platforms(
    kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Mapping[str, str]]]:
    """One for each driver."""
    homes = [tmp_path_factory.mktemp("crash") / "home" for _ in range(SIDE_BY_SIDE)]
    if kind == "embedded":
        yield [embedded(home) for home in homes]
        return
    services = [request.getfixturevalue(name) for name in ("minio", "mongodb", "postgis")]
    reached = {name: value for service in services for name, value in service.environment.items()}
    with ExitStack() as made:
        yield [made.enter_context(on_servers(reached, home)) for home in homes]


def crash_at(
    platforms: list[Mapping[str, str]], *, first: int = 1, step: int = 1, before: int | None = None
) -> list[dict[str, Any]]:
    """Try the effects number ``first``, ``first + step``, ..., some side by side; what was found at each, in order."""
    more = [] if before is None else [before]

    def sweep(number: int) -> list[dict[str, Any]]:
        return drive(platforms[number], "worker", first + number * step, SIDE_BY_SIDE * step, *more)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as drivers:
        found = [point for points in drivers.map(sweep, range(SIDE_BY_SIDE)) for point in points]
    return sorted(found, key=lambda point: point["point"])


def all_wrong(points: list[dict[str, Any]], everything: Mapping[str, Any] = EVERYTHING) -> list[str]:
    """What was lost, doubled or left, at which effect of the worker that lived."""
    trail = next(point["trail"] for point in points if point["trail"])
    named = [*trail, "none"]
    return [
        f"killed before effect {point['point']} ({named[min(point['point'], len(named)) - 1]}): {wrong(point, everything)}"
        for point in points
        if wrong(point, everything)
    ]


@pytest.fixture(scope="module")
def points(platforms: list[Mapping[str, str]]) -> list[dict[str, Any]]:
    first, step = every(2)
    return crash_at(platforms, first=first, step=step)


def test_nothing_is_lost_doubled_or_left(points: list[dict[str, Any]]) -> None:
    assert all_wrong(points) == []


def test_the_sweep_met_every_kind_of_effect(points: list[dict[str, Any]], kind: str) -> None:
    trail = "\n".join(points[-1]["trail"])
    for effect in EFFECTS[kind]:
        assert effect in trail, effect
    # each driver ends with a worker that lived
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
def test_a_crash_of_the_recovery(points: list[dict[str, Any]], committed: bool, platforms: list[Mapping[str, str]]) -> None:
    before = [point["point"] for point in points if bool(point["committed"]) == committed]
    first, step = every(3)
    crashed = crash_at(platforms, first=first, step=step, before=min(before) if committed else max(before))
    assert all_wrong(crashed) == []


def test_a_dataset_that_grows_is_whole_and_no_row_comes_twice(platforms: list[Mapping[str, str]]) -> None:
    first, step = every(GROWING_EVERY)
    points = crash_at([platform | {GROWING: "1"} for platform in map(dict, platforms)], first=first, step=step)
    assert all_wrong(points, EVERYTHING_GROWN) == []
    assert {len(point["visible"]) for point in points} == {3, 6}, "all of a batch, or nothing"
    assert {point["attempts"] for point in points if point["committed"]} == {1}


def test_rasters_are_whole_or_not_there(platforms: list[Mapping[str, str]]) -> None:
    first, step = every(RASTERS_EVERY)
    points = crash_at([platform | {RASTERS: "1"} for platform in map(dict, platforms)], first=first, step=step)
    assert all_wrong(points, EVERYTHING_OF_RASTERS) == []
    assert {len(point["visible"]) for point in points} == {0, 3}, "all of a batch, or nothing"
    assert {point["attempts"] for point in points if point["committed"]} == {1}


def test_what_is_joined_to_a_named_input_is_whole_or_not_there(platforms: list[Mapping[str, str]]) -> None:
    first, step = every(JOINED_EVERY)
    points = crash_at([platform | {JOINED: "1"} for platform in map(dict, platforms)], first=first, step=step)
    assert all_wrong(points, EVERYTHING_JOINED) == []
    assert {len(point["visible"]) for point in points} == {0, 2}, "all of a batch, or nothing"
    assert {point["attempts"] for point in points if point["committed"]} == {1}
