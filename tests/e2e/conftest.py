"""The installed command, run from outside in a folder of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from libs.platform import s3_server
from services.administration import Accounts
from services.local import throwaway_services
from tests.orchestrated import BucketUploader, FolderUploader, Orchestrated, settings_of
from tests.services import start

ROOT = Path(__file__).parents[2]
PLATFORM_SETTINGS = ("SPATIAL_ETL_", "MINIO_", "MONGO_", "POSTGRES_")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """Runs ``spatial-etl`` with the embedded stores below a folder; nothing of the surroundings' settings gets through."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "var"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PLATFORM_SETTINGS)}
        self.environment = {**inherited, "SPATIAL_ETL_HOME": str(self.home), "COLUMNS": "120", "USER": "tester"}

    @property
    def command(self) -> list[str | Path]:
        """The installed command. Coverage is measured inside of the tests' own process only: here it would cost half a start."""
        return [Path(sys.executable).with_name("spatial-etl")]

    def __call__(self, *arguments: str | Path, code: int = 0, **environment: str) -> Result:
        """Run a command; it must end with ``code`` and without a traceback."""
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        result = Result(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in result.err, result.err
        assert result.code == code, f"exit code {result.code}\n{result.out}\n{result.err}"
        return result

    def reports(self) -> list[str]:
        """The reports in the embedded landing zone."""
        return [path.read_text(encoding="utf-8") for path in (self.home / "landing-zone/reports").rglob("*.json")]


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.fixture(params=["embedded", "servers"])
def orchestrated(request: pytest.FixtureRequest, cli: Cli) -> Iterator[Orchestrated]:
    """Dagster on the embedded default, and on real services as ``make up`` starts them. ``cli`` reaches the same."""
    log = cli.folder / "dagster.log"
    if request.param == "embedded":
        command = [sys.executable, "-m", "services.dagster", "--port", "0"]
        yield Orchestrated(command, cli.environment, FolderUploader(cli.home / "landing-zone"), "in", log)
        return
    with throwaway_services() as services:
        for each in services.all:
            start(each)
            cli.environment |= each.environment
        accounts = Accounts(cli.folder / "accounts")
        cli("admin", "init", "--accounts", accounts.folder)
        cli.environment |= {
            "SPATIAL_ETL_HOME": str(services.minio.folder.parents[1]),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        own = settings_of(accounts.settings("uploader"))
        uploader = BucketUploader(s3_server(own).quick, own.minio_landing_bucket)
        command = ["sh", ROOT / "services" / "dagster" / "up.sh", "0"]
        yield Orchestrated(command, cli.environment, uploader, str(own.minio_root_user), log)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """One batch, ``first``, of one dataset, ``alpha.points``, from ``points.geojson`` in its folder. For tests that only look."""
    cli = Cli(tmp_path_factory.mktemp("stocked"))
    cli("ingest", two_points(cli.folder), "--project", "Alpha", "--batch-id", "first")
    return cli


@pytest.fixture
def points(tmp_path: Path) -> Path:
    """A GeoJSON file of two points."""
    return two_points(tmp_path)


def two_points(folder: Path) -> Path:
    """Write a GeoJSON file of two points."""
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Point", "coordinates": [x, 50.0]}}
        for name, x in (("a", 10.0), ("b", 11.0))
    ]
    path = folder / "points.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path
