"""Unpacking untrusted archives: every entry is checked before it is written.

Refused: names that leave the target, links and devices, encrypted entries, two entries of one name, archives in archives
(unless a format is delivered so), and whatever goes beyond the limits, which are counted on the bytes that really come out and
not on what the archive claims.
"""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from libs.disk import is_full
from libs.models import Rejected
from libs.spatial_utils.archive_members import ERRORS, Member, members

_CHUNK = 1024 * 1024
EXPANSION_FROM_BYTES = 64 * 1024 * 1024
"""What comes to no more than this may be many times as large as it was."""
_LEFT_BEHIND = frozenset({"__macosx", ".ds_store", "thumbs.db", "desktop.ini"})
"""What operating systems add to archives, compared in lower case."""
_ZIP = ".zip"
MAX_NESTED = 2
"""Archives in archives, where a format is delivered so: in an extract of the BAG, each part that is large has archives again."""
_ARCHIVES = (_ZIP, ".kmz", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True)
class ArchiveLimits:
    """How large an archive may turn out to be.

    Attributes:
        unpacked_bytes: All entries together.
        entries: Number of entries.
        ratio: Unpacked to packed size of the whole archive, where it unpacks to more than 64 MiB.
        depth: Folders within folders.
        name_bytes: Length of an entry's whole name.
    """

    unpacked_bytes: int
    entries: int = 20_000
    ratio: int = 250
    depth: int = 16
    name_bytes: int = 1024


def unpack(archive: Path, target: Path, where: str, limits: ArchiveLimits, *, nested: bool = False) -> list[Path]:
    """Unpack an archive, or a compressed file, into a new folder.

    Args:
        archive: The archive.
        target: Folder to make; must not exist.
        where: Place of the archive, for problems.
        limits: What is too much, of all archives together.
        nested: Whether ZIP archives in it are unpacked as well, each into a folder of its name.

    Returns:
        The unpacked files, in the order of the archive.

    Raises:
        Rejected: when the archive is damaged, not allowed or too large. What has been written stays, for
            the caller to remove.
    """
    return _unpacked(archive, target, where, _Budget(where, limits, archive.stat().st_size), MAX_NESTED if nested else 0)


def _unpacked(archive: Path, target: Path, where: str, budget: "_Budget", nested: int) -> list[Path]:
    """The files of an archive, and of those in it to a depth of ``nested``."""
    seen: set[str] = set()
    files: list[Path] = []
    try:
        target.mkdir()
        with members(archive) as found:
            for member in found:
                budget.count_entry()
                path = _checked(member, seen, where, budget.limits, nested=nested > 0)
                if path is None:
                    continue
                file = _extract(member, target / path, budget)
                if nested and path.suffix.lower() == _ZIP:
                    files += _unpacked(file, file.with_suffix(""), where, budget, nested - 1)
                    file.unlink()
                else:
                    files.append(file)
    except ERRORS as error:
        if is_full(error):
            raise
        raise Rejected.because(
            "archive_damaged",
            where,
            f"The archive cannot be unpacked: {error}.",
            "Make the archive again with a common tool (ZIP with the method 'deflate' and no password, or tar.gz) and test it.",
        ) from error
    return files


def check_package(package: Path, where: str, limits: ArchiveLimits) -> None:
    """Check what a file that is a ZIP archive itself, such as a spreadsheet, unpacks to. Nothing is unpacked.

    What its directory says is enough: ``zipfile`` gives no more bytes of an entry than that.

    Raises:
        Rejected: when it is damaged or too large.
    """
    try:
        with zipfile.ZipFile(package) as opened:
            sizes = [info.file_size for info in opened.infolist()]
    except (zipfile.BadZipFile, OSError, NotImplementedError, UnicodeError, ValueError) as error:
        raise Rejected.because(
            "archive_damaged", where, f"The file cannot be opened: {error}.",
            "Open it in the program that made it, save it again, and upload it again.",
        ) from error  # fmt: skip
    if len(sizes) > limits.entries:
        raise _too_large(where, f"it has {len(sizes):,} entries; the limit is {limits.entries:,}")
    budget = _Budget(where, limits, package.stat().st_size)
    for size in sizes:
        budget.spend(size)


