"""What Dagster has in hand: the batches of its runs that wait or work, and the runs whose worker is gone.

Dagster's launcher does not notice when a worker dies together with the code server that started it. The ledger does: a worker
at work gives a sign of life with each batch, and with each heartbeat of one that takes long. On the worker's own machine, its
process tells. Where only time tells, this process's own clock times it.
"""

from collections.abc import Mapping

import dagster as dg

from libs.ledger import Ledger
from libs.ledger.life import Watch
from services.dagster.etl_pipelines.jobs.ingest import batches_of, ingest
from services.dagster.etl_pipelines.worker import is_gone

PATIENCE = 30.0
"""Seconds that a run is given at least, before its worker counts as gone: to start one takes many on a busy machine."""

_WATCH = Watch()

IN_HAND = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.SUSPENDED,
    dg.DagsterRunStatus.CANCELING,
]
"""Statuses of a run that waits for its worker or has one."""


def in_hand(instance: dg.DagsterInstance, ledger: Ledger) -> tuple[int, frozenset[str]]:
    """How many runs are in progress, and the manifests that they carry. A run whose worker is gone is ended.

    To end one that lives would do no harm but show it wrongly: the ledger lets nobody commit a batch twice.
    """
    keys: set[str] = set()
    count = 0
    for record in instance.get_run_records(dg.RunsFilter(job_name=ingest.name, statuses=IN_HAND)):
        carried = batches_of(record.dagster_run)
        if record.dagster_run.status is not dg.DagsterRunStatus.QUEUED and not _gives_signs(record, carried, ledger):
            instance.report_run_failed(
                record.dagster_run, "Its worker gave no sign of life and is taken for dead. What it left undone is run again."
            )
            continue
        keys |= carried.keys()
        count += 1
    return count, frozenset(keys)


def _gives_signs(record: dg.RunRecord, carried: Mapping[str, str], ledger: Ledger) -> bool:
    if is_gone(record.dagster_run):
        return False
    unchanged, _ = _WATCH.look(record.dagster_run.run_id, record.update_timestamp)
    if unchanged < max(PATIENCE, ledger.lease_seconds):
        return True
    runs = (ledger.runs(attempt.rpartition("#")[0]) for attempt in carried.values())
    return any(attempts and ledger.alive(attempts[-1]) for attempts in runs)
