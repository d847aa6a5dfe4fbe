"""What every channel has in common: the message, and what it raises when it could not be sent."""

from dataclasses import dataclass
from typing import Protocol

from libs.models import Event, Outcome, Receipt, Report, Run, SpatialEtlError
from libs.models.base import Moment

TIME_LIMIT = 10.0
"""Seconds that a receiver may take for one message."""
SHOWN = 200
"""Datasets and warnings of one batch, at most, that a message has. The report in the landing zone has all."""


class Notification(Report):
    """What is told of a batch: its report, and what a receiver needs beside it.

    Attributes:
        notice_id: The same in all tries to tell it, and of nothing else: a receiver that has it already passes it over.
        event: ``published``, ``rejected``, ``failed`` or ``canceled``.
        text: One line for people, of harmless characters only.
        left_out: How many datasets and warnings of the report are not in it.
    """

    notice_id: str
    event: str
    text: str
    uploader: str | None = None
    decided_at: Moment
    left_out: int = 0


@dataclass(frozen=True)
class Message:
    """A notification, and the records that it was made of.

    Attributes:
        contact: Whom the manifest's ``metadata.contact`` names, as the uploader wrote it; else the uploader.
        run: The decided run; None for a manifest that never became one.
        outcome: What was decided of it.
        receipt: The manifest's record.
    """

    notification: Notification
    contact: str | None = None
    run: Run | None = None
    outcome: Outcome | None = None
    receipt: Receipt | None = None


class NotSent(SpatialEtlError):  # noqa: N818 - what happened
    """A message could not be sent. The reason names no secret.

    Attributes:
        down: The receiver is not there: no other message would come through either. Else it refused this one.
    """

    def __init__(self, reason: str, *, down: bool) -> None:
        super().__init__(reason)
        self.down = down


class Channel(Protocol):
    """A way to tell others.

    Attributes:
        name: What it is called in records. Two channels of one ledger have different names.
        setting: The setting that chooses it.
        events: What it tells.
        of_runs: It tells of each run, of those that are tried again, too, and not of manifests that never became one.
    """

    name: str
    setting: str
    events: frozenset[Event]
    of_runs: bool

    def send(self, message: Message) -> str:
        """Send a message. It may take a while: the caller limits the time.

        Returns:
            What an operator should know of it; empty as a rule.

        Raises:
            NotSent: when it could not be sent.
        """
        ...

    def check(self) -> str:
        """Try whether the receiver answers, without telling it anything. Returns what was found.

        Raises:
            NotSent: when it does not.
        """
        ...


def shown(value: object) -> str:
    """A text of others as one harmless line: no control characters, line breaks, marks of direction."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(value))
