"""What a backup says of itself."""

from libs.models.base import Model, Moment, Sha256

BACKUP_FORMAT = 1
"""Of the files of a backup. A release that reads them otherwise raises it."""


class BackedUpFile(Model):
    """A file of a backup."""

    name: str
    bytes: int
    sha256: Sha256


class Backup(Model):
    """A backup (its file ``backup.json``, which is written last).

    Attributes:
        format: See :data:`BACKUP_FORMAT`.
        release: That made it.
        ledger_id: What the ledger is called; None for one that has no name yet.
        ledger: Where it was, for people.
        lake_id: What its lake is called.
        lake: Where that was, for people.
        records: How many there are of each collection.
        files: All files but this one; those of the lake are named in ``lake.jsonl.zst``.
        lake_files: How many objects of the lake are in it; None for a backup without them.
        lake_bytes: Their size.
    """

    format: int = BACKUP_FORMAT
    release: str
    made_at: Moment
    ledger_id: str | None
    ledger: str
    lake_id: str | None
    lake: str
    records: dict[str, int]
    files: tuple[BackedUpFile, ...]
    lake_files: int | None = None
    lake_bytes: int | None = None
