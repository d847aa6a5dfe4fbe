"""Working off the landing zone: what lies in ``manifests/`` is unfinished work, and the ledger says what to do with each."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from time import monotonic, sleep

from libs.ledger import Life
from libs.ledger.receipt import batch_id_of
from libs.logs import about
from libs.models import LakeOfAnother, ParsedManifest, Report, Run, ServiceUnavailable, Status
from libs.pipeline import scratch
from libs.pipeline.ingest import canceled, ingest
from libs.pipeline.intake import AtWork, Growing, Ready, claim, finish, look, receive, taken_over
from libs.pipeline.lease import pause_between_looks
from libs.pipeline.notify import sending
from libs.pipeline.progress import Event, Progress, no_progress
from libs.pipeline.stack import Stack
from libs.storage import ObjectInfo

_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE = 60.0
"""Seconds between two looks, at most, while a service fails."""
_LOOK_AGAIN = 0.2
"""Seconds between two looks at manifests that are still being written."""


def process(
    stack: Stack,
    *,
    keys: Collection[str] | None = None,
    parsed: Mapping[str, ParsedManifest] | None = None,
    progress: Progress = no_progress,
) -> Iterator[Report]:
    """Deal with every manifest that waits, oldest first, and report on each that is dealt with.

    One that may not be read is answered, and stays. One that is still being written keeps nobody waiting: it comes last. So does
    one whose worker on another machine may be gone: it is watched until it gives a sign of life, for a lease's time at most.

    Args:
        stack: What to work with.
        keys: Deal with these manifests only.
        parsed: Manifests that have been parsed already, by key.
        progress: Told of every step.

    Raises:
        ServiceUnavailable: when a service fails, or the lake is another ledger's; what was not dealt with still waits.
    """
    with sending(stack):
        yield from _one_pass(stack, keys, parsed or {}, progress, patient=True)


def _one_pass(
    stack: Stack, keys: Collection[str] | None, parsed: Mapping[str, ParsedManifest], progress: Progress, *, patient: bool
) -> Iterator[Report]:
    """One look at the landing zone.

    Args:
        stack: See :func:`process`, also for the next three.
        keys: See there.
        parsed: See there.
        progress: See there.
        patient: Give manifests that are still being written the time that they are to have settled for, and workers that may be
            gone the time of their lease. Else they are left.
    """
    stack.require_own_lake(bind=True)
    waiting, reports = look(stack) if keys is None else (stack.landing.waiting(), [])
    yield from reports
    waiting = [info for info in waiting if keys is None or info.key in keys]
    if waiting:
        known = [parsed.get(info.key) for info in waiting]
        stack.warm_up(engine=not all(found is not None and found.only_rasters for found in known))
        stack.lake.store.check()
        scratch.check(stack.scratch)
    patience = _Patience(stack, seconds=stack.landing.settle_seconds + _LOOK_AGAIN if patient else 0.0)
    while waiting:
        left: list[Growing | AtWork] = []
        for info in waiting:
            found = _deal_with(stack, info, progress, parsed.get(info.key))
            if isinstance(found, Report):
                yield found
            elif found is not None:
                left.append(found)
        waiting = patience.look_again(left, progress)


class _Patience:
    """The time that is given to what cannot be dealt with yet.

    Args:
        stack: What to work with.
        seconds: For manifests that are still being written; 0 to wait for nothing.
    """

    def __init__(self, stack: Stack, seconds: float) -> None:
        self._stack, self._seconds = stack, seconds
        self._until: float | None = None

    def look_again(self, left: Collection[Growing | AtWork], progress: Progress) -> list[ObjectInfo]:
        """Wait a moment. Returns which of the manifests to look at again; none when nothing is to be waited for any more."""
        if not left or not self._seconds:
            return []
        if self._until is None:
            self._until = monotonic() + self._seconds
        growing = [each.info.key for each in left if isinstance(each, Growing)]
        if growing and monotonic() >= self._until:
            _LOG.warning("Still being written, and left until they are whole: %s.", ", ".join(growing))
            growing = []
        runs = {each.info.key: each.run for each in left if isinstance(each, AtWork)}
        watched = {key: run for key, run in runs.items() if self._stack.ledger.life(run) is Life.UNSURE}
        for run in watched.values():
            progress(Event(run.batch_id, "watch", run.owner))
        if not growing and not watched:
            return []
        sleep(_LOOK_AGAIN if growing else pause_between_looks(self._stack.ledger.lease_seconds))
        return [info for info in self._stack.landing.waiting() if info.key in {*growing, *watched}]


def at_work(stack: Stack) -> Iterator[Run]:
    """The runs of other workers at manifests that still wait."""
    for info in stack.landing.waiting():
        state = stack.ledger.batch(batch_id_of(info.key))
        if state is not None and state.run is not None and state.status is Status.RUNNING:
            yield state.run


def watch(
    stack: Stack,
    *,
    interval: float = 1.0,
    progress: Progress = no_progress,
    looked: Callable[[ServiceUnavailable | None], None] = lambda _: None,
) -> Iterator[Report]:
    """Process for ever. A service that fails is waited for, longer each time: what was not dealt with still waits.

    Args:
        stack: What to work with.
        interval: Seconds between two looks at the landing zone.
        progress: Told of every step.
        looked: Told how each look at the landing zone ended.
    """
    pause = interval
    with sending(stack):
        while True:
            try:
                yield from _one_pass(stack, None, {}, progress, patient=False)
                pause = interval
                looked(None)
            except LakeOfAnother:
                raise
            except ServiceUnavailable as error:
                looked(error)
                pause = min(2 * pause, _LONGEST_PAUSE)
                _LOG.warning("%s Looking again in %g s.", error, pause)
            sleep(pause)


def cancel(stack: Stack, keys: Collection[str]) -> Iterator[Report]:
    """Decide that manifests which wait are not to be processed, and report on each.

    Args:
        stack: What to work with.
        keys: The manifests. One that another worker is at is left alone.
    """
    stack.require_own_lake(bind=False)
    for info in stack.landing.waiting():
        received = receive(stack, info) if info.key in keys else None
        if isinstance(received, Ready):
            run = claim(stack, received)
            outcome = canceled(stack, run, received.batch) if run else None
            received = finish(stack, received.info, received.content, outcome) if outcome else None
        if isinstance(received, Report):
            yield received


def _deal_with(
    stack: Stack, info: ObjectInfo, progress: Progress, parsed: ParsedManifest | None
) -> Report | Growing | AtWork | None:
    with about(batch_id=batch_id_of(info.key)):
        received = receive(stack, info, parsed)
        if not isinstance(received, Ready):
            return received
        run = claim(stack, received)
        if run is None:
            return None
        outcome = ingest(stack, run, received.batch, progress)
        return finish(stack, received.info, received.content, outcome) if outcome else taken_over(stack, run)
