"""The real services come up, are found again, lose nothing when they are killed, and leave what is not theirs alone."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pymongo
import pytest

from services.local import LocalServiceError, LocalServices, Service, throwaway_services
from services.local.build import NotInstalled, ferretdb
from services.local.daemon import Daemon
from services.local.service import HOST, Memory
from tests.buckets import Buckets
from tests.services import start

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
NAMES = ["minio", "mongodb", "postgis"]


@pytest.fixture(scope="module")
def services() -> Iterator[LocalServices]:
    """All three, running."""
    with throwaway_services() as services:
        for service in services.all:
            start(service)
        yield services


@pytest.fixture(params=NAMES)
def service(services: LocalServices, request: pytest.FixtureRequest) -> Service:
    service: Service = getattr(services, request.param)
    service.start()
    return service


def call(action: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.local", action, "--folder", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | environment, check=False)


def processes(services: LocalServices) -> list[list[int]]:
    remembered = [json.loads((service.folder / "state.json").read_text()) for service in services.all]
    return [value for state in remembered for value in state.values() if isinstance(value, list)]


def is_alive(pid: int) -> bool:
    """Whether it runs: one whose end nobody has fetched yet has no command line any more."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except (FileNotFoundError, ProcessLookupError):
        return False


def libpq(environment: dict[str, str]) -> dict[str, str]:
    return {name.replace("POSTGRES_", "PG").replace("PGDB", "PGDATABASE"): value for name, value in environment.items()}


def psql(environment: dict[str, str], sql: str) -> str:
    command = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | libpq(environment), check=False)
    if done.returncode:
        raise ConnectionError(done.stderr)
    return done.stdout.strip()


def write(service: Service, value: str) -> None:
    environment = service.environment
    if service.name == "minio":
        Path(service.folder, "data", "bucket").mkdir(exist_ok=True)  # which is what a bucket is to MinIO
        Buckets(environment).client.put_object(Bucket="bucket", Key="key", Body=value.encode())
    elif service.name == "mongodb":
        with pymongo.MongoClient(environment["MONGO_CONNECTION_STRING"]) as client:
            client["test"]["documents"].replace_one({"_id": 1}, {"value": value}, upsert=True)
    else:
        psql(environment, f"DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT '{value}'::text AS value")


def read(service: Service) -> str:
    environment = service.environment
    if service.name == "minio":
        return str(Buckets(environment).client.get_object(Bucket="bucket", Key="key")["Body"].read().decode())
    if service.name == "mongodb":
        with pymongo.MongoClient(environment["MONGO_CONNECTION_STRING"]) as client:
            return str(client["test"]["documents"].find_one({"_id": 1})["value"])
    return psql(environment, "SELECT value FROM kept")


def test_the_commands() -> None:
    with throwaway_services() as services:
        folder = services.minio.folder.parent
        nothing = call("env", folder)
        assert (nothing.returncode, nothing.stdout) == (1, "")
        assert 'Not running: minio, mongodb, postgis. Run "make services" first.' in nothing.stderr

        up = call("up", folder)
        assert up.returncode == 0, up.stderr
        for service, line in zip(services.all, up.stdout.splitlines(), strict=True):
            assert line.split(maxsplit=2) == [service.name, service.address, service.version]
            assert service.address.startswith("127.0.0.1:")
        first = processes(services)
        assert len(first) == 4
        assert call("up", folder).stdout == up.stdout
        assert processes(services) == first

        shell = subprocess.run(
            ["bash", "-ec", 'eval "$1"; env', "-", call("env", folder).stdout], capture_output=True, text=True, env={}, check=True
        )
        told = dict(line.split("=", 1) for line in shell.stdout.splitlines())
        for service in services.all:
            assert service.environment.items() <= told.items()

        assert call("down", folder).stdout == "minio    ended\nmongodb  ended\npostgis  ended\n"
        assert not any(is_alive(pid) for pid, _ in first)
        assert call("down", folder).stdout == "minio    was not running\nmongodb  was not running\npostgis  was not running\n"
        assert call("env", folder).returncode == 1


def test_each_is_killed_and_comes_back_as_it_was(service: Service) -> None:
    before = service.address, service.environment
    write(service, "kept")
    service.kill()
    assert not service.running
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((HOST, int(service.address.rpartition(":")[2])))
    service.start()
    assert (service.address, service.environment) == before
    assert read(service) == "kept"


def test_each_is_found_again_by_its_folder(service: Service) -> None:
    again: Service = getattr(LocalServices(service.folder.parent), service.name)
    assert again.running
    again.stop()
    assert not service.running


