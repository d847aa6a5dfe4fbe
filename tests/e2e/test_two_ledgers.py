"""Two homes, two ledgers, one lake: every command that could do harm refuses, names both, and changes nothing."""

import copy
import json
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from libs.platform import open_lake, open_landing_zone, open_ledger
from tests.orchestrated import settings_of

pytestmark = pytest.mark.integration

COMMANDS = {
    "ingest": ["ingest", "points.geojson", "--batch-id", "second"],
    "ingest under a name that is taken": ["ingest", "points.geojson", "--batch-id", "first"],
    "process": ["process"],
    "watch": ["watch", "--interval", "0.1"],
    "gc": ["gc", "--yes"],
    "gc that only looks": ["gc", "--dry-run"],
    "verify": ["verify"],
    "replay": ["replay", "points"],
    "reconcile": ["reconcile"],
}


@dataclass
class Two:
    """A platform that works, and settings that bring its lake together with another ledger.

    Attributes:
        right: Runs commands on the platform.
        wrong: Runs them with the other settings.
        hint: What these should be told to check.
    """

    right: Any
    wrong: Any
    hint: str

    def state(self) -> Any:
        """All that lies in landing zones and lakes, and all that both ledgers know."""
        found = []
        for cli in (self.right, self.wrong):
            settings = settings_of(cli.environment)
            ledger, stores = open_ledger(settings), (open_lake(settings).store, open_landing_zone(settings).store)
            found.append([store.uri(info.key) + info.version for store in stores for info in store.list()])
            known = "identity", "manifests", "runs", "versions", "outcomes", "assets", "activity_logs"
            found.append([list(ledger.store.find(collection)) for collection in known])
            ledger.store.close()
        return found

    def places(self) -> list[str]:
        """The two ledgers, and the lake, as a message must name them."""
        right, wrong = (settings_of(cli.environment) for cli in (self.right, self.wrong))
        ledgers = [open_ledger(settings) for settings in (right, wrong)]
        for ledger in ledgers:
            ledger.store.close()
        return [*(ledger.store.place for ledger in ledgers), open_lake(wrong).store.place]


@pytest.fixture(params=["folders", "servers, the ledger is not set", "servers, another database"])
def two(request: pytest.FixtureRequest, cli: Any, points: Path) -> Iterator[Two]:
    """One batch has been done, a second waits."""
    wrong = copy.copy(cli)
    other = str(cli.folder / "other")
    if request.param == "folders":
        _fill(cli, points)
        for bucket in ("data-lake", "landing-zone"):
            shutil.copytree(cli.home / bucket, Path(other) / bucket)
        wrong.environment = cli.environment | {"SPATIAL_ETL_HOME": other}
        yield Two(cli, wrong, "SPATIAL_ETL_HOME")
        return
    buckets, mongodb = (request.getfixturevalue(name) for name in ("buckets", "mongodb"))
    databases = [f"test_{secrets.token_hex(6)}" for _ in range(2)]
    shared = {**cli.environment, **buckets.environment, "MINIO_LANDING_BUCKET": buckets.new(), "MINIO_LAKE_BUCKET": buckets.new()}
    cli.environment = shared | mongodb.environment | {"MONGO_DATABASE": databases[0]}
    _fill(cli, points)
    if request.param == "servers, another database":
        wrong.environment = cli.environment | {"MONGO_DATABASE": databases[1]}
        yield Two(cli, wrong, "MONGO_DATABASE")
    else:
        wrong.environment = shared | {"SPATIAL_ETL_HOME": other}
        yield Two(cli, wrong, "MONGO_CONNECTION_STRING: it is not set")
    with MongoClient[Any](mongodb.environment["MONGO_CONNECTION_STRING"]) as client:
        for database in databases:
            client.drop_database(database)


def _fill(cli: Any, points: Path) -> None:
    cli("ingest", points, "--batch-id", "first")
    landing = open_landing_zone(settings_of(cli.environment))
    entry = {"path": landing.store.uri("first/points.geojson"), "type": "vector", "format": "GeoJSON"}
    manifest = {"batch_id": "waiting", "uploader": "me", "intent": "ingest_vector", "files": [entry]}
    landing.submit(json.dumps(manifest).encode(), "waiting")


def test_every_command_that_could_do_harm_refuses_and_names_both(two: Two) -> None:
    before, places = two.state(), two.places()
    for name, command in COMMANDS.items():
        said = two.wrong(*command, code=3).err
        assert said.startswith(f"Cannot go on: the data lake in {places[-1]}: it belongs to another ledger."), name
        assert all(place in said for place in places), (name, said)
        assert two.hint in said.partition(" Check ")[2], (name, said)
        assert two.state() == before, name
    told = two.wrong("gc", "--json", code=3).json
    assert (told["status"], told["code"]) == ("unavailable", "lake_of_another_ledger")
    assert [check["name"] for check in two.wrong("doctor", "--json", code=3).json if check["verdict"] == "bad"] == ["Stores"]
    assert two.state() == before

    assert [report["status"] for report in two.right("process", "--json").json] == ["success"]
    assert {verdict["finding"] for verdict in two.right("verify", "--json").json} == {"intact"}
    nothing = {"removed": [], "young": [], "unknown": [], "partial": 0, "records": 0, "raw": []}
    assert two.right("gc", "--json").json == nothing
    assert two.right("replay", "points", "--json").json["identical"]


def test_to_look_things_up_is_harmless_and_says_what_is_not_set(two: Two) -> None:
    not_set = "not set" in two.hint
    for command in ("status", "datasets"):
        said = two.wrong(command, code=3 if not_set else 0)  # this machine has no ledger, and a look makes none
        assert ("MONGO_CONNECTION_STRING is not set" in said.err) == not_set, command
    assert ("MONGO_CONNECTION_STRING is not set" in two.wrong("config").out) == not_set
    if not_set:
        assert "MONGO_CONNECTION_STRING" in two.wrong("doctor", code=3).out
