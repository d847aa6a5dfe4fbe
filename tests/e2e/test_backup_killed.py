"""``admin backup`` and ``admin restore`` as processes that are killed before any of their external effects.

``make test-full`` tries every effect, otherwise some of them.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from libs.ledger import SqliteStore
from libs.ledger.kinds import KINDS
from libs.models import DamagedBackup, LakeOfAnother
from libs.models.settings import Settings
from libs.pipeline.backup import INDEX, read_backup
from libs.pipeline.process import process
from libs.pipeline.verify import verify
from libs.platform import open_stack
from libs.storage import IDENTITY
from libs.storage.folder import PARTIAL
from tests.sampling import every

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
EVERY = 6


def run(home: Path, number: int, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command, to be killed before the effect of this number; 0: not at all."""
    command = [sys.executable, "-m", "tests.e2e.killed_at", str(number), *map(str, arguments)]
    environment = {**os.environ, "SPATIAL_ETL_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def effects(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1])


def held(home: Path) -> dict[str, Any]:
    """All records of a ledger, but for the audit log."""
    store = SqliteStore(home / "ledger.sqlite")
    found = {
        f"{name}/{identity}": document for name in KINDS if name != "activity_logs" for identity, document in store.find(name)
    }
    store.close()
    return found


def lake(home: Path) -> dict[str, bytes]:
    """All objects of a lake; what a killed process left unfinished is none of them."""
    root = home / "data-lake"
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.parent.name != PARTIAL
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two datasets, and a batch that was rejected."""
    home = tmp_path_factory.mktemp("whole") / "home"
    for arguments, code in (
        (("ingest", ROOT / "demo/data/parks.geojson", "--project", "a", "--raw", "keep"), 0),
        (("ingest", ROOT / "demo/data/trees.csv", "--project", "a"), 0),
        (("ingest", ROOT / "demo/data/trees.csv", "--project", "a", "--x", "none", "--y", "none"), 1),
    ):
        assert run(home, 0, *arguments).returncode == code
    return home


@pytest.fixture(scope="module")
def whole(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """A backup that nobody killed, and how many effects it took."""
    target = tmp_path_factory.mktemp("backup") / "whole"
    trail = effects(run(home, 0, "admin", "backup", target, "--with-lake"))
    assert {name.split()[0] for name in trail} >= {"os.mkdir", "os.fsync", "os.rename", "open"}
    return target, len(trail)


def restored(source: Path, folder: Path) -> Path:
    """A new home, filled with a backup, and verified."""
    new = folder / "restored"
    done = run(new, 0, "admin", "restore", source)
    assert done.returncode == 0, done.stdout + done.stderr
    return new


def test_a_backup_that_was_killed_never_looks_whole(home: Path, whole: tuple[Path, int], tmp_path: Path) -> None:
    first, step = every(EVERY)
    finished = 0
    for number in range(first, whole[1] + 1, step):
        folder = tmp_path / str(number)
        target = folder / "backup"
        folder.mkdir()
        assert run(home, number, "admin", "backup", target, "--with-lake").returncode == -signal.SIGKILL
        if not (target / INDEX).exists():
            if target.exists():
                with pytest.raises(DamagedBackup, match="was not finished"):
                    read_backup(target)
                refused = run(folder / "new", 0, "admin", "restore", target)
                assert (refused.returncode, lake(folder / "new")) == (3, {})
            assert run(home, 0, "admin", "backup", target, "--with-lake").returncode == 0  # into the same folder
            finished += 1
        new = restored(target, folder)
        assert (held(new), lake(new)) == (held(home), lake(home))
        shutil.rmtree(folder)
    assert finished, "no kill came before the end"


@pytest.fixture
def trail(whole: tuple[Path, int], tmp_path: Path) -> list[str]:
    """The effects of a restore."""
    return effects(run(tmp_path / "trail", 0, "admin", "restore", whole[0], "--no-hash"))


def test_a_restore_that_was_killed_is_done_again(home: Path, whole: tuple[Path, int], trail: list[str], tmp_path: Path) -> None:
    assert any("INSERT" in each for each in trail)
    first, step = every(EVERY)
    unfinished = 0
    for number in range(first, len(trail) + 1, step):
        new = tmp_path / str(number)
        assert run(new, number, "admin", "restore", whole[0], "--no-hash").returncode == -signal.SIGKILL
        there = held(new) if (new / "ledger.sqlite").exists() else {}
        if IDENTITY in lake(new) and there != held(home):  # before that, there is nothing: ledger and lake are as new
            unfinished += 1
            with open_stack(Settings(spatial_etl_home=new, _env_file=None)) as stack, pytest.raises(LakeOfAnother):
                list(process(stack))  # nobody works with what is half there
        done = run(new, 0, "admin", "restore", whole[0], "--no-hash")
        if done.returncode:  # it was done, but for what only looks
            assert "it is not empty" in done.stderr
        assert (held(new), lake(new)) == (held(home), lake(home))
        with open_stack(Settings(spatial_etl_home=new, _env_file=None)) as stack:
            assert [each for each in verify(stack) if each.finding.damages] == []
        shutil.rmtree(new)
    assert unfinished, "no kill left anything half done"
