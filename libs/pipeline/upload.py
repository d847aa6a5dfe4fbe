"""Putting local files and manifests into the landing zone, as an uploader would."""

from pathlib import Path

from libs.models.problem import SpatialEtlError
from libs.pipeline.progress import Progress, counted, no_progress
from libs.spatial_utils import seamless
from libs.spatial_utils.formats import Format
from libs.spatial_utils.siblings import Folders
from libs.spatial_utils.sniffing import kind_of
from libs.storage import LandingZone


class DeliveryError(SpatialEtlError):
    """Local files cannot be delivered as they were named. The message says why.

    Attributes:
        format_helps: Whether it helps to name the format of the file.
    """

    def __init__(self, message: str, *, format_helps: bool = False) -> None:
        super().__init__(message)
        self.format_helps = format_helps


def upload(
    landing: LandingZone,
    path: Path,
    kind: Format,
    prefix: str,
    folders: Folders,
    *,
    batch_id: str = "",
    progress: Progress = no_progress,
) -> str:
    """Upload a file with its sidecars, or a folder.

    Args:
        landing: Where to.
        path: A file, or the folder of a FileGDB.
        kind: Its format, which says what belongs to it.
        prefix: Folder in the landing zone; empty: none.
        folders: On the disk; the same for all files of a batch.
        batch_id: Name of the batch, for the events.
        progress: Told of the bytes of each file.

    Returns:
        Its ``s3://`` path, for the manifest.
    """
    prefix = f"{prefix}/" if prefix else ""
    for member in members_of(path, kind, folders):
        moved = counted(progress, batch_id, "upload", member.name, member.stat().st_size)
        landing.upload(member, f"{prefix}{member.relative_to(path.parent).as_posix()}", moved)
    return landing.store.uri(f"{prefix}{path.name}")


def members_of(path: Path, kind: Format, folders: Folders) -> list[Path]:
    """All files that belong to a file or a folder, itself first: in its folder or below it. See :func:`upload`."""
    if path.is_dir():
        return sorted(each for each in path.rglob("*") if each.is_file())
    mains = [path]
    if kind.seamless and kind_of(path) in kind.kinds:
        named = (seamless.find(path.parent, name) for name in seamless.component_names(path) if seamless.is_inside(name))
        mains += [table for table in named if table is not None]
    return list(dict.fromkeys(each for main in mains for each in (main, *_beside(main, kind, folders))))


def _beside(main: Path, kind: Format, folders: Folders) -> list[Path]:
    return [main.with_name(name) for name in kind.companions(main.name, folders.beside(main))]
