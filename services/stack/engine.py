"""Docker and its compose plugin: those of this machine, or, where a test asks for it, Debian's, with a daemon of our own."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from services.local.build import NotInstalled, Program, cache

_COMPOSE = Path(__file__).parent / "compose"
_STARTS = 60.0
"""Seconds that a daemon is given until it answers."""
_ENDS = 60.0
"""Seconds that a daemon is given to end by itself."""

INSTALL = (
    "Install Docker 20.10 or later with the compose plugin (Debian and Ubuntu: https://docs.docker.com/engine/install/; packages "
    "docker-ce, docker-compose-plugin, docker-buildx-plugin), start it, and see to it that your user may use it."
)


class NoDocker(Exception):  # noqa: N818 - what is the case
    """There is no Docker that can be used here; the message says what to do."""


@dataclass(frozen=True)
class Docker:
    """A client, a daemon, and compose.

    Attributes:
        client: The program.
        compose: The command of compose.
        environment: What tells the daemon, beside the environment of this process.
    """

    client: str
    compose: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str | Path, check: bool = True, quiet: bool = False) -> str:
        """Run the client, and give what it prints.

        Raises:
            NoDocker: when it fails and ``check`` is set, with the end of what it said.
        """
        return self._run([self.client, *map(str, arguments)], check=check, quiet=quiet)

    def call(self, *arguments: str | Path, more: Mapping[str, str] | None = None) -> int:
        """Run compose in this terminal; its exit code."""
        return subprocess.run([*self.compose, *map(str, arguments)], env=self.all(more), check=False).returncode

    def compose_output(self, *arguments: str | Path) -> str:
        """Run compose, and give what it prints.

        Raises:
            NoDocker: when it fails.
        """
        return self._run([*self.compose, *map(str, arguments)], check=True, quiet=False)

    def all(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of what is run."""
        return {**os.environ, **self.environment, **(more or {})}

    def _run(self, command: list[str], *, check: bool, quiet: bool) -> str:
        error = subprocess.PIPE if check or quiet else None
        done = subprocess.run(command, env=self.all(), stdout=subprocess.PIPE, stderr=error, text=True, check=False)
        if check and done.returncode:
            raise NoDocker(f"{' '.join(command[:3])} ... failed:\n{done.stderr.strip()[-3000:]}")
        return done.stdout.strip()


def find() -> Docker:
    """The Docker that this user may use.

    Raises:
        NoDocker: when there is none, or a part is missing.
    """
    client = _client()
    docker = Docker(client, (client, "compose"))
    if not docker.run("version", "--format", "{{.Server.Version}}", check=False, quiet=True):
        raise NoDocker(f"Docker's daemon does not answer, or this user may not use it. {INSTALL}")
    if not docker.run("compose", "version", "--short", check=False, quiet=True):
        try:
            docker = Docker(client, (str(compose_plugin().path),))
        except NotInstalled:
            raise NoDocker(f"Docker has no compose plugin. {INSTALL}") from None
    return docker


def _client() -> str:
    """The first client that can build images: those of 23 and later need the plugin buildx for it."""
    found = list(dict.fromkeys(path for path in (shutil.which("docker"), shutil.which("docker", path="/usr/bin")) if path))
    if not found:
        raise NoDocker(f"There is no `docker` on the PATH. {INSTALL}")
    for client in found:
        said = subprocess.run([client, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.search(r"version (\d+)", said)
        if version and int(version[1]) < 23:  # noqa: PLR2004 - the release that says so
            return client
        if subprocess.run([client, "buildx", "version"], capture_output=True, check=False).returncode == 0:
            return client
    raise NoDocker(f"Docker cannot build images without its plugin buildx. {INSTALL}")


def compose_plugin() -> Program:
    """Compose, in the version that ``compose/go.mod`` names, for machines whose packages have none."""
    content = [(_COMPOSE / name).read_bytes() for name in ("go.mod", "go.sum")]
    version = re.search(rb"github.com/docker/compose/v2 (v\S+)", content[0])
    assert version is not None, "go.mod names compose"  # noqa: S101
    name = version[1].decode()
    flags = f"-ldflags=-s -w -X github.com/docker/compose/v2/internal.Version={name}"
    source = f"{name}-{hashlib.sha256(b''.join(content)).hexdigest()[:12]}"
    arguments = ("-trimpath", flags, "github.com/docker/compose/v2/cmd")
    return Program("docker-compose", name, source, _COMPOSE, arguments, makes="cmd")


def install() -> None:
    """Get Debian's Docker and compose, where they are missing and we may. No daemon is started by it.

    Raises:
        NotInstalled: when that is not possible.
    """
    compose_plugin().build()
    wanted = {"dockerd": "docker.io", "iptables": "iptables", "debootstrap": "debootstrap"}
    missing = [package for program, package in wanted.items() if shutil.which(program, path="/usr/sbin:/usr/bin") is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotInstalled(INSTALL)
    policy = Path("/usr/sbin/policy-rc.d")  # asked by Debian's packages whether to start what they install
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        policy.chmod(0o755)
    try:
        for arguments in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", *missing)):
            done = subprocess.run(
                ["apt-get", *arguments], env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, capture_output=True, text=True,
                check=False,
            )  # fmt: skip
            if done.returncode:
                raise NotInstalled(f"apt-get {arguments[0]} failed:\n{done.stderr.strip()}")
    finally:
        if ours:
            policy.unlink()


@contextmanager
def own_daemon() -> Iterator[Docker]:
    """A daemon of our own, which keeps images in the cache, and nothing else: containers, networks and volumes go with it.

    Raises:
        NoDocker: when it does not start.
    """
    keeps = cache().parent / "docker"
    keeps.mkdir(parents=True, exist_ok=True)
    with (
        (keeps / "lock").open("w") as lock,
        tempfile.TemporaryDirectory(prefix="dockerd-") as name,
        (keeps / "log").open("wb") as log,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test has it until it ends
        folder = Path(name)
        address = f"unix://{folder}/socket"
        command = [
            *("setpriv", "--pdeathsig", "TERM", "dockerd"),  # its containers end with it when this process is killed
            *("--host", address, "--data-root", keeps / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"),
            *("--group", str(os.getgid())),
        ]
        bridge = Path("/sys/class/net/docker0").exists()
        daemon = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        docker = Docker(_client(), (str(compose_plugin().path),), {"DOCKER_HOST": address})
        try:
            until = time.monotonic() + _STARTS
            while not docker.run("version", "--format", "{{.Server.Version}}", check=False, quiet=True):
                if daemon.poll() is not None or time.monotonic() > until:
                    said = (keeps / "log").read_text(encoding="utf-8", errors="replace")
                    raise NoDocker(f"dockerd did not start:\n{said[-2000:]}")
                time.sleep(0.2)
            _clear(docker)  # of a test that was killed
            try:
                yield docker
            finally:
                _clear(docker)
        finally:
            daemon.terminate()
            try:
                daemon.wait(_ENDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
            if not bridge:
                subprocess.run(["ip", "link", "delete", "docker0"], check=False, capture_output=True)


def _clear(docker: Docker) -> None:
    """Remove all that runs in a daemon of our own. Images, and what builds are made faster with, stay."""
    if containers := docker.run("ps", "--all", "--quiet").split():
        docker.run("rm", "--force", "--volumes", *containers)
    docker.run("network", "prune", "--force")
    if volumes := docker.run("volume", "ls", "--quiet").split():
        docker.run("volume", "rm", "--force", *volumes)
    docker.run("image", "prune", "--force")
    docker.run("builder", "prune", "--force", "--keep-storage", "6GB")  # of layers that were not used lately
