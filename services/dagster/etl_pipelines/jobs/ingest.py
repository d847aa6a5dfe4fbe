"""The job ``ingest``: works on the batches that a run carries, one after the other, and shows what came of them."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from libs.models import LakeOfAnother, Report, ServiceUnavailable, Status
from libs.pipeline.process import cancel, process
from libs.pipeline.progress import Event, Progress
from libs.pipeline.stack import Stack
from services.dagster.etl_pipelines.assets.datasets import events
from services.dagster.etl_pipelines.deliveries import show_deliveries, tags_of
from services.dagster.etl_pipelines.markdown import plain
from services.dagster.etl_pipelines.worker import tag

BATCHES_TAG = "spatial-etl/batches"
"""Tag of a run that names what it carries."""
POOL = "ingest"
"""The pool whose limit says how many runs may compute at a time."""
RETRIES = 2
PAUSE = 10
"""Seconds before a run tries again after a service failed; twice as long the second time."""
NAMED = 20
"""So many batches that came to nothing are named when a run fails."""


class Batches(dg.Config):
    """What a run carries.

    Attributes:
        batches: Key of the manifest to the attempt that it is handed out for.
    """

    batches: dict[str, str]


@dg.op(pool=POOL, description="Claims, stages, computes, places and commits each batch of the run.")
def ingest_batches(context: dg.OpExecutionContext, config: Batches, stack: dg.ResourceParam[Stack]) -> None:
    """Work on batches. A run is red when nothing came of it, and canceled when it had nothing to do.

    A batch that came to nothing beside others that are in the lake has a row of its own, so that no good one is in a red run.

    Raises:
        Failure: when all batches came to nothing, naming them and the reasons. The files are at fault: it is not retried.
        DagsterExecutionInterruptedError: when nothing was there to be done, its one batch was canceled, or others took all over.
        RetryRequested: when a service failed.
    """
    context.instance.add_run_tags(context.run_id, tag(context.run_id))
    done: list[Report] = []
    taken: list[Report] = []
    try:
        stack.engine.warm_up()  # an engine that does not work should cost no attempt of a batch
        for report in process(stack, keys=config.batches, progress=_story(context, config.batches)):
            (taken if report.status is Status.LOST else done).append(report)
            _show(context, stack, report, alone=len(config.batches) == 1)
    except ServiceUnavailable as error:
        if context.retry_number < RETRIES and not isinstance(error, LakeOfAnother):
            context.log.warning("%s Trying again.", error)
            raise dg.RetryRequested(RETRIES, seconds_to_wait=PAUSE * 2**context.retry_number) from error
        raise dg.Failure(f"{error}", allow_retries=False) from error
    except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
        _cancel_the_rest(context, stack, config.batches)
        raise
    if taken and not done:
        _end_as_canceled(context, _why(taken, len(taken)))  # its batches are in another run, which shows what becomes of them
    if not done and not context.retry_number:
        _end_as_canceled(context, _nothing_to_do(stack, config.batches))
    failed = [report for report in done if report.status is not Status.SUCCESS]
    if len(config.batches) == 1:
        _end_as(context, stack, failed)
    elif failed:
        show_deliveries(context.instance, stack.ledger, [report.batch_id for report in failed])
        if len(failed) == len(done):
            raise dg.Failure(_why(failed, len(done)), allow_retries=False)
        context.log.info("Rows of their own: %s", _why(failed, len(done)))


@dg.job(description="Processes batches of the landing zone.", executor_def=dg.in_process_executor)
def ingest() -> None:
    """One op, because a process serves many batches: a step for each would cost more than the batch."""
    ingest_batches()


def run_config(batches: Mapping[str, str]) -> dict[str, Any]:
    """The configuration of a run that carries batches."""
    return {"ops": {ingest_batches.name: {"config": {"batches": dict(batches)}}}}


def batches_of(run: dg.DagsterRun) -> Mapping[str, str]:
    """The batches that a run carries; none for one that somebody launched with a configuration that makes no sense."""
    config: dict[str, Any] = dict(run.run_config)
    batches: Mapping[str, str] = config.get("ops", {}).get(ingest_batches.name, {}).get("config", {}).get("batches", {})
    return batches


def _show(context: dg.OpExecutionContext, stack: Stack, report: Report, *, alone: bool) -> None:
    """In a crowd, the materializations say which batches succeeded: an event more for each would slow a flood down."""
    made = ", ".join(f"{each.dataset_id}@{each.version} ({each.features or 0:,} features)" for each in report.datasets)
    said = report.warnings if report.unchanged_since else report.problems
    reasons = plain(" ".join(f"{problem.where}: {problem.message} {problem.remedy}" for problem in said))
    if alone or reasons:
        context.log.info("%s: %s. %s%s", report.run_id or report.batch_id, report.status, made, reasons)
    for each in report.datasets:
        asset = stack.ledger.asset(each.dataset_id, each.version)
        for event in events(stack, asset) if asset else ():
            context.log_event(event)


def _story(context: dg.OpExecutionContext, batches: Mapping[str, str]) -> Progress:
    """Tells each step of a batch that has the run to itself; in a crowd, the outcomes say enough."""
    last: list[tuple[str, str]] = []

    def tell(event: Event) -> None:
        if len(batches) == 1 and (event.phase, event.subject) not in last:
            last.append((event.phase, event.subject))
            features = "" if event.features is None else f", {event.features:,} features"
            context.log.info("%s: %s %s%s", event.batch_id, event.phase, plain(event.subject), features)

    return tell


def _cancel_the_rest(context: dg.OpExecutionContext, stack: Stack, batches: Mapping[str, str]) -> None:
    """Somebody who ends a run means all its batches. A worker that is shut down leaves those that it has not begun to others."""
    run = context.instance.get_run_by_id(context.run_id)
    if run is not None and run.status is dg.DagsterRunStatus.CANCELING:
        for report in cancel(stack, batches):
            context.log.info("%s: %s", report.run_id, report.status)


def _end_as(context: dg.OpExecutionContext, stack: Stack, failed: list[Report]) -> None:
    """A run of one batch stands for it: it has the batch's status and tags."""
    for report in failed:
        context.instance.add_run_tags(context.run_id, tags_of(stack.ledger, report))
        if report.status is Status.CANCELED:
            _end_as_canceled(context, _why(failed, 1))
        raise dg.Failure(_why(failed, 1), allow_retries=False)


