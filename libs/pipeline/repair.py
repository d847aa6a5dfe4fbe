"""Putting back what the lake has lost: a file of a version that is missing or changed, if a replay makes the recorded bytes.

Only these bytes are ever written: whatever else comes out of the replay is thrown away, and the lake stays as it is.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from libs.models import Asset, DamagedDocument, LakeFile, Lineage, Model, NewerFormat, Rejected
from libs.pipeline.progress import Progress, no_progress
from libs.pipeline.replay import replay
from libs.pipeline.stack import Stack


class Repaired(Model):
    """What became of a file that was not as recorded.

    Attributes:
        restored: Whether it is as recorded now.
        message: How, or why not.
    """

    dataset_id: str
    version: int
    uri: str
    restored: bool
    message: str


def repair(stack: Stack, asset: Asset, lost: Sequence[LakeFile], *, progress: Progress = no_progress) -> Iterator[Repaired]:
    """Restore files of a dataset version.

    Args:
        stack: What to work with; its landing zone must still hold the inputs, unless they were kept.
        asset: The version.
        lost: Its files that are missing or changed, as ``verify`` has found.
        progress: Told of every step.
    """

    def told(file: LakeFile, message: str, *, restored: bool = False) -> Repaired:
        return Repaired(
            dataset_id=asset.dataset_id, version=asset.version, uri=stack.lake.uri(file.key), restored=restored, message=message
        )

    lineage = _lineage(stack, asset)
    if lineage is None:
        yield from (told(file, "No record says how it was made: restore it from a backup.") for file in lost)
        return
    stack.scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="repair-", dir=stack.scratch) as folder:
        try:
            made = replay(stack, asset, lineage, output=Path(folder), progress=progress)
        except Rejected as rejected:
            first = rejected.problems[0]
            why = f"It cannot be made again. {first.where}: {first.message} {first.remedy} Or restore it from a backup."
            yield from (told(file, why) for file in lost)
            return
        same = {file.name for file in made.files if file.identical}
        for file in lost:
            if file.name in same:
                stack.lake.restore(file.key, Path(folder, file.name))
                yield told(file, "Made again, byte for byte as recorded, and put back.", restored=True)
            else:
                others = "; ".join(f"{name} was {then} and is {now}" for name, (then, now) in made.software.items())
                why = f" ({others})" if others else ""
                yield told(file, f"It came out otherwise than recorded{why}: restore it from a backup.")


def _lineage(stack: Stack, asset: Asset) -> Lineage | None:
    """How a version was made; None where no record says so that can be read."""
    try:
        return stack.ledger.lineage(asset.dataset_id, asset.version)
    except (DamagedDocument, NewerFormat):
        return None
