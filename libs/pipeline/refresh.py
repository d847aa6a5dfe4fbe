"""Making a dataset again from the versions of its inputs that are current now."""

from libs.ledger import outdated
from libs.models import Asset, Rejected, Report
from libs.pipeline.progress import Progress, no_progress
from libs.pipeline.reprocess import reprocess
from libs.pipeline.stack import Stack


def refresh(stack: Stack, asset: Asset, progress: Progress = no_progress) -> Report | None:
    """Process the batch of a version once more, if one of its inputs has another current version now.

    Args:
        stack: What to work with.
        asset: The current version of the dataset.
        progress: Told of every step.

    Returns:
        The report; None when it is up to date.

    Raises:
        Rejected: when the version was not made from datasets; see also :func:`libs.pipeline.reprocess.reprocess`.
        ServiceUnavailable: when a service fails.
    """
    lineage = stack.ledger.lineage(asset.dataset_id, asset.version)
    if lineage is None or not lineage.manifest.get("inputs"):
        raise Rejected.because(
            "no_inputs", f"dataset {asset.dataset_id}", f"{asset.id} was made from files alone, and knows no datasets as inputs.",
            f"To make it again from its files: `spatial-etl reprocess {asset.batch_id}`.",
        )  # fmt: skip
    return reprocess(stack, asset.batch_id, progress) if outdated(stack.ledger, [lineage]) else None
