"""What quality rules found in a version. One that breaks a rule that rejects is never committed: its run says why."""

import dagster as dg

from libs.models import Asset
from services.dagster.etl_pipelines.markdown import plain

NAME = "quality"


def quality(asset: Asset) -> dg.AssetCheckEvaluation:
    """What each rule found. One event for all of them: each costs a good part of a small batch."""
    broken = [result for result in asset.rules if result.failed]
    held = f"{len(asset.rules) - len(broken):,} of {len(asset.rules):,} rules held"
    said = f": {'; '.join(plain(result.label) for result in broken)} did not" if broken else ""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset.dataset_id),
        check_name=NAME,
        passed=not broken,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"Version {asset.version}: {held}{said}; {asset.created_at:%Y-%m-%d %H:%M:%S} UTC.",
        metadata={
            f"{number}. {plain(result.label)}": dg.MetadataValue.text(
                f"{result.severity}: {plain(result.said) or 'every feature holds it'}"
            )
            for number, result in enumerate(asset.rules, 1)
        },
    )


def spec(dataset_id: str) -> dg.AssetCheckSpec:
    """By which the page of a dataset shows what was found."""
    return dg.AssetCheckSpec(NAME, asset=dataset_id, description="Held against its quality rules before a version is placed.")
