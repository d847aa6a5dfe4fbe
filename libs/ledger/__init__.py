"""The ledger: all rules of who may decide what, once, over a narrow document store."""

from libs.ledger.ledger import KEPT_PROBLEMS, Action, Ledger, Received
from libs.ledger.life import Life
from libs.ledger.outdated import outdated
from libs.ledger.records import UNAVAILABLE, BatchState, Records, Standing, is_refused_the_name
from libs.ledger.sqlite import SqliteStore
from libs.ledger.store import DocumentStore, DocumentTooLarge
from libs.ledger.turns import ahead

__all__ = [
    "KEPT_PROBLEMS", "UNAVAILABLE", "Action", "BatchState", "DocumentStore", "DocumentTooLarge", "Ledger", "Life", "Received",
    "Records", "SqliteStore", "Standing", "ahead", "is_refused_the_name", "outdated",
]  # fmt: skip
