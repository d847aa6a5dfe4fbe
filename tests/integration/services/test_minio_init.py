"""`spatial-etl admin init` on MinIO, and what the accounts that it makes may and may not do."""

import io
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from minio import Minio

from libs.models import Rejected, ServiceUnavailable
from libs.models.settings import Settings
from libs.pipeline.upload import Upload, upload_all
from libs.platform import open_landing_zone, s3_server
from libs.spatial_utils.formats import find_format
from libs.storage import IDENTITY
from services.administration import Accounts
from services.local import Service
from services.minio.init import prepare
from tests.buckets import Buckets
from tests.services import GivenService

pytestmark = pytest.mark.integration


@pytest.fixture
def prepared(minio: Service | GivenService, buckets: Buckets, tmp_path: Path) -> tuple[Settings, Accounts]:
    if isinstance(minio, GivenService):
        pytest.skip("MINIO_ENDPOINT names a server whose policies and accounts are not ours to change")
    names = [f"test-{secrets.token_hex(8)}" for _ in range(2)]
    for name in names:
        buckets.own(name)
    settings = buckets.settings(minio_landing_bucket=names[0], minio_lake_bucket=names[1])
    accounts = Accounts(tmp_path / "accounts")
    list(prepare(settings, accounts))
    return settings, accounts


@pytest.fixture
def role(prepared: tuple[Settings, Accounts]) -> Callable[[str], Any]:
    """A plain S3 client with a role's keys."""

    def role(name: str) -> Any:
        return s3_server(
            Settings(_env_file=None, **{key.lower(): value for key, value in prepared[1].settings(name).items()})
        ).quick

    return role


def refused(operation: Callable[..., object], **arguments: object) -> bool:
    with pytest.raises(ClientError) as failure:
        operation(**arguments)
    return failure.value.response["Error"]["Code"] in {"AccessDenied", "403"}


def test_everything_is_made_once_and_stays_as_it_is(prepared: tuple[Settings, Accounts]) -> None:
    settings, accounts = prepared
    before = {name: accounts.settings(name) for name in ("uploader", "pipeline", "gc")}
    again = list(prepare(settings, accounts))
    assert len(again) == 8
    assert all(step.done.startswith("already there") for step in again)
    assert {name: accounts.settings(name) for name in before} == before
    for name, own in before.items():
        assert accounts.path(name).stat().st_mode & 0o777 == 0o600
        assert own["MINIO_ROOT_PASSWORD"] not in str(again)


def test_an_uploader_puts_its_files_and_manifests_and_reads_reports(
    prepared: tuple[Settings, Accounts], role: Callable[[str], Any], buckets: Buckets
) -> None:
    landing, lake = prepared[0].minio_landing_bucket, prepared[0].minio_lake_bucket
    for key in ("reports/a.json", "someone-else/a.gpkg", "manifests/other.json", "archive/a/a-1.json"):
        buckets.client.put_object(Bucket=landing, Key=key, Body=b"{}")
    buckets.client.put_object(Bucket=lake, Key="a/v1/data.parquet", Body=b"PAR1")
    uploader = role("uploader")
    uploader.put_object(Bucket=landing, Key="spatial-etl-uploader/a.gpkg", Body=b"1")
    uploader.put_object(Bucket=landing, Key="manifests/a.json", Body=b"{}")
    assert uploader.get_object(Bucket=landing, Key="reports/a.json")["Body"].read() == b"{}"
    assert uploader.list_objects_v2(Bucket=landing, Prefix="spatial-etl-uploader/")["KeyCount"] == 1
    for key in ("someone-else/b.gpkg", "reports/a.json", "archive/a/b.json"):
        assert refused(uploader.put_object, Bucket=landing, Key=key, Body=b"1")
    for key in ("someone-else/a.gpkg", "manifests/other.json"):
        assert refused(uploader.get_object, Bucket=landing, Key=key)
        assert refused(uploader.delete_object, Bucket=landing, Key=key)
    assert refused(uploader.list_objects_v2, Bucket=landing)
    assert refused(uploader.list_objects_v2, Bucket=lake)
    assert refused(uploader.get_object, Bucket=lake, Key="a/v1/data.parquet")
    assert refused(uploader.put_object, Bucket=lake, Key="a/v2/data.parquet", Body=b"1")


