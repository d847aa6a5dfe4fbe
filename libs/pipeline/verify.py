"""Holding the lake against the ledger: every recorded file of a version is there, unchanged, and nothing else lies beside it."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from libs.models import Asset, LakeFile, Model
from libs.pipeline.stack import Stack
from libs.storage import ObjectMissing, ObjectRefused


class Finding(StrEnum):
    """What became of a recorded file, or of one that no record knows."""

    INTACT = "intact"
    MISSING = "missing"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    UNEXPECTED = "unexpected"


class Verified(Model):
    """The verdict on one lake file."""

    dataset_id: str
    version: int
    uri: str
    finding: Finding
    message: str


def verify(stack: Stack, assets: Iterable[Asset] | None = None) -> Iterator[Verified]:
    """Read and hash the files of dataset versions.

    Args:
        stack: What to work with.
        assets: Which versions; all that the ledger knows when not given.
    """
    stack.require_own_lake(bind=False)
    for asset in stack.ledger.assets() if assets is None else assets:
        for file in asset.files:
            finding, message = _look_at(stack, file)
            uri = stack.lake.uri(file.key)
            yield Verified(dataset_id=asset.dataset_id, version=asset.version, uri=uri, finding=finding, message=message)
        for uri in _unexpected(stack, asset):
            message = "It lies among the files of this version, but the record of the version does not name it. Move it away."
            finding = Finding.UNEXPECTED
            yield Verified(dataset_id=asset.dataset_id, version=asset.version, uri=uri, finding=finding, message=message)


def _unexpected(stack: Stack, asset: Asset) -> list[str]:
    recorded = {file.key for file in asset.files}
    lying = stack.lake.objects(stack.lake.prefix(asset.dataset_id, asset.version))
    return [stack.lake.uri(info.key) for info in lying if info.key not in recorded]


def _look_at(stack: Stack, file: LakeFile) -> tuple[Finding, str]:
    try:
        sha256, size = stack.lake.hash(file.key)
    except ObjectMissing:
        return (
            Finding.MISSING,
            "The ledger knows this file, but the lake does not hold it: restore it from a backup, or replay the version.",
        )
    except (ObjectRefused, ValueError) as error:
        return Finding.UNREADABLE, f"{error}"
    if (sha256, size) != (file.sha256, file.bytes):
        return (
            Finding.CHANGED,
            f"It has {size:,} bytes and SHA-256 {sha256}; recorded are {file.bytes:,} bytes and {file.sha256}.",
        )
    return Finding.INTACT, "Size and SHA-256 are as recorded."
