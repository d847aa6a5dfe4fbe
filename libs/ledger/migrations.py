"""What a MongoDB ledger needs beside its documents: numbered steps, each recorded when it has been made.

Every step may be made again, by any number of processes at once: whoever dies between a step and its record does no harm.
A step that has been released never changes; what is needed later is a further one. All of them serve speed only: a server that
does not know how to make one does without, and is asked again when the store is next opened. No step changes a document: those
of older formats are upgraded when they are read (``upgraded`` of each model in ``libs/models``).
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure

from libs.ledger.store import ORDERED_BY
from libs.models import utc_now

_Step = Callable[[Database[dict[str, Any]]], None]


def _by_time(database: Database[dict[str, Any]]) -> None:
    """Listing manifests, assets and the audit log newest first needs no sort."""
    for collection, field in ORDERED_BY.items():
        database[collection].create_index([(field, 1), ("_id", 1)], name="by_time")


def _activity_by_subject(database: Database[dict[str, Any]]) -> None:
    """What was done to one batch or object is found without reading the whole audit log."""
    order = [("subject", 1), (ORDERED_BY["activity_logs"], 1), ("_id", 1)]
    database["activity_logs"].create_index(order, name="by_subject")


MIGRATIONS: dict[str, _Step] = {
    "0001 indexes by time": _by_time,
    "0002 index of the audit log by subject": _activity_by_subject,
}
"""In the order in which they are made; the name is the ``_id`` of the record in ``migrations``."""


_UNKNOWN_COMMAND, _NOT_SUPPORTED, _NOT_IMPLEMENTED = 59, 115, 238


def migrate(database: Database[dict[str, Any]]) -> list[str]:
    """Make what is missing, in order. Returns the names of what was made."""
    recorded = {record["_id"] for record in database["migrations"].find({}, {"_id": 1})}
    made = []
    for name, make in MIGRATIONS.items():
        if name in recorded:
            continue
        try:
            make(database)
        except OperationFailure as error:
            if error.code not in {_UNKNOWN_COMMAND, _NOT_SUPPORTED, _NOT_IMPLEMENTED}:
                raise
            continue
        with suppress(DuplicateKeyError):  # another process was as fast
            database["migrations"].insert_one({"_id": name, "made_at": utc_now()})
        made.append(name)
    return made
