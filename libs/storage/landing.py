"""The landing zone: what people upload, and what they get back."""

import re
import time
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from libs.models import Manifest, ParsedManifest, Problem, Rejected, Report, parse_manifest
from libs.models.manifest import MAX_MANIFEST_BYTES
from libs.storage.fetched import Fetched
from libs.storage.store import ObjectInfo, ObjectMissing, ObjectRefused, ObjectStore

MANIFESTS = "manifests/"

_MANIFEST = re.compile(r"manifests/[^./][^/]*\.json", re.IGNORECASE | re.DOTALL)

_COPYING = 1.0
"""Seconds that a manifest is given to become complete: ``cp`` and editors do not write at once."""


class LandingZone:
    """The landing bucket: raw files under any prefix, and the folders of the protocol."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self.bucket = store.bucket

    def waiting(self) -> list[ObjectInfo]:
        """The manifests ``manifests/*.json``: unfinished work, oldest first. Hidden files, as macOS leaves them, are none."""
        return sorted(
            (info for info in self.store.list(MANIFESTS) if _MANIFEST.fullmatch(info.key)), key=lambda info: info.modified
        )

    def unrecognized(self) -> list[str]:
        """Keys of what lies among the manifests and is taken for none by its name: in a sub-folder, or not ``*.json``."""
        return [
            info.key
            for info in self.store.list(MANIFESTS)
            if not _MANIFEST.fullmatch(info.key) and not any(part.startswith(".") for part in info.key.split("/"))
        ]

    def read_manifest(self, key: str, known: ParsedManifest | None = None) -> ParsedManifest | None:
        """A manifest, parsed as uploaded, but cut a byte after the size limit; None when it has been taken away.

        One that is no JSON and came a moment ago may still be being copied. It is given a second to become whole.

        Args:
            key: Its object key.
            known: A manifest that has been parsed already. It is returned when the object has the same content.

        Raises:
            ObjectRefused: when it cannot be read.
        """
        while True:
            try:
                info = self.store.head(key)
                content = self.store.read(key, MAX_MANIFEST_BYTES + 1)
            except ObjectMissing:
                return None
            if known is not None and known.content == content:
                return known
            parsed = parse_manifest(content, landing_bucket=self.bucket)
            fresh = info is not None and (datetime.now(UTC) - info.modified).total_seconds() < _COPYING
            if not fresh or parsed.is_json:
                return parsed
            time.sleep(_COPYING / 10)

    def resolve(self, key: str) -> list[ObjectInfo]:
        """The object under a key, or all objects of the folder ``key/`` (a FileGDB); empty when there is nothing.

        Raises:
            Rejected: when something lies there that is not read.
        """
        try:
            info = self.store.head(key)
        except ObjectRefused as error:
            raise _rejected(error) from error
        return [info] if info else list(self.store.list(f"{key}/"))

    def siblings(self, key: str) -> list[ObjectInfo]:
        """The objects in the folder of a key, itself included, those of sub-folders not: where sidecars lie."""
        folder = key.rpartition("/")[0]
        prefix = f"{folder}/" if folder else ""
        return [info for info in self.below(key) if "/" not in info.key.removeprefix(prefix)]

    def below(self, key: str) -> list[ObjectInfo]:
        """The objects in the folder of a key, itself and those of sub-folders included."""
        folder = key.rpartition("/")[0]
        return list(self.store.list(f"{folder}/" if folder else ""))

    def missing(self, key: str, where: str, siblings: Sequence[ObjectInfo] | None = None, *, similar: bool = True) -> Problem:
        """What to tell an uploader whose file is not there; names the object that was probably meant.

        Args:
            key: Under which there is nothing.
            where: The place in the manifest.
            siblings: The objects in its folder, if they have been listed.
            similar: Whether to look for a similar name, too, and not only for one of other case or composition of accents.
        """
        import difflib

        keys = [info.key for info in (self.siblings(key) if siblings is None else siblings)]
        wanted = _alike(key)
        same = [each for each in keys if _alike(each) == wanted]
        if similar and not same:
            same = difflib.get_close_matches(key, keys, n=1)
        hint = f" There is {self.store.uri(same[0])!r}; is it meant?" if same else ""
        return Problem(
            code="missing_file",
            where=where,
            message=f"There is no {self.store.uri(key)!r} in the landing zone.{hint}",
            remedy="Upload the file or correct the path, then upload the manifest again.",
        )

    def fetch(self, key: str, target: Path, *, copy: bool = False) -> Fetched:
        """Bring an object to a local file.

        Args:
            key: The object.
            target: The file; its folder exists, it does not.
            copy: It will be written to: it must not be the object itself.

        Raises:
            Rejected: when the object is missing or not readable.
        """
        try:
            return Fetched(self.store, key, target, copy=copy)
        except ObjectMissing as error:
            raise Rejected([self.missing(key, self.store.uri(key))]) from error
        except ObjectRefused as error:
            raise _rejected(error) from error

    def upload(self, path: Path, key: str) -> str:
        """Upload a raw file, replacing one of the same key. Returns its ``s3://`` path for the manifest."""
        self.store.put(key, path)
        return self.store.uri(key)

    def submit(self, manifest: Manifest | bytes, batch_id: str) -> str:
        """Upload a manifest, which makes its batch waiting work. Returns its key."""
        key = f"{MANIFESTS}{batch_id}.json"
        content = manifest if isinstance(manifest, bytes) else manifest.model_dump_json(indent=2, exclude_defaults=True).encode()
        self.store.put(key, content)
        return key

    def report(self, report: Report) -> str:
        """Write a batch's report. Returns its key."""
        key = f"reports/{report.batch_id}.json"
        self.store.put(key, report.model_dump_json(indent=2).encode() + b"\n")
        return key

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
        """
        key = f"archive/{batch_id}/{name.replace('#', '-')}.json"
        self.store.create(key, content)
        self.store.delete(manifest.key, manifest.version)
        return key


def _alike(key: str) -> str:
    """The same for names that look the same: case aside, and whether accents are composed (macOS takes them apart)."""
    return unicodedata.normalize("NFC", key).casefold()


def _rejected(error: ObjectRefused) -> Rejected:
    return Rejected.because(
        "unreadable_file", error.uri, f"It {error.reason}.", "Upload the file itself, readable for the platform."
    )
