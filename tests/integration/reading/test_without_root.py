"""The sandbox of a user who is not root: a service's, a container's."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

NOBODY = 65534
ROOT = Path(__file__).parents[3]
SEEN = """
import json, pathlib
from libs.models.settings import Settings
from libs.platform import health
from libs.spatial_utils.reading import sandbox_features
from libs.spatial_utils.reading.launcher import LAUNCHER

features = sandbox_features()
devices = pathlib.Path(f"/proc/{LAUNCHER._process.pid}/net/dev").read_text().splitlines()[2:]
said = [check.found for check in health._reading(Settings()) if check.name == "Sandbox"]
print(json.dumps({**features, "devices": [line.split(":")[0].strip() for line in devices], "doctor": said}))
"""


def without_rights() -> list[str]:
    """What starts a command as another user than root; or, where Python lies in root's home, as a root without any capability."""
    if os.geteuid() != 0:
        return []
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if (
        subprocess.run(
            [*nobody, "sh", "-c", 'exec "$0" -c ""', sys.executable], check=False, capture_output=True, cwd="/"
        ).returncode
        == 0
    ):
        return nobody
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]


@pytest.fixture
def seen(tmp_path: Path) -> dict[str, Any]:
    """What a process that is not root's finds of its own reading server."""
    if subprocess.run(["unshare", "--user", "--net", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody make user namespaces")
    told = subprocess.run(
        [*without_rights(), sys.executable, "-c", SEEN], cwd="/", env={"PYTHONPATH": str(ROOT), "SPATIAL_ETL_HOME": "/nowhere"},
        text=True, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    result: dict[str, Any] = json.loads(told.stdout)
    return result


def test_the_reading_processes_of_a_user_who_is_not_root_have_no_network(seen: dict[str, Any]) -> None:
    assert seen["no_network"]
    assert seen["devices"] == ["lo"]
    assert seen["doctor"]
    assert "no network" in seen["doctor"][0]
