"""The main job where there is no network at all: a network namespace of its own, without a route, without even loopback."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

DATA = Path(__file__).parents[2] / "demo" / "data"
FILES = [DATA / name for name in ("town.gpkg", "parks.geojson", "stops.kml", "districts.zip")]
REACH_OUT = """
import errno, socket
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error:
    print(errno.errorcode[error.errno])
"""


@pytest.fixture(scope="module")
def offline() -> list[str]:
    """What to put before a command to take the network from it."""
    for prefix in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
        try:
            done = subprocess.run([*prefix, sys.executable, "-c", REACH_OUT], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            break
        if done.returncode == 0:
            assert done.stdout.strip() == "ENETUNREACH"
            return prefix
    pytest.skip("network namespaces are not permitted here: run as root, or allow unprivileged user namespaces")


def test_the_main_job(cli: Any, offline: list[str], tmp_path: Path) -> None:
    def run(*arguments: str | Path, network: bool, home: str) -> Any:
        command = [Path(sys.executable).with_name("spatial-etl"), *arguments, "--json"]
        environment = {**cli.environment, "SPATIAL_ETL_HOME": str(tmp_path / home)}
        done = subprocess.run(
            command if network else [*offline, *command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def files(report: Any) -> dict[str, str]:
        return {file["uri"]: file["sha256"] for dataset in report["datasets"] for file in dataset["files"]}

    without = files(run("ingest", *FILES, network=False, home="without"))
    assert len(without) > len(FILES)
    assert without == files(run("ingest", *FILES, network=True, home="with"))
    assert {item["finding"] for item in run("verify", network=False, home="without")} == {"intact"}
    assert run("replay", "parks", network=False, home="without")["identical"]
