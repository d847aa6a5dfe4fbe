"""Dagster as its separate processes: code server, daemon, webserver. Each can be started and ended by itself.

Everything listens on loopback; the instance lies in a folder, or, where DAGSTER_POSTGRES_HOST is set, in PostgreSQL.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_STARTING = 120.0
"""Seconds that a process is given until it answers."""
_STOPPING = 20.0
"""Seconds that a process is given to end by itself."""

CODE_SERVER, DAEMON, WEBSERVER = "code-server", "daemon", "webserver"
LOCATION = "spatial-etl"
COMMANDS = {CODE_SERVER: "dagster code-server start", DAEMON: "services.dagster.daemon run", WEBSERVER: "dagster_webserver"}
"""What ``python -m`` runs; by it a process can be told from others."""


class DidNotStart(Exception):  # noqa: N818 - what happened
    """A process ended, or did not answer in time; with the end of its log."""


class Processes:
    """The processes of one instance.

    Args:
        folder: Of the instance (DAGSTER_HOME): its configuration, logs, and its storage where that is SQLite.
        environment: The platform's settings, beside those that this process has.
        port: Of the webserver; any free one when 0.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None, port: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.port, self.code_port = port or _free_port(), _free_port()
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **os.environ,
            **(environment or {}),
            "DAGSTER_HOME": str(self.folder),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "PYTHONWARNINGS": "ignore:::dagster._core.definitions.sensor_definition",
        }
        storage = "postgres.yaml" if self.environment.get("DAGSTER_POSTGRES_HOST") else "sqlite.yaml"
        (self.folder / "dagster.yaml").write_text((_HERE / "dagster.yaml").read_text() + (_HERE / storage).read_text())
        self.workspace = self.folder / "workspace.yaml"
        self.workspace.write_text(
            f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {self.code_port}, location_name: {LOCATION}}}\n"
        )

    @property
    def url(self) -> str:
        """Where the webserver is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, *names: str) -> None:
        """Start processes, all when none is named, and wait until they answer.

        Raises:
            DidNotStart: when one does not.
        """
        for name in names or (CODE_SERVER, DAEMON, WEBSERVER):
            environment = {**self.environment, "SPATIAL_ETL_CODE_SERVER_START": str(uuid.uuid4())}
            with (self.folder / f"{name}.log").open("ab") as log:
                # In a process group of its own: Ctrl-C at a terminal reaches whoever started us, and they end it in order.
                self.running[name] = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
                    [sys.executable, "-m", *COMMANDS[name].split(), *self._arguments(name)], cwd=_ROOT, env=environment,
                    stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
                )  # fmt: skip
            self._wait_for(name)

    def stop(self, *names: str) -> None:
        """Ask processes to end, all when none is named, and see to it that they do."""
        for name in names or (WEBSERVER, DAEMON, CODE_SERVER):
            process = self.running.pop(name, None)
            if process is not None:
                process.terminate()
                try:
                    process.wait(_STOPPING)
                except subprocess.TimeoutExpired:
                    process.kill()
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # and what it started
                process.wait()

    def kill(self, name: str) -> None:
        """End a process as a crash would. What it started lives on."""
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def reload(self) -> str | None:
        """Have the code server load its definitions anew, in a new process beside the old one, which ends when its runs have.

        Returns:
            Why that was not possible; None when it was done.
        """
        return reload_definitions(self.url)

    def log(self, name: str) -> str:
        """What a process has printed."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _arguments(self, name: str) -> list[str]:
        if name == CODE_SERVER:
            module = ["-m", "services.dagster.etl_pipelines.definitions", "-d", str(_ROOT), "--location-name", LOCATION]
            return ["--host", "127.0.0.1", "--port", str(self.code_port), *module]
        if name == DAEMON:
            return ["--workspace", str(self.workspace)]
        return ["--host", "127.0.0.1", "--port", str(self.port), "--workspace", str(self.workspace)]

    def _wait_for(self, name: str) -> None:
        until = time.monotonic() + _STARTING
        while not self._answers(name):
            if self.running[name].poll() is not None or time.monotonic() > until:
                raise DidNotStart(f"The {name} did not start:\n{self.log(name)[-3000:]}")
            time.sleep(0.1)

    def _answers(self, name: str) -> bool:
        try:
            if name == CODE_SERVER:
                socket.create_connection(("127.0.0.1", self.code_port), 1).close()
            elif name == WEBSERVER:
                urllib.request.urlopen(f"{self.url}/server_info", timeout=5).close()  # noqa: S310 - of this machine
            else:
                return True
        except OSError:
            return False
        return True


def reload_definitions(url: str) -> str | None:
    """Have a webserver ask the code server to load its definitions anew.

    Returns:
        Why that was not possible; None when it was done.
    """
    query = f"""mutation {{ reloadRepositoryLocation(repositoryLocationName: "{LOCATION}") {{
      ... on WorkspaceLocationEntry {{ loadStatus }} ... on PythonError {{ message }} ... on ReloadNotSupported {{ message }}
      ... on RepositoryLocationNotFound {{ message }} ... on UnauthorizedError {{ message }} }} }}"""
    request = urllib.request.Request(  # noqa: S310 - of this machine
        f"{url}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_STARTING) as answer:  # noqa: S310 - of this machine
            found = json.load(answer)
    except (OSError, ValueError) as error:
        return str(error)
    done = (found.get("data") or {}).get("reloadRepositoryLocation") or {"message": str(found.get("errors"))}
    return done.get("message")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
