"""The jobs ``reconcile``, ``gc`` and ``verify``: the use cases of the same names, and what people should see of them."""

import zlib
from collections.abc import Iterator
from datetime import UTC, timedelta
from itertools import groupby, takewhile
from typing import Any

import dagster as dg

from libs.models import Asset, utc_now
from libs.pipeline import maintenance
from libs.pipeline.stack import Stack
from libs.pipeline.verify import Verified, verify_ledger
from libs.pipeline.verify import verify as verify_lake
from services.dagster.etl_pipelines.assets.datasets import VERSION, events
from services.dagster.etl_pipelines.assets.known import projects_of
from services.dagster.etl_pipelines.assets.shown import show_versions
from services.dagster.etl_pipelines.checks import in_time
from services.dagster.etl_pipelines.checks.intact import intact
from services.dagster.etl_pipelines.deliveries import show_deliveries
from services.dagster.etl_pipelines.markdown import plain

NIGHTS = 30
"""Nights in which the whole lake is verified once, a slice in each."""
SECONDS = 200
"""Seconds in which one run shows versions that Dagster has never heard of; the next run goes on."""
OVERLAP = timedelta(hours=2)
"""Batches that arrived so long before the last run are looked at again: they may have been decided since."""


@dg.op
def finish_what_was_left(context: dg.OpExecutionContext, stack: dg.ResourceParam[Stack]) -> None:
    """Finish or give up what a crash left behind, and show the versions and fruitless deliveries that Dagster has not seen."""
    context.log.info("Reconciled: %s", maintenance.reconcile(stack).model_dump_json())
    versions = show_versions(context, stack, SECONDS)
    decided = [dataset_id for dataset_id in stack.ledger.decisions() if not _shows(context.instance, stack, dataset_id)]
    for asset in stack.ledger.current(decided).values():
        for event in events(stack, asset):
            context.log_event(event)
    rows = show_deliveries(context.instance, stack.ledger, _arrived(context, stack))
    context.log.info("Shown: %d versions, %d deliveries that came to nothing.", versions, rows)


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


class Selection(dg.Config):
    """What is verified: the datasets and projects that are named; or, when none is, a part of the lake.

    Attributes:
        datasets: Ids.
        projects: As manifests name them.
        everything: The whole lake.
    """

    datasets: list[str] = []
    projects: list[str] = []
    everything: bool = False


@dg.op
def verify_files(context: dg.OpExecutionContext, config: Selection, stack: dg.ResourceParam[Stack]) -> None:
    """Hash files of the lake: of the datasets or projects that are named, of everything, or else tonight's slice.

    With the last two, the whole ledger is held against itself, too.

    Raises:
        Failure: naming the files that are not as recorded, or what was asked for and is not there.
    """
    count = 0
    bad: list[Verified] = []
    by_dataset = groupby(verify_lake(stack, _selected(stack, config)), key=lambda verdict: f"{verdict.dataset_id}")
    for dataset_id, found_there in by_dataset:
        verdicts = list(found_there)
        count += len(verdicts)
        bad += (verdict for verdict in verdicts if verdict.finding.damages)
        found: Any = intact(dataset_id, verdicts, utc_now())
        context.log_event(found)  # it takes evaluations, which its annotation does not say
    if not (config.datasets or config.projects):
        bad += (verdict for verdict in verify_ledger(stack) if verdict.finding.damages)
    if bad:
        lines = [plain(f"{verdict.uri or verdict.record} is {verdict.finding}: {verdict.message}") for verdict in bad]
        raise dg.Failure(
            "\n".join([f"{len(bad)} files or records are not as recorded, {count} files were read.", *lines]), allow_retries=False
        )
    context.log.info("%d files: all as recorded.", count)


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
    description="Holds files of the lake against the ledger, and the ledger against itself. Without configuration, tonight's "
    "part of the lake. To choose: `datasets: [id]`, `projects: [name]`, or `everything: true`.",
    executor_def=dg.in_process_executor,
)
def verify() -> None:
    """Nightly, and whenever somebody launches it."""
    verify_files()


def _selected(stack: Stack, config: Selection) -> Iterator[Asset]:
    """The versions to be verified, those of a dataset one after the other."""
    known = stack.ledger.all_versions()
    wanted = {*config.datasets}
    if config.projects:
        projects = projects_of(stack.ledger)
        wanted |= {dataset_id for dataset_id, project in projects.items() if project in config.projects}
        absent = {*config.projects} - {*projects.values()}
    else:
        absent = set()
    if missing := sorted(({*config.datasets} - known.keys()) | absent):
        raise dg.Failure(
            f"The ledger knows no {', '.join(map(plain, missing))}. 'spatial-etl datasets' lists what it knows.",
            allow_retries=False,
        )
    chosen = bool(config.datasets or config.projects)
    tonight = utc_now().toordinal() % NIGHTS

    def due(dataset_id: str) -> bool:
        # all versions of a dataset in one night: its check speaks of all of them
        return dataset_id in wanted if chosen else config.everything or zlib.crc32(dataset_id.encode()) % NIGHTS == tonight

    return stack.ledger.assets_named(
        [f"{dataset_id}@{version}" for dataset_id, versions in known.items() if due(dataset_id) for version in versions]
    )


def _arrived(context: dg.OpExecutionContext, stack: Stack) -> Iterator[str]:
    """The batches that arrived since the last run looked; at a start, all of them."""
    last = context.instance.get_run_records(
        dg.RunsFilter(job_name=reconcile.name, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1
    )
    if not last or context.run.tags.get("dagster/sensor_name") == "start":
        yield from stack.ledger.batch_ids()
        return
    since = last[0].create_timestamp.replace(tzinfo=UTC) - OVERLAP
    for receipt in takewhile(lambda each: each.received_at > since, stack.ledger.arrivals()):
        yield receipt.batch_id
