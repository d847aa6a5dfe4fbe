"""The jobs ``reconcile``, ``gc`` and ``verify``: the use cases of the same names, and what people should see of them."""

import zlib

import dagster as dg

from libs.models import utc_now
from libs.pipeline import maintenance
from libs.pipeline.stack import Stack
from libs.pipeline.verify import verify as verify_files
from libs.pipeline.verify import verify_ledger
from services.dagster.etl_pipelines.assets.datasets import VERSION, events
from services.dagster.etl_pipelines.checks import in_time

NIGHTS = 30
"""Nights in which the whole lake is verified once, a slice in each."""
SHOWN = 500
"""Datasets that one run shows at most, of those that Dagster has never heard of."""


@dg.op
def finish_what_was_left(context: dg.OpExecutionContext, stack: dg.ResourceParam[Stack]) -> None:
    """Finish or give up what a crash left behind, and show datasets that were made outside of Dagster, or just before a crash."""
    context.log.info("Reconciled: %s", maintenance.reconcile(stack).model_dump_json())
    known = {key.path[0] for key in context.instance.all_asset_keys()}
    unseen = [dataset_id for dataset_id in stack.ledger.newest_versions() if dataset_id not in known]
    decided = [dataset_id for dataset_id in stack.ledger.decisions() if not _shows(context.instance, stack, dataset_id)]
    for asset in stack.ledger.current([*unseen, *decided][:SHOWN]).values():
        for event in events(stack, asset):
            context.log_event(event)


def _shows(instance: dg.DagsterInstance, stack: Stack, dataset_id: str) -> bool:
    """Whether what Dagster shows of a dataset is its current version, where somebody has decided which one that is."""
    event = instance.get_latest_materialization_event(dg.AssetKey(dataset_id))
    shown = event.asset_materialization.metadata.get(VERSION) if event and event.asset_materialization else None
    return shown is not None and shown.value == stack.ledger.standing(dataset_id).current


@dg.op
def report_waiting_work(context: dg.OpExecutionContext, stack: dg.ResourceParam[Stack]) -> None:
    """Say how much waits in the landing zone, and for how long."""
    for event in in_time.events(stack.landing.waiting(), stack.landing.store.clock()):
        context.log_event(event)


@dg.op
def remove_what_came_to_nothing(context: dg.OpExecutionContext, stack: dg.ResourceParam[Stack]) -> None:
    """Say which lake files of runs that came to nothing are to be removed, and remove them; write records that versions lack."""
    found = maintenance.garbage(stack)
    context.log.info("To be removed: %s", found.model_dump_json())
    context.log.info("Collected: %s", maintenance.gc(stack, found).model_dump_json())
    context.log.info("Described: %s", maintenance.describe(stack))


@dg.op
def verify_a_slice(context: dg.OpExecutionContext, stack: dg.ResourceParam[Stack]) -> None:
    """Hash the files of tonight's slice of the lake, and hold the whole ledger against itself.

    Raises:
        Failure: naming the files and records that are not as they should be.
    """
    tonight = utc_now().toordinal() % NIGHTS
    assets = (asset for asset in stack.ledger.assets() if zlib.crc32(asset.id.encode()) % NIGHTS == tonight)
    files = list(verify_files(stack, assets))
    bad = [verdict for verdict in [*files, *verify_ledger(stack)] if verdict.finding.damages]
    if bad:
        lines = [f"{verdict.uri or verdict.record} is {verdict.finding}: {verdict.message}" for verdict in bad]
        raise dg.Failure("\n".join([f"{len(bad)} files or records are not as they should be.", *lines]), allow_retries=False)
    context.log.info("%d files of slice %d of %d, and the ledger: all as recorded.", len(files), tonight + 1, NIGHTS)


@dg.job(description="Finishes or gives up what a crash left behind; safe at any time.", executor_def=dg.in_process_executor)
def reconcile() -> None:
    """Every few minutes, and when the code server starts."""
    finish_what_was_left()
    report_waiting_work()


@dg.job(
    description="Removes lake files of runs that came to nothing, and writes records that versions lack.",
    executor_def=dg.in_process_executor,
)
def gc() -> None:
    """Nightly."""
    remove_what_came_to_nothing()


@dg.job(
    description="Holds a slice of the lake against the ledger, and the ledger against itself.",
    executor_def=dg.in_process_executor,
)
def verify() -> None:
    """Nightly."""
    verify_a_slice()
