"""What somebody sees whose services are not as the settings say: which setting to change, exit code 3, and nothing half done."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.uri_parser import parse_uri

from libs.platform import s3_server
from services.administration import Accounts
from services.local import throwaway_services
from services.minio.init import _Administration, policy
from tests.buckets import Buckets
from tests.services import start

pytestmark = pytest.mark.integration

WRONG = "a-wrong-password"


@pytest.fixture
def refused(cli: Any, points: Path) -> Callable[..., None]:
    """Ingests a file with some settings, and expects to be told of one of them."""

    def refused(environment: dict[str, str], setting: str, *said: str) -> None:
        cli.environment |= environment
        found = cli("ingest", points, code=3)
        assert found.err.startswith("Cannot go on: ")
        assert setting in found.err.partition(" Check ")[2].partition("\n")[0]
        assert all(each in found.err for each in said)
        secrets = {WRONG, *(value for name, value in environment.items() if name.endswith("PASSWORD"))}
        assert not any(secret in found.out + found.err for secret in secrets)

    return refused


@pytest.fixture
def with_buckets(buckets: Buckets) -> dict[str, str]:
    """Settings of a MinIO that is ready."""
    return buckets.environment | {"MINIO_LANDING_BUCKET": buckets.new(), "MINIO_LAKE_BUCKET": buckets.new()}


def test_a_wrong_password_of_minio(with_buckets: dict[str, str], refused: Callable) -> None:
    refused(with_buckets | {"MINIO_ROOT_PASSWORD": WRONG}, "MINIO_ROOT_PASSWORD")


def test_a_missing_landing_zone(with_buckets: dict[str, str], refused: Callable, buckets: Buckets) -> None:
    refused(with_buckets | {"MINIO_LANDING_BUCKET": "not-made"}, "MINIO_LANDING_BUCKET", "no bucket 'not-made'")
    assert buckets.client.list_objects_v2(Bucket=with_buckets["MINIO_LAKE_BUCKET"])["KeyCount"] == 0


def test_a_missing_lake(with_buckets: dict[str, str], refused: Callable, cli: Any) -> None:
    refused(with_buckets | {"MINIO_LAKE_BUCKET": "not-made"}, "MINIO_LAKE_BUCKET", "no bucket 'not-made'")
    # Nothing was begun, and the manifest waits for the setting to be put right.
    assert "No batch has arrived" in cli("status", **with_buckets).out
    assert [report["status"] for report in cli("process", "--json", **with_buckets).json] == ["success"]


def test_a_wrong_password_of_mongodb(mongodb: Any, refused: Callable) -> None:
    given = mongodb.environment["MONGO_CONNECTION_STRING"]
    password = parse_uri(given)["password"]
    assert given.count(f":{password}@") == 1
    wrong = given.replace(f":{password}@", f":{WRONG}@")
    refused(mongodb.environment | {"MONGO_CONNECTION_STRING": wrong}, "MONGO_CONNECTION_STRING", "the user or the password")


def test_a_wrong_password_of_postgis(postgis: Any, refused: Callable) -> None:
    refused(postgis.environment | {"POSTGRES_PASSWORD": WRONG}, "POSTGRES_PASSWORD")


def test_a_database_without_postgis(postgis: Any, refused: Callable) -> None:
    refused(postgis.environment | {"POSTGRES_DB": "template1"}, "POSTGRES_DB", "'template1' is without PostGIS", "admin init")


def test_a_lake_in_minio_that_is_read_only(cli: Any, refused: Callable, tmp_path: Path) -> None:
    with throwaway_services() as services:
        start(services.minio)
        accounts = Accounts(tmp_path / "accounts")
        prepare = "admin", "init", "--accounts", accounts.folder
        cli(*prepare, **services.minio.environment)
        own = accounts.settings("pipeline")
        settings = Buckets(services.minio.environment).settings()
        reading = policy("pipeline", settings)
        (writing,) = (each for each in reading["Statement"] if "s3:PutObject" in each["Action"])
        writing["Resource"] = ["arn:aws:s3:::landing-zone/*"]
        _Administration(s3_server(settings)).ask("policy_add", own["MINIO_ROOT_USER"], policy=reading)

        refused(own, "MINIO_ROOT_USER and the policy of that user", "may not do this in the bucket 'data-lake' (GetObject)")
        assert "No batch has arrived" in cli("status").out
        cli(*prepare, **services.minio.environment)
        assert [report["status"] for report in cli("process", "--json").json] == ["success"]


def test_scratch_that_cannot_be(refused: Callable, cli: Any) -> None:
    refused({"SPATIAL_ETL_SCRATCH": "/dev/null/x"}, "SPATIAL_ETL_SCRATCH", "/dev/null/x: Not a directory")
    assert "No batch has arrived" in cli("status").out
    assert "the folder /dev/null/x: Not a directory.\n            → Check SPATIAL_ETL_SCRATCH." in cli("doctor", code=3).out
    del cli.environment["SPATIAL_ETL_SCRATCH"]
    assert [report["status"] for report in cli("process", "--json").json] == ["success"]


def test_a_lake_that_is_read_only(cli: Any, points: Path) -> None:
    lake = cli.home / "data-lake"
    lake.mkdir(parents=True)
    lake.chmod(0o555)
    # Root writes everywhere, but without this capability.
    as_anybody = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    command = [*as_anybody, *cli.command, "ingest", points]
    done = subprocess.run(command, cwd=cli.folder, env=cli.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"the folder {lake}" in done.stderr
    assert "Check SPATIAL_ETL_HOME" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(lake.iterdir()) == []
    assert "No batch has arrived" in cli("status").out
    lake.chmod(0o755)
    cli("ingest", points)
