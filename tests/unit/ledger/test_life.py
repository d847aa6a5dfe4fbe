import os
import subprocess
import sys

import pytest

from libs.ledger import life
from libs.models import WorkerProcess

SAYS_WHERE = "from libs.ledger.life import this_process; print(this_process().model_dump_json(), flush=True); input()"


@pytest.fixture
def child() -> subprocess.Popen:
    with subprocess.Popen([sys.executable, "-c", SAYS_WHERE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        yield child
        child.kill()


def test_a_process_is_there_until_it_ends_whoever_takes_its_number_then(child: subprocess.Popen) -> None:
    told = WorkerProcess.model_validate_json(child.stdout.readline())
    assert told.pid == child.pid
    assert life.exists(told) is True
    assert life.exists(told.model_copy(update={"started": told.started + 1})) is False, "another one has its number"
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert life.exists(told) is False, "its parent has not noticed yet"
    child.wait()
    assert life.exists(told) is False


@pytest.mark.parametrize("unknown", [{"boot": None}, {"boot": "another"}, {"namespace": None}, {"namespace": "another"}])
def test_of_a_process_elsewhere_nothing_is_known(unknown: dict[str, str]) -> None:
    told = life.this_process().model_copy(update=unknown)
    assert life.exists(told) is None
    assert life.exists(told, one_machine=True) is (False if unknown == {"boot": "another"} else None)


def test_what_is_watched_is_timed_from_the_first_look_on_and_few_things_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    watch = life.Watch(lambda: now)
    assert watch.look("a", 1) == (0, False)
    now = 5.0
    assert watch.look("a", 1) == (5, False)
    assert watch.look("a", 2) == (0, True)
    now = 8.0
    assert watch.look("a", 2) == (3, True)
    watch.forget("a")
    assert watch.look("a", 2) == (0, False)
    monkeypatch.setattr(life, "_REMEMBERED", 2)
    now = 9.0
    for name in "ab", "cd":
        watch.look(name, 0)
    assert watch.look("a", 2) == (0, False), "asked for the longest ago"
