"""``spatial-etl admin init`` on a server of the MongoDB protocol."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient

from libs.ledger.migrations import MIGRATIONS
from services.mongodb.init import ROLES

pytestmark = pytest.mark.integration


@pytest.fixture
def environment(mongodb) -> Iterator[dict[str, str]]:
    database = f"test_{secrets.token_hex(6)}"
    yield {**mongodb.environment, "MONGO_DATABASE": database}
    with MongoClient(mongodb.environment["MONGO_CONNECTION_STRING"]) as client:
        client.drop_database(database)


def run(folder: Path, environment: dict[str, str], *arguments: str, code: int = 0) -> str:
    """Run the command; everything that it said, in which the password must not be."""
    command = [Path(sys.executable).with_name("spatial-etl"), "--home", folder / "var", *arguments]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    password = urlsplit(environment["MONGO_CONNECTION_STRING"]).password
    assert password is None or password not in said
    assert "Traceback" not in said
    return said


def test_what_is_missing_is_made_once(environment: dict[str, str], tmp_path: Path) -> None:
    first, second = (json.loads(run(tmp_path, environment, "admin", "init", "--json")) for _ in range(2))
    migrations = [f"database {environment['MONGO_DATABASE']}, {name}" for name in MIGRATIONS]
    assert [(step["what"], step["done"]) for step in first[: len(MIGRATIONS)]] == [(name, "created") for name in migrations]
    assert [(step["what"], step["done"]) for step in second[: len(MIGRATIONS)]] == [
        (name, "already there") for name in migrations
    ]
    roles = [step for step in second if step["what"].startswith("role ")]
    assert [step["what"] for step in roles] == [f"role spatial_etl_{role}" for role in ROLES]
    assert all(step["done"] == "updated" or "has no roles" in step["done"] for step in roles)


def test_people_see_the_server_and_no_secret(environment: dict[str, str], tmp_path: Path) -> None:
    assert f"database {environment['MONGO_DATABASE']}, 2 of 2 migrations made" in run(tmp_path, environment, "doctor")
    assert "********" in run(tmp_path, environment, "config")
    assert "No batch has arrived yet" in run(tmp_path, environment, "status")
    assert not (tmp_path / "var" / "ledger.sqlite").exists()


def test_a_wrong_password_is_a_message(environment: dict[str, str], tmp_path: Path) -> None:
    uri = environment["MONGO_CONNECTION_STRING"]
    if "@" not in uri:
        pytest.skip("MONGO_CONNECTION_STRING names a server without users")
    wrong = {**environment, "MONGO_CONNECTION_STRING": uri.replace("@", "wrong@")}
    for command in (["status"], ["process"], ["doctor"], ["admin", "init"]):
        said = run(tmp_path, wrong, *command, code=3)
        assert "does not accept the user or the password" in said
        assert "MONGO_CONNECTION_STRING" in said


def test_a_server_that_is_not_there_is_a_message(tmp_path: Path) -> None:
    said = run(tmp_path, {"MONGO_CONNECTION_STRING": "mongodb://me:secret@127.0.0.1:9"}, "status", code=3)
    assert "cannot be reached" in said
    assert "MONGO_CONNECTION_STRING" in said
