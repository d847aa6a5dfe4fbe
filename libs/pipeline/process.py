"""Working off the landing zone: what lies in ``manifests/`` is unfinished work, and the ledger says what to do with each."""

import logging
from collections.abc import Collection, Iterator, Mapping
from time import monotonic, sleep

from libs.models import LakeOfAnother, ParsedManifest, Report, ServiceUnavailable
from libs.pipeline import scratch
from libs.pipeline.ingest import canceled, ingest
from libs.pipeline.intake import Growing, Ready, claim, finish, look, receive
from libs.pipeline.notify import sending
from libs.pipeline.progress import Progress, no_progress
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

    One that may not be read is answered, and stays. One that is still being written keeps nobody waiting: it comes last.

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
        patient: Give manifests that are still being written the time that they are to have settled for. Else they are left.
    """
    stack.require_own_lake(bind=True)
    waiting, reports = look(stack) if keys is None else (stack.landing.waiting(), [])
    yield from reports
    waiting = [info for info in waiting if keys is None or info.key in keys]
    if waiting:
        stack.warm_up()
        stack.lake.store.check()
        scratch.check(stack.scratch)
    until: float | None = None
    while waiting:
        growing = []
        for info in waiting:
            found = _deal_with(stack, info, progress, parsed.get(info.key))
            if isinstance(found, Report):
                yield found
            elif found is not None:
                growing.append(info.key)
        waiting = []
        if until is None:
            until = monotonic() + (stack.landing.settle_seconds + _LOOK_AGAIN if patient else 0.0)
        if growing and monotonic() < until:
            sleep(_LOOK_AGAIN)
            waiting = [info for info in stack.landing.waiting() if info.key in growing]
        elif growing and patient:
            _LOG.warning("Still being written, and left until they are whole: %s.", ", ".join(growing))


def watch(stack: Stack, *, interval: float = 1.0, progress: Progress = no_progress) -> Iterator[Report]:
    """Process for ever. A service that fails is waited for, longer each time: what was not dealt with still waits.

    Args:
        stack: What to work with.
        interval: Seconds between two looks at the landing zone.
        progress: Told of every step.
    """
    pause = interval
    with sending(stack):
        while True:
            try:
                yield from _one_pass(stack, None, {}, progress, patient=False)
                pause = interval
            except LakeOfAnother:
                raise
            except ServiceUnavailable as error:
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


def _deal_with(stack: Stack, info: ObjectInfo, progress: Progress, parsed: ParsedManifest | None) -> Report | Growing | None:
    received = receive(stack, info, parsed)
    if not isinstance(received, Ready):
        return received
    run = claim(stack, received)
    outcome = ingest(stack, run, received.batch, progress) if run else None
    return finish(stack, received.info, received.content, outcome) if outcome else None
