"""Our storages beside Dagster's own, on one and the same instance: each reads what the other wrote."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
import yaml
from alembic.script import ScriptDirectory

from services.dagster import storage

pytestmark = pytest.mark.integration

OURS = yaml.safe_load(Path(storage.__file__).with_name("sqlite.yaml").read_text())
RUNS = storage._KEPT_ENGINES + 4


@dg.op
def report(context: dg.OpExecutionContext) -> None:
    number = int(context.run.tags["number"])
    context.log_event(dg.AssetMaterialization("roads", metadata={"number": number}))
    context.log_event(dg.AssetCheckEvaluation(passed=True, asset_key=dg.AssetKey("roads"), check_name="self_check"))


@dg.job
def reports() -> None:
    report()


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=OURS) as instance:
        yield instance


def numbers(instance: dg.DagsterInstance) -> list[int]:
    records = instance.fetch_materializations(dg.AssetKey("roads"), limit=2 * RUNS).records
    found = (record.asset_materialization for record in records)
    return sorted(int(each.metadata["number"].value) for each in found if each)  # type: ignore[arg-type]


def test_what_is_written_is_what_dagster_itself_reads(ours: dg.DagsterInstance, tmp_path: Path) -> None:
    assert isinstance(ours.event_log_storage, storage.EventLog)
    runs = [reports.execute_in_process(instance=ours, tags={"number": str(number)}).run_id for number in range(RUNS)]
    assert numbers(ours) == list(range(RUNS))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as plain:
        assert type(plain.event_log_storage) is not storage.EventLog
        assert numbers(plain) == list(range(RUNS))
        assert {run.run_id for run in plain.get_runs()} == set(runs)
        for run in (runs[0], runs[-1]):  # one whose engine was let go, and one that is kept
            told = [entry.message for entry in plain.all_logs(run)]
            assert told == [entry.message for entry in ours.all_logs(run)]
            assert any("self_check" in message for message in told)
        reports.execute_in_process(instance=plain, tags={"number": str(RUNS)})
    assert numbers(ours) == list(range(RUNS + 1))


def test_a_run_s_file_is_marked_like_dagster_s_own_without_a_look_at_every_migration(
    ours: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, look = [], ScriptDirectory.from_config
    monkeypatch.setattr(ScriptDirectory, "from_config", lambda config: looks.append(config) or look(config))
    run = [reports.execute_in_process(instance=ours, tags={"number": str(number)}).run_id for number in range(3)][-1]
    assert len(looks) <= 1
    with dg.DagsterInstance.local_temp(str(tmp_path)) as plain:
        other = reports.execute_in_process(instance=plain, tags={"number": "3"}).run_id
        assert made_of(plain, run) == made_of(plain, other)


def test_an_instance_is_opened_without_a_look_at_the_migrations(
    ours: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_storages(ours)
    run = reports.execute_in_process(instance=ours, tags={"number": "1"}).run_id
    assert {path.stem for path in tmp_path.rglob("*.db")} == {"runs", "schedules", "index", run}

    def look(_: object) -> None:
        raise AssertionError("the migrations are loaded")

    monkeypatch.setattr(ScriptDirectory, "from_config", look)
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=OURS) as again:
        assert [found.run_id for found in again.get_runs()] == [run]
        assert again.all_instigator_state() == []
        assert numbers(again) == [1]


def test_the_files_are_made_like_dagster_s_own(ours: dg.DagsterInstance, tmp_path: Path) -> None:
    open_storages(ours)
    other = tmp_path / "other"
    other.mkdir()
    with dg.DagsterInstance.local_temp(str(other)) as plain:
        open_storages(plain)
        for file in ("history/runs.db", "schedules/schedules.db", "history/runs/index.db"):
            assert made(tmp_path / file) == made(other / file), file


def open_storages(instance: dg.DagsterInstance) -> None:
    """Each is opened when it is asked for."""
    assert all([instance.run_storage, instance.schedule_storage, instance.event_log_storage])


def made_of(instance: dg.DagsterInstance, run: str) -> tuple[object, ...]:
    """What a run's file is besides its events."""
    return made(instance.event_log_storage.path_for_shard(run))  # type: ignore[attr-defined]


def made(file: Path | str) -> tuple[object, ...]:
    """Migration, journal, tables and indexes of a database."""
    with closing(sqlite3.connect(file)) as database:
        return tuple(
            sorted(database.execute(sql).fetchall(), key=str)
            for sql in ("SELECT * FROM alembic_version", "PRAGMA journal_mode", "SELECT type, name, sql FROM sqlite_master")
        )
