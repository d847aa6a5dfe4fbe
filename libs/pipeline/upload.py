"""Putting local files and manifests into the landing zone, as an uploader would."""

from pathlib import Path

from libs.models.problem import SpatialEtlError
from libs.spatial_utils.formats import Format
from libs.spatial_utils.siblings import Folders
from libs.storage import LandingZone


class DeliveryError(SpatialEtlError):
    """Local files cannot be delivered as they were named. The message says why.

    Attributes:
        format_helps: Whether it helps to name the format of the file.
    """

    def __init__(self, message: str, *, format_helps: bool = False) -> None:
        super().__init__(message)
        self.format_helps = format_helps


def upload(landing: LandingZone, path: Path, kind: Format, prefix: str, folders: Folders) -> str:
    """Upload a file with its sidecars, or a folder.

    Args:
        landing: Where to.
        path: A file, or the folder of a FileGDB.
        kind: Its format, which says what belongs to it.
        prefix: Folder in the landing zone; empty: none.
        folders: On the disk; the same for all files of a batch.

    Returns:
        Its ``s3://`` path, for the manifest.
    """
    prefix = f"{prefix}/" if prefix else ""
    if path.is_dir():
        members = sorted(each for each in path.rglob("*") if each.is_file())
    else:
        members = [
            path,
            *(path.parent / name for name in kind.companions(path.name, folders.beside(path))),
        ]
    for member in members:
        landing.upload(member, f"{prefix}{member.relative_to(path.parent).as_posix()}")
    return landing.store.uri(f"{prefix}{path.name}")
