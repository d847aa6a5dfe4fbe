"""Files of the lake as local ones, whose content is as recorded."""

from collections.abc import Sequence
from pathlib import Path

from libs.models import Asset, LakeFile, Rejected
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
    return [_fetched(lake, file, folder / f"{number}-{file.name}") for number, file in enumerate(asset.data)]


def _fetched(lake: DataLake, file: LakeFile, path: Path) -> Path:
    info = lake.store.head(file.key)
    if info is not None and Fetched(lake.store, info, path, copy=False, moved=untold).object().sha256 == file.sha256:
        return path
    said = "is gone" if info is None else "is not what the ledger recorded: it was changed or damaged"
    raise Rejected.because("lake_file_damaged", lake.uri(file.key), f"This file of the lake {said}. It was not read.",
                           "Run 'spatial-etl verify --repair', or restore the file from a backup.")  # fmt: skip
