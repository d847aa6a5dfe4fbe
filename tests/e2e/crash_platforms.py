"""Platforms for the crash tests: the settings of each, and the driver run on one."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from libs.compute.postgis.connection import Connection, Server
from libs.models.settings import Settings
from tests.buckets import Buckets
from tests.e2e.crash_batch import EVERYTHING

DRIVER = Path(__file__).with_name("crash_driver.py")


def embedded(home: Path) -> dict[str, str]:
    """Folders, SQLite and DuckDB."""
    return {"SPATIAL_ETL_HOME": str(home)}


@contextmanager
def on_servers(reached: Mapping[str, str], home: Path) -> Iterator[dict[str, str]]:
    """Buckets and databases of their own on servers, gone with the context.

    Args:
        reached: The settings that reach the servers, as their administrator.
        home: For scratch.
    """
    own = {**reached, "SPATIAL_ETL_HOME": str(home)} | dict.fromkeys(("MONGO_DATABASE", "POSTGRES_DB"), _name())
    buckets = Buckets(dict(reached))
    own |= {"MINIO_LANDING_BUCKET": buckets.new(), "MINIO_LAKE_BUCKET": buckets.new()}
    database = own["POSTGRES_DB"]
    _administrate(reached, f"CREATE DATABASE {database}")
    _administrate(own, "CREATE EXTENSION postgis")
    try:
        yield own
    finally:
        _administrate(reached, f"DROP DATABASE {database} WITH (FORCE)")
        with MongoClient[Any](reached["MONGO_CONNECTION_STRING"]) as client:
            client.drop_database(own["MONGO_DATABASE"])
        buckets.clear()


def drive(platform: Mapping[str, str], *arguments: object, timeout: float = 900) -> list[dict[str, Any]]:
    """Run the driver on a platform; what was found at each crash."""
    environment = {**os.environ, **platform, "OPENBLAS_NUM_THREADS": "1"}  # a process with threads should not be forked
    command = [sys.executable, DRIVER, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def wrong(point: Mapping[str, Any], everything: Mapping[str, Any] = EVERYTHING) -> dict[str, Any]:
    """What was lost, doubled or left at a crash."""
    return {name: point[name] for name, expected in everything.items() if point[name] != expected}


def _name() -> str:
    return f"test_crash_{secrets.token_hex(6)}"


def _administrate(reached: Mapping[str, str], sql: str) -> None:
    server = Server.of(Settings(_env_file=None, **{name.lower(): value for name, value in reached.items()}))
    with closing(Connection(server)) as connection:
        connection.execute(sql)
