"""Notices that the platform was started, which it may have been after a crash."""

import dagster as dg

from libs.pipeline.stack import Stack
from services.dagster.etl_pipelines.jobs.maintenance import reconcile


@dg.sensor(
    job=reconcile,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for one run of reconcile for each start of the code server.",
)
def start(stack: dg.ResourceParam[Stack]) -> dg.RunRequest:
    """The name of this process as a worker is another one after each start; a key that was used asks for nothing."""
    return dg.RunRequest(run_key=f"start of {stack.ledger.owner}")
