"""``python -m services.stack up|down|logs|status|secrets|uploader|build|install``: see the targets ``stack*`` of the Makefile."""

import argparse
import os
import secrets
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from services.local.build import NotInstalled
from services.stack.engine import Docker, NoDocker, find, install
from services.stack.images import ROOT, build

SECRETS = ("MINIO_ROOT_PASSWORD", "LEDGER_PASSWORD", "POSTGRES_PASSWORD", "DAGSTER_POSTGRES_PASSWORD")
_PATIENCE = 600
"""Seconds until everything must be healthy."""


def up(docker: Docker) -> int:
    """Build the images, make the passwords, start everything, wait until it is healthy, and say where it is."""
    make_secrets()
    build(docker)
    code = _compose(docker, "up", "--detach", "--remove-orphans", "--wait", "--wait-timeout", str(_PATIENCE))
    if code:
        print('Not everything is healthy. "make stack-status" says what, "make stack-logs" why.', file=sys.stderr)
        return code
    print(f"Landing zone and lake (S3): http://{_address(docker, 'minio', 9000)}")
    print(f"Dagster's user interface:   http://{_address(docker, 'webserver', 3000)}")
    print("Settings of an uploader:    make -s stack-uploader > uploader.env")
    return 0


def down(docker: Docker) -> int:
    """End everything; the data stays in its volumes."""
    return _compose(docker, "down", "--remove-orphans")


def logs(docker: Docker) -> int:
    """Follow what the services print."""
    return _compose(docker, "logs", "--follow", "--tail", "100")


def status(docker: Docker) -> int:
    """Which services run, and whether they are healthy."""
    return _compose(docker, "ps", "--all", "--format", "table {{.Service}}\t{{.Status}}\t{{.Ports}}")


def uploader(docker: Docker) -> int:
    """Print the settings of those who deliver, as they reach the stack from this machine."""
    script = f'sed "s/^MINIO_ENDPOINT=.*/MINIO_ENDPOINT={_address(docker, "minio", 9000)}/" /accounts/uploader.env'
    return _compose(docker, "run", "--rm", "--no-deps", "-T", "--entrypoint", "sh", "init", "-c", script)


def make_secrets() -> None:
    """Make the passwords that are missing, in files of the folder SPATIAL_ETL_SECRETS. What is there stays."""
    folder = Path(os.environ.get("SPATIAL_ETL_SECRETS") or ROOT / "secrets")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)  # the files themselves are read by services that are other users: nobody else comes through here
    for name in SECRETS:
        file = folder / name
        if not file.exists():
            new = file.with_suffix(".new")
            new.write_text(secrets.token_hex(20), encoding="utf-8")
            new.chmod(0o444)
            new.rename(file)


def _compose(docker: Docker, *arguments: str) -> int:
    return docker.call("--project-directory", ROOT, *arguments)


def _address(docker: Docker, service: str, port: int) -> str:
    """Where a port of a service is on this machine."""
    return docker.compose_output("--project-directory", ROOT, "port", service, str(port))


def _read_settings() -> None:
    """Take from ``.env`` what compose takes from it; the environment wins."""
    file = ROOT / ".env"
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        name, mark, value = line.partition("=")
        if mark and name.startswith("SPATIAL_ETL_"):
            os.environ.setdefault(name, "".join(shlex.split(value, comments=True)))


def main() -> int:
    """Do one of the actions."""
    actions: dict[str, Callable[[Docker], int | None]] = {
        "up": up, "down": down, "logs": logs, "status": status, "uploader": uploader, "build": build
    }  # fmt: skip
    parser = argparse.ArgumentParser(prog="python -m services.stack", description=__doc__)
    parser.add_argument("action", choices=[*actions, "secrets", "install"])
    action = parser.parse_args().action
    _read_settings()
    try:
        if action == "secrets":
            make_secrets()
        elif action == "install":
            install()
        else:
            return actions[action](find()) or 0
    except (NoDocker, NotInstalled, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
