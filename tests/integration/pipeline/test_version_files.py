"""A version of several files: data in two parts, and rejects, through the real way to a commit."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from libs.models import Asset, FileRole, Report, Status
from libs.pipeline import ingest, replay
from libs.pipeline.datasets import DatasetMaker, MadeDataset, MadeFile
from libs.pipeline.maintenance import gc, reconcile
from libs.pipeline.verify import Finding, verify
from libs.storage import DataLake
from tests.watching import long_watched

pytestmark = pytest.mark.integration

NAMES = ["part-0.parquet", "part-1.parquet", "rejects.parquet"]
KEYS = [f"points/v1/{name}" for name in NAMES]


class InParts(DatasetMaker):
    """Makes what the real maker makes, and cuts it: the rows in two parts, and a first row that is set aside once more."""

    def make(self) -> list[MadeDataset]:
        return [dataclasses.replace(dataset, files=_cut(dataset)) for dataset in super().make()]


def _cut(dataset: MadeDataset) -> tuple[MadeFile, ...]:
    (whole,) = dataset.files
    rows = pq.read_table(whole.path)
    half = rows.num_rows // 2
    parts = ((FileRole.DATA, rows[:half]), (FileRole.DATA, rows[half:]), (FileRole.REJECTS, rows[:1]))
    return tuple(_file(whole.path, role, name, part) for name, (role, part) in zip(NAMES, parts, strict=True))


def _file(beside: Path, role: FileRole, name: str, rows: pa.Table) -> MadeFile:
    path = beside.with_name(f"{beside.stem}-{name}")
    pq.write_table(rows, path)
    content = path.read_bytes()
    return MadeFile(role, name, path, hashlib.sha256(content).hexdigest(), len(content), rows.num_rows)


@pytest.fixture
def in_parts(platform: Any, geojson: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Report]:
    """Ingests ten points as a version in parts."""
    monkeypatch.setattr(ingest, "DatasetMaker", InParts)
    monkeypatch.setattr(replay, "DatasetMaker", InParts)

    def in_parts(batch_id: str = "b") -> Report:
        return platform.ingest(batch_id, platform.entry(platform.put(f"{batch_id}/a.geojson", geojson(10)), dataset_id="points"))

    return in_parts


def later(platform: Any) -> Any:
    ledger = platform.stack.ledger
    return dataclasses.replace(
        platform.stack, ledger=long_watched(ledger.store, clock=lambda: ledger.clock() + timedelta(days=2))
    )


def read_back(platform: Any, asset: Asset) -> int:
    files = [platform.stack.lake.store.root / file.key for file in asset.data]
    return sum(pq.read_table(file).num_rows for file in files)


def test_all_files_are_placed_recorded_and_reported(platform: Any, in_parts: Callable) -> None:
    report = in_parts()
    assert report.status is Status.SUCCESS
    assert platform.lies_in("lake") == KEYS
    asset = platform.asset("points")
    assert [(file.role, file.name, file.features) for file in asset.files] == [
        ("data", NAMES[0], 5), ("data", NAMES[1], 5), ("rejects", NAMES[2], 1),
    ]  # fmt: skip
    assert (asset.features, read_back(platform, asset)) == (10, 10)
    assert [file.uri for file in report.datasets[0].files] == [f"s3://data-lake/{file.key}" for file in asset.files]
    (reservation,) = platform.stack.ledger.reservations()
    assert (reservation.prefix, list(reservation.keys)) == ("points/v1/", KEYS)


def test_verify_looks_at_each_file_and_names_what_no_record_knows(platform: Any, in_parts: Callable) -> None:
    in_parts()
    assert [each.finding for each in verify(platform.stack)] == [Finding.INTACT] * 3
    root = platform.stack.lake.store.root
    (root / KEYS[1]).write_bytes(b"changed")
    (root / KEYS[2]).unlink()
    (root / "points/v1/more.parquet").write_bytes(b"by hand")
    found = {each.uri.rpartition("/")[2]: each.finding for each in verify(platform.stack)}
    assert found == {
        NAMES[0]: Finding.INTACT, NAMES[1]: Finding.CHANGED, NAMES[2]: Finding.MISSING, "more.parquet": Finding.UNEXPECTED,
    }  # fmt: skip


def test_replay_compares_each_file_and_keeps_them_in_a_folder(platform: Any, in_parts: Callable, tmp_path: Path) -> None:
    in_parts()
    ledger, asset = platform.stack.ledger, platform.asset("points")
    done = replay.replay(platform.stack, asset, ledger.lineage("points", 1), output=tmp_path / "kept")
    assert done.identical
    assert [(file.name, file.role, file.identical) for file in done.files] == [
        (NAMES[0], "data", True), (NAMES[1], "data", True), (NAMES[2], "rejects", True),
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == NAMES
    files = tuple(file.model_copy(update={"sha256": "0" * 64}) if file.role == "rejects" else file for file in asset.files[1:])
    other = replay.replay(platform.stack, asset.model_copy(update={"files": files}), ledger.lineage("points", 1))
    assert not other.identical
    assert [(file.name, file.identical, file.recorded_sha256 is None) for file in other.files] == [
        (NAMES[1], True, False), (NAMES[2], False, False), (NAMES[0], False, True),
    ]  # fmt: skip


def test_the_command_line_shows_each_file(platform: Any, in_parts: Callable) -> None:
    in_parts()

    def run(*arguments: str) -> str:
        environment = {**os.environ, "SPATIAL_ETL_HOME": str(platform.home), "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-c", "from services.cli.main import main; main()", *arguments],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    shown = run("show", "points")
    assert [name in shown for name in NAMES] == [True] * 3
    assert "rejects" in shown
    record = json.loads(run("show", "points", "--json"))
    assert (record["kind"], record["features"], [file["role"] for file in record["files"]]) == (
        "vector", 10, ["data", "data", "rejects"],
    )  # fmt: skip
    assert [each["kind"] for each in json.loads(run("datasets", "--json"))] == ["vector"]
    assert "3 files: all there and unchanged" in run("verify")


@pytest.mark.parametrize("placed", [0, 1, 2, 3])
def test_a_crash_between_the_files_leaves_what_gc_removes(
    placed: int, platform: Any, in_parts: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    place, seen = DataLake.place, []

    def dying(lake: DataLake, key: str, path: Path) -> bool:
        if len(seen) == placed:
            raise Killed
        seen.append(key)
        return place(lake, key, path)

    def dead(_outcome: Any) -> bool:
        raise Killed

    with monkeypatch.context() as death:
        death.setattr(DataLake, "place", dying)
        death.setattr(platform.stack.ledger, "decide", dead)
        with pytest.raises(Killed):
            in_parts()
    assert platform.lies_in("lake") == KEYS[:placed]
    assert list(platform.stack.ledger.assets()) == []
    ahead = later(platform)
    assert reconcile(ahead).given_up == ("b#1",)
    assert gc(platform.stack).removed == (), "too young"
    assert gc(ahead).removed == tuple(KEYS[:placed])
    (report,) = platform.process()
    assert (report.status, report.datasets[0].version) == (Status.SUCCESS, 2)
    assert [each.finding for each in verify(platform.stack)] == [Finding.INTACT] * 3
    assert gc(ahead).removed == gc(ahead).unknown == ()


def test_what_lies_in_the_prefix_is_passed_over(platform: Any, in_parts: Callable) -> None:
    platform.stack.lake.store.put("other/notes.txt", b"by hand")
    in_parts("first")
    platform.stack.lake.store.put("points/v2/old.parquet", b"by hand")
    report = in_parts("second")
    assert report.datasets[0].version == 3
    assert gc(later(platform)).unknown == ("other/notes.txt", "points/v2/old.parquet")
    assert platform.stack.lake.store.read("points/v2/old.parquet") == b"by hand"


def test_what_comes_into_the_prefix_while_it_is_written_is_passed_over(
    platform: Any, in_parts: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = DataLake.place

    def disturbed(lake: DataLake, key: str, path: Path) -> bool:
        if key == KEYS[1]:
            lake.store.put(key, b"by hand")
        return place(lake, key, path)

    monkeypatch.setattr(DataLake, "place", disturbed)
    report = in_parts()
    assert (report.status, report.datasets[0].version) == (Status.SUCCESS, 2)
    found = {each.uri.removeprefix("s3://data-lake/"): each.finding for each in verify(platform.stack)}
    assert {key: finding for key, finding in found.items() if finding is not Finding.INTACT} == {
        KEYS[0]: Finding.REMOVABLE, KEYS[1]: Finding.UNEXPECTED,
    }  # fmt: skip
    assert read_back(platform, platform.asset("points")) == 10
    done = gc(later(platform))
    assert (done.removed, done.unknown) == ((KEYS[0],), (KEYS[1],)), "its own file goes, somebody else's stays"
