"""The main job on the real services, as the README tells it, where there is no network but loopback."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
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


@dataclass
class Machine:
    """A machine on which nothing is set: what its processes know, they have from an account's file, as the README says."""

    folder: Path
    accounts: Path

    def __call__(self, role: str, command: str, *, code: int = 0) -> str:
        """Run a command of a shell with an account; what it says."""
        script = f'set -a; . "{self.accounts}/{role}.env"; set +a; {command}'
        return self._run(script, code)

    def with_dotenv(self, role: str, command: str) -> str:
        """The same with the account's file as ``.env``."""
        shutil.copy(self.accounts / f"{role}.env", self.folder / ".env")
        try:
            return self._run(command, 0)
        finally:
            (self.folder / ".env").unlink()

    def ledgers(self) -> list[Path]:
        """Ledgers on the disk, of which a server stack has none."""
        return list(self.folder.rglob("ledger.sqlite"))

    def _run(self, script: str, code: int) -> str:
        environment = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "HOME": str(self.folder)}
        done = subprocess.run(["sh", "-c", script], cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == code, f"{script}\n{said}"
        for file in self.accounts.iterdir():
            own = Accounts(self.accounts).settings(file.stem)
            secrets = [value for name, value in own.items() if name.endswith("PASSWORD")]
            assert not any(secret in said for secret in secrets), script
        return done.stdout if code == 0 else said


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "machine").mkdir()
    for file in FILES[:2]:
        shutil.copy(file, tmp_path / "machine")
    entry = {"path": "s3://landing-zone/spatial-etl-uploader/march/parks.geojson", "type": "vector", "format": "GeoJSON"}
    manifest = {"batch_id": "march", "uploader": "field-team", "intent": "ingest_vector", "files": [entry]}
    (tmp_path / "machine" / "march.json").write_text(json.dumps(manifest))
    return Machine(tmp_path / "machine", tmp_path / "accounts")


def test_the_accounts_do_what_the_readme_says_and_no_more(cli: Any, machine: Machine) -> None:
    with throwaway_services() as services:
        for service in services.all:
            start(service)
            cli.environment |= service.environment
        steps = cli("admin", "init", "--accounts", machine.accounts, "--json").json
        done = {step["what"]: step["done"] for step in steps}
        assert all(done[f"settings of {role}"].startswith("complete: ") for role in ("uploader", "pipeline", "gc"))
        assert done["lake data-lake and ledger spatial_etl"] == "belong together from now on"
        assert {done[what] for what in done if what.startswith("database spatial_etl, ")} == {"created"}
        again = {step["what"]: step["done"] for step in cli("admin", "init", "--accounts", machine.accounts, "--json").json}
        assert again["lake data-lake and ledger spatial_etl"] == "belong together"
        before = {path: path.read_text() for path in machine.accounts.iterdir()}
        refused = cli("admin", "init", "--accounts", machine.accounts, code=3, MONGO_DATABASE="another").err
        assert "it belongs to another ledger" in refused
        assert {path: path.read_text() for path in machine.accounts.iterdir()} == before

        # Those who deliver: their files below the folder of their account, then the manifest.
        assert "Submitted march" in machine("uploader", "spatial-etl submit march.json parks.geojson")
        (report,) = json.loads(machine("pipeline", "spatial-etl process --json"))
        assert [(each["dataset_id"], each["version"]) for each in report["datasets"]] == [("parks", 1)]
        assert machine.ledgers() == []

        assert "success" in machine("pipeline", "spatial-etl ingest town.gpkg --project Riverton")
        looks = "datasets", "status march", "show parks", "lineage parks", "doctor"
        for command in ("verify", "replay parks", "reconcile", *looks):
            machine("pipeline", f"spatial-etl {command}")
            machine.with_dotenv("pipeline", f"spatial-etl {command}")
        assert json.loads(machine("pipeline", "spatial-etl lineage parks --json"))["engine"] == "postgis"
        for command in ("gc --dry-run", "gc --yes", "gc --json", "verify"):
            machine("gc", f"spatial-etl {command}")
        assert machine.ledgers() == []

        for role, command in (
            ("uploader", "ingest parks.geojson"), ("uploader", "process"), ("uploader", "verify"), ("uploader", "gc --yes"),
            ("gc", "ingest parks.geojson"), ("pipeline", "gc --yes"),
        ):  # fmt: skip
            machine(role, f"spatial-etl {command}", code=3)
        assert "MONGO_CONNECTION_STRING is not set" in machine("uploader", "spatial-etl status")
        assert [asset["dataset_id"] for asset in cli("datasets", "--json").json] == [
            "parks", "riverton.town.buildings", "riverton.town.roads",
        ]  # fmt: skip


def test_accounts_for_a_lake_on_a_server_and_a_ledger_on_this_machine(cli: Any, machine: Machine) -> None:
    """Legal, but on one machine only: the accounts name the home, and `admin init` says so."""
    with throwaway_services() as services:
        start(services.minio)
        said = cli("admin", "init", "--accounts", machine.accounts, **services.minio.environment).out
        assert "on this machine only" in said
        assert "set MONGO_CONNECTION_STRING, and do this again" in " ".join(said.split())
        machine("uploader", "spatial-etl submit march.json parks.geojson")
        assert not cli.home.exists(), "it needs no ledger, and makes none"
        assert "success" in machine("pipeline", "spatial-etl process")
        machine("gc", "spatial-etl gc --yes")
        machine("pipeline", "spatial-etl verify")
        assert (cli.home / "ledger.sqlite").exists()
        assert machine.ledgers() == []
        assert [asset["dataset_id"] for asset in cli("datasets", "--json", **services.minio.environment).json] == ["parks"]


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
