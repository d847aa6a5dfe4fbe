"""Everything that Dagster knows of the platform, brought together. Nothing is decided here: see the packages beside."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from services.dagster.etl_pipelines.jobs import upkeep
from services.dagster.etl_pipelines.jobs.ingest import ingest
from services.dagster.etl_pipelines.resources.stack import stack
from services.dagster.etl_pipelines.schedules.upkeep import SCHEDULES
from services.dagster.etl_pipelines.sensors.landing_zone import landing_zone
from services.dagster.etl_pipelines.sensors.start import start


def build_defs(resource_overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The definitions.

    Args:
        resource_overrides: Resources to use instead of those that the settings choose, by name; a test gives its own ``stack``.
    """
    return dg.Definitions(
        jobs=[ingest, upkeep.reconcile, upkeep.gc, upkeep.verify],
        sensors=[landing_zone, start],
        schedules=SCHEDULES,
        resources={"stack": stack, **(resource_overrides or {})},
        executor=dg.in_process_executor,
    )


defs = build_defs()
