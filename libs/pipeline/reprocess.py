"""Processing a batch once more from what the ledger has of it, although nobody delivered it again."""

import json

from libs.models import Rejected, Report, parse_manifest, rule_of
from libs.pipeline import scratch
from libs.pipeline.growth import refuse_again
from libs.pipeline.ingest import ingest
from libs.pipeline.intake import finish_forced
from libs.pipeline.progress import Progress, no_progress
from libs.pipeline.software import software_versions
from libs.pipeline.stack import Stack
from libs.pipeline.validation import Validation


def reprocess(stack: Stack, batch_id: str, progress: Progress = no_progress) -> Report:
    """Make new versions of the datasets of a batch, from its recorded manifest and the files that lie in the landing zone now.

    Args:
        stack: What to work with.
        batch_id: A batch that was processed before, whatever came of it.
        progress: Told of every step.

    Returns:
        The report on the new attempt.

    Raises:
        Rejected: when it cannot be begun: a worker is at the batch, a raw file is gone, the recipe does not take its parameters
            any more, or it has grown datasets, which hold its features already. Nothing was recorded or written then.
        ServiceUnavailable: when a service fails. Nobody tries it again by itself.
    """
    stack.require_own_lake(bind=False)
    received = stack.ledger.again(batch_id)
    parsed = parse_manifest(json.dumps(received.receipt.content).encode(), landing_bucket=stack.landing.bucket)
    parsed.require()
    validation = Validation(parsed, stack)
    problems = validation.problems()
    if problems or validation.batch is None:
        raise Rejected(problems)
    manifest, state = validation.batch.manifest, stack.ledger.batch(batch_id)
    if state is not None and state.made is not None and any(rule_of(file, manifest) for file in manifest.main_files.values()):
        raise refuse_again(batch_id)
    stack.warm_up()
    stack.lake.store.check()
    scratch.check(stack.scratch)
    run = stack.ledger.claim(received, software_versions(stack.engine))
    outcome = ingest(stack, run, validation.batch, progress) if run else None
    if run is None or outcome is None:
        raise Rejected.because(
            "batch_running", "batch_id", f"Another worker has taken the batch {batch_id!r} meanwhile.",
            f"`spatial-etl status {batch_id}` says what becomes of it.",
        )  # fmt: skip
    return finish_forced(stack, run, received.receipt, outcome)
