"""Dagster's processes killed at random moments of many batches, on both stacks: each batch ends once, and nothing is left.

``make test-full`` has 200 batches and three kills of each kind of process, otherwise 60 and one.

How fast the machine is does not matter: batches are delivered until every kind of process has been killed as often as it
should be, and a moment is a number of reports.
"""

import random
from contextlib import suppress
from datetime import timedelta
from typing import Any

import psutil
import pytest

from libs.models import Decision
from libs.pipeline.maintenance import gc
from services.dagster.processes import CODE_SERVER, DAEMON
from tests.orchestrated import WORKER, Orchestrated, ends, points, until
from tests.sampling import FULL, SEED

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1800)]

BATCHES = 200 if FULL else 60
KILLS = 3 if FULL else 1
"""Of each kind of process."""
MOST = 3 * BATCHES
"""Batches after which a kind of process that never lived was not recognized."""
WAVE = 16
"""Batches that are delivered at a time."""
LARGE = 20_000
"""Features of the first batch of a wave: it takes long enough to be killed in the midst of."""
LEASE = "5"
UNFINISHED = """{ runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]}) {
  ... on Runs { results { id jobName } } } }"""


def test_killed_at_random_moments(orchestrated: Orchestrated, cli: Any) -> None:
    orchestrated.environment["SPATIAL_ETL_LEASE_SECONDS"] = LEASE
    chance = random.Random(SEED)
    due = [kind for kind in (CODE_SERVER, DAEMON, WORKER) for _ in range(KILLS)]
    chance.shuffle(due)
    batches: list[str] = []

    def deliver(count: int) -> None:
        for number in range(count):
            batches.append(f"b{len(batches):03}")
            orchestrated.deliver(batches[-1], points(1 if number else LARGE))

    def kill(kind: str) -> bool:
        """Kill one of a kind, if one lives."""
        living = orchestrated.living(kind)
        if not living:
            return False
        victim = chance.choice(living)
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        until(lambda: victim not in orchestrated.living(kind), pause=0.02)
        return True

    with orchestrated.running(), orchestrated.stack() as stack:

        def reported() -> int:
            return sum(info.key.count("/") == 1 for info in stack.landing.store.list("reports/"))

        while due:
            assert len(batches) < MOST, f"not killed: {due}"
            deliver(WAVE)
            moment = chance.randrange(reported(), len(batches))
            until(lambda moment=moment: reported() >= moment, pause=0.02)
            if kill(kind := due[-1]):
                due.pop()
                if kind != WORKER and chance.random() < 0.5:
                    until(lambda kind=kind: kill(kind), pause=0.02)  # the next one, as it starts
        deliver(BATCHES - len(batches))
        until(lambda: reported() == len(batches) and not stack.landing.waiting())
        until(lambda: not orchestrated.ask(UNFINISHED)["runsOrError"]["results"])

    cli("reconcile")
    with orchestrated.stack() as stack:
        gc(stack, age=timedelta(0))
        assert ends(stack, batches)[Decision.SUCCESS] > len(batches) // 2
