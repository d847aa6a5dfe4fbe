"""Which build of this program runs: its release, and the commit that it was made from. Imports nothing that takes time."""

import os
import subprocess
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

_CHECKOUT = Path(__file__).parents[2]
_SECONDS = 5


def release() -> str:
    """The release, such as ``0.2.0``: lake files of one release have the same bytes, whatever the commit."""
    return version("spatial-etl").partition("+")[0]


@lru_cache(maxsize=1)
def build() -> str:
    """The release and the commit: ``0.2.0+g1a2b3c4d5``; ``0.2.0`` alone where the commit is not known.

    A wheel carries its commit in its version. An editable install has there the commit at which it was installed, so that the
    checkout itself is asked: the end ``.dirty`` says that tracked files differ from the commit.
    """
    if not (_CHECKOUT / ".git").exists():
        return version("spatial-etl")
    commit = _commit_of(_CHECKOUT)
    return f"{release()}+g{commit}" if commit else release()


def _commit_of(checkout: Path) -> str:
    """The commit that is checked out, or nothing where git is not there, or may not look."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # a hook's: of another repository
    command = ("git", "--no-optional-locks", "describe", "--always", "--exclude=*", "--abbrev=9", "--dirty=.dirty")
    try:
        said = subprocess.run(  # noqa: S603 - a fixed command
            command, cwd=checkout, env=own, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""
