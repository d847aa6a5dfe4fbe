"""The main job on the real services, as the README tells it, where there is no network but loopback."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.administration import Accounts
from services.local import throwaway_services
from tests.services import start

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "demo" / "data" / name for name in ("town.gpkg", "parks.geojson", "districts.zip")]
LOOPBACK_UP = """
import fcntl, socket, struct, sys
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
"""
COMMANDS = """
set -eu
python -c "$LOOPBACK_UP"
python -m services.local up --folder "$FOLDER" >&2
trap 'python -m services.local down --folder "$FOLDER" >&2' EXIT
eval "$(python -m services.local env --folder "$FOLDER")"
cd "$SPATIAL_ETL_HOME"
spatial-etl admin init >&2
spatial-etl ingest "$@" --project Riverton --json
spatial-etl verify --json
spatial-etl replay riverton.parks --json
"""


@pytest.fixture
def loopback_only() -> list[str]:
    """What to put before a command to leave it nothing but loopback."""
    for prefix in (["unshare", "--net"], ["unshare", "--net", "--map-current-user", "--keep-caps"]):
        done = subprocess.run([*prefix, sys.executable, "-c", LOOPBACK_UP], capture_output=True, check=False)
        if done.returncode == 0:
            return prefix
    pytest.skip("network namespaces are not permitted here: run as root, or allow unprivileged user namespaces")


def test_the_main_job(cli: Any, loopback_only: list[str], tmp_path: Path) -> None:
    with throwaway_services() as services:
        for service in services.all:  # the programs must be here
            start(service)
            service.stop()
        folder = services.minio.folder.parent
        own = {
            **cli.environment, "LOOPBACK_UP": LOOPBACK_UP, "FOLDER": str(folder), "PYTHONPATH": str(ROOT),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        cli.home.mkdir()
        command = [*loopback_only, "bash", "-c", COMMANDS, "-", *FILES]
        done = subprocess.run(command, env=own, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        clusters = services.mongodb.cluster, services.postgis.cluster
        secrets = services.minio.environment["MINIO_ROOT_PASSWORD"], *(cluster.password for cluster in clusters)
        assert not any(secret in done.stdout + done.stderr for secret in secrets)

    report, verified, replayed = documents(done.stdout)
    embedded = cli("ingest", *FILES, "--project", "Riverton", "--json", SPATIAL_ETL_HOME=str(tmp_path / "embedded")).json
    assert summary(report) == summary(embedded)
    assert {item["finding"] for item in verified} == {"intact"}
    assert len(verified) == len(report["datasets"])
    assert replayed["identical"]
    assert [path.name for path in cli.home.iterdir()] == ["scratch"], "nothing but scratch is on the disk"


def test_an_uploader_submits_with_an_account_that_may_no_more(cli: Any, tmp_path: Path) -> None:
    entry = {"path": "s3://landing-zone/field-team/a.gpkg", "type": "vector", "format": "GPKG"}
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"batch_id": "b", "uploader": "me", "intent": "ingest_vector", "files": [entry]}))
    with throwaway_services() as services:
        start(services.minio)
        accounts = Accounts(tmp_path / "accounts")
        cli("admin", "init", "--accounts", accounts.folder, **services.minio.environment)
        cli("submit", manifest, **accounts.settings("uploader"))
        assert not cli.home.exists(), "it needs no ledger, and makes none"
        (report,) = cli("process", "--json", code=1, **services.minio.environment).json
    assert [problem["code"] for problem in report["problems"]] == ["missing_file"]


def documents(text: str) -> list[Any]:
    found, decoder = [], json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


def summary(report: Any) -> list[tuple[Any, ...]]:
    told = ("dataset_id", "version", "features", "crs", "geometry_types", "changes")
    return sorted(tuple(dataset[name] for name in told) for dataset in report["datasets"])
