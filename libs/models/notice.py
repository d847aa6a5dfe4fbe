"""Notices: what is told to the outside about a batch, by which channel, and what came of it. The rules are the ledger's."""

from enum import StrEnum

from libs.models.base import Identifier, Moment
from libs.models.document import Document
from libs.models.run import Status


class Event(StrEnum):
    """What a notice tells."""

    PUBLISHED = "published"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELED = "canceled"

    @classmethod
    def of(cls, status: Status) -> "Event":
        """The event that a decided batch is.

        Raises:
            KeyError: for a batch of which nothing is decided.
        """
        return {
            Status.SUCCESS: cls.PUBLISHED,
            Status.REJECTED: cls.REJECTED,
            Status.FAILURE: cls.FAILED,
            Status.CANCELED: cls.CANCELED,
        }[status]


class NoticeResult(StrEnum):
    """How a notice ended."""

    SENT = "sent"
    GIVEN_UP = "given up"


class Notice(Document):
    """Something that is still to be told by one channel (collection ``notices``). It is removed when it has ended.

    Attributes:
        subject: What it is about, once: a run's id, or a rejected manifest's with a hash of its upload.
        channel: ``webhook``, ``mail``, ``command`` or ``openlineage``.
        run_id: The decided run; None for a manifest that never became one.
        receipt_id: The rejected manifest; None for a run.
    """

    subject: str
    channel: str
    batch_id: Identifier
    event: Event
    run_id: str | None = None
    receipt_id: str | None = None
    noted_at: Moment

    @property
    def id(self) -> str:
        """``_id``: ``<subject>/<channel>``."""
        return f"{self.subject}/{self.channel}"


class NoticeTry(Document):
    """One try to send a notice, claimed before it is sent (collection ``notice_tries``). It is removed when the notice has ended.

    Attributes:
        number: 1, 2, 3, ... of the notice.
        owner: Who sends it.
    """

    notice_id: str
    number: int
    owner: str
    claimed_at: Moment

    @property
    def id(self) -> str:
        """``_id``: ``<notice_id>:<number>``."""
        return f"{self.notice_id}:{self.number}"


class NoticeEnd(Document):
    """How a notice ended, for good (collection ``notice_ends``, ``_id``: the notice's).

    Attributes:
        tries: How often it was tried.
        remark: Why it was given up, or what else an operator should know.
    """

    notice_id: str
    channel: str
    batch_id: Identifier
    event: Event
    result: NoticeResult
    tries: int
    remark: str = ""
    ended_at: Moment

    @property
    def id(self) -> str:
        """``_id``: the notice's."""
        return self.notice_id
