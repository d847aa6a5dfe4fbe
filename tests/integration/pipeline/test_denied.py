"""On S3, what a policy denies for one object is that object's problem."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from libs.models import Status
from libs.pipeline.process import process
from libs.platform import open_stack
from services.local import Service
from tests.buckets import Buckets
from tests.services import GivenService

pytestmark = pytest.mark.integration


def test_objects_that_a_policy_denies_stop_no_other(
    minio: Service | GivenService, buckets: Buckets, tmp_path: Path, geojson: Callable[..., str]
) -> None:
    if isinstance(minio, GivenService):
        pytest.skip("MINIO_ENDPOINT names a server whose policies and accounts are not ours to change")
    landing, lake, name = buckets.new(), buckets.new(), f"test-{secrets.token_hex(8)}"
    where = f"arn:aws:s3:::{landing}"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]},
            {"Effect": "Deny", "Action": ["s3:GetObject"], "Resource": [f"{where}/in/closed*", f"{where}/manifests/closed.json"]},
            {"Effect": "Deny", "Action": ["s3:DeleteObject"], "Resource": [f"{where}/manifests/kept.json"]},
        ],
    }
    admin = MinioAdmin(
        endpoint=minio.environment["MINIO_ENDPOINT"],
        credentials=StaticProvider(minio.environment["MINIO_ROOT_USER"], minio.environment["MINIO_ROOT_PASSWORD"]),
        secure=False,
    )
    admin.policy_add(name, policy=policy)
    admin.user_add(name, name)
    admin.policy_set(name, user=name)

    def put(key: str, content: str) -> None:
        buckets.client.put_object(Bucket=landing, Key=key, Body=content.encode())

    for key in ("in/a.geojson", "in/closed.geojson"):
        put(key, geojson())
    for batch, key in {"closed": "a", "raw": "closed", "kept": "a", "good": "a"}.items():
        entry = {"path": f"s3://{landing}/in/{key}.geojson", "type": "vector", "format": "GeoJSON", "dataset_id": batch}
        content = {"batch_id": batch, "uploader": "someone", "intent": "ingest_vector", "files": [entry]}
        put(f"manifests/{batch}.json", json.dumps(content))
    settings = buckets.settings(
        minio_landing_bucket=landing, minio_lake_bucket=lake, spatial_etl_home=tmp_path, minio_root_user=name,
        minio_root_password=name,
    )  # fmt: skip
    with open_stack(settings) as stack:
        assert [stack.landing.key_of(error) for error in stack.landing.closed(10)] == ["manifests/closed.json"]
        reports = {report.batch_id: report for report in process(stack)}
        assert list(process(stack)) == [], "a process tells of each once"
        assert stack.ledger.batch("closed").status is Status.REJECTED
    said: dict[str, Any] = {
        batch: [(each.code, each.where) for each in (*report.problems, *report.warnings)] for batch, report in reports.items()
    }
    assert said == {
        "closed": [("unreadable_manifest", "manifests/closed.json")],
        "raw": [("unreadable_file", f"s3://{landing}/in/closed.geojson")],
        "kept": [("manifest_left", "manifests/kept.json")],
        "good": [],
    }
    assert [reports[batch].status for batch in ("raw", "kept", "good")] == [Status.REJECTED, Status.SUCCESS, Status.SUCCESS]
