"""A program of the operator's that gets each notification as JSON on its standard input."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress

from libs.models import Event
from libs.notify.channel import TIME_LIMIT, Message, NotSent, shown

_SAID = 300
"""Characters, at most, of what a command says when it fails."""


class Command:
    """Runs a program for each message. No shell is used, and nothing that an uploader wrote is an argument.

    Args:
        arguments: The program and its arguments.
        events: What to tell.
        secrets: Names of environment variables that the program does not get.
    """

    name, setting, of_runs = "command", "SPATIAL_ETL_NOTIFY_COMMAND", False

    def __init__(self, arguments: Sequence[str], events: frozenset[Event], secrets: Collection[str]) -> None:
        self._arguments, self.events = list(arguments), events
        self._environment = {name: value for name, value in os.environ.items() if name.upper() not in secrets}

    def send(self, message: Message) -> str:
        """See :class:`~libs.notify.Channel`."""
        told = message.notification
        environment = self._environment | {
            "SPATIAL_ETL_NOTICE_ID": told.notice_id,
            "SPATIAL_ETL_NOTICE_EVENT": told.event,
        }
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(told.model_dump_json().encode())  # a file, as a program that does not read must not hold us
            given.seek(0)
            try:
                running = subprocess.Popen(  # noqa: S603 - the operator's own setting
                    self._arguments, stdin=given, stdout=subprocess.DEVNULL, stderr=said, env=environment, start_new_session=True
                )
            except OSError as error:
                raise NotSent(f"{self._arguments[0]} cannot be run: {error.strerror}.", down=True) from error
            try:
                code = running.wait(TIME_LIMIT)
            except subprocess.TimeoutExpired:
                raise NotSent(f"{self._arguments[0]} took more than {TIME_LIMIT:g} s.", down=True) from None
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(running.pid, signal.SIGKILL)  # what it started, too
                running.wait()
            if code:
                said.seek(0)
                why = shown(" ".join(said.read(4 * _SAID).decode(errors="replace").split()))[:_SAID]
                raise NotSent(f"{self._arguments[0]} ended with {code}{f': {why}' if why else ''}.", down=False)
        return ""

    def check(self) -> str:
        """See :class:`~libs.notify.Channel`."""
        found = shutil.which(self._arguments[0])
        if found is None:
            raise NotSent(f"there is no program {self._arguments[0]}.", down=True)
        return f"{found} can be run"
