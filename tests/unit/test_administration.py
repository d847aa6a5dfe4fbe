"""The files of accounts: what is written comes back, in a shell and as ``.env``, too."""

import subprocess
from pathlib import Path

import pytest
from dotenv import dotenv_values

from libs.models.settings import Settings
from services.administration import Accounts, complete

VALUES = {
    "MINIO_ENDPOINT": "127.0.0.1:9000",
    "MINIO_CA_FILE": "/etc/our own/ca.pem",
    "MONGO_CONNECTION_STRING": "mongodb://u:p%40ss$1@a:1,b:2/?authMechanism=PLAIN&tls=true#x",
}


def test_an_accounts_file_reads_the_same_everywhere(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    accounts.add("pipeline", VALUES)
    assert accounts.settings("pipeline") == VALUES
    path = accounts.path("pipeline")
    assert dotenv_values(path) == VALUES
    for name, value in VALUES.items():
        script = f"set -eu; set -a; . {path}; set +a; printenv {name}"
        assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == f"{value}\n"


def test_a_file_of_an_older_release_is_understood(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path)
    accounts.path("pipeline").write_text("A=mongodb://u:p@h/?x=1&y=2\nB=\n")
    assert accounts.settings("pipeline") == {"A": "mongodb://u:p@h/?x=1&y=2", "B": ""}


SERVERS = {"minio_endpoint": "minio:9000", "mongo_connection_string": "mongodb://admin:secret@db/"}
KEYS = {"MINIO_ROOT_USER": "spatial-etl-pipeline", "MINIO_ROOT_PASSWORD": "p"}


@pytest.mark.parametrize(
    ("servers", "missing"),
    [
        (["minio_endpoint", "mongo_connection_string"], None),
        (["minio_endpoint"], "MONGO_CONNECTION_STRING"),
        (["mongo_connection_string"], "MINIO_ENDPOINT"),
        ([], "MINIO_ENDPOINT and MONGO_CONNECTION_STRING"),
    ],
)
def test_a_file_names_the_home_where_something_lies_in_it(servers: list[str], missing: str | None, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, spatial_etl_home=tmp_path / "home", **{name: SERVERS[name] for name in servers})
    accounts = Accounts(tmp_path / "accounts")
    made = {name.upper(): SERVERS[name] for name in servers if name == "mongo_connection_string"}
    accounts.add("pipeline", made | (KEYS if "minio_endpoint" in servers else {}))
    done = {step.what: step.done for step in complete(settings, accounts)}["settings of pipeline"]
    assert (accounts.settings("pipeline").get("SPATIAL_ETL_HOME") == str(tmp_path / "home")) == (missing is not None)
    assert ("on this machine only" in done) == (missing is not None)
    assert missing is None or f"set {missing}, and do this again" in done


def test_a_file_that_was_for_one_machine_becomes_one_for_a_team(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "accounts")
    accounts.add("pipeline", KEYS)
    home = {"_env_file": None, "spatial_etl_home": tmp_path / "home"}
    list(complete(Settings(**home, minio_endpoint="minio:9000"), accounts))
    assert "SPATIAL_ETL_HOME" in accounts.settings("pipeline")
    accounts.add("pipeline", {"MONGO_CONNECTION_STRING": "mongodb://pipeline@db/"})
    list(complete(Settings(**home, **SERVERS), accounts))
    assert "SPATIAL_ETL_HOME" not in accounts.settings("pipeline")


def test_an_s3_without_accounts_has_its_keys_asked_for(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, **SERVERS)
    accounts = Accounts(tmp_path)
    accounts.add("pipeline", {"MONGO_CONNECTION_STRING": "mongodb://pipeline@db/"})
    done = {step.what: step.done for step in complete(settings, accounts)}
    assert done["settings of pipeline"].startswith("add MINIO_ROOT_PASSWORD and MINIO_ROOT_USER of an account that may do what")
    assert accounts.settings("pipeline")["MINIO_ENDPOINT"] == "minio:9000", "without it, the lake would be a folder"
    assert not accounts.path("uploader").exists()
