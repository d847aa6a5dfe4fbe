"""Notices that the platform was started, which it may have been after a crash."""

import os

import dagster as dg

from libs.pipeline.stack import Stack
from services.dagster.etl_pipelines.jobs.maintenance import reconcile

START = "SPATIAL_ETL_CODE_SERVER_START"
"""Names a start of the code server, which may load its definitions any number of times in new processes."""


@dg.sensor(
    job=reconcile,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for one run of reconcile for each start of the code server.",
)
def start(stack: dg.ResourceParam[Stack]) -> dg.RunRequest:
    """A key that was used asks for nothing. Without a name of the start, the process's as a worker is another one each time."""
    return dg.RunRequest(run_key=f"start of {os.environ.get(START, stack.ledger.owner)}")
