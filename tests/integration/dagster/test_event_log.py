"""Our log of events beside Dagster's own, on one and the same instance: each reads what the other wrote."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from services.dagster import event_log

pytestmark = pytest.mark.integration

OURS = yaml.safe_load(Path(event_log.__file__).with_name("sqlite.yaml").read_text())
RUNS = event_log._KEPT_ENGINES + 4


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
    assert isinstance(ours.event_log_storage, event_log.EventLog)
    runs = [reports.execute_in_process(instance=ours, tags={"number": str(number)}).run_id for number in range(RUNS)]
    assert numbers(ours) == list(range(RUNS))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as plain:
        assert type(plain.event_log_storage) is not event_log.EventLog
        assert numbers(plain) == list(range(RUNS))
        for run in (runs[0], runs[-1]):  # one whose engine was let go, and one that is kept
            told = [entry.message for entry in plain.all_logs(run)]
            assert told == [entry.message for entry in ours.all_logs(run)]
            assert any("self_check" in message for message in told)
        reports.execute_in_process(instance=plain, tags={"number": str(RUNS)})
    assert numbers(ours) == list(range(RUNS + 1))
