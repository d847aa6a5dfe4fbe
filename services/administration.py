"""What preparing the servers has in common, whichever they are: ``spatial-etl admin init`` runs the ``prepare`` of each.

A server's part stands in ``services/<server>/init.py``, as ``prepare(settings, accounts)``: a generator of :class:`SetupStep`,
one for each thing that must be there, which makes it when it is missing. It may run at any time, any number of times.
"""

import secrets
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from libs.models import ServiceUnavailable
from libs.models.settings import Settings

UPLOADER, READER = "uploader", "reader"
ROLES = ("pipeline", "gc", READER, UPLOADER)
"""Each has a file of settings."""

OPTIONAL = {READER, UPLOADER}
"""Roles that have one only where a server has made them an account."""

CHOOSING = ("MINIO_ENDPOINT", "MONGO_CONNECTION_STRING")
"""What is not set of these two lies in the home: landing zone and lake, the ledger."""

KEYS = {"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"}


@dataclass(frozen=True)
class SetupStep:
    """A thing that must be there.

    Attributes:
        service: ``MinIO``, ``MongoDB``, ``PostGIS``; ``Accounts`` for what is no server's.
        what: The thing, as in ``bucket data-lake``.
        done: What was done about it: ``created``, ``updated``, ``already there``, or why nothing could be done.
    """

    service: str
    what: str
    done: str


class Accounts:
    """Credentials of the accounts that are made, one file of settings for each role: ``<folder>/<role>.env``.

    Such a file is all that a process of the role needs in its environment, and it reads the same in a shell and as ``.env``.
    Passwords stand there and nowhere else; made once, they stay the same however often the servers are prepared.
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
        pairs = (line.split("=", 1) for line in lines if "=" in line)
        return {name: "".join(shlex.split(value)) for name, value in pairs}

    def add(self, role: str, settings: Mapping[str, str]) -> None:
        """Write settings into the file of a role, beside what it says already."""
        self.write(role, self.settings(role) | dict(settings))

    def write(self, role: str, settings: Mapping[str, str]) -> None:
        """Make the file of a role say this and nothing else; readable for its owner alone."""
        lines = (f"{name}={shlex.quote(value)}\n" for name, value in sorted(settings.items()))
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


def reaching_buckets(settings: Settings) -> dict[str, str]:
    """The settings that reach landing zone and lake, the keys aside."""
    own = {"MINIO_LANDING_BUCKET": settings.landing.bucket, "MINIO_LAKE_BUCKET": settings.lake.bucket}
    for setting, place in (("SPATIAL_ETL_LANDING", settings.landing), ("SPATIAL_ETL_LAKE", settings.lake)):
        if place.folder is not None and place.setting == setting:
            own[setting] = str(place.folder.resolve())
    if settings.minio_endpoint is not None:
        own["MINIO_ENDPOINT"] = settings.minio_endpoint
        own["MINIO_USE_SSL"] = str(settings.minio_use_ssl).lower()
        own["MINIO_REGION"] = settings.minio_region
        if settings.minio_ca_file is not None:
            own["MINIO_CA_FILE"] = str(settings.minio_ca_file.resolve())
    return own


def complete(settings: Settings, accounts: Accounts) -> Iterator[SetupStep]:
    """Give each file of accounts what its role needs beside the credentials: the very same lake and the very same ledger.

    A file that lacked the ledger would bring a new one together with the lake.
    """
    home = str(settings.spatial_etl_home.resolve())
    for role in ROLES:
        own = accounts.settings(role)
        if role in OPTIONAL and not own:
            continue
        own |= reaching_buckets(settings)
        local = [] if role == UPLOADER else [name for name in CHOOSING if name not in own]
        if local:
            own["SPATIAL_ETL_HOME"] = home
        elif own.get("SPATIAL_ETL_HOME") == home:  # from a time when something lay there
            del own["SPATIAL_ETL_HOME"]
        accounts.write(role, own)
        done = f"complete: {accounts.path(role)}"
        if role != READER and "MINIO_ENDPOINT" in own and not own.keys() >= KEYS:
            key = " and ".join(sorted(KEYS))
            done = f"add {key} of an account that may do what services/minio/policies/{role}.json says to {accounts.path(role)}"
        elif local:
            done += f". It works on this machine only, with {home}: for a team, set {' and '.join(local)}, and do this again"
        yield SetupStep("Accounts", f"settings of {role}", done)
