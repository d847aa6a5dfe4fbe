"""Files of the lake as local ones, whose content is as recorded."""

from collections.abc import Sequence
from pathlib import Path

from libs.models import Asset, Rejected
from libs.storage import DataLake
from libs.storage.fetched import Fetched
from libs.storage.store import untold


def fetched(lake: DataLake, asset: Asset, folder: Path) -> Sequence[Path]:
    """The data files of a version, in order. Each is hashed, and compared with its record.

    Args:
        lake: Where they are.
        asset: The version.
        folder: To be made. Where it takes no copy, the files in it are those of the lake: they are only to be read.

    Raises:
        Rejected: ``lake_file_damaged``, when one is gone, or is not what the ledger says.
    """
    folder.mkdir()
    paths = [folder / f"{number}-{file.name}" for number, file in enumerate(asset.data)]
    for file, path in zip(asset.data, paths, strict=True):
        fetch(lake, file.key, file.sha256, path)
    return paths


def fetch(lake: DataLake, key: str, sha256: str, path: Path) -> None:
    """Bring one file of the lake to ``path``, linked where that is possible.

    Raises:
        Rejected: ``lake_file_damaged``, when it is gone, or has another hash.
    """
    info = lake.store.head(key)
    if info is None or Fetched(lake.store, info, path, copy=False, moved=untold).object().sha256 != sha256:
        said = "is gone" if info is None else "is not what the ledger recorded: it was changed or damaged"
        raise Rejected.because(
            "lake_file_damaged", lake.uri(key), f"This file of the lake {said}. It was not read.",
            "Tell the operator: 'spatial-etl verify --repair' makes it again from its inputs; or restore it from a backup.",
        )  # fmt: skip
