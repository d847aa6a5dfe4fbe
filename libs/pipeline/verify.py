"""Holding the lake against the ledger: every recorded file of a version is there, unchanged, and nothing else lies beside it."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from libs.models import Asset, LakeFile, Model
from libs.pipeline.publishing import keys_of, record_flaw
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
        if flaw := _record_flaw(stack, asset):
            uri = stack.lake.uri(stack.lake.record_key(asset.dataset_id, asset.version))
            yield Verified(dataset_id=asset.dataset_id, version=asset.version, uri=uri, finding=flaw[0], message=flaw[1])
        for uri in _unexpected(stack, asset):
            message = "It lies among the files of this version, but the record of the version does not name it. Move it away."
            finding = Finding.UNEXPECTED
            yield Verified(dataset_id=asset.dataset_id, version=asset.version, uri=uri, finding=finding, message=message)


def _record_flaw(stack: Stack, asset: Asset) -> tuple[Finding, str] | None:
    """What is wrong with the record that the version carries. Those of releases before such records may have none."""
    again = "Move it away; `spatial-etl reconcile` writes it again."
    try:
        flaw = record_flaw(stack.lake, asset, stack.ledger.lineage(asset.dataset_id, asset.version))
    except ObjectMissing:
        missing = Finding.MISSING, "The version has no record in the lake. `spatial-etl reconcile` writes it."
        return None if stack.ledger.is_of_format_1(asset.dataset_id, asset.version) else missing
    except ObjectRefused as error:
        return Finding.UNREADABLE, str(error)
    return None if flaw is None else (Finding.CHANGED, f"{flaw} {again}")


def _unexpected(stack: Stack, asset: Asset) -> list[str]:
    recorded = keys_of(stack.lake, asset)
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