def test_the_pipeline_writes_to_the_lake_and_deletes_nothing_there(
    prepared: tuple[Settings, Accounts], role: Callable[[str], Any]
) -> None:
    landing, lake = prepared[0].minio_landing_bucket, prepared[0].minio_lake_bucket
    pipeline = role("pipeline")
    pipeline.put_object(Bucket=lake, Key="a/v1/data.parquet", Body=b"PAR1", IfNoneMatch="*")
    pipeline.put_object(Bucket=landing, Key="a/a.gpkg", Body=b"1")
    pipeline.put_object(Bucket=landing, Key="manifests/a.json", Body=b"1")
    pipeline.delete_object(Bucket=landing, Key="manifests/a.json")
    assert refused(pipeline.delete_object, Bucket=lake, Key="a/v1/data.parquet")
    assert refused(pipeline.delete_object, Bucket=landing, Key="a/a.gpkg")
    assert refused(pipeline.delete_bucket, Bucket=lake)
    assert refused(pipeline.create_bucket, Bucket=f"{lake}-2")


def test_gc_removes_from_the_lake_and_writes_nowhere(
    prepared: tuple[Settings, Accounts], role: Callable[[str], Any], buckets: Buckets
) -> None:
    landing, lake = prepared[0].minio_landing_bucket, prepared[0].minio_lake_bucket
    buckets.client.put_object(Bucket=lake, Key="a/v1/data.parquet", Body=b"PAR1")
    buckets.client.put_object(Bucket=landing, Key="a/a.gpkg", Body=b"1")
    gc = role("gc")
    gc.delete_object(Bucket=lake, Key="a/v1/data.parquet")
    buckets.client.put_object(Bucket=lake, Key=IDENTITY, Body=b"{}")
    assert gc.get_object(Bucket=lake, Key=IDENTITY)["Body"].read() == b"{}"
    assert refused(gc.delete_object, Bucket=lake, Key=IDENTITY)
    for bucket in (landing, lake):
        assert refused(gc.put_object, Bucket=bucket, Key="x", Body=b"1")
        gc.list_multipart_uploads(Bucket=bucket)
    assert refused(gc.delete_object, Bucket=landing, Key="a/a.gpkg")
    assert refused(gc.get_object, Bucket=landing, Key="a/a.gpkg")


def test_somebody_who_is_no_administrator_is_told_so(prepared: tuple[Settings, Accounts]) -> None:
    own = {key.lower(): value for key, value in prepared[1].settings("pipeline").items()}
    with pytest.raises(ServiceUnavailable, match=r"takes an administrator.*MINIO_ROOT_USER") as failure:
        list(prepare(Settings(_env_file=None, **own), None))
    assert own["minio_root_password"] not in str(failure.value)