def _checked(member: Member, seen: set[str], where: str, limits: ArchiveLimits, *, nested: bool) -> PurePosixPath | None:
    """The name that an entry gets; None for what is no file, and for what operating systems add."""
    path = PurePosixPath(member.name)
    if any(part.lower() in _LEFT_BEHIND or part.startswith("._") for part in path.parts):
        return None
    if reason := _forbidden(member, path, limits):
        raise Rejected.because(
            "archive_unsafe",
            where,
            f"The entry {_shown(member.name)} of the archive {reason}.",
            "Make the archive again from plain files with relative names.",
        )
    if member.is_folder:
        return None
    if path.suffix.lower() in _ARCHIVES and not (nested and path.suffix.lower() == _ZIP):
        raise Rejected.because(
            "archive_nested",
            where,
            f"The archive holds another archive, {_shown(member.name)}.",
            "Unpack the inner archive and submit what is in it, as files or as one archive.",
        )
    if str(path) in seen:
        raise Rejected.because(
            "archive_unsafe",
            where,
            f"The archive has two entries named {_shown(member.name)}.",
            "Make the archive again.",
        )
    seen.add(str(path))
    return path


def _forbidden(member: Member, path: PurePosixPath, limits: ArchiveLimits) -> str | None:
    """Why an entry is not unpacked; None when nothing speaks against it."""
    name = member.name
    if not path.parts or path.is_absolute() or ".." in path.parts or (path.parts and path.parts[0].endswith(":")):
        return "has no name, or one that leads out of the archive"
    if not name.isprintable():
        return "has unprintable characters in its name"
    if len(name.encode("utf-8", "surrogatepass")) > limits.name_bytes or len(path.parts) > limits.depth:
        return "has a name that is too long or too deep"
    if any(len(part.encode("utf-8", "surrogatepass")) > 255 for part in path.parts):  # noqa: PLR2004 - NAME_MAX
        return "has a name that is too long"
    if member.is_special:
        return "is a link or a device, not a file"
    return "is encrypted" if member.is_encrypted else None


class _Budget:
    """What may still come out of the archive."""

    def __init__(self, where: str, limits: ArchiveLimits, packed: int) -> None:
        self._where, self.limits, self._packed, self._spent, self._entries = where, limits, max(packed, 1), 0, 0

    def count_entry(self) -> None:
        self._entries += 1
        if self._entries > self.limits.entries:
            raise _too_large(self._where, f"it has more than {self.limits.entries:,} entries")

    def spend(self, count: int) -> None:
        self._spent += count
        if self._spent > self.limits.unpacked_bytes:
            raise _too_large(self._where, f"it unpacks to more than {self.limits.unpacked_bytes:,} bytes")
        if self._spent > max(EXPANSION_FROM_BYTES, self._packed * self.limits.ratio):
            raise _too_large(
                self._where, f"it unpacks to more than {self.limits.ratio} times its size", "SPATIAL_ETL_MAX_EXPANSION"
            )


def _extract(member: Member, path: Path, budget: _Budget) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as file, member.open() as source:  # noqa: PTH123 - a descriptor, not a path
        while chunk := source.read(_CHUNK):
            budget.spend(len(chunk))
            file.write(chunk)
    return path


def _too_large(where: str, what: str, setting: str = "SPATIAL_ETL_MAX_UNPACKED_MB") -> Rejected:
    return Rejected.because(
        "archive_too_large",
        where,
        f"The archive is too large: {what}.",
        f"Split it, or ask the operator to raise {setting} if the data really is that large.",
    )


def _shown(name: str) -> str:
    return repr(name if len(name) <= 80 else name[:77] + "...")  # noqa: PLR2004 - a line's worth
