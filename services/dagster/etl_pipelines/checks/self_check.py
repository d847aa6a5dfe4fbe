"""What the self-check of a version found. A version that fails it is never committed: its run ends as a failure and says why."""

from collections.abc import Iterator

import dagster as dg

from libs.models import Asset, Lineage


def evaluations(asset: Asset, lineage: Lineage) -> Iterator[dg.AssetCheckEvaluation]:
    """The checks that a version passed before it was placed in the lake."""
    counted = sum(file.features for file in asset.files)
    yield _evaluation(
        asset, "counts_agree", counted == asset.features, "The file reads back with as many rows as were computed.",
        read=sum(layer.features for layer in lineage.inputs), dropped=sum(asset.changes.dropped.values()), written=counted,
    )  # fmt: skip
    if asset.crs is None:
        return
    yield _evaluation(asset, "crs", passed=True, description="The file reads back with the CRS of the record.", crs=asset.crs)
    box = "none" if asset.bbox is None else ", ".join(f"{side:.9g}" for side in asset.bbox)
    yield _evaluation(
        asset, "covering", passed=True, description="The boxes of the rows come to the extent of the layer.", bbox=box
    )
    if any(step.get("op") == "repair" for step in lineage.recipe.get("steps", ())):
        yield _evaluation(
            asset,
            "geometry_valid",
            passed=True,
            description="The recipe repairs what is invalid.",
            repaired=asset.changes.repaired,
        )


def _evaluation(asset: Asset, name: str, passed: bool, description: str, **metadata: int | str) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset.dataset_id),
        check_name=name,
        passed=passed,
        description=description,
        metadata={"version": dg.MetadataValue.int(asset.version)}
        | {
            key: dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.text(value)
            for key, value in metadata.items()
        },
    )
