"""A backup: all records of the ledger in one file, the lake by reference or in full, and a list of hashes that is written last.

The ledger is read first, then what it names in the lake: versions are there before they are recorded, and stay. So both may be in
use. A folder without the list is no backup: whoever wrote it died.

A restored ledger is called as before, and belongs to the same lake. What was decided after the backup is not in it.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from libs.ledger import Ledger
from libs.ledger.copies import Copied, fill, line, may_fill, record_of, records
from libs.models import DamagedBackup, Model, NotEmpty, ServiceUnavailable
from libs.models.backup import BACKUP_FORMAT, BackedUpFile, Backup
from libs.pipeline.build import release
from libs.pipeline.new_file import synced
from libs.storage import IDENTITY, DataLake
from libs.storage.lake import RAW

INDEX, LEDGER, LAKE_LIST, LAKE = "backup.json", "ledger.jsonl.zst", "lake.jsonl.zst", "lake"
"""Names in the folder of a backup: what it says of itself, the records, the list of the lake's objects, these objects."""

_CHUNK = 1024 * 1024


class Restored(Model):
    """What came of a restore.

    Attributes:
        backup: What was restored.
        lake_files: Objects that were put into the lake; those that lay there were left.
    """

    backup: Backup
    lake_files: int


@contextmanager
def _reached(folder: Path) -> Iterator[None]:
    """Say of the backup's folder what does not work there."""
    try:
        yield
    except OSError as error:
        raise ServiceUnavailable(f"the backup in {folder}", f"{error.strerror or error}.", "the folder, and its disk") from error


def back_up(ledger: Ledger, lake: DataLake, target: Path, *, with_lake: bool = False) -> Backup:
    """Write a backup. Work may go on meanwhile.

    Args:
        ledger: The ledger.
        lake: The lake. Not touched without ``with_lake``.
        target: A folder that is new, empty, or left by a backup that was killed.
        with_lake: Also copy what the ledger's versions consist of, and the raw files that are kept.

    Raises:
        NotEmpty: when the folder holds something else.
        DamagedDocument: when a record of the ledger cannot be read.
        ServiceUnavailable: when the folder cannot be written to, or its disk is full.
    """
    with _reached(target):
        return _back_up(ledger, lake, target, with_lake=with_lake)


def _back_up(ledger: Ledger, lake: DataLake, target: Path, *, with_lake: bool) -> Backup:
    _make(target)
    own, bound = ledger.identity()
    count: Counter[str] = Counter()
    reserved: set[str] = set()
    made_at = ledger.clock()
    with _writing(target / LEDGER) as file:
        for record in records(ledger.store):
            count[record.collection] += 1
            if record.collection == "versions":
                reserved.add(str(record.document.get("prefix")))
            file.write(line(record))
    names, lake_files, lake_bytes = [LEDGER], None, None
    if with_lake:
        lake_files, lake_bytes = _copy_lake(lake, target, reserved)
        names.append(LAKE_LIST)
    backup = Backup(
        release=release(),
        made_at=made_at,
        ledger_id=own.ledger_id if own else None,
        ledger=ledger.store.place,
        lake_id=bound.lake_id if bound else None,
        lake=lake.store.place,
        records=dict(sorted(count.items())),
        files=tuple(_synced(target / name, name) for name in names),
        lake_files=lake_files,
        lake_bytes=lake_bytes,
    )
    unfinished = target / f"{INDEX}.part"
    with unfinished.open("w", encoding="utf-8") as index:
        index.write(backup.model_dump_json(indent=2) + "\n")
        index.flush()
        os.fsync(index.fileno())
    unfinished.replace(target / INDEX)
    _sync(target)
    return backup


