"""Whether work waits for too long. Reported by the job ``reconcile``, every few minutes."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from libs.storage import ObjectInfo

NAME = "in_time"
WAITING = dg.AssetKey(["platform", "waiting_work"])
"""What the check is of. No dataset has a key of two parts."""
LATE = 900
"""Seconds after which work that waits deserves a warning."""

IN_TIME = dg.AssetCheckSpec(NAME, asset=WAITING, description=f"No manifest waits for longer than {LATE // 60} minutes.")


def events(waiting: Sequence[ObjectInfo], now: datetime) -> Iterator[Any]:
    """How much waits, and whether for too long.

    Args:
        waiting: Manifests, the oldest first.
        now: By the clock of their store.
    """
    seconds = round((now - waiting[0].modified).total_seconds()) if waiting else 0
    oldest = waiting[0].key if waiting else "none"
    yield dg.AssetObservation(WAITING, metadata={"manifests": len(waiting), "oldest": oldest, "seconds": seconds})
    yield dg.AssetCheckEvaluation(
        asset_key=WAITING,
        check_name=NAME,
        passed=seconds <= LATE,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{len(waiting):,} waiting; the oldest, {oldest}, for {seconds:,} s." if waiting else "Nothing waits.",
    )
