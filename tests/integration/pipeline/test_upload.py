"""What lies in the landing zone is not replaced by the files of somebody else, however many upload at once."""

import io
import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from libs.models import Rejected, Status
from libs.pipeline.upload import Upload, upload_all
from libs.spatial_utils.formats import find_format

pytestmark = pytest.mark.integration


@pytest.fixture(params=["embedded", "servers"])
def platform(request: pytest.FixtureRequest, open_platform: Callable[..., Any]) -> Iterator[Any]:
    """The platform on folders and SQLite, or on S3 and a server of MongoDB's protocol."""
    if request.param == "embedded":
        yield open_platform()
        return
    uri, database = request.getfixturevalue("mongodb").environment["MONGO_CONNECTION_STRING"], f"test_{secrets.token_hex(6)}"
    buckets = request.getfixturevalue("buckets")
    names = {"minio_landing_bucket": buckets.new(), "minio_lake_bucket": buckets.new()}
    given = buckets.settings(**names, mongo_connection_string=SecretStr(uri), mongo_database=database)
    yield open_platform(**given.model_dump(exclude_unset=True))
    with MongoClient(uri) as client:
        client.drop_database(database)


def manifest_of(platform: Any, batch_id: str, uploader: str = "alice", name: str = "a.geojson") -> bytes:
    path = platform.stack.landing.store.uri(f"in/{name}")
    kind = "GeoJSON" if name.endswith("json") else "ESRI Shapefile"
    files = [{"path": path, "type": "vector", "format": kind}]
    return json.dumps({"batch_id": batch_id, "uploader": uploader, "intent": "ingest_vector", "files": files}).encode()


def deliver(platform: Any, path: Path, batch_id: str, uploader: str = "alice", **more: Any) -> None:
    """As ``submit MANIFEST FILE`` does it, into the folder ``in``."""
    content = manifest_of(platform, batch_id, uploader, path.name)
    kind = find_format("GeoJSON" if path.suffix == ".geojson" else "ESRI Shapefile", "format")
    platform.stack.landing.require_free(content, batch_id)
    upload_all(platform.stack.landing, [Upload(path, kind, "in", "files[0].path")], content, batch_id, **more)
    platform.stack.landing.submit(content, batch_id, after_files=True)


@pytest.fixture
def file_of(tmp_path: Path, geojson: Callable[..., str]) -> Callable[..., Path]:
    """A GeoJSON of somebody; all are called the same."""

    def file_of(whose: str, **properties: Any) -> Path:
        path = tmp_path / whose / "a.geojson"
        path.parent.mkdir(exist_ok=True)
        path.write_text(geojson(whose=whose, **properties))
        return path

    return file_of


def refusal(rejected: pytest.ExceptionInfo[Rejected]) -> tuple[str, str]:
    (problem,) = rejected.value.problems
    return problem.code, problem.where


def values(platform: Any, column: str) -> set[str]:
    """Of the current version, wherever the lake is."""
    tables = [pq.read_table(io.BytesIO(platform.stack.lake.store.read(file.key))) for file in platform.asset("a").files]
    return {value for table in tables for value in table[column].to_pylist()}


def whose(platform: Any) -> set[str]:
    return values(platform, "whose")


def test_files_that_a_waiting_batch_is_made_from_stay(platform: Any, file_of: Callable[..., Path]) -> None:
    deliver(platform, file_of("alice"), "b1")
    for replace in (False, True):
        with pytest.raises(Rejected, match="'b1' of 'alice'") as rejected:
            deliver(platform, file_of("bob"), "b2", "bob", replace=replace)
        assert refusal(rejected) == ("file_awaited", "files[0].path")
    (report,) = platform.process()
    assert (report.batch_id, report.status, whose(platform)) == ("b1", Status.SUCCESS, {"alice"})


def test_files_of_another_batch_are_replaced_only_when_told(platform: Any, file_of: Callable[..., Path]) -> None:
    deliver(platform, file_of("alice"), "b1")
    platform.process()
    with pytest.raises(Rejected, match="of another batch") as rejected:
        deliver(platform, file_of("bob"), "b2", "bob")
    assert refusal(rejected) == ("file_taken", "files[0].path")
    deliver(platform, file_of("bob"), "b2", "bob", replace=True)
    (report,) = platform.process()
    assert (report.batch_id, report.status, whose(platform)) == ("b2", Status.SUCCESS, {"bob"})


def test_a_batch_replaces_its_own_files_when_it_has_its_report(platform: Any, file_of: Callable[..., Path]) -> None:
    """Corrected after a rejection, and again after a success. Before the report, nobody knows whose they are."""
    landing, path = platform.stack.landing, file_of("alice")
    path.write_text("{")
    deliver(platform, path, "b1")
    assert platform.process()[0].status is Status.REJECTED
    for colour in ("red", "blue"):
        deliver(platform, file_of("alice", colour=colour), "b1")
        assert platform.process()[0].status is Status.SUCCESS
    assert platform.stack.ledger.versions("a") == [1, 2]
    upload = Upload(file_of("alice", colour="green"), find_format("GeoJSON", "format"), "in", "files[0].path")
    upload_all(landing, [upload], manifest_of(platform, "b1"), "b1")  # and the process dies here
    with pytest.raises(Rejected, match="has no report yet"):
        deliver(platform, file_of("alice", colour="black"), "b1")
    deliver(platform, file_of("alice", colour="green"), "b1")  # the same again goes on where it was
    assert platform.process()[0].status is Status.SUCCESS
    assert values(platform, "colour") == {"green"}


