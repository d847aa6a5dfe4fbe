"""A lake explains itself: each version carries its record, as the ledger has it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic_core import to_json

from libs.models import SEAL, DamagedRecord, VersionRecord, digest
from libs.pipeline.maintenance import describe, gc, reconcile
from libs.pipeline.publishing import IN_THE_WAY
from libs.pipeline.verify import Finding, verify
from libs.storage import RECORD

pytestmark = pytest.mark.integration


def findings(platform: Any) -> dict[str, Finding]:
    """What is not intact, by the key."""
    start = platform.stack.lake.uri("")
    return {each.uri.removeprefix(start): each.finding for each in verify(platform.stack) if each.finding is not Finding.INTACT}


def records(platform: Any) -> dict[str, bytes]:
    store = platform.stack.lake.store
    return {info.key: store.read(info.key) for info in store.list() if info.key.endswith(RECORD)}


def two_batches(platform: Any, geojson: Callable[..., str]) -> None:
    paths = {name: platform.put(f"in/{name}.geojson", geojson()) for name in ("a", "b")}
    platform.ingest("b1", *(platform.entry(path, dataset_id=name) for name, path in paths.items()), metadata={"why": "so"})
    platform.ingest("b2", platform.entry(paths["a"], dataset_id="a"))


def test_each_version_says_what_the_ledger_says(platform: Any, geojson: Callable[..., str]) -> None:
    two_batches(platform, geojson)
    found = {key: VersionRecord.parse(content) for key, content in records(platform).items()}
    assert sorted(found) == ["a/v1/_version.json", "a/v2/_version.json", "b/v1/_version.json"]
    ledger = platform.stack.ledger
    for record in found.values():
        asset = record.asset
        assert (asset, record.lineage) == (
            ledger.asset(asset.dataset_id, asset.version),
            ledger.lineage(asset.dataset_id, asset.version),
        )
        assert record.receipt == ledger.receipt(record.receipt.id)
        assert (record.run.id, record.ledger_id) == (asset.run_id, ledger.identity()[0].ledger_id)
    first = found["a/v1/_version.json"]
    assert (first.datasets, first.receipt.content["metadata"], len(first.receipt.content["files"])) == (2, {"why": "so"}, 2)
    assert (findings(platform), gc(platform.stack).unknown) == ({}, ())


def test_a_record_of_a_release_whose_versions_had_fewer_fields_is_whole(platform: Any, geojson: Callable[..., str]) -> None:
    """Fields are added from release to release. Else an upgrade would call each version of a lake changed."""
    two_batches(platform, geojson)
    store, key = platform.stack.lake.store, "b/v1/_version.json"
    fields = json.loads(store.read(key))
    assert fields["asset"].pop("rules") == []
    written = to_json(fields | {SEAL: digest(fields)}, indent=2) + b"\n"
    assert VersionRecord.parse(written) == VersionRecord.parse(store.read(key))
    with pytest.raises(DamagedRecord, match="is not as it was written, though it says the same"):
        VersionRecord.parse(written + b"\n")


def test_of_a_large_manifest_each_version_has_its_own_files(platform: Any, geojson: Callable[..., str]) -> None:
    """Else ten thousand datasets would carry ten thousand times the list of ten thousand files."""
    paths = [platform.put(f"in/set-{number:03}.geojson", geojson()) for number in range(150)]
    platform.ingest("b1", *(platform.entry(path) for path in paths), metadata={"project": "p", "why": "so " * 20})
    found = records(platform)
    assert len(found) == 150
    assert max(map(len, found.values())) < 10_000
    record = VersionRecord.parse(found["p.set-007/v1/_version.json"])
    assert (record.datasets, "files" in record.receipt.content, record.receipt.content["uploader"]) == (150, False, "someone")
    assert [entry["path"] for entry in record.lineage.manifest["files"]] == [paths[7]]


def test_what_a_crash_or_a_hand_left_out_is_written_again_with_the_same_bytes(platform: Any, geojson: Callable[..., str]) -> None:
    two_batches(platform, geojson)
    before, store = records(platform), platform.stack.lake.store
    for key in ("a/v1/_version.json", "b/v1/_version.json"):
        store.delete(key)
    assert findings(platform) == {"a/v1/_version.json": Finding.MISSING, "b/v1/_version.json": Finding.MISSING}
    assert describe(platform.stack) == ["a@1", "b@1"]
    assert (describe(platform.stack), records(platform), findings(platform)) == ([], before, {})
    # a crash after the outcome: nothing has been copied, and the record is not there yet
    store.delete("a/v2/_version.json")
    platform.stack.ledger.store.remove("assets", ["a@2"])
    assert reconcile(platform.stack).published == ("b2#1",)
    assert records(platform) == before


@pytest.mark.parametrize("damage", ["cut", "edited", "another", "no JSON", "a folder"])
def test_a_record_that_was_changed_is_told_of_and_left(platform: Any, geojson: Callable[..., str], damage: str) -> None:
    two_batches(platform, geojson)
    path = platform.stack.lake.store.root / "a/v1/_version.json"
    content = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    else:
        edited = json.loads(content) | {"decided_by": "me"}
        other = (path.parents[1] / "v2" / RECORD).read_bytes()
        path.write_bytes(
            {"cut": content[:-40], "edited": json.dumps(edited).encode(), "another": other, "no JSON": b"[1]"}[damage]
        )
    expected = Finding.MISSING if damage == "a folder" else Finding.CHANGED
    assert findings(platform) == {"a/v1/_version.json": expected}
    platform.stack.ledger.store.remove("assets", ["a@1"])
    assert reconcile(platform.stack).published == ("b1#1",), "the batch was committed"
    assert [entry.action for entry in platform.stack.ledger.activity("a/v1/_version.json")] == [IN_THE_WAY]
    if damage == "edited":
        path.unlink()
        assert describe(platform.stack) == ["a@1"]
        assert (path.read_bytes(), findings(platform)) == (content, {})


def test_a_folder_of_a_version_is_read_as_one_table(platform: Any, geojson: Callable[..., str]) -> None:
    import pyarrow.parquet as pq

    two_batches(platform, geojson)
    assert pq.read_table(platform.stack.lake.store.root / "a/v1").num_rows == 3
