"""A batch in Dagster: the sensor validates it once to hand it out, and the run, in a process of its own, once to work on it."""

from collections import Counter
from typing import Any

import pytest

pytestmark = pytest.mark.integration

CHECKS = {"parsed": 1, "validated": 1, "bound": 1, "looked up 1": 1}


def test_the_sensor_and_the_run_do_each_step_once(orchestra: Any, calls: Counter[str]) -> None:
    orchestra.submit("a", orchestra.put("a.geojson"))
    calls.clear()
    (request,) = orchestra.tick().run_requests
    assert calls == CHECKS
    calls.clear()
    assert orchestra.run(request).success
    assert calls == CHECKS  # sidecars were looked up with the file


def test_the_sensor_does_not_look_again_at_what_it_has_handed_out(orchestra: Any, calls: Counter[str]) -> None:
    import dagster as dg

    orchestra.submit("a", orchestra.put("a.geojson"))
    (request,) = orchestra.tick().run_requests
    orchestra.create(request, dg.DagsterRunStatus.STARTED)
    calls.clear()
    orchestra.tick()
    assert not calls
