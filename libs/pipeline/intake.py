"""Taking in what waits in the landing zone: what needs no run is answered, the rest is made ready for one.

Both ``process``, which runs batches one after the other, and an orchestrator, which hands them out, begin here.
"""

import hashlib
import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from time import monotonic

from libs.ledger import Action, Received, is_refused_the_name
from libs.models import Outcome, ParsedManifest, Problem, Receipt, Report, Run, ServiceUnavailable, Status
from libs.pipeline.fault import fault
from libs.pipeline.notify import note_outcome, note_rejection
from libs.pipeline.publishing import publish
from libs.pipeline.software import software_versions
from libs.pipeline.stack import Stack
from libs.pipeline.validation import Validation, ValidBatch
from libs.storage import ObjectChanged, ObjectInfo, ObjectRefused

_TELLING = 30.0
"""Seconds, at most, for telling others beside one look of an orchestrator."""


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
class Growing:
    """A manifest that is still being written. It is left alone until it is whole.

    Attributes:
        info: As it lies in the landing zone.
    """

    info: ObjectInfo


@dataclass(frozen=True)
class AtWork:
    """A manifest whose batch another worker is at.

    Attributes:
        info: As it lies in the landing zone.
        run: Of the other worker.
    """

    info: ObjectInfo
    run: Run


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


def take_in(stack: Stack, *, seconds: float, enough: int = 0, longest: float = 0.0, in_hand: Collection[str] = ()) -> Intake:
    """Look at what waits, oldest first, for as long as there is time.

    Args:
        stack: What to work with.
        seconds: To look at no further manifest after, once enough are ready.
        enough: How many batches can be handed out now.
        longest: Seconds to look at no further manifest after, however few are ready.
        in_hand: Keys of manifests that have been handed out already.
    """
    stack.require_own_lake(bind=True)
    begun = monotonic()
    waiting, reports = look(stack, seconds / 2)
    waiting = [info for info in waiting if info.key not in in_hand]
    ready: list[Work] = []
    seen = 0
    for info in waiting:
        if seen and monotonic() - begun > (seconds if len(ready) >= enough else max(seconds, longest)):
            break
        seen += 1
        found = receive(stack, info)
        if isinstance(found, Ready):
            ready.append(Work(info.key, found.attempt, found.batch.bytes))
        elif isinstance(found, Report):
            reports.append(found)
    stack.sender.turn_aside(_TELLING)
    return Intake(tuple(reports), tuple(ready), len(waiting) - seen)


def look(stack: Stack, seconds: float = math.inf) -> tuple[list[ObjectInfo], list[Report]]:
    """The manifests that wait, oldest first, and the reports on those that may not be read. Each is told of once.

    Args:
        stack: What to work with.
        seconds: To answer none of the latter after. It is answered at a later look.
    """
    until = monotonic() + seconds
    refused: list[ObjectRefused] = []
    waiting = [info for info in stack.landing.waiting(refused.append) if stack.left.is_due(info.key, info.version)]
    due = (error for error in refused if stack.left.is_due(stack.landing.key_of(error), error.reason))
    in_time = takewhile(lambda _: monotonic() <= until, due)
    return waiting, [report for error in in_time if (report := _refuse(stack, error))]


def receive(stack: Stack, info: ObjectInfo, known: ParsedManifest | None = None) -> Report | Ready | Growing | AtWork | None:
    """Record a manifest that waits, and answer it if that needs no run. The only place where a manifest is validated.

    Args:
        stack: What to work with.
        info: The manifest's object.
        known: The manifest, if it has been parsed already.

    Returns:
        The report on a manifest that is answered; None when another worker has dealt with it, or nothing new can be said.
    """
    try:
        found = stack.landing.read_manifest(info.key, known)
    except ObjectRefused as error:
        return _refuse(stack, error, info)
    except ObjectChanged:
        return Growing(info)
    if found is None:
        return None  # another worker has dealt with it
    info, parsed = found  # as it was read: it may have been replaced since it was listed
    content, validation = parsed.content, Validation(parsed, stack)
    received = stack.ledger.receive(info.key, parsed, info.version, check=lambda: _checked(validation))
    receipt = received.receipt
    if received.action is Action.REJECT:
        _answer_replaced(stack, received)
        stands = not is_refused_the_name(receipt)
        if not stands:
            _report_again(stack, receipt.batch_id, stands=True)
        note_rejection(stack, receipt, info.version)
        return _answer(stack, info, content, Report.of_rejection(receipt), _name_of(receipt), stands=stands)
    if received.outcome is not None:
        return finish(stack, info, content, received.outcome)
    return _to_be_run(info, content, received, validation.batch)


def _to_be_run(info: ObjectInfo, content: bytes, received: Received, batch: ValidBatch | None) -> Ready | AtWork | None:
    if received.running is not None:
        return AtWork(info, received.running)
    return Ready(info, content, received, batch) if batch is not None else None


def claim(stack: Stack, ready: Ready) -> Run | None:
    """Begin an attempt at a batch, and answer the manifests whose place it took. None when another worker has it."""
    if ready.received.attempt > 1:
        _report_again(stack, ready.batch.manifest.batch_id, stands=False)
    run = stack.ledger.claim(ready.received, software_versions(stack.engine))
    if run is not None:
        _answer_replaced(stack, ready.received)
    return run


def _report_again(stack: Stack, batch_id: str, *, stands: bool) -> None:
    """Make sure that the last attempt at a batch has its report.

    A worker died before it wrote it, and another manifest took the place of the one that would have reminded the next worker. Or
    a release wrote it that kept none by attempt.
    """
    state = stack.ledger.batch(batch_id)
    if state is None or state.run is None or state.outcome is None:
        return
    receipt = stack.ledger.receipt(state.run.receipt_id)
    report = Report.of_outcome(state.outcome, stack.lake.uri, receipt.sha256 if receipt else None)
    _reported(stack, report, state.run.id, stands=stands and state.status is report.status)


