"""The units of systemd: as systemd itself reads and rates them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from services.cli.main import app

FOLDER = Path(__file__).parents[3] / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")
WORST = 2.5
"""Of systemd's rating of what a service may do: 0, nothing, to 10, everything."""


@pytest.fixture
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit as it is installed: an instance of a template, with programs that are there."""
    source: Path = request.param
    copy = tmp_path / source.name.replace("@", "@0")
    copy.write_text(source.read_text().replace("/opt/spatial-etl/bin/with-credentials", "/bin/true"))
    return copy


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, indirect=True, ids=lambda path: path.stem)
def test_systemd_understands_it_and_lets_it_do_little(unit: Path) -> None:
    verified = subprocess.run([str(ANALYZE), "verify", unit], capture_output=True, text=True, check=False)
    about = [line for line in verified.stderr.splitlines() if str(unit.name) in line]
    assert (about, verified.returncode) == ([], 0)
    command = [str(ANALYZE), "security", "--offline=true", f"--threshold={int(WORST * 10)}", unit]
    rated = subprocess.run(command, capture_output=True, text=True, check=False)
    assert rated.returncode == 0, rated.stdout[-300:]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_what_it_starts_is_there(path: Path) -> None:
    (line,) = [line for line in path.read_text().splitlines() if line.startswith("ExecStart=")]
    _, program, *arguments = line.split()
    if program.endswith("/python"):
        assert (Path(__file__).parents[3] / arguments[arguments.index("-m") + 1].replace(".", "/") / "__main__.py").exists()
        return
    command = typer.main.get_command(app).commands[arguments[0]]  # type: ignore[attr-defined]
    known = {name for option in command.params for name in option.opts}
    assert {word for word in arguments if word.startswith("--")} <= known


def test_secrets_come_as_a_file_and_nowhere_else(tmp_path: Path) -> None:
    for path in UNITS:
        assert "LoadCredential=secrets.env:" in path.read_text()
    (tmp_path / "secrets.env").write_text("MINIO_ROOT_PASSWORD='a b$c'\n")
    shown = subprocess.run(
        [FOLDER / "with-credentials", "sh", "-c", 'printf %s "$MINIO_ROOT_PASSWORD"'],
        env={"PATH": os.environ["PATH"], "CREDENTIALS_DIRECTORY": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shown.stdout == "a b$c"
