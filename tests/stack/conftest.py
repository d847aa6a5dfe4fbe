"""The stack in real containers, on a Docker daemon of its own. `make stack-test` runs this; `make test` does not look here."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.session import Session

from services.local.build import NotInstalled
from services.stack.engine import Docker, NoDocker, own_daemon

ROOT = Path(__file__).parents[2]


class Stack:
    """What `make stack` has started."""

    def __init__(self, docker: Docker, folder: Path) -> None:
        self.docker, self.secrets = docker, folder / "secrets"
        self.minio, self.ui = f"127.0.0.1:{_free_port()}", f"127.0.0.1:{_free_port()}"
        self.environment = {
            **docker.all(),
            "SPATIAL_ETL_SECRETS": str(self.secrets),
            "SPATIAL_ETL_MINIO_PORT": self.minio.split(":")[1],
            "SPATIAL_ETL_UI_PORT": self.ui.split(":")[1],
            "SPATIAL_ETL_TAG": "test",
        }

    def make(self, action: str) -> str:
        """What a target of the Makefile prints."""
        command = [sys.executable, "-m", "services.stack", action]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + self.logs()
        return done.stdout

    def compose(self, *arguments: str, check: bool = True) -> str:
        command = [*self.docker.compose, "--project-directory", str(ROOT), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout

    def logs(self) -> str:
        return self.compose("logs", "--no-color", "--tail", "30", check=False)

    def health(self) -> dict[str, str]:
        """Service to its state, of those that are meant to run."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        return {each["Service"]: each["Health"] or each["State"] for each in map(json.loads, lines) if each["Service"] != "init"}

    def wait_until_healthy(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not {*(health := self.health()).values()} <= {"healthy"}:
            assert time.monotonic() < until, f"{health}\n{self.logs()}"
            time.sleep(1)

    def kill(self, service: str) -> None:
        """End its process as the kernel would: `docker kill` counts as somebody's wish, after which nothing is started again."""
        container = self.compose("ps", "--quiet", service).split()[0]
        pid = int(self.docker.run("inspect", "--format", "{{.State.Pid}}", container))
        assert pid > 1
        os.kill(pid, signal.SIGKILL)

    def client(self, user: str, password: str) -> Any:
        """A plain S3 client."""
        return Session().create_client(
            "s3", endpoint_url=f"http://{self.minio}", region_name="us-east-1", aws_access_key_id=user,
            aws_secret_access_key=password, config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 10}),
        )  # fmt: skip

    def administrator(self) -> Any:
        return self.client("administrator", (self.secrets / "MINIO_ROOT_PASSWORD").read_text())

    def uploader(self) -> Any:
        told = dict(line.split("=", 1) for line in self.make("uploader").splitlines())
        assert told["MINIO_ENDPOINT"] == self.minio
        return self.client(told["MINIO_ROOT_USER"], told["MINIO_ROOT_PASSWORD"])

    def ask(self, query: str) -> Any:
        """What Dagster's user interface knows."""
        request = urllib.request.Request(
            f"http://{self.ui}/graphql", json.dumps({"query": query}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, as `make stack` starts it."""
    if os.geteuid() != 0:
        pytest.skip("a Docker daemon of its own needs root")
    try:
        with own_daemon() as docker:
            running = Stack(docker, tmp_path_factory.mktemp("stack"))
            said = running.make("up")
            assert running.minio in said
            assert running.ui in said
            yield running
    except (NoDocker, NotInstalled) as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error).splitlines()[0])
