"""What the self-check of a version found. A version that fails it is never committed: its run ends as a failure and says why."""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import dagster as dg

from libs.models import Asset, Lineage

NAME = "self_check"


def self_check(asset: Asset, lineage: Lineage) -> dg.AssetCheckEvaluation:
    """What was compared before the version was placed. One event for all of it: each costs a good part of a small batch."""
    read, written = sum(layer.features for layer in lineage.inputs), sum(file.features for file in asset.files)
    dropped = sum(asset.changes.dropped.values())
    found = {"counts agree": f"{read:,} read, {dropped:,} dropped by the recipe, {written:,} in the file as in the record"}
    if asset.crs is not None:
        box = "none" if asset.bbox is None else ", ".join(f"{side:.9g}" for side in asset.bbox)
        repairs = any(step.get("op") == "repair" for step in lineage.recipe.get("steps", ()))
        found |= {
            "CRS": f"{asset.crs}, in the file as in the record",
            "covering": f"the boxes of the rows come to {box}",
            "geometry valid": f"{asset.changes.repaired:,} repaired" if repairs else "not asked for by the recipe",
        }
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset.dataset_id),
        check_name=NAME,
        passed=written == asset.features,
        description=f"Version {asset.version} reads back as what was computed.",
        metadata={name: dg.MetadataValue.text(text) for name, text in found.items()},
    )


def self_checks(datasets: Sequence[str]) -> list[dg.AssetChecksDefinition]:
    """The checks of datasets, as definitions, by which their pages show what was found.

    Dagster wants an op that makes them. It has no inputs, whose number would square the time to load it, and cannot make one
    without all others, so that Dagster offers nobody to start it: the job ``ingest`` reports each check with its version.
    """
    description = "Held against the record before a version is placed: counts, CRS, covering, validity."
    checks = {f"check_{i}": dg.AssetCheckSpec(NAME, asset=each, description=description) for i, each in enumerate(datasets)}
    if not checks:
        return []

    op = dg.OpDefinition(_made_by_ingest, name="self_checks", outs={name: dg.Out(dg.Nothing) for name in checks})
    return [
        dg.AssetChecksDefinition.create(keys_by_input_name={}, node_def=op, check_specs_by_output_name=checks, can_subset=False)
    ]


def _made_by_ingest(_context: dg.OpExecutionContext, _: Mapping[str, Any]) -> NoReturn:
    raise dg.Failure(
        "A version is checked by the job ingest, which makes it; later, the job verify holds its file against the record."
    )
