"""Workers that have waited for others' signs of life."""

from itertools import count
from typing import Any

from libs.ledger import DocumentStore, Ledger


def long_watched(store: DocumentStore, **settings: Any) -> Ledger:
    """A worker that has watched all runs for an hour, and has seen no sign of life of them."""
    ledger = Ledger(store, monotonic=count(step=3600).__next__, **settings)
    for run in ledger.undecided():
        ledger.life(run)
    return ledger
