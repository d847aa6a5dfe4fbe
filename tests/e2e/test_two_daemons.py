"""A second daemon beside the first, a mistake people make: every batch is done exactly once."""

from datetime import timedelta
from typing import Any

import pytest

from libs.models import Decision
from libs.pipeline.maintenance import gc
from services.dagster.processes import CODE_SERVER, DAEMON, Processes
from tests.orchestrated import Orchestrated, ends, points, until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BATCHES = [f"b{number:03}" for number in range(60)]


@pytest.mark.parametrize("orchestrated", ["embedded"], indirect=True)
def test_two_daemons(orchestrated: Orchestrated, cli: Any) -> None:
    first = Processes(cli.home / "dagster", cli.environment)
    second = Processes(cli.home / "another", cli.environment)
    try:
        for processes in (first, second):
            processes.start(CODE_SERVER, DAEMON)
        for batch_id in BATCHES:
            orchestrated.deliver(batch_id, points(1))
        until(lambda: all(map(orchestrated.report, BATCHES)))
    finally:
        first.stop()
        second.stop()
    cli("reconcile")
    with orchestrated.stack() as stack:
        gc(stack, age=timedelta(0))
        assert ends(stack, BATCHES) == {Decision.SUCCESS: len(BATCHES)}
