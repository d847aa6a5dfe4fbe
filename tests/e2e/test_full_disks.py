"""What somebody sees when the disk of a server is full: whose it is, exit code 3, nothing half done, nothing lost."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from services.local import LocalServices, throwaway_services
from tests.buckets import Buckets
from tests.disks import fill, make_room, small_disk
from tests.orchestrated import until
from tests.services import start

pytestmark = pytest.mark.integration

ROWS = 60_000


@pytest.fixture
def process_when_full(cli: Any, tmp_path: Path) -> Callable[..., str]:
    """Works on a batch while a folder's disk has only some bytes left, and again when there is room. What was said at first."""

    def process_when_full(disk: Path, *, but: int, notices: Callable[[], object] = lambda: None) -> str:
        source = tmp_path / "points.csv"
        source.write_text("n,lon,lat\n" + "".join(f"{n},{n % 179},{n % 89}\n" for n in range(ROWS)))
        located = "--x", "lon", "--y", "lat", "--crs", "EPSG:4326"
        cli("ingest", source, *located, "--project", "before", "--batch-id", "before")
        entry = {
            "path": "s3://landing-zone/before/points.csv", "type": "vector", "format": "CSV", "crs": "EPSG:4326",
            "options": {"x": "lon", "y": "lat"},
        }  # fmt: skip
        manifest = tmp_path / "after.json"
        batch = {
            "batch_id": "after",
            "uploader": "me",
            "intent": "ingest_vector",
            "files": [entry],
            "metadata": {"project": "after"},
        }
        manifest.write_text(json.dumps(batch))
        cli("submit", manifest)

        fill(disk, but=but)
        refused = cli("process", code=3)
        assert [dataset["dataset_id"] for dataset in cli("datasets", "--json").json] == ["before.points"]
        make_room(disk)
        notices()
        (report,) = cli("process", "--json").json
        assert report["status"] == "success"
        assert report["datasets"][0]["features"] == ROWS
        assert "intact" in {item["finding"] for item in cli("verify", "--json", code=0).json}
        left = cli("reconcile", "--json").json
        del left["linked"]  # where a decision was the last that the disk could take
        assert not any(left.values())
        return str(refused.err)

    return process_when_full


@pytest.fixture
def services() -> Any:
    with throwaway_services() as services:
        yield services


def test_of_minio(services: LocalServices, cli: Any, process_when_full: Callable) -> None:
    disk = services.minio.folder / "data"
    with small_disk(disk, 64):
        start(services.minio)
        cli.environment |= services.minio.environment
        cli("admin", "init")
        client = Buckets(services.minio.environment).client

        def has_room() -> bool:
            """What MinIO thinks, which looks at its disk every second or so."""
            with suppress(ClientError):
                client.put_object(Bucket="landing-zone", Key="room", Body=bytes(1_000_000))
                return True
            return False

        said = process_when_full(disk, but=100_000, notices=lambda: until(has_room, 30))
        services.minio.kill()
    assert "its disk is full: nothing can be written until there is space" in said
    assert "Check the disk of MINIO_ENDPOINT" in said


def test_of_postgis(services: LocalServices, cli: Any, process_when_full: Callable) -> None:
    start(services.postgis)
    services.postgis.stop()
    disk = services.postgis.folder / "data"
    with small_disk(disk, 64):
        start(services.postgis)
        cli.environment |= services.postgis.environment
        said = process_when_full(disk, but=1_000_000)
        services.postgis.kill()
    assert "No space left on device" in said
    assert "Check the free disk space of the server that POSTGRES_HOST names" in said
