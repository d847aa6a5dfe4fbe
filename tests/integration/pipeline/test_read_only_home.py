"""A home that may only be read tells all it knows, writes nothing, and says what it cannot do.

Root may write anywhere, so the command line runs as a root that gave that up, or on a file system that is mounted read-only.
"""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a home that is somebody else's"),
]

SOMEBODY = 65534
MAIN = "from services.cli.main import main; main()"
PLAIN = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
"""Runs a program without the rights to others' files."""
MOUNTED = ["unshare", "--mount", "sh", "-c", 'mount -o bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"']
"""Runs a program that sees the folder which follows as one that cannot be written to."""


@pytest.fixture
def home(open_platform: Callable[..., Any], geojson: Callable[..., str]) -> Path:
    """Somebody else's, with a version, and a manifest that waits."""
    platform = open_platform()
    platform.ingest("b1", platform.entry(platform.put("in/a.geojson", geojson())))
    platform.submit("b2", platform.entry(platform.put("in/b.geojson", geojson())))
    platform.stack.ledger.store.close()
    for path in (platform.home, *platform.home.rglob("*")):
        os.chown(path, SOMEBODY, SOMEBODY)
        path.chmod(0o755 if path.is_dir() else 0o644)
    return platform.home


def run(home: Path, how: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    names = ("SPATIAL_ETL_", "MINIO_", "MONGO_", "POSTGRES_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    return subprocess.run(
        [*how, sys.executable, "-c", MAIN, *arguments], env=environment | {"SPATIAL_ETL_HOME": str(home)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def state(home: Path) -> dict[str, Any]:
    paths = {str(path): path.stat() for path in (home, *home.rglob("*"))}
    return {name: (status.st_mtime_ns, status.st_size, status.st_ino) for name, status in paths.items()}


def test_it_tells_all_it_knows_and_says_what_it_cannot_do(home: Path, tmp_path: Path) -> None:
    before = state(home)
    (status,) = json.loads(run(home, PLAIN, "status", "--json").stdout)
    assert status["datasets"] == ["a@1"]
    for command in (["datasets"], ["show", "a"], ["lineage", "a"]):
        done = run(home, PLAIN, *command, "--json")
        assert '"a"' in done.stdout, done.stderr
    verified = run(home, PLAIN, "verify")
    assert (verified.returncode, verified.stderr) == (0, "")
    mounted = [*MOUNTED, str(home)]
    if run(home, mounted, "config").returncode == 0:  # where root may mount
        assert run(home, mounted, "verify").returncode == 0
    (tmp_path / "new.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    for command in (["process"], ["ingest", str(tmp_path / "new.geojson")]):
        done = run(home, PLAIN, *command)
        assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
        assert "cannot be written" in done.stderr.lower() or "permission denied" in done.stderr.lower()
    assert state(home) == before


def test_what_only_a_writer_has_is_read_too_or_missed_aloud(home: Path) -> None:
    ledger = home / "ledger.sqlite"
    done = run(home, PLAIN, "reconcile")
    assert done.returncode == 0, done.stderr
    writer = sqlite3.connect(ledger, isolation_level=None)  # at work elsewhere: its changes are in the log beside the file
    new = "SELECT collection, 'z@1', replace(body, '\"a\"', '\"z\"') FROM documents WHERE collection = 'assets'"
    writer.execute(f"INSERT INTO documents {new}")
    done = run(home, PLAIN, "datasets", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 2
    for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
        (home / f"{name}.kept").write_bytes((home / name).read_bytes())
    writer.close()
    (home / "ledger.sqlite-wal.kept").rename(home / "ledger.sqlite-wal")  # as a crash leaves it, copied without the other
    os.chown(home / "ledger.sqlite-wal", SOMEBODY, SOMEBODY)
    done = run(home, PLAIN, "datasets")
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert "run `spatial-etl status` once where it may be written to" in done.stderr


def test_a_ledger_that_cannot_be_written_says_so(home: Path) -> None:
    with sqlite3.connect(home / "ledger.sqlite") as connection:
        connection.execute("DELETE FROM documents WHERE collection = 'assets'")
    connection.close()
    for path in (home / "data-lake", *(home / "data-lake").rglob("*")):  # the lake may be written to
        os.chown(path, 0, 0)
    done = run(home, PLAIN, "reconcile")
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert "it may only be read here" in done.stderr
