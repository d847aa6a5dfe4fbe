"""Bringing the raw files of a batch from the landing zone to scratch. Nothing is opened here but what names further files."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from libs.models import FileSpec, InputObject, Rejected, lake_key, landing_key
from libs.pipeline.batch_files import BatchFiles
from libs.pipeline.lake_inputs import Brought, stage_version
from libs.pipeline.progress import Progress, counted, no_progress
from libs.spatial_utils.formats import Format, find_format
from libs.spatial_utils.seamless import component_names, is_inside
from libs.spatial_utils.siblings import Siblings
from libs.spatial_utils.sniffing import kind_of
from libs.storage import Fetched, ObjectChanged, ObjectInfo, ObjectMissing
from libs.storage.fetched import changed

_ATTEMPTS = 3
"""At bringing a file that changes while it is brought."""


@dataclass(frozen=True)
class StagedFile:
    """A raw file in scratch.

    Attributes:
        path: The file with its sidecars beside it, or the folder of a FileGDB; alone in a folder of its own.
    """

    path: Path
    _fetched: Sequence[Fetched | Brought]

    def objects(self) -> tuple[InputObject, ...]:
        """Everything that was brought here, with hashes. To be asked when it has been read.

        Raises:
            Rejected: when an object was written into since it was brought here.
        """
        return tuple(each.object() for each in self._fetched)


def stage(
    files: BatchFiles, spec: FileSpec, where: str, folder: Path, *, batch_id: str = "", progress: Progress = no_progress
) -> StagedFile:
    """Bring a file and what belongs to it.

    Args:
        files: The files of its batch.
        spec: What the manifest says of it.
        where: The file, for problems: ``files[0]``.
        folder: To be created.
        batch_id: Name of the batch, for the events.
        progress: Told of the bytes of each file.

    Raises:
        Rejected: when it is gone, cannot be read, does not stay as it is, or is not the file whose checksum the manifest gives.
    """
    of_lake = lake_key(spec.path)
    if of_lake is not None and files.lake is not None:
        return StagedFile(*stage_version(files.lake, spec, of_lake, folder))
    key = landing_key(spec.path, None)
    name = PurePosixPath(key).name
    for attempt in range(_ATTEMPTS):
        try:
            fetched = _fetch(files, key, find_format(spec.format, f"{where}.format"), f"{where}.path", folder, batch_id, progress)
            break
        except (ObjectChanged, ObjectMissing) as error:
            if attempt == _ATTEMPTS - 1:
                raise changed(error.uri) from error
            shutil.rmtree(folder, ignore_errors=True)
            files.forget(key)
    staged = StagedFile(folder / name, fetched)
    if spec.sha256 is not None and [item.sha256 for item in staged.objects() if item.key == key] != [spec.sha256]:
        actual = next((item.sha256 for item in staged.objects() if item.key == key), "none, being a folder")
        raise Rejected.because(
            "sha256_mismatch", f"{where}.sha256", f"{spec.path!r} has the SHA-256 {actual}, not {spec.sha256}.",
            "Upload the file again; if it was changed on purpose, correct the checksum.",
        )  # fmt: skip
    return staged


def _fetch(
    files: BatchFiles, key: str, kind: Format, where: str, folder: Path, batch_id: str, progress: Progress
) -> list[Fetched]:
    """Bring everything with the content that it had when it was looked up: what belongs together is of one moment."""
    found = [info.key for info in files.resolve(key)]
    if not found:
        raise Rejected([files.missing(key, where)])
    parent = key[: key.rfind("/") + 1]
    name = key.removeprefix(parent)
    has_log = False
    if found == [key]:
        companions = kind.companions(name, [each.removeprefix(parent) for each in files.beside(key)])
        has_log = any(name + suffix in companions for suffix in kind.logs)  # then a database is completed from it
        found += [parent + companion for companion in companions]

    def bring(info: ObjectInfo) -> Fetched:
        target = folder / info.key.removeprefix(parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        return files.landing.fetch(info, target, copy=has_log, moved=counted(progress, batch_id, "fetch", info.key, info.size))

    fetched = [bring(files.require(each)) for each in found]
    if kind.seamless and found[0] == key:
        fetched += map(bring, _of_components(files, kind, key, folder / name))
    return fetched


def _of_components(files: BatchFiles, kind: Format, key: str, table: Path) -> Iterator[ObjectInfo]:
    """The tables that a seamless one names, with their sidecars. Reading says which ones are missing."""
    names = [name for name in component_names(table) if is_inside(name)] if kind_of(table) in kind.kinds else []
    if not names:
        return
    parent = key[: key.rfind("/") + 1]
    there = {info.key: info for info in files.landing.below(key)}
    siblings = Siblings(there)
    alike = {each.casefold(): each for each in sorted(there, reverse=True)}
    done = {key}
    for name in names:
        wanted = parent + str(PurePosixPath(name))
        main = wanted if wanted in there else alike.get(wanted.casefold())
        if main is None or main in done:
            continue
        folder = main[: main.rfind("/") + 1]
        beside = [each.removeprefix(folder) for each in siblings.of(main)]
        belonging = [main, *(folder + companion for companion in kind.companions(main.removeprefix(folder), beside))]
        yield from (there[each] for each in belonging if each not in done)
        done.update(belonging)
