"""What `verify` reads, and how often: each lake file once, each collection of the ledger in passes."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo import MongoClient

from libs.ledger.mongo import MongoStore
from libs.ledger.sqlite import SqliteStore
from libs.models import Asset, Finding, LakeFile, Verified
from libs.pipeline.repair import Repaired, repair
from libs.pipeline.verify import verify
from libs.storage.folder import FolderStore
from libs.storage.s3 import S3Store

pytestmark = pytest.mark.integration

DATASETS = 20


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


@pytest.fixture
def filled(platform: Any, geojson: Callable[..., str]) -> Any:
    """Many datasets, two of whose files are damaged; the raw files are kept."""
    entries = [platform.entry(platform.put(f"in/d{n:02}.geojson", geojson(3, of=n))) for n in range(DATASETS)]
    assert platform.ingest("many", *entries, raw="keep").status == "success"
    lake = platform.stack.lake.store
    lake.delete("d03/v1/data.parquet")
    lake.put("d11/v1/data.parquet", b"other")
    return platform


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each object was read, and each collection looked at."""
    count: Counter[str] = Counter()

    def counted(owner: Any, name: str, label: str) -> None:
        real = getattr(owner, name)

        def call(self: Any, about: str, *args: Any, **kwargs: Any) -> Any:
            count[f"{label}{about}"] += 1
            return real(self, about, *args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    for store in (FolderStore, S3Store):
        counted(store, "stream", "")
    counted(FolderStore, "read", "")  # the other one reads by streaming
    for store in (SqliteStore, MongoStore):
        counted(store, "get", "get ")
        counted(store, "find", "find ")
    return count


def files(found: list[Verified]) -> list[tuple[str | None, Finding]]:
    return [(each.dataset_id, each.finding) for each in found if each.uri and each.uri.endswith("data.parquet")]


def test_all_is_read_once_and_told_in_order(filled: Any, reads: Counter[str]) -> None:
    found = files([*verify(filled.stack)])
    expected = {"d03": Finding.MISSING, "d11": Finding.CHANGED}
    assert found == [(name, expected.get(name, Finding.INTACT)) for name in (f"d{n:02}" for n in range(DATASETS))]
    read = {key: count for key, count in reads.items() if key.startswith(("d", "raw/"))}
    assert len(read) == 3 * DATASETS, "data, record, raw file"
    assert {*read.values()} == {1}
    asked = {key: count for key, count in reads.items() if key.startswith("get ")}
    assert sum(asked.values()) < DATASETS / 2, f"the ledger was asked for single records: {asked}"
    assert max(count for key, count in reads.items() if key.startswith("find ")) <= 3


def test_repair_reads_only_what_it_has_put_back_again(filled: Any, reads: Counter[str]) -> None:
    told: list[Repaired] = []

    def mend(asset: Asset, lost: list[LakeFile]) -> None:
        told.extend(repair(filled.stack, asset, lost))

    found = files([*verify(filled.stack, mend=mend)])
    assert {finding for _, finding in found} == {Finding.INTACT}
    assert [(each.dataset_id, each.restored) for each in told] == [("d03", True), ("d11", True)]
    often = {key for key, count in reads.items() if key.endswith("data.parquet") and count > 1}
    assert often == {"d03/v1/data.parquet", "d11/v1/data.parquet"}
    assert files([*verify(filled.stack)]) == found


def test_a_version_whose_lineage_is_damaged_is_not_repaired_and_nothing_breaks_off(filled: Any) -> None:
    store = filled.stack.ledger.store
    store.touch("lineage", "d03@1", {"format": 10_000})
    told: list[Repaired] = []
    found = [*verify(filled.stack, mend=lambda asset, lost: told.extend(repair(filled.stack, asset, lost)))]
    assert [(each.dataset_id, each.restored) for each in told] == [("d03", False), ("d11", True)]
    assert "No record says how it was made" in told[0].message
    assert [each for each in files(found) if each[1] is not Finding.INTACT] == [("d03", Finding.MISSING)]


def test_some_versions_are_told_in_the_order_in_which_they_are_named(filled: Any) -> None:
    ledger = filled.stack.ledger
    filled.stack.lake.store.create("d01/v1/foreign", b"x")
    names = ["d11", "d03", "d01", "d00"]
    found = [*verify(filled.stack, (ledger.asset(name) for name in names))]
    assert [(each.dataset_id, each.finding) for each in found if each.finding is not Finding.INTACT] == [
        ("d11", Finding.CHANGED), ("d03", Finding.MISSING), ("d01", Finding.UNEXPECTED),
    ]  # fmt: skip
    assert list(dict.fromkeys(each.dataset_id for each in found)) == names


def test_versions_are_found_by_name(filled: Any) -> None:
    ledger = filled.stack.ledger
    assert {asset.id for asset in ledger.assets_named(["d05@1", "d01@1", "d01@2"])} == {"d05@1", "d01@1"}
    everything = [f"d{n:02}@1" for n in range(DATASETS)]
    assert [asset.id for asset in ledger.assets_named(everything)] == everything
    assert [*ledger.assets_named([])] == []
