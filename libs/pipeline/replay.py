"""Making a version again from its recorded inputs and recipe, to see that the same bytes come out. Writes to no lake."""

import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from libs.models import Asset, Growth, Lineage, Manifest, Model, Problem, Rejected
from libs.pipeline.batch_files import BatchFiles
from libs.pipeline.datasets import DatasetMaker, MadeDataset
from libs.pipeline.growth import Growing, pinned
from libs.pipeline.inputs import present, recorded_inputs
from libs.pipeline.progress import Progress, no_progress
from libs.pipeline.raw_files import are_kept, restored
from libs.pipeline.scratch import run_folder
from libs.pipeline.software import software_versions
from libs.pipeline.stack import Stack
from libs.transformations import Recipe


class ReplayedFile(Model):
    """A file of the version, then and now.

    Attributes:
        name: In the folder of the version.
        identical: Whether it came out with the recorded SHA-256.
        recorded_sha256: None when the record has no such file.
        sha256: None when no such file came out.
        bytes: As it came out.
    """

    name: str
    role: str
    identical: bool
    recorded_sha256: str | None
    sha256: str | None
    bytes: int | None


class Replayed(Model):
    """What came of a replay.

    Attributes:
        identical: Whether all files came out with the recorded SHA-256.
        files: Each of them.
        software: What has another version now than when the files were made: then and now, by name.
    """

    dataset_id: str
    version: int
    identical: bool
    files: tuple[ReplayedFile, ...]
    software: dict[str, tuple[str, str]]


def replay(
    stack: Stack, asset: Asset, lineage: Lineage, *, output: Path | None = None, progress: Progress = no_progress
) -> Replayed:
    """Make a version again.

    Args:
        stack: What to work with. The inputs are looked for in the landing zone, then among raw files that are kept.
        asset: The version.
        lineage: Its record.
        output: Where to put the file; a folder for several. They are discarded when not given.
        progress: Told of every step.

    Raises:
        Rejected: when the recorded inputs are not in the landing zone any more, or have changed, and no copies are kept.
    """
    stack.require_own_lake(bind=False)
    manifest = _manifest_of(lineage)
    recipe = Recipe.model_validate(lineage.recipe)
    run_id = f"replay-{secrets.token_hex(6)}"
    with run_folder(stack.scratch, run_id) as scratch:
        inputs = BatchFiles(stack.landing, lake=stack.lake)
        changed = _changed_inputs(inputs, manifest, lineage, scratch / "inputs")
        if changed and are_kept(lineage):
            inputs = BatchFiles(restored(stack.lake, lineage, stack.landing.bucket, scratch / "kept"), lake=stack.lake)
        elif changed:
            raise Rejected(changed)
        (dataset,) = DatasetMaker(stack, manifest, recipe, inputs, run_id, scratch, progress).make()
        if lineage.growth is not None:
            growing = Growing(manifest, stack.lake, scratch, stack.settings.spatial_etl_memory_mb)
            dataset = growing.grow(dataset, _base(stack, lineage, lineage.growth))
        if output is not None:
            _keep(dataset, output)
    files = _compared(asset, dataset)
    now = software_versions(stack.engine)
    return Replayed(
        dataset_id=asset.dataset_id,
        version=asset.version,
        identical=all(file.identical for file in files),
        files=files,
        software={name: (then, now[name]) for name, then in lineage.software.items() if now.get(name, then) != then},
    )


def _compared(asset: Asset, dataset: MadeDataset) -> tuple[ReplayedFile, ...]:
    then, now = {file.name: file for file in asset.files}, {file.name: file for file in dataset.files}
    return tuple(
        ReplayedFile(
            name=name,
            role=(now.get(name) or then[name]).role,
            identical=name in then and name in now and now[name].sha256 == then[name].sha256,
            recorded_sha256=then[name].sha256 if name in then else None,
            sha256=now[name].sha256 if name in now else None,
            bytes=now[name].bytes if name in now else None,
        )
        for name in dict.fromkeys([*then, *now])
    )


def _base(stack: Stack, lineage: Lineage, growth: Growth) -> Asset | None:
    """The version that was grown, as it was pinned; None where there was none.

    Raises:
        Rejected: when the ledger has no such version any more.
    """
    if growth.base is None:
        return None
    base = stack.ledger.asset(lineage.dataset_id, growth.base)
    if base is None or pinned(base) not in lineage.datasets:
        raise Rejected.because(
            "input_changed", f"{lineage.dataset_id}@{growth.base}", f"{lineage.id} has grown out of it, and it is not as it was.",
            "`spatial-etl verify` says what is left.",
        )  # fmt: skip
    return base


def _keep(dataset: MadeDataset, output: Path) -> None:
    if len(dataset.files) == 1 and not output.is_dir():
        shutil.copyfile(dataset.files[0].path, output)
        return
    output.mkdir(exist_ok=True)
    for file in dataset.files:
        shutil.copyfile(file.path, output / file.name)


def _manifest_of(lineage: Lineage) -> Manifest:
    """A manifest that makes this version and nothing else: an entry for each layer that went into it."""
    manifest = Manifest.model_validate(lineage.manifest)
    pinned = (
        manifest.files[layer.file].model_copy(
            update={"layer": layer.layer} | ({} if layer.name else {"dataset_id": lineage.dataset_id})
        )
        for layer in lineage.inputs
    )
    return manifest.model_copy(update={"files": tuple(pinned)})


def _changed_inputs(files: BatchFiles, manifest: Manifest, lineage: Lineage, folder: Path) -> Sequence[Problem]:
    """Look at the inputs before they are read: what has changed may not even be a file of its format any more."""
    try:
        found = {item.key: item.sha256 for item in present(files, manifest, folder)}
    except Rejected as rejection:
        return rejection.problems
    recorded = recorded_inputs([lineage])
    return [
        Problem(
            code="input_changed", where=key,
            message=f"It has the SHA-256 {found.get(key, 'none: it is gone')} now; the version was made from "
            f"{recorded.get(key, 'other files, without it')}.",
            remedy="Put the files that the version was made from back into the landing zone to replay it.",
        )
        for key in sorted(recorded.keys() | found.keys())
        if found.get(key) != recorded.get(key)
    ]  # fmt: skip
