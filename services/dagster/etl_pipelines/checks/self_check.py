"""What the self-check of a version found. A version that fails it is never committed: its run ends as a failure and says why."""

import dagster as dg

from libs.models import Asset, Lineage, RasterSummary
from services.dagster.etl_pipelines.markdown import plain

NAME = "self_check"


def self_check(asset: Asset, lineage: Lineage) -> dg.AssetCheckEvaluation:
    """What was compared before the version was placed. One event for all of it: each costs a good part of a small batch."""
    read, written = sum(layer.features or 0 for layer in lineage.made_of), sum(file.features or 0 for file in asset.data)
    dropped = sum(asset.changes.dropped.values())
    aside = f"{asset.changes.set_aside:,} set aside, " if asset.changes.set_aside else ""
    counts = f"{read:,} read, {aside}{dropped:,} dropped by the recipe, {written:,} in the file as in the record"
    if isinstance(asset.summary, RasterSummary):
        counts = "size, bands, nodata, colours, place and CRS are in the file as in the source"
    if (grown := asset.growth) is not None:
        counts += f"; {grown.added:,} added, {grown.updated:,} updated, {grown.unchanged:,} unchanged, {grown.deleted:,} deleted"
    found = {"counts agree": counts}
    if asset.has_geometry:
        box = "none" if asset.bbox is None else ", ".join(f"{side:.9g}" for side in asset.bbox)
        repairs = any(step.get("op") == "repair" for step in lineage.recipe.get("steps", ()))
        found |= {
            "CRS": f"{plain(asset.crs or 'none')}, in the file as in the record",
            "covering": f"the boxes of the rows come to {box}",
            "geometry valid": f"{asset.changes.repaired:,} repaired" if repairs else "not asked for by the recipe",
        }
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset.dataset_id),
        check_name=NAME,
        passed=asset.features is None or written == asset.features,
        description=f"Version {asset.version} reads back as computed: {counts}; {asset.created_at:%Y-%m-%d %H:%M:%S} UTC.",
        metadata={name: dg.MetadataValue.text(text) for name, text in found.items()},
    )


def spec(dataset_id: str) -> dg.AssetCheckSpec:
    """By which the page of a dataset shows what was found."""
    described = "Held against the record before a version is placed: counts, CRS, covering, validity."
    return dg.AssetCheckSpec(NAME, asset=dataset_id, description=described)
