"""A PostgreSQL cluster of our own, on a loopback port and behind a password, without a Unix socket."""

import hashlib
import os
import pwd
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from services.local.build import PostgreSQL, postgresql
from services.local.daemon import Daemon
from services.local.service import ADMINISTRATOR, HOST, LocalServiceError, Memory


class Cluster:
    """Made by ``initdb`` when it is first started."""

    def __init__(self, folder: Path, memory: Memory, configuration: Path) -> None:
        self._folder, self._memory, self._configuration = folder, memory, configuration
        self._daemon = Daemon("postgresql", memory, folder / "postgresql.log")

    @property
    def running(self) -> bool:
        """Whether its server runs."""
        return self._daemon.running

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._memory.get("postgresql_port"))

    @property
    def password(self) -> str:
        """The administrator's."""
        return self._memory.password("postgresql_password")

    def start(self) -> None:
        """Start it and wait until it answers."""
        if self.running:
            return
        installed = postgresql()
        data, user = self._data()
        if data.exists() and self._memory.get("postgresql_password") is None:
            raise LocalServiceError(
                f"{data} is there, but {self._folder} has not got its password. Remove one or bring back the other."
            )
        if not data.exists():
            self._make(installed, data, user)
        (data / "postgresql.conf").write_text(self._configuration.read_text(encoding="utf-8"), encoding="utf-8")
        _remove_stale_lock(data)
        port = self._memory.free_port("postgresql_port")
        command: list[str | Path] = [installed.folder / "postgres", "-D", data, "-h", HOST, "-p", str(port), "-k", ""]
        self._daemon.start(command, {}, data.parent, user)
        self._daemon.wait_until(self._answers)

    def stop(self) -> None:
        """End its server, its sessions too."""
        self._daemon.stop(signal.SIGINT)

    def kill(self) -> None:
        """End all its processes at once."""
        self._daemon.kill()

    def query(self, sql: str, database: str = "postgres") -> str:
        """Run SQL as the administrator and give its rows as text.

        Raises:
            LocalServiceError: with what the server said.
        """
        done = self._psql(sql, database)
        if done.returncode:
            raise LocalServiceError(f"{sql}: {done.stderr.strip()}")
        return done.stdout.strip()

    def _answers(self) -> bool:
        return self._psql("SELECT 1", "postgres").returncode == 0

    def _psql(self, sql: str, database: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [postgresql().folder / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql],
            env={"PGHOST": HOST, "PGPORT": str(self.port), "PGUSER": ADMINISTRATOR, "PGPASSWORD": self.password},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def _data(self) -> tuple[Path, str | None]:
        """Where its files lie, and the user that its server runs as: it refuses to be root."""
        if os.geteuid() != 0:
            return self._folder / "data", None
        user = "postgres"
        try:
            pwd.getpwnam(user)
        except KeyError as error:
            raise LocalServiceError(f"PostgreSQL refuses to run as root, and there is no user {user} on this machine.") from error
        entered = subprocess.run(["test", "-x", self._folder], check=False, user=user, group=user, extra_groups=[])
        if entered.returncode == 0:
            return self._folder / "data", user
        # Root's home, most likely, which is nobody else's business.
        elsewhere = Path("/var/lib/spatial-etl", hashlib.sha256(bytes(self._folder)).hexdigest()[:16])
        elsewhere.mkdir(parents=True, exist_ok=True)
        return elsewhere / "data", user

    def _make(self, installed: PostgreSQL, data: Path, user: str | None) -> None:
        with tempfile.TemporaryDirectory(dir=data.parent) as new:  # moved into place when it is whole
            password = Path(new, "password")
            password.write_text(self.password, encoding="utf-8")
            if user is not None:
                for path in (Path(new), password):
                    os.chown(path, pwd.getpwnam(user).pw_uid, -1)
            command: list[str | Path] = [
                installed.folder / "initdb", "-D", Path(new, "data"), "-U", ADMINISTRATOR, "-A", "scram-sha-256",
                f"--pwfile={password}", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions",
            ]  # fmt: skip
            done = subprocess.run(
                command, cwd=new, capture_output=True, text=True, check=False,
                user=user, group=user, extra_groups=None if user is None else [],
            )  # fmt: skip
            if done.returncode:
                raise LocalServiceError(f"PostgreSQL's initdb failed: {done.stderr.strip()}")
            Path(new, "data").rename(data)


def _remove_stale_lock(data: Path) -> None:
    """Remove the lock file of a server that is gone, when nothing that could be of its family is left.

    It names a process id, and after the machine was started again the id may be another server's: PostgreSQL would wait for ever.
    What its server leaves behind stays in the folder of the data for as long as it lives.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").resolve(strict=True) == data:
                return
    (data / "postmaster.pid").unlink(missing_ok=True)
