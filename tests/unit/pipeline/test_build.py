"""Which build runs is known in a checkout, whatever was installed, and without git."""

import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from libs.pipeline import build as build_module
from libs.pipeline.build import build, release


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of its own with one commit, in the place of the one that the tests run in."""
    monkeypatch.setattr(build_module, "_CHECKOUT", tmp_path)
    build.cache_clear()
    monkeypatch.setattr("os.environ", {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "GIT_DIR": "/nowhere"})
    (tmp_path / "file").write_text("one")
    _git(tmp_path, "init", "--quiet")
    _commit(tmp_path)
    yield tmp_path
    build.cache_clear()


def _git(folder: Path, *arguments: str) -> str:
    name = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True, text=True, env=environment)
    return done.stdout.strip()


def _commit(folder: Path) -> None:
    _git(folder, "add", "file")
    _git(folder, "commit", "--quiet", "--message", "a")


def test_the_release_has_no_commit() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", release())


def test_a_checkout_names_its_commit(checkout: Path) -> None:
    commit = _git(checkout, "rev-parse", "HEAD")
    assert build() == f"{release()}+g{commit[:9]}"


def test_a_tag_changes_nothing(checkout: Path) -> None:
    _git(checkout, "tag", "v9.9.9")
    assert build() == f"{release()}+g{_git(checkout, 'rev-parse', 'HEAD')[:9]}"


def test_a_later_commit_of_an_editable_install(checkout: Path) -> None:
    before = build()
    build.cache_clear()
    (checkout / "file").write_text("two")
    _commit(checkout)
    assert build() != before


def test_a_changed_file_is_said(checkout: Path) -> None:
    (checkout / "file").write_text("two")
    assert build().endswith(".dirty")


def test_without_git(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout / "empty"))
    assert build() == release()


def test_an_installed_wheel_says_what_it_was_built_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_module, "_CHECKOUT", tmp_path)
    build.cache_clear()
    assert build() == version("spatial-etl")
    build.cache_clear()
