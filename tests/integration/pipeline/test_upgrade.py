"""A ledger of an earlier release is brought to this one, while there is work in flight; one of a later release is left alone."""

import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from libs.ledger import DocumentStore
from libs.ledger.kinds import KINDS
from libs.models import FORMAT, NewerRelease, Status
from libs.pipeline.maintenance import describe, gc, reconcile
from libs.pipeline.upgrade import Upgrade, plan, upgrade
from libs.pipeline.verify import verify

pytestmark = pytest.mark.integration

FIXTURE = Path(__file__).parents[2] / "data" / "old_ledger" / "home.tar.gz"


@pytest.fixture
def old(tmp_path: Path, open_platform: Callable[..., Any]) -> Any:
    """The platform of an earlier release, opened by this one. A batch waits, one is lost, one is committed and not published."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    return open_platform(spatial_etl_home=tmp_path / "old-home")


def do(use: Callable[..., Upgrade], old: Any) -> Upgrade:
    return use(old.stack.settings, old.stack.lake, old.stack.ledger)


def held(store: DocumentStore) -> dict[str, Any]:
    """All records, but for the audit log."""
    return {
        f"{name}/{identity}": document for name in KINDS if name != "activity_logs" for identity, document in store.find(name)
    }


def test_it_says_what_it_will_do_and_does_that_once(old: Any) -> None:
    before, lake = held(old.stack.ledger.store), [info.key for info in old.stack.lake.store.list()]
    planned = do(plan, old)
    assert held(old.stack.ledger.store) == before
    assert [info.key for info in old.stack.lake.store.list()] == lake
    assert planned.records.keys() == {"1.0"}
    assert sum(planned.records.values()) >= len(before)
    assert (planned.published, planned.noted) == (("unpublished#1",), True)
    assert len(planned.described) == 7

    done = do(upgrade, old)
    assert (done.published, done.noted, {*planned.described} <= {*done.described}) == (("unpublished#1",), True, True)
    assert {*planned.linked} <= {*done.linked}
    after = held(old.stack.ledger.store)
    assert {name: document for name, document in after.items() if name in before} == before  # no record is changed
    assert [each for each in verify(old.stack) if each.finding.damages] == []
    assert reconcile(old.stack).linked == ()
    assert describe(old.stack) == []

    again = do(upgrade, old)
    assert (again.published, again.linked, again.described, again.noted) == ((), (), (), False)
    assert held(old.stack.ledger.store) == after


def test_work_in_flight_goes_on(old: Any) -> None:
    do(upgrade, old)
    reports = {report.batch_id: report for report in old.process()}
    assert {name: report.status for name, report in reports.items()} == {"waiting": "success", "lost": "success"}
    assert old.stack.ledger.batch("failed").status is Status.FAILURE
    assert gc(old.stack).removed == ()
    assert [each for each in verify(old.stack) if each.finding.damages] == []


def test_what_a_worker_is_at_is_left_to_it(old: Any, open_platform: Callable[..., Any]) -> None:
    (info,) = [each for each in old.stack.landing.waiting() if each.key.endswith("waiting.json")]
    from libs.pipeline.ingest import ingest
    from libs.pipeline.intake import claim, receive

    other = open_platform(spatial_etl_home=old.home)
    received = receive(other.stack, info)
    run = claim(other.stack, received)
    done = do(upgrade, old)
    assert done.working == (run.id,)
    assert ingest(other.stack, run, received.batch, lambda _: None).decision == "success"
    assert old.stack.ledger.decided(run.id)


STEPS = ("publish", "link_missing", "record_missing", "note_format")


@pytest.mark.parametrize("step", STEPS)
def test_after_a_crash_before_any_step_it_is_done_again(old: Any, step: str) -> None:
    program = f"""
import os, signal
from libs.ledger import Ledger
from libs.pipeline import upgrade
from libs.platform import open_stack
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
for owner in (Ledger, upgrade):
    if hasattr(owner, {step!r}): setattr(owner, {step!r}, die)
with open_stack() as stack:
    upgrade.upgrade(stack.settings, stack.lake, stack.ledger)
"""
    environment = {**os.environ, "SPATIAL_ETL_HOME": str(old.home)}
    died = subprocess.run([sys.executable, "-c", program], env=environment, check=False, capture_output=True, text=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert old.stack.ledger.store.get("releases", FORMAT) is None
    do(upgrade, old)
    assert do(plan, old).model_dump(include={"published", "linked", "described", "noted"}) == {
        "published": (), "linked": (), "described": (), "noted": False,
    }  # fmt: skip
    assert [each for each in verify(old.stack) if each.finding.damages] == []


@pytest.fixture
def newer(platform: Any, geojson: Callable[..., str]) -> Iterator[Any]:
    """A platform that a later release has upgraded."""
    platform.ingest("first", platform.entry(platform.put("a/roads.geojson", geojson())))
    (note,) = [document for _, document in platform.stack.ledger.store.find("releases")]
    assert note["format"] == FORMAT  # a new ledger says it from the first batch on
    platform.stack.ledger.store.insert("releases", "3.0", note | {"format": "3.0"})
    return platform


def test_a_ledger_of_a_later_release_is_not_written_to(newer: Any, geojson: Callable[..., str]) -> None:
    newer.submit("second", newer.entry(newer.put("a/roads.geojson", geojson(4))))
    before = held(newer.stack.ledger.store)
    for use in (newer.process, lambda: reconcile(newer.stack), lambda: do(upgrade, newer), lambda: do(plan, newer)):
        with pytest.raises(NewerRelease, match=r"brought it to the format 3\.0"):
            use()
    assert held(newer.stack.ledger.store) == before
    assert newer.stack.ledger.asset("roads").version == 1  # what can be read is shown
    assert [info.key for info in newer.stack.landing.waiting()] == ["manifests/second.json"]


def test_the_command_line_says_it(newer: Any) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [Path(sys.executable).with_name("spatial-etl"), *arguments]
        environment = {**os.environ, "SPATIAL_ETL_HOME": str(newer.home)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    refused = run("admin", "upgrade", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["code"]) == (3, "newer_release")
    assert "Install that release here" in run("process").stderr
    newer.stack.ledger.store.remove("releases", ["3.0", FORMAT])
    assert "will refuse to write" in run("admin", "upgrade", "--dry-run").stdout
    assert json.loads(run("admin", "upgrade", "--json").stdout)["noted"] is True
    assert run("admin", "upgrade").stdout.endswith("Nothing to upgrade.\n")


def test_a_later_release_of_the_same_format_shares_it(newer: Any, geojson: Callable[..., str]) -> None:
    note = newer.stack.ledger.store.get("releases", "3.0")
    newer.stack.ledger.store.remove("releases", ["3.0"])
    newer.stack.ledger.store.insert("releases", "2.9", note | {"format": "2.9"})
    report = newer.ingest("second", newer.entry(newer.put("a/roads.geojson", geojson(4))))
    assert report.status is Status.SUCCESS
