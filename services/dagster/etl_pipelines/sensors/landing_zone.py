"""Watches the landing zone: answers what needs no run, and asks for runs for the rest."""

import hashlib
from collections.abc import Sequence
from datetime import UTC

import dagster as dg

from libs.models import Report, ServiceUnavailable, Status, utc_now
from libs.pipeline.intake import Work, take_in
from libs.pipeline.stack import Stack
from services.dagster.etl_pipelines.deliveries import show_deliveries
from services.dagster.etl_pipelines.jobs.ingest import BATCHES_TAG, ingest, run_config
from services.dagster.etl_pipelines.markdown import plain
from services.dagster.etl_pipelines.sensors.in_hand import in_hand
from services.dagster.etl_pipelines.sensors.run_size import SHARE, grouped

LOOKING = 0.6
"""Seconds that a tick looks at manifests. What it does not come to still waits, and the oldest are looked at first."""
FILLING = 10.0
"""Seconds that it looks, at most, until the next runs have their share: one of few batches costs as much as one of many."""
AHEAD = 2
"""Runs asked for ahead of each that may run at a time."""
LONGEST_PAUSE = 600
"""Seconds until batches are handed out again, at most, whose runs end without having begun them."""
ROWS = 100
"""Rejected deliveries that get their rows in one tick; ``reconcile`` makes the others."""
_LONG = 100


@dg.sensor(
    job=ingest,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Looks for manifests in the landing zone, oldest first. Keeps no cursor: what lies there is unfinished work.",
)
def landing_zone(context: dg.SensorEvaluationContext, stack: dg.ResourceParam[Stack]) -> dg.SensorResult:
    """One look at the landing zone."""
    try:
        running, carried = in_hand(context.instance, stack.ledger)
        at_a_time = _at_a_time(context.instance)
        room = max(AHEAD * at_a_time - running, 0)
        intake = take_in(stack, seconds=LOOKING, enough=room * SHARE, longest=FILLING, in_hand=carried)
        rejected = [report.batch_id for report in intake.reports if report.status is not Status.SUCCESS]
        show_deliveries(context.instance, stack.ledger, rejected[:ROWS])
    except ServiceUnavailable as error:
        return dg.SensorResult(skip_reason=f"{error} Looking again in a moment.")
    for report in intake.reports:
        context.log.info(_told(report))
    groups = grouped(intake.ready, at_a_time)[:room]
    requests = [request for group in groups if (request := _request(context.instance, group))]
    if requests:
        return dg.SensorResult(run_requests=requests)
    waiting = len(intake.ready) + intake.unseen
    return dg.SensorResult(skip_reason=f"{running} runs at work or queued with {len(carried)} batches; {waiting} more wait.")


def _request(instance: dg.DagsterInstance, group: Sequence[Work]) -> dg.RunRequest | None:
    """A request to run a group; None while it is too early to hand the same out once more."""
    name = run_name([work.attempt for work in group])
    earlier = instance.get_run_records(dg.RunsFilter(job_name=ingest.name, tags={BATCHES_TAG: name}), limit=10)
    if earlier:
        # Its runs came to an end, and the ledger knows of no attempt: they could not even begin.
        ended = max(record.update_timestamp.replace(tzinfo=UTC) for record in earlier)
        if (utc_now() - ended).total_seconds() < min(5 * 2 ** len(earlier), LONGEST_PAUSE):
            return None
    return dg.RunRequest(
        run_key=f"{name}~{earlier[0].storage_id}" if earlier else name,
        run_config=run_config({work.key: work.attempt for work in group}),
        tags={BATCHES_TAG: name},
    )


def run_name(attempts: Sequence[str]) -> str:
    """A short name for what a run carries: the attempts themselves, or their number and a hash when they are many.

    >>> run_name(["town#1", "port#2"])
    'town#1 port#2'
    """
    whole = " ".join(attempts)
    if len(whole) <= _LONG:
        return whole
    return f"{len(attempts)} batches {hashlib.sha256(whole.encode()).hexdigest()[:16]}"


def _at_a_time(instance: dg.DagsterInstance) -> int:
    """How many runs of the pool may work at once."""
    return instance.get_concurrency_config().pool_config.default_pool_limit or 1


def _told(report: Report) -> str:
    reasons = "; ".join(f"{problem.where}: {problem.message}" for problem in report.problems)
    return plain(f"{report.batch_id}: {report.status}" + (f": {reasons}" if reasons else ""))
