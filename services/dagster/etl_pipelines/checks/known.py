"""The checks as definitions, by which the pages of what they are of show what was found."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import dagster as dg

from services.dagster.etl_pipelines.checks import intact, quality, self_check
from services.dagster.etl_pipelines.checks.in_time import IN_TIME


def checks(datasets: Sequence[str], with_rules: Sequence[str] = ()) -> list[dg.AssetChecksDefinition]:
    """Those of datasets, of quality rules where they have some, and of waiting work; none where no dataset is known.

    Dagster wants an op that makes them. It has no inputs, whose number would square the time to load it, and cannot make one
    without all others: by that Dagster offers nobody to start one, and with waiting work's there are always others. What makes
    them are the jobs ``ingest``, with each version, ``verify``, which anybody may start, and ``reconcile``.
    """
    if not datasets:
        return []
    specs = {
        f"check_{number}": spec
        for number, spec in enumerate(
            [IN_TIME, *map(self_check.spec, datasets), *map(intact.spec, datasets), *map(quality.spec, with_rules)]
        )
    }
    op = dg.OpDefinition(_made_by_jobs, name="checks", outs={name: dg.Out(dg.Nothing) for name in specs})
    return [
        dg.AssetChecksDefinition.create(keys_by_input_name={}, node_def=op, check_specs_by_output_name=specs, can_subset=False)
    ]


def _made_by_jobs(_context: dg.OpExecutionContext, _: Mapping[str, Any]) -> NoReturn:
    raise dg.Failure(
        "A version is checked by the job ingest, which makes it. Later the job verify, which you can launch, holds its files "
        "against the record. "
        "Waiting work is looked at by the job reconcile."
    )
