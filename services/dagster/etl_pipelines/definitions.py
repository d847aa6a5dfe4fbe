"""Everything that Dagster knows of the platform, brought together. Nothing is decided here: see the packages beside."""

import gc
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from services.dagster.etl_pipelines.assets.known import Known, known_datasets, specs
from services.dagster.etl_pipelines.checks.known import checks
from services.dagster.etl_pipelines.jobs import maintenance
from services.dagster.etl_pipelines.jobs.ingest import ingest
from services.dagster.etl_pipelines.resources.stack import stack
from services.dagster.etl_pipelines.schedules.maintenance import SCHEDULES
from services.dagster.etl_pipelines.sensors.landing_zone import landing_zone
from services.dagster.etl_pipelines.sensors.start import start


def build_defs(resource_overrides: Mapping[str, Any] | None = None, datasets: Sequence[Known] = ()) -> dg.Definitions:
    """The definitions.

    Args:
        resource_overrides: Resources to use instead of those that the settings choose, by name; a test gives its own ``stack``.
        datasets: Those that have a definition, with which Dagster shows a group, a description and checks of them.
    """
    return dg.Definitions(
        assets=specs(datasets),
        asset_checks=checks([each.dataset_id for each in datasets], [each.dataset_id for each in datasets if each.has_rules]),
        jobs=[ingest, maintenance.reconcile, maintenance.gc, maintenance.verify],
        sensors=[landing_zone, start],
        schedules=SCHEDULES,
        resources={"stack": stack, **(resource_overrides or {})},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What a code server serves, and what a run's worker works with."""
    built = build_defs(datasets=known_datasets())
    gc.freeze()  # what is loaded stays: or runs' garbage would be looked for only when it comes to a quarter of all this
    gc.collect()  # has that quarter counted anew
    return built
