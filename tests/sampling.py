"""How much of a sweep is run: a sample, drawn anew each time with a seed that is printed, or all of it (``make test-full``)."""

import os
import random

FULL = os.environ.get("SPATIAL_ETL_TEST_FULL") == "1"
SEED = int(os.environ.setdefault("SPATIAL_ETL_SEED", str(random.SystemRandom().randrange(10**6))))
"""Set it to repeat a run. It stands in the environment, so that processes that run tests side by side draw the same."""

_MORE = 5


def examples(count: int) -> int:
    """How many examples a property is tried on, of which ``count`` are enough for every day."""
    return _MORE * count if FULL else count


def every(step: int) -> tuple[int, int]:
    """Of a sweep over the numbers from 1: at which to begin, and how far to go on each time."""
    return (1, 1) if FULL else (random.Random(SEED).randint(1, step), step)
