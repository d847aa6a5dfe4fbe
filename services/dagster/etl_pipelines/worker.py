"""Where the worker of a run runs: a tag, for people in the user interface and for who looks whether the worker is still there."""

import dagster as dg
from pydantic import BaseModel, ValidationError

from libs.ledger.life import exists, this_process
from libs.models import WorkerProcess

WORKER_TAG = "spatial-etl/worker"


class _Tag(BaseModel):
    """The tag's value.

    Attributes:
        run_id: Whose it is: a run that is executed again has the tags of the one before.
    """

    process: WorkerProcess
    run_id: str


def tag(run_id: str) -> dict[str, str]:
    """The tag of a run whose worker is this process."""
    return {WORKER_TAG: _Tag(process=this_process(), run_id=run_id).model_dump_json(exclude_none=True)}


def is_gone(run: dg.DagsterRun) -> bool:
    """Whether the worker of a run has ended for certain. One that has not begun, or is on another machine, has not."""
    try:
        known = _Tag.model_validate_json(run.tags.get(WORKER_TAG, ""))
    except ValidationError:
        return False
    return known.run_id == run.run_id and exists(known.process) is False
