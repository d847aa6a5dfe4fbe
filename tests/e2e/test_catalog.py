"""``serve`` as it is typed: it says where it is, answers, and ends with Ctrl-C."""

import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import Cli

pytestmark = pytest.mark.integration


@contextmanager
def serving(cli: Cli) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [*cli.command, "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=cli.folder, env=cli.environment, stdout=-1, stderr=-1, text=True) as process:
        try:
            yield process, re.findall(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        finally:
            process.kill()


def test_it_serves_until_ctrl_c_and_leaves_nothing(stocked: Cli) -> None:
    (stocked.folder / "services").mkdir(exist_ok=True)  # a folder of this name where it is called is not taken for ours
    (stocked.folder / "services/__init__.py").write_text("raise SystemExit('not ours')")
    with serving(stocked) as (process, url):
        with urllib.request.urlopen(url, timeout=30) as page:
            assert "alpha.points" in page.read().decode()
        with urllib.request.urlopen(f"{url}ogc/collections/alpha.points/items", timeout=30) as page:
            assert b'"numberMatched":2' in page.read()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert not [*(stocked.home / "scratch/runs").glob("catalog-*")]


def test_a_port_that_is_taken_is_said(stocked: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"the port {port}" in stocked("serve", "--port", port, code=3).err


def test_without_a_home_there_is_nothing_to_serve_and_none_is_made(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    assert "spatial-etl ingest FILE" in cli("serve", "--port", "0", code=3).err
    assert not cli.home.exists()
