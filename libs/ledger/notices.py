"""The rules of notices: who sends one, when it is tried again, when it is over.

A notice is written before its manifest is archived: until then the batch is unfinished work, and whoever comes next writes it.
Who inserts try N sends it. A try whose sender died looks like one that failed: when its pause is over, the next one is made. So
a notice is never lost, and is sent twice only where a sender died, or an answer was lost, between sending and recording. All
tries carry the same id, by which a receiver knows the second one.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from libs.ledger.ledger import Ledger
from libs.models import Event, Notice, NoticeEnd, NoticeResult, NoticeTry

PAUSES = (60.0, 300.0, 1800.0, 7200.0, 21_600.0, 43_200.0)
"""Seconds between the tries of a notice. It is given up after the last of them."""
MAX_AGE = timedelta(days=7)
"""What could not be sent for so long is given up, however often it was tried."""

_NOTICES, _TRIES, _ENDS = "notices", "notice_tries", "notice_ends"


class Notices:
    """The notices of a ledger, as one worker sees them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._store = ledger, ledger.store

    def note(
        self,
        subject: str,
        batch_id: str,
        event: Event,
        channels: Collection[str],
        *,
        run_id: str | None = None,
        receipt_id: str | None = None,
    ) -> None:
        """Record what is to be told. Doing it again does nothing: what has ended is not told again.

        Args:
            subject: See :class:`~libs.models.Notice`.
            batch_id: The batch.
            event: What became of it.
            channels: Names of those that are to tell it.
            run_id: The decided run, or
            receipt_id: the rejected manifest.
        """
        notices = [
            Notice(
                subject=subject, channel=channel, batch_id=batch_id, event=event, run_id=run_id, receipt_id=receipt_id,
                noted_at=self._ledger.clock(),
            )
            for channel in channels
        ]  # fmt: skip
        owed = {each.id: each.to_document() for each in notices if self._store.get(_ENDS, each.id) is None}
        if owed:
            self._store.insert_new(_NOTICES, owed)

    def owed(self) -> list[Notice]:
        """What is still to be told: what was tried least first, then the oldest."""
        tries: dict[str, int] = {}
        for identity in self._store.ids(_TRIES):
            notice_id = identity.rpartition(":")[0]
            tries[notice_id] = tries.get(notice_id, 0) + 1
        found = [Notice.from_document(document) for _, document in self._store.find(_NOTICES)]
        return sorted(found, key=lambda notice: (tries.get(notice.id, 0), notice.noted_at))

    def claim(self, notice: Notice) -> NoticeTry | datetime | None:
        """Take the next try of a notice. Of all workers that want it, one gets it.

        Returns:
            The try, which is this worker's; the time when the next one is due; or None when the notice has ended.
        """
        if self._over(notice):
            return None
        found = (NoticeTry.from_document(document) for _, document in self._store.find(_TRIES, prefix=f"{notice.id}:"))
        last = max(found, key=lambda each: each.number, default=None)
        now = self._ledger.clock()
        if last is not None:
            due = last.claimed_at + timedelta(seconds=PAUSES[min(last.number, len(PAUSES)) - 1])
            if now < due:
                return due
        number = last.number + 1 if last else 1
        if number > len(PAUSES) + 1 or now > notice.noted_at + MAX_AGE:
            self.end(notice, NoticeResult.GIVEN_UP, number - 1, f"It could not be sent in {number - 1} tries.")
            return None
        new = NoticeTry(notice_id=notice.id, number=number, owner=self._ledger.owner, claimed_at=now)
        if not self._store.insert(_TRIES, new.id, new.to_document()):
            return now + timedelta(seconds=PAUSES[0])
        # The tries of one that has ended are removed: this one may have come after.
        return None if self._over(notice) else new

    def failed(self, notice: Notice, made: NoticeTry, reason: str) -> bool:
        """Record that a try came to nothing. Returns whether the notice was given up with it."""
        if made.number <= len(PAUSES):
            return False
        self.end(notice, NoticeResult.GIVEN_UP, made.number, reason)
        return True

    def end(self, notice: Notice, result: NoticeResult, tries: int, remark: str = "") -> None:
        """Record how a notice ended, and take it away."""
        end = NoticeEnd(
            notice_id=notice.id, channel=notice.channel, batch_id=notice.batch_id, event=notice.event, result=result, tries=tries,
            remark=remark, ended_at=self._ledger.clock(),
        )  # fmt: skip
        self._store.insert(_ENDS, end.id, end.to_document())
        self._remove(notice)

    def ends(self, batch_id: str | None = None, result: NoticeResult | None = None) -> Iterator[NoticeEnd]:
        """How notices ended: those of one batch, or all; with one result, or any."""
        where = {} if batch_id is None else {"batch_id": batch_id}
        where |= {} if result is None else {"result": result.value}
        found = self._store.find(_ENDS, prefix=batch_id or "", where=where)
        return (NoticeEnd.from_document(document) for _, document in found)

    def of_batch(self, batch_id: str) -> list[Notice]:
        """What is still to be told of a batch."""
        found = self._store.find(_NOTICES, prefix=batch_id, where={"batch_id": batch_id})
        return [Notice.from_document(document) for _, document in found]

    def _over(self, notice: Notice) -> bool:
        """Whether a notice has ended. What is left of it is taken away: whoever ended it may have died before."""
        if self._store.get(_ENDS, notice.id) is None:
            return False
        self._remove(notice)
        return True

    def _remove(self, notice: Notice) -> None:
        self._store.remove(_TRIES, list(self._store.ids(_TRIES, f"{notice.id}:")))
        self._store.remove(_NOTICES, [notice.id])
