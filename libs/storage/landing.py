"""The landing zone: what people upload, and what they get back."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path

from libs.models import Manifest, ParsedManifest, Problem, Rejected, Report, ServiceUnavailable, landing_key, parse_manifest
from libs.models.manifest import MAX_MANIFEST_BYTES
from libs.raw_text import inert_json
from libs.storage.fetched import Fetched
from libs.storage.store import (
    Moved,
    ObjectChanged,
    ObjectInfo,
    ObjectMissing,
    ObjectRefused,
    ObjectStore,
    Refused,
    begins,
    pass_over,
    untold,
)

MANIFESTS = "manifests/"

_MANIFEST = re.compile(r"manifests/[^./][^/]*\.json", re.IGNORECASE | re.DOTALL)

_HINTS = 20_000
"""Names of a folder, at most, among which one is looked for that was probably meant."""


class LandingZone:
    """The landing bucket: raw files under any prefix, and the folders of the protocol.

    Args:
        store: The bucket.
        settle_seconds: A manifest that is cut is taken for one that is still being written until it has not changed for so
            long.
    """

    def __init__(self, store: ObjectStore, settle_seconds: float = 10.0) -> None:
        self.store = store
        self.bucket = store.bucket
        self.settle_seconds = settle_seconds

    def waiting(self, refused: Refused = pass_over) -> list[ObjectInfo]:
        """The manifests ``manifests/*.json``: unfinished work, oldest first. Hidden files, as macOS leaves them, are none.

        Args:
            refused: Told of those that are not read: links, or files that are closed to us.

        Raises:
            ServiceUnavailable: when the folder cannot be listed.
        """

        def tell(error: ObjectRefused) -> None:
            if error.uri == self.store.uri(MANIFESTS):
                raise ServiceUnavailable(self.store.place, f"its folder {MANIFESTS} {error.reason}.", "the rights to it")
            if _MANIFEST.fullmatch(self.key_of(error)):
                refused(error)

        objects, _ = self.store.look([MANIFESTS], tell)
        return sorted((info for info in objects if _MANIFEST.fullmatch(info.key)), key=lambda info: info.modified)

    def unrecognized(self) -> list[str]:
        """Keys of what lies among the manifests and is taken for none by its name: in a sub-folder, or not ``*.json``."""
        keys: list[str] = []
        keys += (info.key for info in self.store.list(MANIFESTS, lambda error: keys.append(self.key_of(error))))
        return sorted(
            key for key in keys if not _MANIFEST.fullmatch(key) and not any(part.startswith(".") for part in key.split("/"))
        )

    def closed(self, raw: int) -> list[ObjectRefused]:
        """What a run would stumble over: what may not be read or listed, and manifests that may not be removed.

        Args:
            raw: How many raw files are looked at, at most.
        """
        found: list[ObjectRefused] = []
        for info in self.waiting(found.append):
            try:
                self.store.read(info.key, 1)
                if not self.store.removable(info.key):
                    found.append(ObjectRefused(self.store.uri(info.key), "cannot be removed when it has been processed"))
            except ObjectMissing:
                continue
            except ObjectRefused as error:
                found.append(error)
        told = {error.uri for error in found}
        others: list[ObjectRefused] = []
        for _ in islice(self.store.list("", others.append), raw):
            pass
        return found + [error for error in others if error.uri not in told]

    def key_of(self, error: ObjectRefused) -> str:
        """The key of what was refused."""
        return error.uri.removeprefix(self.store.uri(""))

    def read_manifest(self, key: str, known: ParsedManifest | None = None) -> tuple[ObjectInfo, ParsedManifest] | None:
        """A manifest as it lies there now, parsed, but cut a byte after the size limit; None when it has been taken away.

        Args:
            key: Its object key.
            known: A manifest that has been parsed already. It is returned when the object has the same content.

        Raises:
            ObjectRefused: when it cannot be read.
            ObjectChanged: when it is not whole, and may still be being written, or another one took its place meanwhile.
        """
        try:
            info = self.store.head(key)
            if info is None:
                return None
            content = b"".join(_first(self.store.stream(key, stamp=info.stamp), MAX_MANIFEST_BYTES + 1))
        except ObjectMissing:
            return None
        if known is not None and known.content == content:
            return info, known
        parsed = parse_manifest(content, landing_bucket=self.bucket)
        whole = parsed.is_json or _is_complete(content)
        if not whole and not self.store.settled(info, self.settle_seconds):
            raise ObjectChanged(self.store.uri(key))
        return info, parsed

    def look_up(self, keys: Collection[str], refused: Refused = pass_over) -> tuple[dict[str, ObjectInfo], set[str]]:
        """What lies under keys, and beside them what may belong to them: what has their name up to the last dot.

        Args:
            keys: Of raw files, or of folders (a FileGDB).
            refused: Told of what lies there and is not read, and of folders that cannot be listed.

        Returns:
            The objects by key, and the keys of folders.
        """
        objects, folders = self.store.look({_beginning(key) for key in keys}, refused)
        return {info.key: info for info in objects}, set(folders)

    def members(self, key: str) -> list[ObjectInfo]:
        """All objects of the folder ``key/``.

        Raises:
            ObjectRefused: when one of them is not read: what is left would be another thing.
        """

        def refuse(error: ObjectRefused) -> None:
            raise error

        return list(self.store.list(f"{key}/", refuse))

    def below(self, key: str) -> list[ObjectInfo]:
        """The objects in the folder of a key, itself and those of sub-folders included."""
        return list(self.store.list(key[: key.rfind("/") + 1]))

    def names(self, folder: str) -> list[str]:
        """Keys of a folder, for a hint at what was meant; of a large folder, the first."""
        objects, folders = self.store.look([folder], limit=_HINTS)
        return [*folders, *(info.key for info in objects)]

    def missing(self, key: str, where: str, meant: str | None = None) -> Problem:
        """What to tell an uploader whose file is not there.

        Args:
            key: Under which there is nothing.
            where: The place in the manifest.
            meant: The key of the object that was probably meant.
        """
        hint = f" There is {self.store.uri(meant)!r}; is it meant?" if meant else ""
        return Problem(
            code="missing_file",
            where=where,
            message=f"There is no {self.store.uri(key)!r} in the landing zone.{hint}",
            remedy="Upload the file or correct the path, then upload the manifest again.",
        )

    def refusal(self, error: ObjectRefused, where: str) -> Rejected:
        """What is said of a raw file that is not read."""
        return Rejected.because(
            "unreadable_file", where, f"{error.uri!r} {error.reason}.", "Upload the file itself, readable for the platform."
        )

    def fetch(self, info: ObjectInfo, target: Path, *, copy: bool = False, moved: Moved = untold) -> Fetched:
        """Bring an object to a local file, with the content that it had when it was looked up.

        Args:
            info: The object.
            target: The file; its folder exists, it does not.
            copy: It will be written to: it must not be the object itself.
            moved: Told of the bytes as they are moved. Nothing is moved where the file is the object itself.

        Raises:
            Rejected: when the object is not readable.
            ObjectMissing: when it is gone.
            ObjectChanged: when it has another content, or gets one.
        """
        try:
            return Fetched(self.store, info, target, copy=copy, moved=moved)
        except ObjectRefused as error:
            raise self.refusal(error, error.uri) from error

    def there(self, keys: Iterable[str]) -> dict[str, ObjectInfo]:
        """What lies under keys, and beside them what may belong to them, as far as the account may look."""
        with suppress(ServiceUnavailable):  # an account that may only write; where the store is down, writing says so
            return {info.key: info for info in self.store.look({_beginning(key) for key in keys})[0]}
        return {}

    def awaited(self, keys: Collection[str], own: bytes) -> tuple[str, Manifest] | None:
        """Of raw files one that a manifest names, or to whose files it belongs, which waits or is being processed; with that.

        An account that may only deliver sees no manifests.

        Args:
            keys: Of raw files.
            own: A manifest that does not count.
        """
        with suppress(ServiceUnavailable):
            for info in self.waiting() if keys else ():
                with suppress(ObjectMissing, ObjectRefused):
                    content = self.store.read(info.key, MAX_MANIFEST_BYTES + 1)
                    manifest = None if content == own else parse_manifest(content, landing_bucket=self.bucket).manifest
                    if manifest and (key := self._named(keys, manifest)):
                        return key, manifest
        return None

    def _named(self, keys: Iterable[str], manifest: Manifest) -> str | None:
        """The first of some raw files that is, or may belong to, a file or folder that a manifest names."""
        named = [landing_key(spec.path, self.bucket) for spec in manifest.files]
        found: list[str] = []
        for beginning in sorted({*map(_beginning, named), *(f"{key}/" for key in named)}):
            if not found or not beginning.startswith(found[-1]):
                found.append(beginning)
        return next((key for key in keys if begins(key, found)), None)

    def answered(self, batch_id: str) -> datetime | None:
        """When the last report of a batch was written, by the store's clock; None when there is none."""
        with suppress(ServiceUnavailable, ObjectRefused):
            report = self.store.head(f"reports/{batch_id}.json")
            return None if report is None else report.written
        return None

    def holds(self, key: str, path: Path) -> bool:
        """Whether an object has the content of a local file."""
        try:
            with path.open("rb") as file:
                for piece in self.store.stream(key):
                    if file.read(len(piece)) != piece:
                        return False
                return not file.read(1)
        except (ObjectMissing, ObjectRefused, ObjectChanged):
            return False

    def require_free(self, manifest: bytes, batch_id: str) -> None:
        """Make sure that no other manifest waits under the name of a batch, before files are uploaded for it.

        An account that may not read manifests learns it from :meth:`submit`.

        Raises:
            Rejected: when one does, naming who delivered it.
        """
        key = f"{MANIFESTS}{batch_id}.json"
        with suppress(ObjectMissing, ObjectRefused):
            waiting = self.store.read(key, MAX_MANIFEST_BYTES + 1)
            if waiting != manifest:
                raise self._occupied(key, batch_id, waiting)

    def submit(self, manifest: Manifest | bytes, batch_id: str, *, after_files: bool = False) -> str:
        """Upload a manifest, which makes its batch waiting work. The same manifest again is a new delivery of it.

        Args:
            manifest: The manifest.
            batch_id: Names it.
            after_files: Whether its files were uploaded just now. A refusal says so, then.

        Returns:
            Its key.

        Raises:
            Rejected: when another manifest waits under this name. That one is left as it is.
        """
        key = f"{MANIFESTS}{batch_id}.json"
        content = manifest if isinstance(manifest, bytes) else manifest.model_dump_json(indent=2, exclude_defaults=True).encode()
        while not self.store.create(key, content):
            waiting = None
            with suppress(ObjectMissing):  # when it was dealt with just now
                try:
                    info, waiting = self.store.head(key), self.store.read(key, MAX_MANIFEST_BYTES + 1)
                    if info is not None and waiting == content:
                        self.store.delete(key, info.version)
                except (ObjectRefused, ServiceUnavailable):  # an account that may only deliver neither looks nor removes
                    raise self._occupied(key, batch_id, waiting, after_files=after_files) from None
                if waiting != content:
                    raise self._occupied(key, batch_id, waiting, after_files=after_files)
        return key

    def _occupied(self, key: str, batch_id: str, waiting: bytes | None, *, after_files: bool = False) -> Rejected:
        """Why a manifest is not uploaded: another one lies there."""
        value = parse_manifest(waiting, landing_bucket=self.bucket).value if waiting else None
        said = value if isinstance(value, dict) else {}
        whose = f" of {said['uploader']!r}" if isinstance(said.get("uploader"), str) else ""
        late = (
            " Your files were uploaded before: where the other one names them, too, it may be made from them."
            if after_files
            else ""
        )
        which = f" for the batch {said['batch_id']!r}" if said.get("batch_id", batch_id) != batch_id else ""
        return Rejected.because(
            "batch_waiting", "batch_id",
            f"A manifest{whose}{which} waits under the name {batch_id!r}, or is being processed: {self.store.uri(key)!r}. "
            f"It was left as it is.{late}",
            "Choose another 'batch_id', or wait until that one has been dealt with: then it lies there no more.",
        )  # fmt: skip

    def report(self, report: Report) -> str:
        """Write a batch's report, replacing the one before it. Returns its key.

        Raises:
            ObjectRefused: when something is in its way.
        """
        key = f"reports/{report.batch_id}.json"
        self.store.put(key, _written(report))
        return key

    def keep_report(self, report: Report, name: str) -> str:
        """Write the report on one attempt at a batch, for good. To write it once more changes nothing.

        Args:
            report: The report.
            name: The run's id, or another name for a manifest that never became a run.

        Returns:
            Its key.

        Raises:
            ObjectRefused: when something is in its way.
        """
        # The report of a batch that is called "a.json" would be in the way of the folder of a batch called "a".
        apart = "~" if report.batch_id.lower().endswith(".json") else ""
        return self._keep(f"reports/{report.batch_id}{apart}/{_file_name(name)}", _written(report))

    def archive(self, manifest: ObjectInfo, content: bytes, batch_id: str, name: str) -> str:
        """Take a manifest that has been dealt with out of ``manifests/``.

        It is removed only if it is still the upload that was dealt with: one that came since under the same name stays.
        A crash between the two steps leaves it waiting; to archive it once more changes nothing.

        Args:
            manifest: As it was listed when it was received.
            content: As it was read then.
            batch_id: Its batch.
            name: The run's id, or another name for one that never became a run.

        Returns:
            Its key in the archive.

        Raises:
            ObjectRefused: when it cannot be written there, or may not be removed.
        """
        key = self._keep(f"archive/{batch_id}/{_file_name(name)}", content)
        self.store.delete(manifest.key, manifest.version)
        return key

    def _keep(self, stem: str, content: bytes) -> str:
        """Write what is never replaced. Returns its key.

        Where something else lies under the name, its hash is added: on a file system to which ``A`` and ``a`` are one name, or
        after a ledger was begun anew.
        """
        key = f"{stem}.json"
        if not self.store.create(key, content) and self.store.read(key) != content:
            key = f"{stem}~{hashlib.sha256(content).hexdigest()[:16]}.json"
            self.store.create(key, content)
        return key


def _first(pieces: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """So many bytes of what is streamed, at most."""
    for piece in pieces:
        yield piece[:limit]
        limit -= len(piece)
        if limit <= 0:
            return


def _file_name(name: str) -> str:
    return name.replace("#", "-")


def _written(report: Report) -> bytes:
    return inert_json(report.model_dump_json(indent=2)).encode() + b"\n"


def _beginning(key: str) -> str:
    """What the key of a file and those of its sidecars begin with.

    >>> _beginning("in/roads.v2.shp"), _beginning("in.2/roads")
    ('in/roads.v2.', 'in.2/roads')
    """
    folder, _, name = key.rpartition("/")
    stem, dot, _ = name.rpartition(".")
    return f"{folder}/{stem}{dot}".removeprefix("/") if stem else key


def _is_complete(content: bytes) -> bool:
    """Whether it is JSON from the beginning to the end, although no manifest: nothing of it is still to come."""
    try:
        json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return True