def _end_as_canceled(context: dg.OpExecutionContext, message: str) -> None:
    """End this run as one that somebody canceled: neither green nor red."""
    context.instance.report_run_canceling(context.dagster_run, message)
    raise dg.DagsterExecutionInterruptedError(message)


def _nothing_to_do(stack: Stack, batches: Mapping[str, str]) -> str:
    """Why a run did nothing, which one that is executed again does."""
    lines = ["Nothing was done: no manifest of this run waits any more. To process a delivery again, deliver its manifest again."]
    for attempt in list(batches.values())[:NAMED]:
        batch_id = attempt.rpartition("#")[0]
        state = stack.ledger.batch(batch_id)
        lines.append(
            f"{batch_id}: {state.status if state else 'unknown'}" + (f" ({state.run.id})" if state and state.run else "")
        )
    return "\n".join(lines)


def _why(failed: list[Report], total: int) -> str:
    """The reasons; the first line stands alone in lists of runs."""
    lines = [
        plain(
            f"{report.batch_id} {report.status}: "
            + "; ".join(f"{each.where}: {each.message} {each.remedy}" for each in report.problems)
        )
        for report in failed[:NAMED]
    ]
    if total > 1:
        lines.insert(0, f"{len(failed)} of {total} batches came to nothing. {lines.pop(0)}")
    if len(failed) > NAMED:
        lines.append(f"... and {len(failed) - NAMED} more; their reports lie in the landing zone.")
    return "\n".join(lines)
