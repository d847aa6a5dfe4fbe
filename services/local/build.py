"""The services' programs: built from source into a cache outside of the checkout, or installed from Debian's packages."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.local.service import LocalServiceError

_FERRETDB = Path(__file__).parent.parent / "mongodb" / "ferretdb"


class NotInstalled(LocalServiceError):  # noqa: N818  (it says what is the case)
    """The programs of a service are not on this machine."""


@dataclass(frozen=True)
class Program:
    """A program in Go. Its name in the cache carries all that it is made from, so that a new version is a new program.

    Attributes:
        name: Of what it makes.
        version: In words.
        source: What tells its builds apart.
        folder: Where Go is called.
        arguments: For Go; it makes the program in the folder of its environment's ``GOBIN``.
        makes: What Go calls it, if not ``name``.
    """

    name: str
    version: str
    source: str
    folder: Path
    arguments: tuple[str, ...]
    makes: str = ""

    @property
    def path(self) -> Path:
        """Where it is.

        Raises:
            NotInstalled: when it has not been built.
        """
        if not self._cached.exists():
            raise NotInstalled(f'{self.name} {self.version} has not been built on this machine: run "make services".')
        return self._cached

    def build(self) -> None:
        """Build it, unless it is in the cache."""
        with _alone(self.name):
            self._build()

    def _build(self) -> None:
        if self._cached.exists():
            return
        go = shutil.which("go")
        if go is None:
            raise NotInstalled(
                f"{self.name} {self.version} is built with Go 1.24 or later, and there is no `go` on the PATH. Install it."
            )
        print(f"Building {self.name} {self.version}, once for this machine (minutes) ...", flush=True)
        with tempfile.TemporaryDirectory(dir=self._cached.parent) as new:
            # The toolchain's version control stamps would fail in a checkout that belongs to somebody else.
            done = subprocess.run(
                [go, "install", "-buildvcs=false", *self.arguments], cwd=self.folder, env=os.environ | {"GOBIN": new},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise NotInstalled(f"{self.name} {self.version} could not be built:\n{done.stderr.strip()}")
            Path(new, self.makes or self.name).replace(self._cached)

    @property
    def _cached(self) -> Path:
        return cache() / f"{self.name}-{self.source}"


def minio() -> Program:
    """MinIO's server: the last state of its public repository, which is archived."""
    version = "v0.0.0-20260212201848-7aac2a2c5b7c"
    return Program("minio", version, version, Path("/"), (f"github.com/minio/minio@{version}",))


def ferretdb() -> Program:
    """Our ``main`` on FerretDB, in the version that its ``go.mod`` names."""
    content = [(_FERRETDB / name).read_bytes() for name in ("main.go", "go.mod", "go.sum")]
    version = re.search(rb"github.com/FerretDB/FerretDB (v\S+)", content[1])
    assert version is not None, "go.mod names FerretDB"  # noqa: S101
    source = f"{version[1].decode()}-{hashlib.sha256(b''.join(content)).hexdigest()[:12]}"
    return Program("ferretdb", version[1].decode(), source, _FERRETDB, ("-tags=ferretdb_no_sqlite", "."))


@dataclass(frozen=True)
class PostgreSQL:
    """An installed PostgreSQL: the folder of its programs."""

    folder: Path

    @property
    def version(self) -> str:
        """Such as ``PostgreSQL 15.14``."""
        words = subprocess.run([self.folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout.split()
        return f"PostgreSQL {words[2]}"

    @property
    def has_postgis(self) -> bool:
        """Whether PostGIS is installed for it."""
        configuration = self.folder / "pg_config"
        if not configuration.exists():  # a folder with links to some of its programs
            return False
        told = subprocess.run([configuration, "--sharedir"], capture_output=True, text=True, check=False)
        return Path(told.stdout.strip(), "extension", "postgis.control").exists()


def postgresql() -> PostgreSQL:
    """The newest PostgreSQL with PostGIS on this machine.

    Raises:
        NotInstalled: when there is none.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)
    on_path = shutil.which("postgres")  # Debian keeps it off the PATH, others don't
    for folder in [*found, *([Path(on_path).parent] if on_path else [])]:
        if (folder / "initdb").exists() and (installed := PostgreSQL(folder)).has_postgis:
            return installed
    raise NotInstalled(
        'PostgreSQL with PostGIS is not installed on this machine: run "make services" as root, or install it '
        "(Debian 12: apt-get install postgresql-15-postgis-3)."
    )


def install_postgresql() -> None:
    """Install PostgreSQL and PostGIS from Debian's packages where they are missing and we may."""
    with _alone("postgresql"):
        _install_postgresql()


def _install_postgresql() -> None:
    try:
        postgresql()
    except NotInstalled:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise
    else:
        return
    print("Installing PostgreSQL and PostGIS from the system's packages ...", flush=True)
    settings = Path("/etc/postgresql-common/createcluster.conf")
    if not settings.exists():  # the package would start a server of its own, on the usual port
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text("create_main_cluster = false\n", encoding="utf-8")
    _apt("update", "-qq")
    offered = subprocess.run(
        ["apt-cache", "search", "--names-only", "^postgresql-[0-9]+-postgis-3$"], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    packages = sorted((line.split(" ")[0] for line in offered if line), key=lambda name: int(name.split("-")[1]))
    if not packages:
        raise NotInstalled("The system's packages have no postgresql-*-postgis-3. Install PostgreSQL with PostGIS by hand.")
    _apt("install", "-y", "-qq", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", packages[-1])


def _apt(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", *arguments],
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NotInstalled(f"apt-get {arguments[0]} failed:\n{done.stderr.strip()}")


def cache() -> Path:
    """The folder of what was built for this machine, outside of any checkout."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "spatial-etl", "bin")


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Have whoever wants the same wait, and find it there."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
