"""``python -m services.local build|up|down|env``: see the targets ``services*`` of the Makefile."""

import argparse
import fcntl
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from services.local import LocalServiceError, LocalServices, Service


def build(services: LocalServices) -> None:
    """Get the programs that tests need, but of servers that the environment names: build them from source, install packages."""
    for_each(lambda service: service.build(), [service for service in services.all if service.settings[0] not in os.environ])


def up(services: LocalServices) -> None:
    """Get the programs, start what does not run, say what runs where."""
    for_each(lambda service: service.build(), services.all)
    for_each(lambda service: service.start(), services.all)
    for service in services.all:
        print(f"{service.name:8} {service.address:16} {service.version}")


def down(services: LocalServices) -> None:
    """End what was started here, and nothing else; the data stays."""
    for service in services.all:
        print(f"{service.name:8} {'ended' if service.running else 'was not running'}")
        service.stop()


def env(services: LocalServices) -> None:
    """Print the settings that reach them, for eval in a shell."""
    if idle := [service.name for service in services.all if not service.running]:
        raise LocalServiceError(f'Not running: {", ".join(idle)}. Run "make services" first.')
    for service in services.all:
        for name, value in service.environment.items():
            print(f"export {name}={shlex.quote(value)}")


def for_each(do: Callable[[Service], None], services: Sequence[Service]) -> None:
    """Do something with several services at once. All are tried: one round tells everything that is wrong.

    Raises:
        LocalServiceError: with the problems of all.
    """

    def problem(service: Service) -> str | None:
        try:
            do(service)
        except (LocalServiceError, OSError) as error:  # a file in the way, a full disk
            return f"{service.name}: {error}"
        return None

    with ThreadPoolExecutor() as workers:
        problems = [found for found in workers.map(problem, services) if found]
    if problems:
        raise LocalServiceError("\n".join(problems))


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
    parser.add_argument("action", choices=actions, help=" ".join(f"{name}: {do.__doc__}" for name, do in actions.items()))
    default = Path(os.environ.get("SPATIAL_ETL_HOME", "var"), "services")
    parser.add_argument("--folder", type=Path, default=default, help="where they keep everything (%(default)s)")
    arguments = parser.parse_args()
    try:
        with _alone_in(arguments.folder):
            actions[arguments.action](LocalServices(arguments.folder))
    except (LocalServiceError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
