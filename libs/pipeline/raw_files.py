"""Raw files that are kept by their hash, in the lake: a version can be made again, whatever becomes of the landing zone."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from libs.ledger import Ledger
from libs.models import InputLayer, InputObject, Lineage, Rejected, lake_key
from libs.storage import DataLake, FolderStore, LandingZone, ObjectMissing, ObjectStore
from libs.storage.fetched import changed


def are_kept(lineage: Lineage) -> bool:
    """Whether the raw files of a version are kept."""
    return lineage.manifest.get("raw") == "keep"


def kept_hashes(lineage: Lineage) -> dict[str, str]:
    """The keys under which the raw files of a version lay, by their SHA-256, as far as they are kept."""
    items = _raw(lineage.inputs) if are_kept(lineage) else ()
    return {item.sha256: item.key for item in items}


def keep(landing: ObjectStore, lake: DataLake, inputs: Iterable[InputLayer], folder: Path) -> None:
    """Keep what was read, each content once.

    Args:
        landing: Where it lies.
        lake: Where it is kept, create-only.
        inputs: What was read.
        folder: Exists; for one file at a time.

    Raises:
        Rejected: when a file is not any more what was read.
    """
    for item in {item.sha256: item for item in _raw(inputs)}.values():
        if lake.has_raw(item.sha256):
            continue
        copy = folder / item.sha256
        if _copied(landing, item.key, copy) != item.sha256:
            raise changed(landing.uri(item.key))
        lake.keep_raw(item.sha256, copy)
        copy.unlink(missing_ok=True)


def restored(lake: DataLake, lineage: Lineage, bucket: str, folder: Path) -> LandingZone:
    """A landing zone that holds the raw files of a version as they were.

    Args:
        lake: Keeps them.
        lineage: Of the version; its raw files are kept.
        bucket: Name of the landing zone.
        folder: To be made.

    Raises:
        Rejected: when one is gone or damaged.
    """
    store = FolderStore(folder, bucket)
    for item in {item.key: item for item in _raw(lineage.inputs)}.values():
        copy = folder / item.sha256
        if _copied(lake.store, lake.raw_key(item.sha256), copy) != item.sha256:
            raise Rejected.because(
                "input_changed", item.key, f"It has changed in the landing zone, and the copy that was kept, "
                f"{lake.uri(lake.raw_key(item.sha256))!r}, is gone or damaged.",
                "Put the files that the version was made from back into the landing zone to replay it.",
            )  # fmt: skip
        store.create(item.key, copy, give=True)
    return LandingZone(store)


def named(ledger: Ledger) -> set[str]:
    """The SHA-256 of all raw files that are kept for a version that exists, or is committed and not copied yet."""
    committed = (record for outcome in ledger.unpublished() for record in outcome.lineage)
    return {sha256 for records in (ledger.all_lineage(), committed) for record in records for sha256 in kept_hashes(record)}


def damaged(lake: DataLake, lineage: Lineage, hash_of: Callable[[str], str | None]) -> Iterator[tuple[str, str | None]]:
    """The raw files of a version that are not as they were kept: the key in the lake, and its SHA-256, None when it is gone.

    Args:
        lake: Keeps them.
        lineage: Of the version.
        hash_of: Gives the SHA-256 of what lies under a key now; None when nothing does.
    """
    for sha256 in kept_hashes(lineage):
        key = lake.raw_key(sha256)
        if (found := hash_of(key)) != sha256:
            yield key, found


def _raw(inputs: Iterable[InputLayer]) -> Iterator[InputObject]:
    """What was read from the landing zone: files of the lake are kept already."""
    return (item for layer in inputs for item in layer.objects if lake_key(item.key) is None)


def _copied(store: ObjectStore, key: str, target: Path) -> str | None:
    """Copy an object to a file; the SHA-256 of what was copied, None when there is nothing."""
    digest = hashlib.sha256()
    try:
        with target.open("wb") as file:
            for piece in store.stream(key):
                digest.update(piece)
                file.write(piece)
    except ObjectMissing:
        return None
    return digest.hexdigest()