def test_postgis_is_killed_in_the_middle_of_a_statement(services: LocalServices) -> None:
    services.postgis.start()
    busy = subprocess.Popen(
        ["psql", "-X", "-c", "SELECT sum(i) FROM generate_series(1, 1e10) AS i"],
        env=os.environ | libpq(services.postgis.environment), stderr=subprocess.PIPE,
    )  # fmt: skip
    at_it = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT sum%'"
    while psql(services.postgis.environment, at_it) != "1":
        time.sleep(0.01)
    services.postgis.kill()
    _, complaint = busy.communicate(timeout=10)
    assert b"server closed the connection" in complaint
    services.postgis.start()
    assert "3." in psql(services.postgis.environment, "SELECT postgis_version()")


def test_passwords_are_asked_for(service: Service) -> None:
    write(service, "private")
    password = service.memory.get("password") or service.memory.get("postgresql_password")

    class WithoutIt:
        name, folder = service.name, service.folder
        environment = {key: value.replace(password, "guessed") for key, value in service.environment.items()}

    with pytest.raises(Exception, match=r"password authentication failed|SignatureDoesNotMatch|signature we calculated"):
        read(WithoutIt)  # type: ignore[arg-type]


def test_nobody_else_can_read_the_passwords(service: Service) -> None:
    assert (service.folder / "state.json").stat().st_mode & 0o777 == 0o600


def test_two_folders_side_by_side(services: LocalServices) -> None:
    services.postgis.start()
    write(services.postgis, "mine")
    with throwaway_services() as others:
        others.postgis.start()
        assert others.postgis.address != services.postgis.address
        write(others.postgis, "theirs")
        assert read(services.postgis) == "mine"
    assert read(services.postgis) == "mine"


def test_a_port_that_was_taken_meanwhile(service: Service) -> None:
    write(service, "kept")
    service.stop()
    before = service.address
    with socket.create_server((HOST, int(before.rpartition(":")[2]))):
        service.start()
        assert service.address != before
        assert read(service) == "kept"


def test_a_lock_file_whose_process_id_is_another_postgresqls_by_now(services: LocalServices) -> None:
    services.postgis.start()
    lock = services.postgis.folder / "data" / "postmaster.pid"
    services.postgis.stop()
    services.mongodb.start()
    other = (services.mongodb.folder / "data" / "postmaster.pid").read_text().splitlines()
    lock.write_text("\n".join([other[0], str(lock.parent), *other[2:]]) + "\n")
    lock.chmod(0o644)
    services.postgis.start()
    assert services.mongodb.running


def test_a_process_that_has_been_given_the_id_of_ours(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "state.json")
    ours = Daemon("sleeper", memory, tmp_path / "log")
    ours.start(["/bin/sleep", "60"], {}, tmp_path)
    pid, started = memory.get("sleeper")
    memory.set("sleeper", [pid, started - 1])
    ours.stop()
    assert not ours.running
    memory.set("sleeper", [pid, started])
    assert ours.running
    ours.stop()
    assert not ours.running
    assert not is_alive(pid)


def test_one_that_does_not_come_up_says_why() -> None:
    with throwaway_services() as services:
        start(services.postgis)
        services.postgis.stop()
        (services.postgis.folder / "data" / "PG_VERSION").write_text("9.6\n")
        services.minio.folder.mkdir()
        (services.minio.folder / "data").write_text("in the way")
        up = call("up", services.minio.folder.parent)
        assert up.returncode == 1
        assert "minio: [Errno 17] File exists: " in up.stderr
        log = services.postgis.folder / "postgresql.log"
        assert f"postgis: postgresql ended at once. The end of its log, {log}:" in up.stderr
        assert "database files are incompatible with server" in up.stderr
        assert services.mongodb.running, "the others are tried"


def test_data_without_its_password() -> None:
    with throwaway_services() as services:
        (services.postgis.folder / "data").mkdir(parents=True)
        with pytest.raises(LocalServiceError, match=r"postgis/data is there, but .*/postgis has not got its password"):
            start(services.postgis)


def test_a_program_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(NotInstalled, match=r'minio .* has not been built on this machine: run "make services"'):
        LocalServices(tmp_path).minio.start()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalServiceError, match=r"is built with Go .* Install it"):
        LocalServices(tmp_path).minio.build()


def test_a_program_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        known = ferretdb().path.name
    except NotInstalled as error:
        pytest.skip(str(error))
    compiled = subprocess.run(["go", "env", "GOCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.setenv("GOCACHE", compiled)  # Go's own cache would move with the other, and all be compiled again
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    ferretdb().build()
    built = ferretdb().path
    assert [path.name for path in built.parent.iterdir() if path.suffix != ".lock"] == [known]
    before = built.stat()
    ferretdb().build()
    assert built.stat() == before
