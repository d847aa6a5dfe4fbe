"""Putting local files and manifests into the landing zone, as an uploader would."""

from bisect import bisect_left
from itertools import islice, takewhile
from pathlib import Path

from libs.models.problem import SpatialEtlError
from libs.spatial_utils import seamless
from libs.spatial_utils.formats import Format
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


class LocalFolders:
    """Local folders, each listed once: among thousands of files, what belongs to one is found without a look at each."""

    def __init__(self) -> None:
        self._names: dict[Path, list[str]] = {}

    def beside(self, path: Path) -> list[str]:
        """Names in the folder of a file that begin as its own does, up to the last dot."""
        if path.parent not in self._names:
            self._names[path.parent] = sorted(each.name for each in path.parent.iterdir())
        names = self._names[path.parent]
        return [*takewhile(lambda name: name.startswith(path.stem), islice(names, bisect_left(names, path.stem), None))]


def upload(landing: LandingZone, path: Path, kind: Format, prefix: str, folders: LocalFolders) -> str:
    """Upload a file with its sidecars, or a folder.

    Args:
        landing: Where to.
        path: A file, or the folder of a FileGDB.
        kind: Its format, which says what belongs to it.
        prefix: Folder in the landing zone; empty: none.
        folders: Where it is found what belongs to the file.

    Returns:
        Its ``s3://`` path, for the manifest.
    """
    prefix = f"{prefix}/" if prefix else ""
    for member in members_of(path, kind, folders):
        landing.upload(member, f"{prefix}{member.relative_to(path.parent).as_posix()}")
    return landing.store.uri(f"{prefix}{path.name}")


def members_of(path: Path, kind: Format, folders: LocalFolders) -> list[Path]:
    """All files that belong to a file or a folder, itself first: in its folder or below it."""
    if path.is_dir():
        return sorted(each for each in path.rglob("*") if each.is_file())
    mains = [path]
    if kind.seamless and kind_of(path) in kind.kinds:
        named = (seamless.find(path.parent, name) for name in seamless.component_names(path) if seamless.is_inside(name))
        mains += [table for table in named if table is not None]
    return list(dict.fromkeys(each for main in mains for each in (main, *_beside(main, kind, folders))))


def _beside(main: Path, kind: Format, folders: LocalFolders) -> list[Path]:
    return [main.with_name(name) for name in kind.companions(main.name, folders.beside(main))]
