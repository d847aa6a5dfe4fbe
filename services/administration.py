"""What preparing the servers has in common, whichever they are: ``spatial-etl admin init`` runs the ``prepare`` of each.

A server's part stands in ``services/<server>/init.py``, as ``prepare(settings, accounts)``: a generator of :class:`Step`, one
for each thing that must be there, which makes it when it is missing. It may run at any time, any number of times.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from libs.models import ServiceUnavailable


@dataclass(frozen=True)
class Step:
    """A thing that must be there.

    Attributes:
        service: ``MinIO``, ``MongoDB``, ``PostGIS``.
        what: The thing, as in ``bucket data-lake``.
        done: What was done about it: ``created``, ``updated``, ``already there``, or why nothing could be done.
    """

    service: str
    what: str
    done: str


class Accounts:
    """Credentials of the accounts that are made, one file of settings for each role: ``<folder>/<role>.env``.

    Such a file is all that a process of the role needs in its environment. Passwords stand there and nowhere else; made once,
    they stay the same however often the servers are prepared.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, role: str) -> Path:
        """The file of a role."""
        return self.folder / f"{role}.env"

    def settings(self, role: str) -> dict[str, str]:
        """What the file of a role says; empty when there is none yet."""
        try:
            lines = self.path(role).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._unwritable(error) from error
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def add(self, role: str, settings: Mapping[str, str]) -> None:
        """Write settings into the file of a role, beside what it says already; readable for its owner alone."""
        lines = (f"{name}={value}\n" for name, value in sorted((self.settings(role) | dict(settings)).items()))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.path(role)
            path.touch(mode=0o600)
            path.chmod(0o600)
            path.write_text("".join(lines), encoding="utf-8")
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> ServiceUnavailable:
        return ServiceUnavailable(f"the folder {self.folder}", f"{error.strerror}.", "--accounts")


def new_password() -> str:
    """A password that nobody guesses and every server, URL and shell takes as it is."""
    return secrets.token_hex(20)
