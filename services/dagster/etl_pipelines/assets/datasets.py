"""A dataset version as Dagster's events: a materialization and its check."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from libs.ledger import Standing
from libs.models import Asset, FileRole, Lineage, RasterSummary
from libs.pipeline.stack import Stack
from services.dagster.etl_pipelines.assets.preview import preview
from services.dagster.etl_pipelines.assets.raster import raster_metadata
from services.dagster.etl_pipelines.checks.quality import quality
from services.dagster.etl_pipelines.checks.self_check import self_check
from services.dagster.etl_pipelines.markdown import inert, plain

DATA_VERSION_TAG = "dagster/data_version"
"""The tag by which Dagster knows whether a dataset has changed; a part of its stored events."""
VERSION = "version"
"""The key of a materialization's metadata with the number of the version."""


def events(stack: Stack, asset: Asset) -> Iterator[Any]:
    """What there is to see of a version, for ``log_event``: it takes evaluations, which its annotation does not say."""
    lineage = stack.ledger.lineage(asset.dataset_id, asset.version)
    if lineage is not None:
        yield _materialization(stack, asset, lineage, preview(stack.lake, asset))
        yield self_check(asset, lineage)
        if asset.rules:
            yield quality(asset)


def project_of(lineage: Lineage | None) -> str | None:
    """The project that the manifest of a version names."""
    metadata = lineage.manifest.get("metadata") if lineage else None
    project = metadata.get("project") if isinstance(metadata, dict) else None
    return project if isinstance(project, str) and project else None


def summary(asset: Asset, lineage: Lineage | None) -> str:
    """What a version is, in a line of Markdown. Lists show it as it is written, so it has no markup of its own."""
    parts = [
        asset.kind if asset.features is None else f"{asset.features:,} {'features' if asset.has_geometry else 'rows'}",
        *([asset.crs or "local coordinates"] if asset.has_geometry else []),
        f"{asset.created_at:%Y-%m-%d %H:%M} UTC",
        *([f"by {lineage.uploader}"] if lineage else []),
        f"version {asset.version}",
        *([f"project {project}"] if (project := project_of(lineage)) else []),
    ]
    return inert(", ".join(parts))


def _materialization(stack: Stack, asset: Asset, lineage: Lineage, drawing: str | None) -> dg.AssetMaterialization:
    project = project_of(lineage)
    columns = [
        dg.TableColumn(plain(field.name), field.type, inert(meaning) if (meaning := asset.meanings.get(field.name)) else None)
        for field in asset.table_schema
    ]
    metadata: dict[str, dg.MetadataValue] = {
        **({} if asset.features is None else {"dagster/row_count": dg.MetadataValue.int(asset.features)}),
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns)),
        **({"preview": dg.MetadataValue.md(drawing)} if drawing else {}),
        **({"title": dg.MetadataValue.text(plain(asset.title))} if asset.title else {}),
        **({"owner": dg.MetadataValue.text(plain(str(asset.owner)))} if asset.owner else {}),
        VERSION: dg.MetadataValue.int(asset.version),
        "current": dg.MetadataValue.text(_current(asset, stack.ledger.standing(asset.dataset_id))),
        "made": dg.MetadataValue.timestamp(asset.created_at),
        "uploader": dg.MetadataValue.text(plain(lineage.uploader)),
        **({"project": dg.MetadataValue.text(plain(project))} if project else {}),
        "crs": dg.MetadataValue.text(asset.crs or ("none: a table" if asset.kind == "table" else "none: local coordinates")),
        "bbox": dg.MetadataValue.text("none" if asset.bbox is None else ", ".join(f"{side:.9g}" for side in asset.bbox)),
        **(
            raster_metadata(asset.summary)
            if isinstance(asset.summary, RasterSummary)
            else {"geometry types": dg.MetadataValue.text(", ".join(asset.geometry_types) or "none")}
        ),
        **_files(stack, asset),
        "bytes": dg.MetadataValue.int(sum(each.bytes for each in asset.files)),
        **({"set aside": dg.MetadataValue.int(asset.changes.set_aside)} if asset.changes.set_aside else {}),
        "changes": dg.MetadataValue.json(asset.changes.model_dump(mode="json", exclude_defaults=True)),
        "seconds": dg.MetadataValue.json(dict(lineage.seconds)),
        "batch": dg.MetadataValue.text(asset.run_id),
        "lineage": dg.MetadataValue.md(_lineage(asset, lineage)),
    }
    return dg.AssetMaterialization(
        asset_key=dg.AssetKey(asset.dataset_id),
        description=f"Version {asset.version}, made {asset.created_at:%Y-%m-%d %H:%M:%S} UTC, batch {asset.batch_id}, "
        f"by {plain(lineage.uploader)}.",
        metadata=metadata,
        tags={DATA_VERSION_TAG: _data_version(asset)},
    )


def _current(asset: Asset, standing: Standing) -> str:
    """Whether it was the current version when this was reported, and who made it so."""
    so = f", as {standing.decision.decided_by} decided" if standing.decision else ""
    return f"yes{so}" if standing.current == asset.version else f"no: version {standing.current} is{so}"


def _files(stack: Stack, asset: Asset) -> dict[str, dg.MetadataValue]:
    """Place and hash of each file; of the second file with a role and later ones with its name."""
    found: dict[str, dg.MetadataValue] = {}
    for file in asset.files:
        role = "file" if file.role == FileRole.DATA else file.role
        sha256 = "sha256" if file.role == FileRole.DATA else f"{file.role} sha256"
        if role in found:
            role, sha256 = f"{role} {file.name}", f"{sha256} {file.name}"
        found |= {role: dg.MetadataValue.path(stack.lake.uri(file.key)), sha256: dg.MetadataValue.text(file.sha256)}
    return found


def _data_version(asset: Asset) -> str:
    """Number of the version, and the hash of the data: of its file, or of the hashes of its parts."""
    hashes = [file.sha256 for file in asset.data]
    return f"v{asset.version}-" + (hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest())


def version_of(tags: Mapping[str, str]) -> int | None:
    """The version that an event is about, by its tags; None for an event of an earlier release, which does not say."""
    found = re.match(r"v(\d+)-", tags.get(DATA_VERSION_TAG, ""))
    return int(found[1]) if found else None


def _lineage(asset: Asset, lineage: Lineage) -> str:
    inputs = [
        f"- {f'input {layer.name}: ' if layer.name else ''}{inert(layer.path)}, layer {inert(layer.layer)}, "
        + ("a raster" if layer.features is None else f"{layer.features:,} features")
        + "".join(f"\n  - {inert(each.key)}: SHA-256 `{each.sha256}`" for each in layer.objects)
        for layer in lineage.inputs
    ]
    inputs += [f"- version {inert(version.id)}: SHA-256 `{', '.join(version.sha256)}`" for version in lineage.datasets]
    recipe = inert(str(lineage.recipe.get("name")))
    return "\n".join([f"Recipe {recipe} on {lineage.engine}, from", "", *inputs, "", f"`spatial-etl lineage {asset.id}`"])
