"""What the ledger holds and Dagster does not show yet: versions that were made elsewhere, or just before a crash."""

from collections.abc import Iterable
from time import monotonic

import dagster as dg
from dagster._core.events import StepMaterializationData

from libs.models import Asset
from libs.pipeline.stack import Stack
from services.dagster.etl_pipelines.assets.datasets import events, version_of


def show_versions(context: dg.OpExecutionContext, stack: Stack, seconds: float) -> int:
    """Show every version that Dagster lacks, at the time at which it was made.

    Args:
        context: Of the run that the events are written to.
        stack: Where the versions are.
        seconds: To begin no further dataset after. It is shown another time.

    Returns:
        How many were shown.
    """
    until = monotonic() + seconds
    count = 0
    for dataset_id, versions in stack.ledger.all_versions().items():
        if monotonic() > until:
            break
        shown = _shown(context.instance, dataset_id)
        missing = [number for number in versions if number not in shown]
        assets = [asset for number in missing if (asset := stack.ledger.asset(dataset_id, number))]
        _report(context, stack, assets, as_made=True)
        if assets and assets[-1].version not in _shown(context.instance, dataset_id):
            _report(context, stack, assets, as_made=False)  # somebody has wiped the dataset since: Dagster hides what is older
        count += len(assets)
    return count


def _shown(instance: dg.DagsterInstance, dataset_id: str) -> set[int | None]:
    """The versions of a dataset that Dagster shows. Of tags it looks up only its own, so the number is in that of the data."""
    return {version_of(tags) for tags in instance.get_event_tags_for_asset(dg.AssetKey(dataset_id))}


def _report(context: dg.OpExecutionContext, stack: Stack, assets: Iterable[Asset], *, as_made: bool) -> None:
    """Write events of versions. What a run writes by itself bears the present: only what is reported may bear another time."""
    for asset in assets:
        for event in events(stack, asset):
            is_check = isinstance(event, dg.AssetCheckEvaluation)
            kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION if is_check else dg.DagsterEventType.ASSET_MATERIALIZATION
            context.instance.report_dagster_event(
                dg.DagsterEvent(
                    event_type_value=kind.value,
                    job_name=context.job_name,
                    message=event.description,
                    event_specific_data=event if is_check else StepMaterializationData(event),
                ),
                run_id=context.run_id,
                timestamp=asset.created_at.timestamp() if as_made else None,
            )