def test_the_same_file_for_two_batches_is_no_conflict(platform: Any, file_of: Callable[..., Path]) -> None:
    deliver(platform, file_of("alice"), "b1")
    before = platform.stack.landing.store.head("in/a.geojson")
    deliver(platform, file_of("alice"), "b2")
    assert platform.stack.landing.store.head("in/a.geojson") == before
    assert {report.status for report in platform.process()} == {Status.SUCCESS}


def test_a_sidecar_of_an_earlier_delivery_is_not_read_with_the_next_one(platform: Any, frame: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.shp"
    frame.to_file(path)
    deliver(platform, path, "b1")
    assert platform.process()[0].status is Status.SUCCESS
    path.with_suffix(".cpg").unlink()
    frame.assign(name="other").to_file(path)
    path.with_suffix(".cpg").unlink()
    before = platform.lies_in("landing")
    with pytest.raises(Rejected, match=r"a\.cpg': this file lies there, would be read with 'a\.shp'") as rejected:
        deliver(platform, path, "b1")
    assert refusal(rejected) == ("file_taken", "files[0].path")
    assert platform.lies_in("landing") == before
    deliver(platform, path, "b1", replace=True)
    assert platform.process()[0].status is Status.SUCCESS


@pytest.mark.parametrize("shapes", ["different", "same"])
def test_of_many_that_upload_files_of_the_same_names_at_once_one_gets_on(
    platform: Any, frame: Any, tmp_path: Path, shapes: str
) -> None:
    """Each Shapefile has sidecars of its own: a mixture would be read without an error, and be wrong."""
    paths = []
    for number in range(6):
        (tmp_path / f"{number}").mkdir()
        paths.append(tmp_path / f"{number}" / "a.shp")
        own = frame.translate(number) if shapes == "different" else frame.geometry
        frame.set_geometry(own).assign(name=f"of {number}", count=number).to_file(paths[-1])
    for number, path in enumerate(paths):  # not all have the same sidecars
        if number % 2:
            path.with_suffix(".cpg").unlink()

    def attempt(number: int) -> str:
        try:
            deliver(platform, paths[number], f"b{number}", f"user {number}")
        except Rejected as rejected:
            return rejected.problems[0].code
        return "submitted"

    with ThreadPoolExecutor(len(paths)) as pool:
        said = [*pool.map(attempt, range(len(paths)))]
    assert {*said} <= {"submitted", "file_taken", "file_awaited"}
    # Where the first file is the same, none may get on: each takes it for its own, and is stopped by the next one.
    assert said.count("submitted") == 1 or (shapes == "same" and "submitted" not in said), said
    if "submitted" in said:
        winner = said.index("submitted")
        lie = {info.key: platform.stack.landing.store.read(info.key) for info in platform.stack.landing.store.list("in/")}
        sent = {f"in/{part.name}": part.read_bytes() for part in paths[winner].parent.iterdir()}
        assert lie == sent, "only the files of one"
    else:
        winner = 0
        deliver(platform, paths[0], "b0", "user 0", replace=True)
    (report,) = platform.process()
    assert (report.batch_id, report.status) == (f"b{winner}", Status.SUCCESS)
    assert values(platform, "name") == {f"of {winner}"}


def test_processes_that_submit_at_once(platform: Any, file_of: Callable[..., Path], tmp_path: Path) -> None:
    """By the command, under one name: one is refused before it has replaced a byte."""
    settings = platform.stack.settings
    given = {
        name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in settings
        if name in settings.model_fields_set and value is not None
    }
    commands = []
    for name in ("alice", "bob"):
        path = file_of(name)
        (tmp_path / f"{name}.json").write_bytes(manifest_of(platform, "b1", name))
        commands.append([str(Path(sys.executable).with_name("spatial-etl")), "submit", f"{tmp_path / name}.json", str(path)])
    started = [
        subprocess.Popen(each, env=given | {"PATH": "/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for each in commands
    ]
    said = [(*each.communicate(timeout=120), each.returncode) for each in started]
    assert sorted(code for *_, code in said) == [0, 1], said
    lost = next(f"{out}{errors}" for out, errors, code in said if code)
    assert any(word in lost for word in ("file_taken", "file_awaited", "batch_waiting", "lies there", "waits")), lost
    winner = ("alice", "bob")[[code for *_, code in said].index(0)]
    (report,) = platform.process()
    assert (report.status, whose(platform)) == (Status.SUCCESS, {winner})
