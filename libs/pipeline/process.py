"""Working off the landing zone: what lies in ``manifests/`` is unfinished work, and the ledger says what to do with each."""

import logging
from collections.abc import Collection, Iterator, Mapping
from time import sleep

from libs.models import LakeOfAnother, ParsedManifest, Report, ServiceUnavailable
from libs.pipeline import scratch
from libs.pipeline.ingest import canceled, ingest
from libs.pipeline.intake import Ready, finish, receive
from libs.pipeline.software import software_versions
from libs.pipeline.stack import Progress, Stack, no_progress
from libs.storage import ObjectInfo

_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE = 60.0
"""Seconds between two looks, at most, while a service fails."""


def process(
    stack: Stack,
    *,
    keys: Collection[str] | None = None,
    parsed: Mapping[str, ParsedManifest] | None = None,
    progress: Progress = no_progress,
) -> Iterator[Report]:
    """Deal with every manifest that waits, oldest first, and report on each that is dealt with.

    Args:
        stack: What to work with.
        keys: Deal with these manifests only.
        parsed: Manifests that have been parsed already, by key.
        progress: Told of every step.

    Raises:
        ServiceUnavailable: when a service fails, or the lake is another ledger's; what was not dealt with still waits.
    """
    stack.require_own_lake(bind=True)
    waiting = [info for info in stack.landing.waiting() if keys is None or info.key in keys]
    if waiting:
        stack.warm_up()
        stack.lake.store.check()
        scratch.check(stack.scratch)
    for info in waiting:
        report = _deal_with(stack, info, progress, (parsed or {}).get(info.key))
        if report is not None:
            yield report


def watch(stack: Stack, *, interval: float = 1.0, progress: Progress = no_progress) -> Iterator[Report]:
    """Process for ever. A service that fails is waited for, longer each time: what was not dealt with still waits.

    Args:
        stack: What to work with.
        interval: Seconds between two looks at the landing zone.
        progress: Told of every step.
    """
    pause = interval
    while True:
        try:
            yield from process(stack, progress=progress)
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
            run = stack.ledger.claim(received.received, software_versions(stack.engine))
            outcome = canceled(stack, run, received.batch) if run else None
            received = finish(stack, info, received.content, outcome) if outcome else None
        if received is not None:
            yield received


def _deal_with(stack: Stack, info: ObjectInfo, progress: Progress, parsed: ParsedManifest | None) -> Report | None:
    received = receive(stack, info, parsed)
    if not isinstance(received, Ready):
        return received
    run = stack.ledger.claim(received.received, software_versions(stack.engine))
    outcome = ingest(stack, run, received.batch, progress) if run else None
    return finish(stack, info, received.content, outcome) if outcome else None
