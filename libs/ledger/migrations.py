"""What a MongoDB ledger needs beside its documents: numbered steps, each recorded when it has been made.

Every step may be made again, by any number of processes at once: whoever dies between a step and its record does no harm.
A step that has been released never changes; what is needed later is a further one.
"""

from collections.abc import Callable
from typing import Any

from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from libs.ledger.store import ORDERED_BY
from libs.models import utc_now

_Step = Callable[[Database[dict[str, Any]]], None]


def _by_time(database: Database[dict[str, Any]]) -> None:
    for collection, field in ORDERED_BY.items():
        database[collection].create_index([(field, 1), ("_id", 1)], name="by_time")


def _activity_by_subject(database: Database[dict[str, Any]]) -> None:
    order = [("subject", 1), (ORDERED_BY["activity_logs"], 1), ("_id", 1)]
    database["activity_logs"].create_index(order, name="by_subject")


MIGRATIONS: dict[str, _Step] = {
    "0001 indexes by time": _by_time,
    "0002 index of the audit log by subject": _activity_by_subject,
}
"""In the order in which they are made; the name is the ``_id`` of the record in ``migrations``."""


def migrate(database: Database[dict[str, Any]]) -> list[str]:
    """Make what is missing, in order. Returns the names of what was made."""
    recorded = {record["_id"] for record in database["migrations"].find({}, {"_id": 1})}
    missing = [name for name in MIGRATIONS if name not in recorded]
    for name in missing:
        MIGRATIONS[name](database)
        try:
            database["migrations"].insert_one({"_id": name, "made_at": utc_now()})
        except DuplicateKeyError:
            continue  # another process was as fast
    return missing
