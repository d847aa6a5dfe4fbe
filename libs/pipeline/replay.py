"""Making a version again from its recorded inputs and recipe, to see that the same bytes come out. Writes to no lake."""

import secrets
import shutil
from pathlib import Path

from libs.models import Asset, Lineage, Manifest, Model, Problem, Rejected
from libs.pipeline.batch_files import BatchFiles
from libs.pipeline.datasets import DatasetMaker
from libs.pipeline.scratch import run_folder
from libs.pipeline.software import software_versions
from libs.pipeline.stack import Progress, Stack, no_progress
from libs.pipeline.staging import stage
from libs.transformations import Recipe


class Replayed(Model):
    """What came of a replay.

    Attributes:
        identical: Whether the file came out with the recorded SHA-256.
        software: What has another version now than when the file was made: then and now, by name.
    """

    dataset_id: str
    version: int
    identical: bool
    recorded_sha256: str
    sha256: str
    bytes: int
    software: dict[str, tuple[str, str]]


def replay(
    stack: Stack, asset: Asset, lineage: Lineage, *, output: Path | None = None, progress: Progress = no_progress
) -> Replayed:
    """Make a version again.

    Args:
        stack: What to work with; its landing zone must still hold the inputs.
        asset: The version.
        lineage: Its record.
        output: Where to put the file; it is discarded when not given.
        progress: Told of every step.

    Raises:
        Rejected: when the recorded inputs are not in the landing zone any more, or have changed.
    """
    stack.require_own_lake(bind=False)
    manifest = _manifest_of(lineage)
    recipe = Recipe.model_validate(lineage.recipe)
    run_id = f"replay-{secrets.token_hex(6)}"
    with run_folder(stack.scratch, run_id) as scratch:
        files = BatchFiles(stack.landing)
        _require_same_inputs(files, manifest, lineage, scratch / "inputs")
        (dataset,) = DatasetMaker(stack, manifest, recipe, files, run_id, scratch, progress).make()
        if output is not None:
            shutil.copyfile(dataset.file.path, output)
    recorded = asset.files[0]
    now = software_versions(stack.engine)
    return Replayed(
        dataset_id=asset.dataset_id,
        version=asset.version,
        identical=dataset.file.sha256 == recorded.sha256,
        recorded_sha256=recorded.sha256,
        sha256=dataset.file.sha256,
        bytes=dataset.file.bytes,
        software={name: (then, now[name]) for name, then in lineage.software.items() if now.get(name, then) != then},
    )


def _manifest_of(lineage: Lineage) -> Manifest:
    """A manifest that makes this version and nothing else: an entry for each layer that went into it."""
    manifest = Manifest.model_validate(lineage.manifest)
    pinned = (
        manifest.files[layer.file].model_copy(update={"layer": layer.layer, "dataset_id": lineage.dataset_id})
        for layer in lineage.inputs
    )
    return manifest.model_copy(update={"files": tuple(pinned)})


def _require_same_inputs(files: BatchFiles, manifest: Manifest, lineage: Lineage, folder: Path) -> None:
    """Look at the inputs before they are read: what has changed may not even be a file of its format any more."""
    found: dict[str, str] = {}
    for spec in dict.fromkeys(spec.model_copy(update={"layer": None}) for spec in manifest.files):
        staged = stage(files, spec, spec.path, folder)
        found |= {item.key: item.sha256 for item in staged.objects()}
        shutil.rmtree(folder)
    recorded = {item.key: item.sha256 for layer in lineage.inputs for item in layer.objects}
    problems = [
        Problem(
            code="input_changed", where=key,
            message=f"It has the SHA-256 {found.get(key, 'none: it is gone')} now; the version was made from "
            f"{recorded.get(key, 'other files, without it')}.",
            remedy="Put the files that the version was made from back into the landing zone to replay it.",
        )
        for key in sorted(recorded.keys() | found.keys())
        if found.get(key) != recorded.get(key)
    ]  # fmt: skip
    if problems:
        raise Rejected(problems)
