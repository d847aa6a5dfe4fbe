"""The datasets that the ledger knows when a code server starts, as definitions: Dagster shows an overview only of what has one.

A dataset that is new is seen by its events at once, and has its definition when the code server has started again.
"""

import logging
from collections.abc import Sequence
from contextlib import closing

import dagster as dg
from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext, DefinitionsLoadType

from libs.models import ServiceUnavailable
from libs.models.settings import Settings
from libs.platform import open_ledger
from services.dagster.etl_pipelines.checks.in_time import WAITING

_known: list[str] = []


def known_datasets() -> list[str]:
    """Ids of the datasets in the ledger; none when it cannot be reached.

    A code server loads the definitions twice: to find out what there is, and again from what it found. A run's worker does only
    the latter. So it has no definitions of datasets: it needs none, and 5,000 would cost each run a second.
    """
    if DefinitionsLoadContext.get().load_type is DefinitionsLoadType.INITIALIZATION:
        _known[:] = _read()
    return list(_known)


def _read() -> list[str]:
    try:
        ledger = open_ledger(Settings())
        with closing(ledger.store):
            return list(ledger.newest_versions())
    except ServiceUnavailable as error:
        logging.getLogger(__name__).warning("%s No dataset has a definition until the code server starts again.", error)
        return []


def specs(datasets: Sequence[str]) -> list[dg.AssetsDefinition]:
    """One definition for all of them, and for the work that waits: with one each, loading takes longer."""
    described = [dg.AssetSpec(each, description=f"`spatial-etl show {each}`", group_name="datasets") for each in datasets]
    if described:
        described.append(dg.AssetSpec(WAITING, description="What waits in the landing zone.", group_name="platform"))
    return [dg.AssetsDefinition(specs=described)] if described else []
