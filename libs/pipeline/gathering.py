"""The data in a folder: which of its files are to be delivered, and what is left out, and why."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from libs.pipeline.format_choice import format_of
from libs.pipeline.upload import DeliveryError, members_of
from libs.spatial_utils.documents import is_document_by
from libs.spatial_utils.formats import Format
from libs.spatial_utils.siblings import Folders
from libs.spatial_utils.sniffing import HEAD_BYTES, kind_of


@dataclass(frozen=True)
class Gathered:
    """What was found in a folder and all folders below it.

    Attributes:
        files: Data, by name: files without their sidecars, and folders of FileGDBs.
        left_out: Everything else, with what it is.
    """

    files: tuple[Path, ...]
    left_out: tuple[tuple[Path, str], ...]


def is_data_folder(folder: Path) -> bool:
    """Whether a folder is one file, as a FileGDB is."""
    return folder.suffix.lower() == ".gdb"


def gather(folder: Path, own: Collection[Path] = ()) -> Gathered:
    """Look for data in a folder. Links are not followed: what they lead to is delivered from where it is.

    Args:
        folder: On the disk.
        own: What is the platform's own, resolved: its folders hold what was delivered already.

    Raises:
        DeliveryError: when a folder or a file cannot be read.
    """
    found: list[Path] = []
    left_out: list[tuple[Path, str]] = []
    for path, why in _walk(folder, own):
        if why is None:
            found.append(path)
        else:
            left_out.append((path, why))
    folders = Folders()
    formats, members = {}, set()
    for path in found:
        try:
            if _is_document(path):
                left_out.append((path, "a document"))
                continue
            kind = format_of(path)
            if kind.is_picture and not _is_placed(path, kind, folders):
                left_out.append((path, f"{kind_of(path).value} without a world file"))
                continue
            formats[path] = kind
        except DeliveryError:
            left_out.append((path, kind_of(path).value))
        except OSError as error:
            raise DeliveryError(f"{path} cannot be read: {error.strerror}.") from error
    for path, kind in formats.items():
        members.update(members_of(path, kind, folders)[1:])
    return Gathered(
        files=tuple(path for path in formats if path not in members),
        left_out=tuple(sorted(each for each in left_out if each[0] not in members)),
    )


def _walk(folder: Path, own: Collection[Path]) -> Iterator[tuple[Path, str | None]]:
    """Files, and folders that are files, by name; each with why it is left out, if it is."""
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError as error:
        raise DeliveryError(f"{folder} cannot be listed: {error.strerror}.") from error
    if any(entry.name.lower().endswith(".gdbtable") for entry in entries):
        yield folder, "a FileGDB whose name does not end in .gdb"
        return
    for entry in entries:
        path = Path(folder, entry.name)
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.is_symlink():
            yield path, "a link"
        elif entry.name.startswith(".") or entry.name == "__MACOSX":
            yield path, "hidden"
        elif path.resolve() in own:
            yield path, "the platform's own"
        elif is_folder and not is_data_folder(path):
            yield from _walk(path, own)
        elif is_folder or entry.is_file(follow_symlinks=False):
            yield path, None
        else:
            yield path, "no file"


def _is_placed(path: Path, kind: Format, folders: Folders) -> bool:
    """Whether a world file says where a picture lies: photos and logos are no rasters."""
    return any(Path(name).suffix.lower() in kind.world for name in folders.beside(path))


def _is_document(path: Path) -> bool:
    """What says that it is a CSV, and what is empty, is a delivery that went wrong rather than a document."""
    if path.is_dir() or path.suffix.lower() == ".csv":
        return False
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return bool(head) and is_document_by(path.name, head)
