"""When the platform is looked after. In UTC."""

import dagster as dg

from services.dagster.etl_pipelines.jobs import upkeep

SCHEDULES = [
    dg.ScheduleDefinition(name=f"{job.name}_{when}", job=job, cron_schedule=cron, default_status=dg.DefaultScheduleStatus.RUNNING)
    for job, when, cron in (
        (upkeep.reconcile, "often", "*/5 * * * *"),
        (upkeep.gc, "nightly", "30 2 * * *"),
        (upkeep.verify, "nightly", "0 3 * * *"),
    )
]
