"""What a reading process cannot do, tried from inside one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from libs.spatial_utils.reading import sandbox_features

pytestmark = pytest.mark.integration

ATTEMPT = """
import os, socket, sys
from pathlib import Path
from libs.spatial_utils.worker import sandbox
sandbox.enter(sandbox.Limits(memory_mb=256, cpu_seconds=5), readable=[Path(sys.argv[1])])
try:
    {attempt}
except BaseException as error:
    print(type(error).__name__)
else:
    print("done")
"""


def attempt(code: str, folder: Path) -> str:
    """What became of a piece of code after the sandbox had closed."""
    run = subprocess.run(
        [sys.executable, "-c", ATTEMPT.format(attempt=code), str(folder), str(os.getpid())],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return run.stdout.strip() or f"died of {-run.returncode}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "file").write_text("mine")
    (tmp_path / "outside").write_text("not mine")
    return inside


@pytest.mark.skipif(not sandbox_features()["landlock"], reason="this kernel has no Landlock")
@pytest.mark.parametrize(
    "code",
    [
        "Path(sys.argv[1], '../outside').read_text()",
        "Path('/etc/passwd').read_text()",
        "Path('/proc/self/environ').read_bytes()",
        "os.listdir('/')",
        "Path(sys.argv[1], 'file').write_text('changed')",
        "Path(sys.argv[1], 'new').write_text('new')",
        "Path(sys.argv[1], 'file').unlink()",
    ],
)
def test_files(folder: Path, code: str) -> None:
    assert attempt(code, folder) == "PermissionError"
    assert (folder / "file").read_text() == "mine"


def test_its_own_file(folder: Path) -> None:
    assert attempt("assert Path(sys.argv[1], 'file').read_text() == 'mine'", folder) == "done"


@pytest.mark.skipif(not sandbox_features()["seccomp"], reason="no filter of system calls for this machine")
@pytest.mark.parametrize(
    "code",
    [
        "socket.create_connection(('127.0.0.1', 9))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_UNIX)",
        "os.execv('/bin/true', ['true'])",
        "os.kill(int(sys.argv[2]), 0)",
    ],
)
def test_system_calls(folder: Path, code: str) -> None:
    assert attempt(code, folder) == "PermissionError"


def test_memory(folder: Path) -> None:
    assert attempt("bytearray(1 << 30)", folder) == "MemoryError"


def test_processor_time(folder: Path) -> None:
    assert attempt("exec('while True: pass')", folder) in {"died of 9", "died of 24"}
