"""Trying the channels that the settings choose: what ``admin notify`` does."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from libs.models import Event, Problem, Report, ServiceUnavailable, Status, utc_now
from libs.models.settings import Settings
from libs.notify import TIME_LIMIT, Channel, Message, NotSent
from libs.notify.templates import DEFAULTS, file_of
from libs.pipeline.sender import notification, within
from libs.platform.channels import open_channels


@dataclass(frozen=True)
class Tried:
    """What came of trying a channel.

    Attributes:
        works: Whether it answered, or took the message.
        said: What was found.
        remedy: What to do when it does not work.
    """

    channel: str
    works: bool
    said: str
    remedy: str = ""


def try_channels(settings: Settings, *, send: bool) -> Iterator[Tried]:
    """Ask each receiver whether it answers, or send it a test message.

    Args:
        settings: That choose the channels.
        send: Send a message.
    """
    for channel in open_channels(settings):
        try:
            said = within(TIME_LIMIT, partial(_send_test, channel)) if send else channel.check()
        except NotSent as error:
            yield Tried(channel.name, works=False, said=str(error), remedy=f"Check {channel.setting}.")
        else:
            yield Tried(channel.name, works=True, said=said)


def _send_test(channel: Channel) -> str:
    return channel.check() if channel.of_runs else channel.send(_test_message()) or "took the test message"


def _test_message() -> Message:
    problem = Problem(
        code="notification_test", where="test", message="This is a test of the notifications.", remedy="Nothing has to be done."
    )
    report = Report(batch_id="test", run_id=None, status=Status.REJECTED, intent=None, recipe=None, problems=(problem,))
    told = notification(report, str(uuid.uuid4()), Event.REJECTED, utc_now(), "spatial-etl admin notify --test")
    return Message(told)


def write_templates(folder: Path) -> list[Path]:
    """Write the default templates of mails to a folder. What is there stays.

    Returns:
        The files that were written.

    Raises:
        ServiceUnavailable: when the folder cannot be written to.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for event, text in DEFAULTS.items():
            path = folder / file_of(event)
            if not path.exists():
                path.write_text(text, encoding="utf-8")
                written.append(path)
    except OSError as error:
        raise ServiceUnavailable(f"the folder {folder}", f"{error.strerror}.", "--templates") from error
    return written
