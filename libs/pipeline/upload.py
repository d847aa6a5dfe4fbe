"""Putting local files and manifests into the landing zone, as an uploader would."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from libs.models import Manifest
from libs.models.problem import Rejected, SpatialEtlError
from libs.pipeline.progress import Progress, counted, no_progress
from libs.spatial_utils import seamless
from libs.spatial_utils.formats import Format
from libs.spatial_utils.siblings import Folders, Siblings
from libs.spatial_utils.sniffing import kind_of
from libs.storage import LandingZone, ObjectInfo


class DeliveryError(SpatialEtlError):
    """Local files cannot be delivered as they were named. The message says why.

    Attributes:
        format_helps: Whether it helps to name the format of the file.
    """

    def __init__(self, message: str, *, format_helps: bool = False) -> None:
        super().__init__(message)
        self.format_helps = format_helps


@dataclass(frozen=True)
class Upload:
    """A file of a batch, with its sidecars, or a folder, on its way to the landing zone.

    Attributes:
        path: A file, or the folder of a FileGDB.
        format: Says what belongs to it.
        folder: In the landing zone; empty: none.
        where: Its place in the manifest.
    """

    path: Path
    format: Format
    folder: str
    where: str

    @property
    def key(self) -> str:
        """Of the file in the landing zone."""
        return self.key_of(self.path)

    def key_of(self, member: Path) -> str:
        """Of a file that belongs to it."""
        return f"{self.folder}/{member.relative_to(self.path.parent).as_posix()}".removeprefix("/")


_Members = Mapping[str, tuple[Upload, Path]]
"""By key, each file that is uploaded, and what it belongs to: a file of the batch, itself first."""


def upload_all(
    landing: LandingZone,
    uploads: Iterable[Upload],
    manifest: bytes,
    batch_id: str,
    *,
    replace: bool = False,
    progress: Progress = no_progress,
) -> None:
    """Upload the files of a batch. What others lie there for is not replaced.

    What is not there is created. What is there with the same content stays. Another content takes its place only where that is of
    an earlier delivery of this batch, which has got its report, or where it is told to; and never while a manifest waits for it.

    Of several that deliver files of the same names at once, one gets on: all begin with the same file, and whoever does not get
    it writes none of its sidecars, and nothing else behind it.

    Args:
        landing: Where to.
        uploads: The files.
        manifest: Which will be delivered with them.
        batch_id: Its batch.
        replace: Other files may be replaced, too, and sidecars that lie there are meant.
        progress: Told of the bytes of each file.

    Raises:
        Rejected: when a file is not replaced, before anything is, if that can be known by then.
    """
    folders = Folders()
    members = {
        each.key_of(member): (each, member)
        for each in sorted(uploads, key=lambda each: each.key)
        for member in members_of(each.path, each.format, folders)
    }
    there = landing.there(members)
    differing = [key for key, (_, member) in members.items() if key in there and not _is_same(landing, there[key], member)]
    if (found := landing.awaited(differing, manifest)) is not None:
        raise _awaited(landing, members[found[0]][0], *found)
    if not replace:
        _require_replaceable(landing, members, {key: there[key] for key in differing}, batch_id)
        _require_own_sidecars(landing, members, there)
    for key, (upload, member) in members.items():
        if key in there and key not in differing:
            continue
        moved = counted(progress, batch_id, "upload", member.name, member.stat().st_size)
        if key in there:
            # A server's answer may be lost on the way: then it is there, and the second try finds that it is.
            written = landing.store.replace(key, member, there[key].stamp, moved) or landing.holds(key, member)
        else:  # what came meanwhile is of somebody who is uploading, too, even where the content of this file is the same
            written = landing.store.create(key, member, moved=moved)
        if not written:
            raise _taken(landing, upload, key, "another file came to lie there just now: somebody else delivers it")
    if not replace:
        _require_own_sidecars(landing, members, landing.there(members))


def _is_same(landing: LandingZone, info: ObjectInfo, member: Path) -> bool:
    return info.size == member.stat().st_size and landing.holds(info.key, member)


def _require_replaceable(landing: LandingZone, members: _Members, differing: Mapping[str, ObjectInfo], batch_id: str) -> None:
    """Make sure that what lies there is of this batch's earlier delivery, and that this is done with."""
    answered = landing.answered(batch_id) if differing else None
    for key, info in differing.items():
        if answered is None or info.written >= answered:
            why = "another file lies there, of a delivery that has no report yet, or of another batch"
            raise _taken(landing, members[key][0], key, why)


def _require_own_sidecars(landing: LandingZone, members: _Members, there: Iterable[str]) -> None:
    """Make sure that no sidecar of somebody else, or of an earlier delivery, would be read with a file."""
    siblings = Siblings(there)
    for key, (upload, _) in members.items():
        if key == upload.key:
            folder = f"{upload.folder}/" if upload.folder else ""
            names = [each.removeprefix(folder) for each in siblings.of(key)]
            for name in upload.format.companions(key.removeprefix(folder), names):
                if f"{folder}{name}" not in members:
                    why = f"this file lies there, would be read with {key.removeprefix(folder)!r}, and is not among yours"
                    raise _taken(landing, upload, f"{folder}{name}", why)


def _awaited(landing: LandingZone, upload: Upload, key: str, other: Manifest) -> Rejected:
    return Rejected.because(
        "file_awaited", upload.where,
        f"{landing.store.uri(key)!r}: another file lies there, and is waited for by the batch {other.batch_id!r} of "
        f"{other.uploader!r}. It was left as it is.",
        "Put yours into another folder, or wait until that batch has its report.",
    )  # fmt: skip


def _taken(landing: LandingZone, upload: Upload, key: str, why: str) -> Rejected:
    return Rejected.because(
        "file_taken", upload.where, f"{landing.store.uri(key)!r}: {why}. It was left as it is.",
        "Put yours into another folder.",
    )  # fmt: skip


def members_of(path: Path, kind: Format, folders: Folders) -> list[Path]:
    """All files that belong to a file or a folder, itself first: in its folder or below it. See :class:`Upload`."""
    if path.is_dir():
        return sorted(each for each in path.rglob("*") if each.is_file())
    mains = [path]
    if kind.seamless and kind_of(path) in kind.kinds:
        named = (seamless.find(path.parent, name) for name in seamless.component_names(path) if seamless.is_inside(name))
        mains += [table for table in named if table is not None]
    return list(dict.fromkeys(each for main in mains for each in (main, *_beside(main, kind, folders))))


def _beside(main: Path, kind: Format, folders: Folders) -> list[Path]:
    return [main.with_name(name) for name in kind.companions(main.name, folders.beside(main))]
