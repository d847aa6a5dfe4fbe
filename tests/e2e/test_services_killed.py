"""Each service in turn killed and started again in the middle of a batch: beside a worker that lives, and with one that dies."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from services.local import throwaway_services
from tests.e2e.crash_platforms import drive, on_servers, wrong
from tests.services import start

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SETS = [("minio", "postgis"), ("ferretdb", "postgresql")]
"""The services that are killed; those of a set one after the other, the sets side by side, each on servers of its own."""

MOMENTS = {
    "read": "read",
    "load": "COPY raw_data",
    "transform": "CREATE OR REPLACE VIEW processed",
    "write": "write",
    "place": "PUT /{lake}/points/",
    "place in parts": "POST /{lake}/noise/",
    "commit": "insert outcomes",
    "publish": "insert assets",
    "report": "PUT /{landing}/reports/",
    "archive": "DELETE /{landing}/manifests/",
}
"""How the effect begins before which it happens. Up to ``place`` PostGIS is needed, from then on no more."""

WHEN = {"harmless": list(MOMENTS), "deadly": ["load", "place in parts", "commit", "publish", "archive"]}
"""For a worker that lives, and for one that is killed in the same moment."""

_Points = dict[tuple[str, str], dict[str, dict[str, Any]]]


def _kill_all(names: tuple[str, ...], home: Path) -> _Points:
    found: _Points = {}
    with throwaway_services() as services:
        reached: dict[str, str] = {}
        for service in services.all:
            start(service)
            reached |= service.environment
        with on_servers(reached, home) as platform:
            buckets = {"lake": platform["MINIO_LAKE_BUCKET"], "landing": platform["MINIO_LANDING_BUCKET"]}
            for name, (how, when) in product(names, WHEN.items()):
                moments = [MOMENTS[moment].format(**buckets) for moment in when]
                points = drive(platform, "service", services.minio.folder.parent, name, how, *moments)
                found[name, how] = dict(zip(when, points, strict=True))
    return found


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Points]:
    homes = [tmp_path_factory.mktemp("killed") / "home" for _ in SETS]
    with ThreadPoolExecutor(len(SETS)) as drivers:
        yield {key: value for found in drivers.map(_kill_all, SETS, homes) for key, value in found.items()}


each_service = pytest.mark.parametrize("service", [name for names in SETS for name in names])


@each_service
@pytest.mark.parametrize("how", WHEN)
def test_nothing_is_lost_doubled_or_left(points: _Points, service: str, how: str) -> None:
    found = points[service, how]
    assert {moment: wrong(point) for moment, point in found.items() if wrong(point)} == {}
    assert [point["killed"] for point in found.values()] == [[service]] * len(WHEN[how])


@pytest.mark.parametrize("service", ["minio", "ferretdb", "postgresql"])
def test_a_store_that_comes_back_costs_nothing_but_time(points: _Points, service: str) -> None:
    found = points[service, "harmless"]
    assert {moment: point["gave_up"] for moment, point in found.items() if point["gave_up"]} == {}
    assert {point["attempts"] for point in found.values()} == {1}
    assert all(point["committed"] for point in found.values())


def test_a_lost_session_of_postgis_is_said_and_costs_an_attempt(points: _Points) -> None:
    found = points["postgis", "harmless"]
    needed = list(MOMENTS)[: list(MOMENTS).index("place")]
    for moment, point in found.items():
        if moment in needed:
            assert "POSTGRES_HOST" in point["gave_up"], moment
            assert (point["committed"], point["attempts"]) == (0, 2), moment
        else:
            assert (point["gave_up"], point["committed"], point["attempts"]) == (None, 1, 1), moment


@each_service
def test_a_worker_that_dies_beside_it_is_followed_by_another(points: _Points, service: str) -> None:
    found = points[service, "deadly"]
    assert all(point["trail"] is None for point in found.values())
    attempts = {moment: point["attempts"] for moment, point in found.items()}
    assert attempts == {"load": 2, "place in parts": 2, "commit": 2, "publish": 1, "archive": 1}