def _answer_replaced(stack: Stack, received: Received) -> None:
    for receipt in stack.ledger.replace(received):
        note_rejection(stack, receipt, received.upload)
        _reported(stack, Report.of_rejection(receipt), _name_of(receipt), stands=False)


def _name_of(receipt: Receipt) -> str:
    """What the answer to a manifest that never became a run is called."""
    return f"rejected-{receipt.id.partition('@')[2]}"


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


def finish(stack: Stack, info: ObjectInfo, content: bytes, outcome: Outcome) -> Report | None:
    """What follows a decision. Harmless to repeat: until the manifest is archived, the next worker does it all again.

    Returns:
        The report; None when this process has told it before, and could not take the manifest away.
    """
    publish(stack.lake, stack.ledger, outcome)
    note_outcome(stack, outcome)
    report = Report.of_outcome(outcome, stack.lake.uri, hashlib.sha256(content).hexdigest())
    return _answer(stack, info, content, report, outcome.run_id, stands=True)


def taken_over(stack: Stack, run: Run) -> Report:
    """What a worker says whose run others have decided while it worked: nothing that it did counts."""
    outcome = stack.ledger.outcome(run.id)
    by = outcome.decided_by if outcome else "another worker"
    problem = Problem(
        code="taken_over", where=run.id,
        message=f"{by} took the batch over while this worker, {run.owner}, was at it. It had seen no sign of life of it for "
        f"{run.lease_seconds:g} s. Nothing that this worker did counts.",
        remedy=f"`spatial-etl status {run.batch_id}` shows what becomes of the batch. If this happens again: find out why this "
        "machine stood still or did not reach the ledger, or set SPATIAL_ETL_LEASE_SECONDS to a longer time.",
    )  # fmt: skip
    return Report(
        batch_id=run.batch_id, run_id=run.id, status=Status.LOST, intent=None, recipe=None, problems=(problem,), worker=run.owner
    )


def finish_forced(stack: Stack, run: Run, receipt: Receipt, outcome: Outcome) -> Report:
    """What follows a decision on a run that no manifest waits for."""
    publish(stack.lake, stack.ledger, outcome)
    note_outcome(stack, outcome)
    return _reported(stack, Report.of_outcome(outcome, stack.lake.uri, receipt.sha256), run.id, stands=True)


def _answer(stack: Stack, info: ObjectInfo, content: bytes, report: Report, name: str, *, stands: bool) -> Report | None:
    """Write the report and take the manifest away. If somebody else's file is in the way, that is a warning to this batch.

    Args:
        stack: What to work with.
        info: The manifest's object.
        content: As it was read.
        report: The answer to it.
        name: Of the attempt, under which both are kept.
        stands: Whether the report is the batch's: one on a manifest that may not have the batch's name is not.
    """
    report = _reported(stack, report, name, stands=stands)
    try:
        stack.landing.archive(info, content, report.batch_id, name)
    except ObjectRefused as error:
        warning = Problem(
            code="manifest_left", where=info.key,
            message=f"It was dealt with, and stays in the landing zone: {error.uri!r} {error.reason}.",
            remedy="Remove the manifest, or let the platform write and remove there. It is not processed again.",
        )  # fmt: skip
        report = _reported(stack, report.model_copy(update={"warnings": (*report.warnings, warning)}), stands=stands)
        if not stack.left.note(info.key, info.version, report):
            return None
        _log_once(stack, "left", info.key, error)
    return report


def _reported(stack: Stack, report: Report, name: str | None = None, *, stands: bool) -> Report:
    """Write a report: under a name of its own, if it has one, and as the batch's, if it is that.

    The ledger has it, too: when it cannot be written, it says so itself.
    """
    writes = [partial(stack.landing.report, report)] if stands else []
    if name is not None:
        writes.insert(0, partial(stack.landing.keep_report, report, name))
    told = report
    for write in writes:
        try:
            write()
        except ObjectRefused as error:
            told = _not_written(stack, told, error)
    return told


def _not_written(stack: Stack, report: Report, error: ObjectRefused) -> Report:
    if any(warning.code == "report_not_written" for warning in report.warnings):
        return report
    warning = Problem(
        code="report_not_written", where=stack.landing.key_of(error),
        message=f"{error.uri!r} {error.reason}.",
        remedy=f"Take away what lies there. 'spatial-etl status {report.batch_id}' shows the report.",
    )  # fmt: skip
    return report.model_copy(update={"warnings": (*report.warnings, warning)})


def _log_once(stack: Stack, action: str, subject: str, error: ObjectRefused) -> None:
    if not any(entry.action == action for entry in stack.ledger.activity(subject)):
        stack.ledger.log(action, subject, reason=str(error))


def _refuse(stack: Stack, error: ObjectRefused, info: ObjectInfo | None = None) -> Report | None:
    """The answer to a manifest that the platform may not read: it is recorded under its name, and stays until it can be read."""
    key = stack.landing.key_of(error)
    problem = Problem(
        code="unreadable_manifest", where=key, message=f"{error.uri!r} {error.reason}.",
        remedy="Make it a readable file with a plain name, or take it away. It is looked at again by itself.",
    )  # fmt: skip
    receipt = stack.ledger.refuse(key, problem)
    note_rejection(stack, receipt, info.version if info else error.reason)
    report = Report.of_rejection(receipt)
    if not stack.left.note(key, info.version if info else error.reason, report):
        return None
    # a name that was processed before keeps the report on that
    return _reported(stack, report, _name_of(receipt), stands=not stack.ledger.runs(receipt.batch_id))
