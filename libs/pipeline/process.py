"""Working off the landing zone: what lies in ``manifests/`` is unfinished work, and the ledger says what to do with each."""

import logging
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress
from time import sleep

from libs.ledger import Action
from libs.models import Decision, Outcome, Problem, Report, ServiceUnavailable, Status
from libs.pipeline.checks import check_surroundings
from libs.pipeline.ingest import ingest
from libs.pipeline.software import software_versions
from libs.pipeline.stack import Progress, Stack, no_progress
from libs.spatial_utils import reading
from libs.storage import ObjectInfo, ObjectRefused

_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE = 60.0
"""Seconds between two looks, at most, while a service fails."""


def process(stack: Stack, *, keys: Collection[str] | None = None, progress: Progress = no_progress) -> Iterator[Report]:
    """Deal with every manifest that waits, oldest first, and report on each that is dealt with.

    Args:
        stack: What to work with.
        keys: Deal with these manifests only.
        progress: Told of every step.

    Raises:
        ServiceUnavailable: when a service fails; what was not dealt with still waits.
    """
    waiting = [info for info in stack.landing.waiting() if keys is None or info.key in keys]
    if waiting:
        warm_up(stack)
    for info in waiting:
        report = _deal_with(stack, info, progress)
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
        except ServiceUnavailable as error:
            pause = min(2 * pause, _LONGEST_PAUSE)
            _LOG.warning("%s Looking again in %g s.", error, pause)
        sleep(pause)


def warm_up(stack: Stack) -> None:
    """Start what takes a moment, the reading process and the engine, and return at once. Optional: early is best."""
    reading.warm_up()
    threading.Thread(target=_warm_up_engine, args=(stack,), name="warm-up", daemon=True).start()


def _warm_up_engine(stack: Stack) -> None:
    with suppress(ServiceUnavailable):  # whoever needs the engine meets it again
        stack.engine.warm_up()


def _deal_with(stack: Stack, info: ObjectInfo, progress: Progress) -> Report | None:
    try:
        content = stack.landing.read_manifest(info.key)
    except ObjectRefused as error:
        return _unreadable(info, error)
    if content is None:
        return None  # another worker has dealt with it
    received = stack.ledger.receive(
        info.key,
        content,
        info.version,
        stack.landing.bucket,
        check=lambda value: check_surroundings(value, stack.landing, stack.registry),
    )
    receipt, outcome = received.receipt, received.outcome
    if received.action is Action.REJECT:
        report = Report.of_rejection(receipt)
        stack.landing.report(report)
        stack.landing.archive(info, content, receipt.batch_id, f"rejected-{receipt.id.partition('@')[2]}")
        return report
    if received.action is Action.PROCESS and received.manifest is not None:
        run = stack.ledger.claim(received, software_versions(stack.engine))
        outcome = ingest(stack, run, received.manifest, progress) if run else None
    if outcome is None:
        return None
    return _finish(stack, info, content, outcome)


def _finish(stack: Stack, info: ObjectInfo, content: bytes, outcome: Outcome) -> Report:
    """What follows a decision. Harmless to repeat: until the manifest is archived, the next worker does it all again."""
    if outcome.decision is Decision.SUCCESS:
        stack.ledger.publish(outcome)
    report = Report.of_outcome(outcome)
    stack.landing.report(report)
    stack.landing.archive(info, content, outcome.batch_id, outcome.run_id)
    return report


def _unreadable(info: ObjectInfo, error: ObjectRefused) -> Report:
    """A manifest that the platform may not open cannot be recorded by its content, so it stays until it can be."""
    problem = Problem(
        code="unreadable_manifest", where=info.key, message=f"It {error.reason}.", remedy="Make it readable for the platform."
    )
    name = info.key.rpartition("/")[2].removesuffix(".json")
    return Report(batch_id=name, run_id=None, status=Status.REJECTED, intent=None, recipe=None, problems=(problem,))