GEOJSON = (
    '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{},"geometry":{"type":"Point","coordinates":[1,2]}}]}'
)


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command line with the settings of a role."""
    (tmp_path / "points.geojson").write_text(GEOJSON)

    def command(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("MINIO_", "MONGO_", "POSTGRES_"))
        }
        environment |= settings | {"SPATIAL_ETL_HOME": str(tmp_path / "home")}
        program = [sys.executable, "-c", "from services.cli.main import main; main()"]
        return subprocess.run([*program, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return command


def test_the_commands_work_with_the_accounts_and_say_no_secret(
    prepared: tuple[Settings, Accounts], command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    accounts = {name: prepared[1].settings(name) for name in ("pipeline", "gc")}
    said = ""
    for name, *arguments, code in (
        ("pipeline", "ingest", "points.geojson", 0), ("pipeline", "status", 0), ("pipeline", "show", "points", 0),
        ("pipeline", "lineage", "points", 0), ("pipeline", "verify", 0), ("pipeline", "replay", "points", 0),
        ("pipeline", "doctor", 0), ("pipeline", "config", 0), ("pipeline", "config", "--json", 0), ("gc", "gc", 0),
        ("pipeline", "gc", 3), ("gc", "ingest", "points.geojson", 3),
    ):  # fmt: skip
        done = command(accounts[name], *arguments)
        assert done.returncode == code, (name, arguments, done.stdout + done.stderr)
        said += done.stdout + done.stderr
    wrong = command(accounts["pipeline"] | {"MINIO_ROOT_PASSWORD": "wrong-secret-123"}, "process")
    assert wrong.returncode == 3
    assert "Check MINIO_ROOT_PASSWORD." in wrong.stderr
    for secret in (
        *(own["MINIO_ROOT_PASSWORD"] for own in accounts.values()),
        "wrong-secret-123",
        "X-Amz-Signature",
        "Traceback",
    ):
        assert secret not in said + wrong.stdout + wrong.stderr


def test_somebody_with_a_plain_client_delivers_and_reads_the_report(
    prepared: tuple[Settings, Accounts], command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    own = prepared[1].settings("uploader")
    client = Minio(own["MINIO_ENDPOINT"], own["MINIO_ROOT_USER"], own["MINIO_ROOT_PASSWORD"], secure=False)
    landing = own["MINIO_LANDING_BUCKET"]
    key = f"{own['MINIO_ROOT_USER']}/march/points.geojson"
    client.fput_object(landing, key, str(tmp_path / "points.geojson"))
    manifest = {
        "batch_id": "march", "uploader": "somebody", "intent": "ingest_vector",
        "files": [{"path": f"s3://{landing}/{key}", "type": "vector", "format": "GeoJSON"}],
    }  # fmt: skip
    content = json.dumps(manifest).encode()
    client.put_object(landing, "manifests/march.json", io.BytesIO(content), len(content))
    done = command(prepared[1].settings("pipeline"), "process", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(client.get_object(landing, "reports/march.json").read())
    assert (report["status"], [dataset["dataset_id"] for dataset in report["datasets"]]) == ("success", ["points"])


def test_an_uploader_submits_and_takes_no_name_that_waits(
    prepared: tuple[Settings, Accounts], command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """An account that can neither list, read nor remove manifests."""
    own = prepared[1].settings("uploader")
    path = f"s3://{own['MINIO_LANDING_BUCKET']}/{own['MINIO_ROOT_USER']}/points.geojson"
    manifest = {
        "batch_id": "april", "uploader": "one", "intent": "ingest_vector",
        "files": [{"path": path, "type": "vector", "format": "GeoJSON"}],
    }  # fmt: skip
    (tmp_path / "one.json").write_text(json.dumps(manifest))
    (tmp_path / "two.json").write_text(json.dumps(manifest | {"uploader": "two"}))
    done = command(own, "submit", "one.json", "points.geojson")
    assert done.returncode == 0, done.stdout + done.stderr
    refusal = command(own, "submit", "two.json")
    assert refusal.returncode == 1, refusal.stdout + refusal.stderr
    assert "batch_waiting" in refusal.stdout
    processed = command(prepared[1].settings("pipeline"), "process", "--json")
    assert [(each["batch_id"], each["status"]) for each in json.loads(processed.stdout)] == [("april", "success")]


def test_a_lake_that_may_not_be_written_to_stops_before_any_work(
    prepared: tuple[Settings, Accounts], command: Callable[..., subprocess.CompletedProcess[str]], buckets: Buckets
) -> None:
    """Nothing is claimed, and the manifest still waits for the account to be put right."""
    settings, accounts = prepared
    own = accounts.settings("pipeline")
    locked = f"test-{secrets.token_hex(8)}"
    buckets.client.create_bucket(Bucket=locked)
    buckets.own(locked)
    done = command(own | {"MINIO_LAKE_BUCKET": locked}, "ingest", "points.geojson")
    assert done.returncode == 3
    assert "may not do this in the bucket" in done.stderr
    assert "Check MINIO_ROOT_USER" in done.stderr
    assert buckets.client.list_objects_v2(Bucket=locked)["KeyCount"] == 0
    assert "No batch has arrived" in command(own, "status").stdout
    done = command(own, "process")
    assert done.returncode == 0
    assert "success" in done.stdout
    assert settings.minio_lake_bucket in done.stdout


def test_an_uploader_submits_and_corrects_its_files(
    prepared: tuple[Settings, Accounts], buckets: Buckets, tmp_path: Path
) -> None:
    """With no more rights than that: it sees its own folder, and reads reports that it knows the names of."""
    own = prepared[1].settings("uploader")
    settings = Settings(_env_file=None, spatial_etl_home=tmp_path / "home", **{key.lower(): each for key, each in own.items()})
    landing, path = open_landing_zone(settings), tmp_path / "a.geojson"
    upload = Upload(path, find_format("GeoJSON", "format"), "spatial-etl-uploader/in", "files[0].path")

    def deliver(content: bytes) -> None:
        path.write_bytes(content)
        upload_all(landing, [upload], b"{}", "b1")

    deliver(b"first")
    deliver(b"first")
    with pytest.raises(Rejected, match="has no report yet"):
        deliver(b"second")
    time.sleep(1.1)  # HEAD, by which this account sees the report, tells the time to the second
    buckets.client.put_object(Bucket=landing.bucket, Key="reports/b1.json", Body=b"{}")
    deliver(b"second")
    assert landing.store.read(upload.key) == b"second"
    with pytest.raises(Rejected, match="has no report yet"):
        deliver(b"third")
