"""The bundle is made from this commit, and does the main job where there is no network."""

import subprocess
from pathlib import Path

import pytest

from services.bundle.__main__ import make

ROOT = Path(__file__).parents[2]
LARGEST = 10**9
"""Bytes that a bundle may have."""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The archive, made twice. Of files that differ from the commit none is made, and that fails."""
    folder = tmp_path_factory.mktemp("bundles")
    return [make(folder / name, None) for name in ("one", "two")]


def test_the_same_commit_gives_the_same_bytes(bundles: list[Path]) -> None:
    one, two = (path.read_bytes() for path in bundles)
    assert one == two
    assert len(one) < LARGEST


def test_it_installs_and_works_without_a_network(bundles: list[Path], tmp_path: Path) -> None:
    subprocess.run(["tar", "-xf", bundles[0], "-C", tmp_path], check=True)
    (folder,) = tmp_path.iterdir()
    script = f"""
set -e
! getent hosts localhost.invalid
cd {tmp_path}
{folder}/install.sh --to {tmp_path}/to
to/current/bin/spatial-etl --home home ingest {ROOT}/demo/data/parks.geojson --project a
to/current/bin/spatial-etl --home home verify
{folder}/install.sh --to {tmp_path}/to
"""
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", script], env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all there and unchanged" in done.stdout
