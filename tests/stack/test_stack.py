"""From `make stack` to a dataset in the lake, and what becomes of the stack when its processes are killed."""

import io
import json
import time
from typing import Any

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from tests.stack.conftest import ROOT, Stack

pytestmark = pytest.mark.integration

USER = "spatial-etl-uploader"
BATCHES = 50
PATIENCE = 180
"""Seconds until everything must be healthy after a kill: 45 on a machine that does nothing else, which no test can count on."""
SERVICES = (
    "minio", "ledger", "ledger-records", "postgis", "dagster-records", "code-server", "webserver", "definitions", "daemon",
    "worker",
)  # fmt: skip


def deliver(client: Any, batch: str) -> None:
    """Files first, then the manifest, as any S3 client does it."""
    path = f"{USER}/{batch}/parks.geojson"
    client.put_object(Bucket="landing-zone", Key=path, Body=(ROOT / "demo/data/parks.geojson").read_bytes())
    file = {"path": f"s3://landing-zone/{path}", "type": "vector", "format": "GeoJSON", "dataset_id": f"town.{batch}"}
    manifest = {
        "batch_id": batch,
        "uploader": "survey",
        "intent": "ingest_vector",
        "files": [file],
        "metadata": {"project": "Town"},
    }
    client.put_object(Bucket="landing-zone", Key=f"manifests/{batch}.json", Body=json.dumps(manifest).encode())


def report(client: Any, batch: str, seconds: float) -> Any:
    """The answer for the uploader."""
    until = time.monotonic() + seconds
    while True:
        try:
            return json.load(client.get_object(Bucket="landing-zone", Key=f"reports/{batch}.json")["Body"])
        except ClientError:
            assert time.monotonic() < until, f"no report on {batch}"
            time.sleep(0.5)


def test_the_sandbox_is_whole_in_the_container_where_nobody_is_root(stack: Stack) -> None:
    for service in ("worker", "code-server"):
        assert stack.compose("exec", "-T", service, "id", "-u").strip() == "10001"
        told = stack.compose("exec", "-T", service, "spatial-etl", "doctor")
        assert "no network" in told, told
        assert "Landlock (ABI" in told, told


def test_dagster_takes_a_delivery_of_a_plain_client_into_the_lake(stack: Stack) -> None:
    stack.compose("stop", "worker")
    deliver(stack.uploader(), "by-dagster")
    told = report(stack.uploader(), "by-dagster", 120)
    stack.compose("start", "worker")
    assert told["status"] == "success", told
    (dataset,) = told["datasets"]
    (key,) = [file["uri"].removeprefix("s3://data-lake/") for file in dataset["files"] if file["uri"].endswith("data.parquet")]
    content = stack.administrator().get_object(Bucket="data-lake", Key=key)["Body"].read()
    assert pq.read_table(io.BytesIO(content)).num_rows == dataset["features"] > 0
    listed = json.loads(stack.compose("exec", "-T", "code-server", "spatial-etl", "datasets", "--json"))
    assert "town.by-dagster" in json.dumps(listed)
    nodes = stack.ask("{ assetsOrError { ... on AssetConnection { nodes { key { path } } } } }")["assetsOrError"]["nodes"]
    assert any("by-dagster" in "/".join(node["key"]["path"]) for node in nodes), nodes


def test_an_uploader_reads_and_writes_nothing_of_the_lake(stack: Stack) -> None:
    client = stack.uploader()
    for action in (
        lambda: client.put_object(Bucket="data-lake", Key="town/v1/data.parquet", Body=b""),
        lambda: client.list_objects_v2(Bucket="data-lake"),
        lambda: client.put_object(Bucket="landing-zone", Key="somebody-else/file", Body=b""),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            action()


def test_no_password_is_shown_and_nothing_runs_with_rights(stack: Stack) -> None:
    containers = stack.compose("ps", "--all", "--quiet").split()
    told = json.loads(stack.docker.run("inspect", *containers))
    shown = json.dumps(told) + stack.compose("logs", "--no-color")
    for secret in stack.secrets.iterdir():
        assert secret.read_text() not in shown
    for container in told:
        host = container["HostConfig"]
        assert (host["ReadonlyRootfs"], host["CapDrop"], host["Privileged"]) == (True, ["ALL"], False)
        assert container["Config"]["User"] == "service"
        ports = [each["HostIp"] for bound in (host["PortBindings"] or {}).values() for each in bound]
        assert {*ports} <= {"127.0.0.1"}


def test_a_worker_reaches_no_network_but_its_neighbours(stack: Stack) -> None:
    reach = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
    for host, port, reached in (("minio", 9000, True), ("dagster-records", 5432, False), ("1.1.1.1", 53, False)):
        told = stack.compose(
            "exec", "-T", "worker", "sh", "-c", f"python -c '{reach}' {host} {port} && echo reached", check=False
        )
        assert ("reached" in told) == reached, host


def test_nothing_is_lost_or_doubled_when_each_process_is_killed_in_the_middle_of_the_work(stack: Stack) -> None:
    client = stack.uploader()
    names = [f"killed-{number}" for number in range(BATCHES)]
    for name in names[: BATCHES // 2]:
        deliver(client, name)
    for service in SERVICES:
        stack.kill(service)
        time.sleep(0.5)
    stack.wait_until_healthy(PATIENCE)
    for name in names[BATCHES // 2 :]:
        deliver(client, name)
    assert [report(client, name, 240)["status"] for name in names] == ["success"] * BATCHES
    lake = stack.administrator().get_paginator("list_objects_v2").paginate(Bucket="data-lake", Prefix="town.killed-")
    records = sorted(each["Key"].split("/")[0] for page in lake for each in page["Contents"] if "_version.json" in each["Key"])
    assert records == sorted(f"town.{name}" for name in names)
