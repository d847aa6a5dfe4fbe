"""Keeping a run alive in the ledger while it works."""

import threading
from types import TracebackType
from typing import Self

from libs.ledger import Ledger
from libs.models import Run, ServiceUnavailable, SpatialEtlError

_SHARE, _LONGEST = 20, 1.0


def pause_between_looks(lease_seconds: float) -> float:
    """Seconds between two looks at a worker of another machine that may be gone: few in the time that it is given."""
    return min(lease_seconds / _SHARE, _LONGEST)


class LeaseLost(SpatialEtlError):  # noqa: N818 - what happened
    """The run was decided by another worker meanwhile: nothing that it does will count."""


class Lease:
    """Beats a run's heart in a thread for as long as the context lasts.

    A ledger that cannot be reached for a while does no harm: the next beat tries again, and committing is decided by the
    ledger in any case.
    """

    def __init__(self, ledger: Ledger, run: Run) -> None:
        self._ledger, self._run = ledger, run
        self._over, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease of {run.id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Say whether it is still worth going on.

        Raises:
            LeaseLost: when it is not.
        """
        if self._lost.is_set():
            raise LeaseLost(f"{self._run.id} was taken over")

    def _beat(self) -> None:
        while not self._over.wait(self._run.lease_seconds / 4):
            try:
                if not self._ledger.heartbeat(self._run):
                    self._lost.set()
                    return
            except ServiceUnavailable:
                continue
