"""A ledger, a lake and a landing zone that the release before "records that can grow" wrote: see ``tests/data/old_ledger``."""

import json
import secrets
import tarfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from libs.ledger import DocumentStore, SqliteStore
from libs.ledger.ledger import Ledger
from libs.ledger.mongo import MongoStore
from libs.models import FORMAT, Report, Status
from libs.pipeline.maintenance import gc, reconcile
from libs.pipeline.replay import replay
from libs.pipeline.verify import Finding, verify

pytestmark = pytest.mark.integration

FIXTURE = Path(__file__).parents[2] / "data" / "old_ledger" / "home.tar.gz"
KINDS = {
    "alpha.points": "vector", "parcels": "vector", "prices": "table", "roads": "vector", "simple": "vector", "trees": "vector",
}  # fmt: skip
COLLECTIONS = ("identity", "manifests", "runs", "versions", "outcomes", "assets", "lineage", "activity_logs")


@pytest.fixture(params=["sqlite", "mongo"])
def old(request: pytest.FixtureRequest, tmp_path: Path, open_platform: Callable[..., Any]) -> Iterator[Any]:
    """The old platform, opened by this release; its ledger as it was, or with the same documents on a server."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    home = tmp_path / "old-home"
    if request.param == "sqlite":
        yield open_platform(spatial_etl_home=home)
        return
    uri, database = request.getfixturevalue("mongodb").environment["MONGO_CONNECTION_STRING"], f"test_{secrets.token_hex(6)}"
    source, target = SqliteStore(home / "ledger.sqlite"), MongoStore(uri, database)
    _copy(source, target)
    source.close()
    target.close()
    (home / "ledger.sqlite").unlink()
    yield open_platform(spatial_etl_home=home, mongo_connection_string=SecretStr(uri), mongo_database=database)
    with MongoClient(uri) as client:
        client.drop_database(database)


def _copy(source: DocumentStore, target: DocumentStore) -> None:
    for collection in COLLECTIONS:
        target.insert_missing((collection, identity, document) for identity, document in source.find(collection))
    assert [*target.find("assets")] == [*source.find("assets")]


def later(old: Any) -> Any:
    """The stack two days on."""
    from dataclasses import replace

    ledger = old.stack.ledger
    return replace(old.stack, ledger=Ledger(ledger.store, clock=lambda: ledger.clock() + timedelta(days=2)))


def test_what_it_holds_is_listed_and_shown(old: Any) -> None:
    assets = {asset.dataset_id: asset for asset in old.stack.ledger.datasets()}
    assert {name: asset.kind for name, asset in assets.items()} == KINDS
    assert [(file.role, file.name) for asset in assets.values() for file in asset.files] == [("data", "data.parquet")] * len(
        KINDS
    )
    assert [asset.features for asset in old.stack.ledger.assets()] == [3, 4, 2, 2, 2, 4, 2]
    prices, points = assets["prices"], assets["alpha.points"]
    assert (prices.has_geometry, prices.crs, prices.bbox, prices.geometry_types) == (False, None, None, ())
    assert (points.version, points.crs, points.bbox, points.geometry_types) == (2, "EPSG:4326", (0, 0, 3, 3), ("Point",))
    assert [field.name for field in prices.table_schema] == ["year", "price"]
    assert (old.read("alpha.points").num_rows, old.read("prices").num_rows) == (4, 2)


def test_its_batches_stand_where_they_stood(old: Any) -> None:
    states = {state.batch_id: state.status for state in old.stack.ledger.batches()}
    assert states.pop("rejected") is Status.REJECTED
    assert states.pop("failed") is Status.FAILURE
    assert states.pop("lost") is Status.QUEUED
    assert set(states.values()) == {Status.SUCCESS}
    assert len(states) == 8


def test_its_reports_are_read(old: Any) -> None:
    store = old.stack.landing.store
    reports = [Report.model_validate_json(store.read(info.key)) for info in store.list("reports/")]
    assert sum(len(report.datasets) for report in reports) == 8
    assert {report.batch_id for report in reports if report.problems} == {"failed", "rejected"}


def test_its_files_are_intact(old: Any) -> None:
    found = list(verify(old.stack))
    assert sum(each.finding is Finding.INTACT for each in found) == 7
    assert [each for each in found if each.finding.damages] == []
    unsealed = {each.record: each.message for each in found if each.finding is Finding.UNSEALED}
    assert unsealed.keys() == {*COLLECTIONS}
    assert "are of a release before seals" in unsealed["assets"]


def test_its_versions_are_made_again(old: Any) -> None:
    ledger = old.stack.ledger
    for asset in ledger.assets():
        done = replay(old.stack, asset, ledger.lineage(asset.dataset_id, asset.version))
        (file,) = done.files
        assert file.recorded_sha256 == asset.files[0].sha256
        assert done.identical or done.software, f"{asset.id} came out otherwise, and nothing says why"


def test_it_takes_a_third_version_and_what_was_lost_again(old: Any) -> None:
    reports = {report.batch_id: report for report in old.process()}
    assert {name: report.status for name, report in reports.items()} == {"waiting": "success", "lost": "success"}
    assert [(each.dataset_id, each.version) for each in reports["waiting"].datasets] == [("alpha.points", 3)]
    assert [(each.dataset_id, each.version) for each in reports["lost"].datasets] == [("lost", 2)]
    assert old.stack.ledger.versions("alpha.points") == [1, 2, 3]
    assert [each for each in verify(old.stack) if each.finding.damages] == []
    formats = {document.get("format", "1.0") for _, document in old.stack.ledger.store.find("assets")}
    assert formats == {"1.0", FORMAT}


def test_what_its_crashes_left_is_tidied_up(old: Any) -> None:
    done = reconcile(old.stack)
    assert done.published == ("unpublished#1",)
    assert old.asset("unpublished").features == 2
    assert old.stack.ledger.store.get("assets", "unpublished@1")["summary"]["kind"] == "vector"
    assert gc(later(old)).removed == ("lost/v1/data.parquet",)
    assert [each for each in verify(old.stack) if each.finding.damages] == []


def test_a_batch_that_is_known_is_not_done_again(old: Any) -> None:
    store = old.stack.landing.store
    content = store.read("archive/roads/roads-1.json")
    assert json.loads(content)["batch_id"] == "roads"
    store.put("manifests/roads.json", content)
    report = next(report for report in old.process() if report.batch_id == "roads")
    assert (report.status, report.run_id, report.unchanged_since) == (Status.SUCCESS, "roads#2", "roads#1")
    assert old.stack.ledger.versions("roads") == [1]
