"""Deliveries that came to nothing, as rows among Dagster's runs: each in its own status, with its reasons and remedies.

Such a row is a record: nothing is started for it, so that it costs no more than its few inserts.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
from dagster._core.errors import DagsterRunAlreadyExists

from libs.ledger import Ledger
from libs.ledger.records import lost
from libs.models import Decision, Problem, Report, Status
from services.dagster.etl_pipelines.markdown import plain

JOB = "ingest"
"""The rows stand beside the runs of this job."""
DELIVERY_TAG = "spatial-etl/delivery"
"""Tag of a row, or of a run with one batch: the ledger's name for the attempt or for the manifest."""
USER_TAG = "user"
"""The tag by which Dagster says who launched a run."""
SHOWN = 20
"""Problems that are shown of a delivery; its report has them all."""
_LONG = 250
"""Characters of a tag."""
_SPACE = uuid.UUID("5b9f1f0a-6d0b-4c39-9d0b-4f2a5d0a3c11")


@dataclass(frozen=True)
class Delivery:
    """A delivery that came to nothing.

    Attributes:
        name: The ledger's, of the attempt or, where none was made, of the manifest.
        status: ``rejected``, ``canceled`` or ``failure``.
        began: When the platform began with it.
        at: When that was decided.
    """

    name: str
    batch_id: str
    uploader: str | None
    status: Status
    began: datetime
    at: datetime
    problems: Sequence[Problem]


def show_deliveries(instance: dg.DagsterInstance, ledger: Ledger, batch_ids: Iterable[str]) -> int:
    """Make the rows that are missing of what came to nothing in these batches. Returns how many.

    A row's id follows from the delivery's name, so that of several processes one makes it. A process that dies between the row
    and its status leaves a row that has not begun; the next one that comes by gives it its status.
    """
    count = 0
    for batch_id in batch_ids:
        for delivery in _of_batch(ledger, batch_id):
            count += _show(instance, ledger.identify().ledger_id, delivery)
    return count


def tags_of(ledger: Ledger, report: Report) -> dict[str, str]:
    """Of a run that had one batch, which came to nothing."""
    receipt = ledger.receipts(report.batch_id)[-1]
    return _tags(report.run_id or receipt.id, report.batch_id, report.status, receipt.uploader, report.problems)


def _of_batch(ledger: Ledger, batch_id: str) -> Iterator[Delivery]:
    receipts = {receipt.id: receipt for receipt in ledger.receipts(batch_id)}
    for receipt in receipts.values():
        if receipt.problems:
            at = receipt.received_at
            yield Delivery(receipt.id, batch_id, receipt.uploader, Status.REJECTED, at, at, receipt.problems)
    runs = ledger.runs(batch_id)
    for run in runs:
        outcome = ledger.outcome(run.id)
        if outcome is None or outcome.decision is Decision.SUCCESS:
            continue
        if lost(outcome) and (run is not runs[-1] or ledger.to_be_retried(runs, outcome)):
            continue  # no fault of the delivery, which is tried again
        uploader = receipts[run.receipt_id].uploader if run.receipt_id in receipts else None
        yield Delivery(run.id, batch_id, uploader, Status(outcome.decision), run.started_at, outcome.decided_at, outcome.problems)


def _tags(name: str, batch_id: str, status: Status, uploader: str | None, problems: Sequence[Problem]) -> dict[str, str]:
    """Of a run that stands for one delivery: Dagster's list of runs shows them."""
    found = {DELIVERY_TAG: name, "spatial-etl/batch": batch_id, "spatial-etl/status": status.value}
    if uploader:
        found[USER_TAG] = plain(uploader)[:_LONG]
    if problems:
        found["spatial-etl/reason"] = plain(f"{problems[0].where}: {problems[0].message}")[:_LONG]
    return found


def _reasons(problems: Sequence[Problem]) -> str:
    """What was wrong, where, and what to do about it: a line for each problem."""
    lines = [plain(str(problem)) for problem in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"... and {len(problems) - SHOWN} more: see the report in the landing zone.")
    return "\n".join(lines)


def _show(instance: dg.DagsterInstance, ledger_id: str, delivery: Delivery) -> bool:
    run_id = str(uuid.uuid5(_SPACE, f"{ledger_id} {delivery.name}"))
    known = instance.get_runs(dg.RunsFilter(tags={DELIVERY_TAG: delivery.name}), limit=1)
    if known and (known[0].run_id != run_id or known[0].is_finished):
        return False
    found = _tags(delivery.name, delivery.batch_id, delivery.status, delivery.uploader, delivery.problems)
    row = dg.DagsterRun(job_name=JOB, run_id=run_id, tags=found, status=dg.DagsterRunStatus.NOT_STARTED)
    if not known:
        with suppress(DagsterRunAlreadyExists):  # another process is at it, too
            instance.add_run(row)
    message = f"{delivery.name} {delivery.status} at {delivery.at:%Y-%m-%d %H:%M:%S} UTC.\n{_reasons(delivery.problems)}".strip()
    canceled = delivery.status is Status.CANCELED
    end = dg.DagsterEventType.RUN_CANCELED if canceled else dg.DagsterEventType.RUN_FAILURE
    for kind, said, at in ((dg.DagsterEventType.RUN_START, "Begun.", delivery.began), (end, message, delivery.at)):
        event = dg.DagsterEvent(event_type_value=kind.value, job_name=JOB, message=said)
        instance.report_dagster_event(event, run_id=run_id, timestamp=at.timestamp())
    return True
