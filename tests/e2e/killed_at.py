"""``python -m tests.e2e.killed_at NUMBER ARGUMENT…``: the command line, killed before the external effect of this number.

With 0 it is not killed, and the last line on the standard error is the list of all effects, as JSON.
"""

import atexit
import json
import os
import signal
import sys

from services.cli.main import main
from tests.e2e.crash_effects import Effects


def run(number: int, arguments: list[str]) -> None:
    """Run the command."""

    def before(now: int, _: str) -> None:
        if now == number:
            os.kill(os.getpid(), signal.SIGKILL)

    effects = Effects(before)
    atexit.register(lambda: os.write(2, b"\n" + json.dumps(effects.trail).encode()))
    sys.argv[1:] = arguments
    main()


if __name__ == "__main__":
    run(int(sys.argv[1]), sys.argv[2:])
