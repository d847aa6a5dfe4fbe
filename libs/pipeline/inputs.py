"""What a batch was made from, and what lies in the landing zone now: is there anything new?"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from libs.models import Asset, InputObject, Lineage, Manifest, Outcome, Policies, Problem, Rejected, WithRules
from libs.pipeline.batch_files import BatchFiles
from libs.pipeline.staging import stage
from libs.transformations import Recipe

NAMED = 3
"""Versions that a notice names; of further ones it tells how many."""


def recorded_inputs(lineage: Iterable[Lineage]) -> dict[str, str]:
    """The SHA-256 of everything that was read for some versions, by key."""
    return {item.key: item.sha256 for record in lineage for layer in record.inputs for item in layer.objects}


def present(files: BatchFiles, manifest: Manifest, folder: Path) -> Iterator[InputObject]:
    """Everything that would be read for a manifest now, hashed: its content decides, not a time or an ETag.

    Args:
        files: The files of the manifest in the landing zone.
        manifest: The manifest.
        folder: For one file at a time; it does not exist, and is gone in the end.

    Raises:
        Rejected: when a file is gone or cannot be read.
    """
    for spec in dict.fromkeys(spec.model_copy(update={"layer": None}) for spec in manifest.files):
        try:
            yield from stage(files, spec, spec.path, folder).objects()
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def is_unchanged(earlier: Outcome, files: BatchFiles, manifest: Manifest, recipe: Recipe, folder: Path) -> bool:
    """Whether a batch would be made again of the same bytes by the same recipe. Every byte is read.

    Args:
        earlier: What made its versions, of the same manifest.
        files: The files of the manifest in the landing zone.
        manifest: The manifest.
        recipe: With its parameters bound, as it would be applied now.
        folder: For the files; see :func:`present`.
    """
    now = recipe.model_dump(mode="json")
    keys = ("steps", *Policies.model_fields, *WithRules.model_fields)
    if any(record.recipe.get(key) != now.get(key) for record in earlier.lineage for key in keys):
        return False
    recorded = recorded_inputs(earlier.lineage)
    seen: set[str] = set()
    try:
        for item in present(files, manifest, folder):
            if recorded.get(item.key) != item.sha256:
                return False
            seen.add(item.key)
    except Rejected:
        return False  # the run finds everything that is wrong, this would have ended at the first
    return seen == recorded.keys()


def nothing_new(earlier: Outcome, newer: Sequence[str]) -> Problem:
    """What is said of a delivery that holds nothing new.

    Args:
        earlier: What made the versions.
        newer: Versions of the same datasets that came after these.
    """
    first = ", ".join(asset.id for asset in earlier.assets[:NAMED])
    more = f" and {len(earlier.assets) - NAMED:,} more" if len(earlier.assets) > NAMED else ""
    since = (
        f" Since then, other batches have made {', '.join(newer[:NAMED])}{'...' if len(newer) > NAMED else ''}." if newer else ""
    )
    again = (
        "To add the same features once more, deliver them under another 'batch_id'."
        if any(asset.growth for asset in earlier.assets)
        else f"To make new versions nevertheless: `spatial-etl reprocess {earlier.batch_id}`."
    )
    return Problem(
        code="unchanged", where="files",
        message=f"Nothing new: already processed as {first}{more}, unchanged. All files were read again, and have the SHA-256 "
        f"that they had in {earlier.run_id}.{since}",
        remedy=f"Nothing has to be done. {again}",
    )  # fmt: skip


class _File(Protocol):
    """A file of a version, made or recorded."""

    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...


def same_as_before(files: Iterable[_File], before: Asset) -> list[Problem]:
    """A warning where a version holds what the one before it holds: whoever delivered it may have meant other files.

    Args:
        files: Of the version.
        before: The one before it.
    """
    if {(file.name, file.sha256) for file in files} != {(file.name, file.sha256) for file in before.files}:
        return []
    return [
        Problem(
            code="same_as_before", where=f"dataset {before.dataset_id}",
            message=f"Nothing new: it is byte for byte {before.id}, of the batch {before.batch_id!r}.",
            remedy="If the data should be newer, look whether the right files were delivered.",
        )
    ]  # fmt: skip
