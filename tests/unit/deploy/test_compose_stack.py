"""What can be said of the stack without containers; tests/stack/ starts them."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.spatial_utils.worker import sandbox
from services.stack import __main__ as stack
from services.stack import seccomp

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
    return found


def test_the_shipped_seccomp_profile_is_the_generated_one() -> None:
    assert json.loads((ROOT / "deploy/seccomp.json").read_text()) == seccomp.profile()


def test_it_allows_the_one_call_by_which_the_sandbox_leaves_the_network_and_no_other_namespace() -> None:
    rules = [rule for rule in seccomp.profile()["syscalls"] if {"unshare", "setns", "mount"} & {*rule["names"]}]
    (rule,) = rules
    assert rule["args"] == [{"index": 0, "value": sandbox._CLONE_NEWUSER | sandbox._CLONE_NEWNET, "op": "SCMP_CMP_EQ"}]


def test_each_service_is_confined_limited_and_watched(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert {"mem_limit", "logging", "pids_limit", "restart"} <= {*service}, name
        assert "healthcheck" in service or name == "init"
        assert all(port.startswith("${SPATIAL_ETL_BIND:-127.0.0.1}:") for port in service.get("ports", [])), name


def test_no_password_stands_in_the_environment_of_a_service(services: dict[str, Any]) -> None:
    names = {name for service in services.values() for name in service.get("environment", {})}
    assert not {name for name in names if "PASSWORD" in name and not name.endswith("_FILE")}


def test_passwords_are_made_once_and_nobody_else_comes_through_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "secrets"
    monkeypatch.setenv("SPATIAL_ETL_SECRETS", str(folder))
    stack.make_secrets()
    first = {file.name: file.read_text() for file in folder.iterdir()}
    (folder / "LEDGER_PASSWORD").unlink()
    stack.make_secrets()
    second = {file.name: file.read_text() for file in folder.iterdir()}
    assert {*first} == {*second} == {*stack.SECRETS}
    assert {name for name in first if first[name] != second[name]} == {"LEDGER_PASSWORD"}
    assert len({*second.values()}) == len(second)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_machine_without_docker_is_told_what_to_install(tmp_path: Path) -> None:
    script = (
        "import shutil; shutil.which = lambda *_, **__: None; from services.stack.__main__ import main; raise SystemExit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "status"], cwd=ROOT, env=os.environ | {"SPATIAL_ETL_SECRETS": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no `docker` on the PATH. Install Docker 20.10 or later with the compose plugin" in done.stderr