def read_backup(source: Path) -> Backup:
    """What a backup says of itself.

    Raises:
        DamagedBackup: when it says nothing, or a later release wrote it.
    """
    try:
        said = json.loads((source / INDEX).read_bytes())
        written = said["format"]
    except FileNotFoundError as error:
        why = f"there is no {INDEX} in it. It is written last: the folder is no backup, or the backup was not finished."
        raise DamagedBackup(source, why) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedBackup(source, f"{INDEX} cannot be read: {error}.") from error
    if written != BACKUP_FORMAT:
        raise DamagedBackup(
            source, f"it has the format {written}, this release reads {BACKUP_FORMAT}. Take the release that wrote it."
        )
    try:
        return Backup.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise DamagedBackup(source, f"{INDEX}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error


def restore(source: Path, ledger: Ledger, lake: DataLake) -> Restored:
    """Fill an empty ledger, and the lake if the backup has one. Nobody may work with them meanwhile.

    It may be repeated after a crash. All hashes are checked before anything is written. The lake gets its identity first, and the
    ledger its own last: before that the two do not belong together, so that nobody works with a half of them.

    Args:
        source: The backup's folder.
        ledger: An empty one, or one that a restore of this backup was begun with.
        lake: Where the files of a backup with a lake go: an empty lake, or the one that was backed up, which gets what it lacks.

    Raises:
        DamagedBackup: when a file of the backup is not as it was written.
        NotEmpty: when ledger or lake hold something else.
        ServiceUnavailable: when the folder cannot be read.
    """
    with _reached(source):
        return _restore(source, ledger, lake)


def _restore(source: Path, ledger: Ledger, lake: DataLake) -> Restored:
    backup = read_backup(source)
    for file in backup.files:
        if not (source / file.name).is_file():
            raise DamagedBackup(source, f"{file.name} is not there.")
        if _described(source / file.name) != file:
            raise DamagedBackup(source, f"{file.name} was changed or cut after it was written.")
    name = backup.files[0].sha256
    if not may_fill(ledger, name):
        why = "it is not empty. A backup is restored into an empty ledger only. Nothing was changed."
        raise NotEmpty(ledger.store.place, why, "the settings, which have to name a new ledger")
    placed = 0
    if backup.lake_files is not None:
        _require_room(lake, backup)
        listed = [*_listed(source)]
        for each in listed:
            path = source / LAKE / each.name
            if not path.is_file() or _described(path, each.name) != each:
                raise DamagedBackup(source, f"{LAKE}/{each.name} is not there, or was changed after it was written.")
        for each in sorted(listed, key=lambda file: file.name != IDENTITY):
            placed += lake.store.create(each.name, source / LAKE / each.name)
    fill(ledger, name, _read(source))
    return Restored(backup=backup, lake_files=placed)


def _make(target: Path) -> None:
    """Make the folder of a backup, for its owner alone; or clear it, if a backup was killed there."""
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = {path.name for path in target.iterdir()}
    if INDEX in found or found - {LEDGER, LAKE_LIST, LAKE, f"{INDEX}.part"}:
        why = "the folder is not empty. Each backup gets a folder of its own. Nothing was changed."
        raise NotEmpty(f"the backup in {target}", why, "the name of the folder")
    for name in found - {LAKE}:
        (target / name).unlink()


def _copy_lake(lake: DataLake, target: Path, reserved: set[str]) -> tuple[int, int]:
    """Copy the objects that a ledger with these reservations can name. Returns how many there are, and their size in bytes."""
    files = size = 0
    with _writing(target / LAKE_LIST) as listing:
        for info in lake.store.list():
            if info.key != IDENTITY and not info.key.startswith(RAW) and lake.prefix_of(info.key) not in reserved:
                continue
            path = target / LAKE / info.key
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lake.fetch(info.key, path)
            described = _synced(path, info.key)
            listing.write(f"{described.model_dump_json()}\n".encode())
            files, size = files + 1, size + described.bytes
    return files, size


def _require_room(lake: DataLake, backup: Backup) -> None:
    """Refuse a lake that is another one, or in which something lies that is no lake's."""
    found = lake.identity()
    if found is None and any(True for _ in lake.store.list()):
        why = "it is not empty, and it is not the lake of this backup. Nothing was changed."
    elif found is not None and (found.lake_id, found.ledger_id) != (backup.lake_id, backup.ledger_id):
        own = f"it is {found.lake_id} of the ledger {found.ledger_id}"
        why = f"{own}, and the backup is of the lake {backup.lake_id}. Nothing was changed."
    else:
        return
    raise NotEmpty(f"the data lake in {lake.store.place}", why, "the settings, which have to name an empty lake")


def _listed(source: Path) -> Iterator[BackedUpFile]:
    with pa.input_stream(source / LAKE_LIST, compression="zstd") as listing:
        for text in _lines(listing):
            yield BackedUpFile.model_validate_json(text)


def _read(source: Path) -> Iterator[Copied]:
    with pa.input_stream(source / LEDGER, compression="zstd") as file:
        yield from map(record_of, _lines(file))


def _lines(file: Any) -> Iterator[bytes]:
    """Lines of a stream, however long."""
    rest = b""
    while piece := file.read(_CHUNK):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        yield rest


@contextmanager
def _writing(path: Path) -> Iterator[Any]:
    """A compressed file, whole when the context ends."""
    path.touch(mode=0o600)
    with pa.output_stream(path, compression="zstd") as file:
        yield file


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _synced(path: Path, name: str) -> BackedUpFile:
    """Have a file of the backup on the disk, and say what it is."""
    return BackedUpFile(name=name, sha256=synced(path), bytes=path.stat().st_size)


def _described(path: Path, name: str | None = None) -> BackedUpFile:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return BackedUpFile(name=name or path.name, bytes=file.tell(), sha256=sha256)
