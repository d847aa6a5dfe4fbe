"""A dry run: a batch goes the whole way in a home of its own, which is removed afterwards."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

from libs.models import DatasetReport, Report, ReportFile
from libs.models.report import DryRunReport
from libs.models.settings import Settings
from libs.pipeline.stack import Stack
from libs.platform import open_lake, open_ledger, open_stack
from libs.platform.channels import CHOOSING


@contextmanager
def throwaway(settings: Settings) -> Iterator[Settings]:
    """Settings of an embedded platform in a temporary folder: its landing zone, lake and ledger are gone when the context ends.

    The engine is DuckDB. A schema in PostGIS has its batch's name, and could be that of the same batch at work.

    Args:
        settings: Whose limits, bucket names and recipes are kept. Nothing is written to the places that they name, but for
            the temporary folder, which lies in scratch if scratch exists.
    """
    place = settings.scratch if settings.scratch.is_dir() else None
    recipes = settings.recipes if settings.spatial_etl_recipes or settings.recipes.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="dry-run-", dir=place) as folder:
        yield settings.model_copy(
            update={
                "spatial_etl_home": Path(folder),
                "spatial_etl_scratch": None,
                "spatial_etl_recipes": recipes,
                "spatial_etl_engine": "duckdb",
                "spatial_etl_landing": None,
                "spatial_etl_lake": None,
                "minio_landing_bucket": settings.landing.bucket,  # as manifests call it
                "minio_lake_bucket": settings.lake.bucket,
                "minio_endpoint": None,
                "mongo_connection_string": None,
                **dict.fromkeys(CHOOSING),
            }
        )


@contextmanager
def rehearsal(settings: Settings) -> Iterator[Stack]:
    """A throwaway platform whose versions follow those of the ledger of the settings, if there is one. That is only read.

    Args:
        settings: Those of the real platform.
    """
    with throwaway(settings) as elsewhere, open_stack(elsewhere) as stack, ExitStack() as opened:
        past, lake = stack.past, None
        if has_ledger(settings):
            past, lake = open_ledger(settings), open_lake(settings)
            opened.enter_context(closing(past.store))
        yield replace(stack, past=past, past_lake=lake)


def has_ledger(settings: Settings) -> bool:
    """Whether there is a ledger to look at. Opening one that is missing would make it."""
    return settings.mongo_connection_string is not None or (settings.spatial_etl_home / "ledger.sqlite").exists()


def as_it_would_be(report: Report, settings: Settings) -> DryRunReport:
    """The report of a dry run, with the version numbers that are next in the ledger of the settings, if there is one.

    Args:
        report: From the throwaway platform, whose ledger begins with version 1.
        settings: Those of the real platform.
    """
    numbers: dict[str, int] = {}
    if report.datasets and has_ledger(settings):
        ledger = open_ledger(settings)
        with closing(ledger.store):
            numbers = ledger.next_versions([dataset.dataset_id for dataset in report.datasets])
    datasets = tuple(_numbered(dataset, numbers.get(dataset.dataset_id, dataset.version)) for dataset in report.datasets)
    return DryRunReport.model_validate({**dict(report), "datasets": datasets})


def _numbered(dataset: DatasetReport, version: int) -> DatasetReport:
    def moved(file: ReportFile) -> ReportFile:
        folder, _, name = file.uri.rpartition(f"/v{dataset.version}/")
        return file.model_copy(update={"uri": f"{folder}/v{version}/{name}"})

    return dataset.model_copy(update={"version": version, "files": tuple(moved(file) for file in dataset.files)})
