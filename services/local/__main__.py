"""``python -m services.local build|up|down|env``: see the targets ``services*`` of the Makefile."""

import argparse
import fcntl
import shlex
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from services.local import LocalServiceError, LocalServices, Service


def build(services: LocalServices) -> None:
    """Get the programs."""
    for service in services.all:
        service.build()


def up(services: LocalServices) -> None:
    """Get the programs, start what does not run, and say what runs where."""
    build(services)
    with ThreadPoolExecutor() as starters:  # all are tried: one round tells everything
        problems = [problem for problem in starters.map(_problem_of_start, services.all) if problem]
    if problems:
        raise LocalServiceError("\n".join(problems))
    for service in services.all:
        print(f"{service.name:8} {service.address:16} {service.version}")


def down(services: LocalServices) -> None:
    """End what was started here, and nothing else. The data stays."""
    for service in services.all:
        print(f"{service.name:8} {'ended' if service.running else 'was not running'}")
        service.stop()


def env(services: LocalServices) -> None:
    """Print the settings that reach them, for ``eval`` in a shell."""
    if idle := [service.name for service in services.all if not service.running]:
        raise LocalServiceError(f'Not running: {", ".join(idle)}. Run "make services" first.')
    for service in services.all:
        for name, value in service.environment.items():
            print(f"export {name}={shlex.quote(value)}")


def _problem_of_start(service: Service) -> str | None:
    try:
        service.start()
    except LocalServiceError as error:
        return f"{service.name}: {error}"
    return None


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep two calls for one folder from starting the same service twice."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Do one of the actions."""
    actions: dict[str, Callable[[LocalServices], None]] = {"build": build, "up": up, "down": down, "env": env}
    parser = argparse.ArgumentParser(prog="python -m services.local", description=sys.modules["services.local"].__doc__)
    parser.add_argument("action", choices=actions, help="; ".join(f"{name}: {do.__doc__}" for name, do in actions.items()))
    parser.add_argument("--folder", type=Path, default=Path("var", "services"), help="where they keep everything (%(default)s)")
    arguments = parser.parse_args()
    try:
        with _alone_in(arguments.folder):
            actions[arguments.action](LocalServices(arguments.folder))
    except LocalServiceError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
