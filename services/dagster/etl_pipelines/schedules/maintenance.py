"""When the platform is looked after. In UTC."""

import dagster as dg

from services.dagster.etl_pipelines.jobs import maintenance

SCHEDULES = [
    dg.ScheduleDefinition(name=f"{job.name}_{when}", job=job, cron_schedule=cron, default_status=dg.DefaultScheduleStatus.RUNNING)
    for job, when, cron in (
        (maintenance.reconcile, "often", "*/5 * * * *"),
        (maintenance.gc, "nightly", "30 2 * * *"),
        (maintenance.verify, "nightly", "0 3 * * *"),
    )
]
