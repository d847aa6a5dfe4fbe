"""Telling others what became of batches: noted before a manifest is archived, sent beside the work, never in its way."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from libs.ledger.notices import Notices
from libs.models import Event, Outcome, Receipt, Status
from libs.notify import TIME_LIMIT
from libs.pipeline.stack import Stack

_LOOK_AGAIN = 1.0
"""Seconds between two looks at what is to be told, while batches are worked on."""
_FAREWELL = 30.0
"""Seconds for what is still to be told when the work is done. A receiver that does not answer ends it at once."""


def note_outcome(stack: Stack, outcome: Outcome) -> None:
    """Note what is to be told of a decided run, before its manifest is archived. Doing it again changes nothing.

    Where nothing was new, nothing was published: only who hears of runs hears of it.
    """
    of_runs = True if outcome.unchanged_since else None
    _note(stack, outcome.run_id, outcome.batch_id, Status(outcome.decision), of_runs=of_runs, run_id=outcome.run_id)
    attempt = int(outcome.run_id.rpartition("#")[2])
    if attempt > 1 and any(channel.of_runs for channel in stack.channels):
        for earlier in (stack.ledger.outcome(f"{outcome.batch_id}#{number}") for number in range(1, attempt)):
            if earlier is not None:
                _note(stack, earlier.run_id, earlier.batch_id, Status(earlier.decision), of_runs=True, run_id=earlier.run_id)


def note_rejection(stack: Stack, receipt: Receipt, upload: str) -> None:
    """Note what is to be told of a rejected manifest. Who uploads it again hears of it again.

    Args:
        stack: What to work with.
        receipt: Its record.
        upload: Version of its object.
    """
    subject = f"{receipt.id}!{hashlib.sha256(upload.encode()).hexdigest()[:12]}"
    _note(stack, subject, receipt.batch_id, Status.REJECTED, of_runs=False, receipt_id=receipt.id)


def _note(
    stack: Stack,
    subject: str,
    batch_id: str,
    status: Status,
    *,
    of_runs: bool | None,
    run_id: str | None = None,
    receipt_id: str | None = None,
) -> None:
    """Note it for the channels that tell such an event: those of runs, those of batches, or (None) all."""
    event = Event.of(status)
    names = [each.name for each in stack.channels if event in each.events and of_runs in {None, each.of_runs}]
    if names:
        Notices(stack.ledger).note(subject, batch_id, event, names, run_id=run_id, receipt_id=receipt_id)


@contextmanager
def sending(stack: Stack, *, farewell: float = _FAREWELL) -> Iterator[None]:
    """Send what is to be told while the context lasts, in a thread of its own: no batch waits for a receiver.

    Args:
        stack: What to work with.
        farewell: Seconds for what is still to be told at the end. Not waited for when the work was broken off.
    """
    if not stack.channels:
        yield
        return
    over = threading.Event()

    def keep_sending() -> None:
        while not over.wait(_LOOK_AGAIN):
            stack.sender.turn(TIME_LIMIT)
        stack.sender.turn(farewell)

    thread = threading.Thread(target=keep_sending, name="notices", daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        farewell = 0.0
        raise
    finally:
        over.set()
        if farewell:
            thread.join(farewell + 2 * TIME_LIMIT)
