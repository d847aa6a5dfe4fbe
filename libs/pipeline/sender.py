"""Sending notices, and what a process remembers of the receivers."""

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic

from libs.ledger import Ledger
from libs.ledger.notices import Notices
from libs.logs import extra
from libs.models import Notice, NoticeResult, NoticeTry, Receipt, Report, ServiceUnavailable
from libs.notify import TIME_LIMIT, Channel, Message, Notification, NotSent
from libs.notify.channel import SHOWN
from libs.storage import DataLake

_LOG = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 30.0, 600.0
"""Seconds that a process leaves a receiver alone that did not answer; longer each time."""


class Sender:
    """Sends notices, and remembers which receivers did not answer and which notices are to wait.

    Args:
        ledger: Which knows the notices.
        lake: Where the files are that they tell of.
        channels: That send them.
    """

    def __init__(self, ledger: Ledger, lake: DataLake, channels: Sequence[Channel]) -> None:
        self._ledger, self._lake, self._channels = ledger, lake, channels
        self._at_it = threading.Lock()
        self._paused: dict[str, tuple[float, float]] = {}
        self._later: dict[str, float] = {}

    def turn(self, seconds: float) -> int:
        """Send what is due, for as long as there is time. What goes wrong with a receiver is no fault of the caller's.

        Returns:
            How many notices were sent.
        """
        if not self._channels or not self._at_it.acquire(blocking=False):
            return 0
        try:
            return self._turn(monotonic() + seconds)
        except ServiceUnavailable as error:
            _LOG.warning("Nobody was told anything: %s", error)
        except Exception:  # noqa: BLE001 - of no batch at work
            _LOG.exception("telling others failed")
        finally:
            self._at_it.release()
        return 0

    def turn_aside(self, seconds: float) -> None:
        """The same in a thread, for those who must not wait."""
        if self._channels and not self._at_it.locked():
            threading.Thread(target=self.turn, args=(seconds,), name="notices", daemon=True).start()

    def _turn(self, until: float) -> int:
        answering = {channel.name: channel for channel in self._channels if monotonic() >= self._pause(channel.name)[0]}
        if not answering:
            return 0
        notices, sent = Notices(self._ledger), 0
        for notice in notices.owed():
            if monotonic() > until:
                break
            channel = answering.get(notice.channel)
            if channel is None or monotonic() < self._later.get(notice.id, 0.0):
                continue
            claimed = notices.claim(notice)
            if isinstance(claimed, datetime):
                self._later[notice.id] = monotonic() + max((claimed - self._ledger.clock()).total_seconds(), 0.0)
            elif claimed is not None:
                try:
                    remark = _send(self._ledger, self._lake, channel, notice)
                except NotSent as error:
                    self._failed(notices, notice, claimed, error)
                    if error.down:
                        del answering[notice.channel]
                    continue
                notices.end(notice, NoticeResult.SENT, claimed.number, remark)
                self._later.pop(notice.id, None)
                self._paused.pop(notice.channel, None)
                sent += 1
        return sent

    def _failed(self, notices: Notices, notice: Notice, claimed: NoticeTry, error: NotSent) -> None:
        given_up = notices.failed(notice, claimed, str(error))
        what = "given up" if given_up else "tried again later"
        _LOG.warning(
            "%s was not told that %s is %s: %s It is %s.",
            notice.channel,
            notice.batch_id,
            notice.event,
            error,
            what,
            extra=extra(batch_id=notice.batch_id),
        )
        if error.down:
            pause = min(max(2 * self._pause(notice.channel)[1], _FIRST_PAUSE), _LONGEST_PAUSE)
            self._paused[notice.channel] = monotonic() + pause, pause

    def _pause(self, channel: str) -> tuple[float, float]:
        """Until when a receiver is left alone, and how long that pause is."""
        return self._paused.get(channel, (0.0, 0.0))


def message_of(ledger: Ledger, lake: DataLake, notice: Notice) -> Message:
    """What a notice tells, made of the ledger's records.

    Raises:
        NotSent: when these are not there.
    """
    run = ledger.run(notice.run_id) if notice.run_id else None
    outcome = ledger.outcome(notice.run_id) if notice.run_id else None
    receipt_id = run.receipt_id if run else notice.receipt_id
    receipt = ledger.receipt(receipt_id) if receipt_id else None
    if outcome is not None:
        report, decided_at = Report.of_outcome(outcome, lake.uri), outcome.decided_at
    elif receipt is not None:
        report, decided_at = Report.of_rejection(receipt), receipt.received_at
    else:
        raise NotSent(f"the ledger has no record of {notice.subject}.", down=False)
    told = notification(report, _delivery_id(ledger, notice), notice.event, decided_at, receipt.uploader if receipt else None)
    return Message(told, contact=_contact(receipt), run=run, outcome=outcome, receipt=receipt)


def notification(report: Report, notice_id: str, event: str, decided_at: datetime, uploader: str | None) -> Notification:
    """What is told of a report."""
    counts = {"dataset": len(report.datasets), "problem": len(report.problems), "warning": len(report.warnings)}
    said = ", ".join(f"{number} {noun}{'s' * (number != 1)}" for noun, number in counts.items() if number)
    fields = {name: getattr(report, name) for name in Report.model_fields}
    fields |= {"datasets": report.datasets[:SHOWN], "warnings": report.warnings[:SHOWN]}
    return Notification(
        **fields,
        notice_id=notice_id,
        event=event,
        text=f"{report.batch_id}: {event}{f' ({said})' if said else ''}",
        uploader=uploader,
        decided_at=decided_at,
        left_out=max(len(report.datasets) - SHOWN, 0) + max(len(report.warnings) - SHOWN, 0),
    )


def _contact(receipt: Receipt | None) -> str | None:
    content = receipt.content if receipt and isinstance(receipt.content, dict) else {}
    metadata = content.get("metadata")
    contact = metadata.get("contact") if isinstance(metadata, dict) else None
    return contact if isinstance(contact, str) else receipt.uploader if receipt else None


def _delivery_id(ledger: Ledger, notice: Notice) -> str:
    """The same for all tries of a notice, and of no other, whatever the ledger."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{ledger.identify().ledger_id}/{notice.id}"))


def _send(ledger: Ledger, lake: DataLake, channel: Channel, notice: Notice) -> str:
    try:
        message = message_of(ledger, lake, notice)
        return within(TIME_LIMIT, lambda: channel.send(message))
    except (NotSent, ServiceUnavailable):
        raise
    except Exception as error:
        _LOG.exception("%s failed", channel.name)
        raise NotSent(f"{type(error).__name__}.", down=False) from error


def within(seconds: float, send: Callable[[], str]) -> str:
    """Do something that may hang, as a name that is looked up or a receiver that answers byte by byte. It is left alone then.

    Raises:
        NotSent: when it takes too long, or as it says.
    """
    said: list[str] = []
    wrong: list[Exception] = []

    def attempt() -> None:
        try:
            said.append(send())
        except Exception as error:  # noqa: BLE001 - raised again below
            wrong.append(error)

    thread = threading.Thread(target=attempt, name="notice", daemon=True)
    thread.start()
    thread.join(seconds + 1.0)  # its own limits come first, and say more
    if wrong:
        raise wrong[0]
    if not said:
        raise NotSent(f"it took more than {seconds:g} s.", down=True)
    return said[0]
