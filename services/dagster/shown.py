"""Keeps what Dagster's pages say of datasets up to date: definitions are loaded anew when the ledger has other versions.

``python -m services.dagster.shown URL`` does it beside a webserver that another process has started. While it is at work, it
touches the file ``shown`` in the folder for temporary files.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from libs.models import ServiceUnavailable
from libs.models.settings import Settings
from libs.platform import open_ledger
from services.dagster.processes import reload_definitions

_PAUSE = 5.0
"""Seconds between two looks at the ledger, at least."""
_SHARE = 20
"""To load definitions takes a core for seconds. It is done for a twentieth of the time at most."""


class Shown:
    """What the code server was to load last.

    Args:
        reload: Has it load them anew, and says why that was not possible. It has not been started yet.
    """

    def __init__(self, reload: Callable[[], str | None]) -> None:
        self._reload = reload
        self._loaded = self._read()
        self._next_look = time.monotonic()

    def refresh(self) -> None:
        """Look at the ledger, if it is time to, and have the definitions loaded anew if they are out of date."""
        if time.monotonic() < self._next_look:
            return
        found = self._read()
        pause = _PAUSE
        if found is not None and found != self._loaded:
            started = time.monotonic()
            if problem := self._reload():
                print(f"The definitions could not be loaded anew: {problem} Trying again.", flush=True)  # noqa: T201
            else:
                self._loaded = found
            pause = max(_PAUSE, _SHARE * (time.monotonic() - started))
        self._next_look = time.monotonic() + pause

    @staticmethod
    def _read() -> dict[str, int] | None:
        """The latest version of each dataset; None while the ledger cannot be reached. What is wrong, the code server says."""
        try:
            ledger = open_ledger(Settings())
            with closing(ledger.store):
                return ledger.newest_versions()
        except (ServiceUnavailable, ValueError):
            return None


def main() -> None:
    """Look again and again."""
    shown = Shown(partial(reload_definitions, sys.argv[1]))
    while True:
        shown.refresh()
        Path(tempfile.gettempdir(), "shown").touch()
        time.sleep(1)


if __name__ == "__main__":
    main()
