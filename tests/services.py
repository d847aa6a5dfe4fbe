"""The real services that tests run on: servers of their own in a temporary folder, or those that the environment names."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
import pytest

from services.local import MinIO, MongoDB, PostGIS, Service, throwaway_services
from services.local.build import NotInstalled

GIVEN = {
    kind.name: {setting: os.environ.pop(setting) for setting in kind.settings if setting in os.environ}
    for kind in (MinIO, MongoDB, PostGIS)
}
"""Settings of servers where the tests are run. The environment keeps none of them: a test that asks for no server has none."""

VERSIONS: dict[str, str] = {}
"""What the tests of this session have run on, for the summary at their end."""


class GivenService:
    """A server that the environment names. It is not ours to start and end: tests that do are skipped."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.environment = GIVEN[name]

    @property
    def version(self) -> str:
        """What it says that it is."""
        if self.name == "mongodb":
            with pymongo.MongoClient[Any](self.environment["MONGO_CONNECTION_STRING"]) as client:
                return f"a server of MongoDB's protocol {client.server_info()['version']}, which the environment names"
        if self.name == "postgis":
            reached = {
                key.replace("POSTGRES_", "PG").replace("PGDB", "PGDATABASE"): value for key, value in self.environment.items()
            }
            command = ["psql", "-XAtq", "-c", "SHOW server_version"]
            told = subprocess.run(command, env=os.environ | reached, capture_output=True, text=True, check=True).stdout
            return f"PostgreSQL {told.strip()}, which the environment names"
        return "an S3, which the environment names"

    def start(self) -> None:
        self._leave()

    def stop(self) -> None:
        self._leave()

    def kill(self) -> None:
        self._leave()

    def _leave(self) -> None:
        pytest.skip(f"this {self.name} is not ours to start and end: the environment names it")


@contextmanager
def service(name: str) -> Iterator[Service | GivenService]:
    """The service that the environment names, or a new one of our own, ended with the context.

    Skips when it cannot be had on this machine.
    """
    with throwaway_services() as services:
        own: Service = getattr(services, name)
        if own.settings[0] in GIVEN[name]:
            given = GivenService(name)
            VERSIONS[name] = given.version
            yield given
            return
        start(own)
        VERSIONS[name] = own.version
        yield own


def start(own: Service) -> None:
    """Start a service of our own, or skip when its programs are not on this machine."""
    try:
        own.start()
    except NotInstalled as error:
        pytest.skip(str(error))
