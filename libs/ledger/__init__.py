"""The ledger: all rules of who may decide what, once, over a narrow document store."""

from libs.ledger.ledger import Action, Ledger, Received
from libs.ledger.records import UNAVAILABLE, BatchState, Records
from libs.ledger.sqlite import SqliteStore
from libs.ledger.store import DocumentStore

__all__ = ["UNAVAILABLE", "Action", "BatchState", "DocumentStore", "Ledger", "Received", "Records", "SqliteStore"]
