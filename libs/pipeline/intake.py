"""Taking in what waits in the landing zone: what needs no run is answered, the rest is made ready for one.

Both ``process``, which runs batches one after the other, and an orchestrator, which hands them out, begin here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from time import monotonic

from libs.ledger import Action, Received
from libs.models import Decision, Outcome, ParsedManifest, Problem, Report, ServiceUnavailable, Status
from libs.pipeline.fault import fault
from libs.pipeline.stack import Stack
from libs.pipeline.validation import Validation, ValidBatch
from libs.storage import ObjectInfo, ObjectRefused


@dataclass(frozen=True)
class Ready:
    """A manifest whose batch may be claimed.

    Attributes:
        info: As it lies in the landing zone.
        content: As it was read.
        received: What the ledger decided about it.
        batch: Validated, with all that was found on the way.
    """

    info: ObjectInfo
    content: bytes
    received: Received
    batch: ValidBatch

    @property
    def attempt(self) -> str:
        """Id of the run that it would become."""
        return f"{self.batch.manifest.batch_id}#{self.received.attempt}"


@dataclass(frozen=True)
class Work:
    """A batch that can be handed out.

    Attributes:
        key: Of its manifest.
        attempt: Id of the ledger's run that it would become.
        bytes: Size of its files.
    """

    key: str
    attempt: str
    bytes: int


@dataclass(frozen=True)
class Intake:
    """The result of taking in.

    Attributes:
        reports: On what was answered without a run.
        ready: What is to be run, oldest first.
        unseen: How many manifests there was no time for. They still wait.
    """

    reports: tuple[Report, ...]
    ready: tuple[Work, ...]
    unseen: int


def take_in(stack: Stack, *, seconds: float, in_hand: Collection[str] = ()) -> Intake:
    """Look at what waits, oldest first, for as long as there is time.

    Args:
        stack: What to work with.
        seconds: To look at no further manifest after.
        in_hand: Keys of manifests that have been handed out already.
    """
    stack.require_own_lake(bind=True)
    until = monotonic() + seconds
    waiting = [info for info in stack.landing.waiting() if info.key not in in_hand]
    reports, ready = [], []
    seen = 0
    for info in waiting:
        if seen and monotonic() > until:
            break
        seen += 1
        found = receive(stack, info)
        if isinstance(found, Ready):
            ready.append(Work(info.key, found.attempt, found.batch.bytes))
        elif found is not None:
            reports.append(found)
    return Intake(tuple(reports), tuple(ready), len(waiting) - seen)


def receive(stack: Stack, info: ObjectInfo, known: ParsedManifest | None = None) -> Report | Ready | None:
    """Record a manifest that waits, and answer it if that needs no run. The only place where a manifest is validated.

    Args:
        stack: What to work with.
        info: The manifest's object.
        known: The manifest, if it has been parsed already.

    Returns:
        The report on a manifest that is answered; None when another worker works on it.
    """
    try:
        parsed = stack.landing.read_manifest(info.key, known)
    except ObjectRefused as error:
        return _unreadable(info, error)
    if parsed is None:
        return None  # another worker has dealt with it
    content, validation = parsed.content, Validation(parsed, stack.landing, stack.registry)
    received = stack.ledger.receive(info.key, parsed, info.version, check=lambda: _checked(validation))
    receipt = received.receipt
    if received.action is Action.REJECT:
        report = Report.of_rejection(receipt)
        stack.landing.report(report)
        stack.landing.archive(info, content, receipt.batch_id, f"rejected-{receipt.id.partition('@')[2]}")
        return report
    if received.outcome is not None:
        return finish(stack, info, content, received.outcome)
    return Ready(info, content, received, validation.batch) if validation.batch is not None else None


def _checked(validation: Validation) -> list[Problem]:
    """Everything that is wrong with a manifest beyond itself. When a check itself fails, that is a problem, too.

    Raises:
        ServiceUnavailable: when a service fails; the manifest still waits.
    """
    try:
        return validation.problems()
    except ServiceUnavailable:
        raise
    except Exception as error:
        stop, problem = fault(error, "the checks of a manifest failed")
        if stop is not None:
            raise stop from error
        return [problem]


def finish(stack: Stack, info: ObjectInfo, content: bytes, outcome: Outcome) -> Report:
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
