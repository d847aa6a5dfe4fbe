"""Many uploaders deliver at once, with faults among it, while workers are killed: each delivery gets one right answer.

Under Dagster, on the real services. ``make test-full`` runs the whole: twenty uploaders with fifty deliveries each.
"""

import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import psutil
import pytest

from libs.ledger import Ledger, is_refused_the_name
from libs.ledger.receipt import batch_id_of
from libs.models import Decision, Outcome, Rejected, Run
from libs.pipeline.maintenance import gc
from libs.pipeline.stack import Stack
from libs.pipeline.verify import verify
from libs.platform import open_landing_zone
from libs.storage import LandingZone
from services.administration import Accounts
from tests.orchestrated import WORKER, Orchestrated, points, settings_of, until
from tests.sampling import FULL, SEED

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(7200)]

UPLOADERS, DELIVERIES = (20, 50) if FULL else (4, 6)
KILLS = 10 if FULL else 1
LONGEST = 60.0
"""Seconds that a good batch may wait for bad ones, on a machine that does a good batch in a second; else so many times longer."""
KINDS = {
    "good": 10, "broken file": 2, "no manifest": 1, "wrong manifest": 1, "strange name": 1, "same name": 2, "repeated": 2,
    "slow copy": 1,
}  # fmt: skip
"""How often each kind of delivery comes. In a small run, each comes at least once."""
LARGE = 5_000


@dataclass(frozen=True)
class Delivery:
    """What somebody delivered.

    Attributes:
        key: Of the manifest.
        expected: The answers that are right.
    """

    kind: str
    key: str
    content: bytes
    at: datetime
    expected: frozenset[str]

    @property
    def batch_id(self) -> str:
        return batch_id_of(self.key)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass
class Uploader:
    """One of many, with the account of an uploader, which may deliver and read reports."""

    number: int
    landing: LandingZone
    outside: Orchestrated

    def deliver_all(self, kinds: list[str]) -> list[Delivery]:
        chance = random.Random(f"{SEED} {self.number}")
        return [each for count, kind in enumerate(kinds) for each in self.deliver(kind, count, chance)]

    def deliver(self, kind: str, count: int, chance: random.Random) -> Iterator[Delivery]:
        """One delivery, and what else belongs to its kind."""
        name = f"same-{count % 3}" if kind == "same name" else f"u{self.number:02}-{count:02}"
        file = f"{self.outside.prefix}/{self.number:02}/{count:02}/d{self.number:02}_{count:02}.geojson"
        content = points(LARGE if chance.random() < 0.1 else 1 + self.number)
        self.outside.uploader.put(file, content[: len(content) // 2] if kind == "broken file" else content)
        manifest = self.manifest(name, file, "nonsense" if kind == "wrong manifest" else "vector")
        match kind:
            case "no manifest":
                yield self.put(kind, name, manifest[: len(manifest) // 2], "rejected")
            case "broken file" | "wrong manifest":
                yield self.put(kind, name, manifest, "rejected")
            case "strange name":
                yield self.put(kind, f"({name}) für Ä", manifest, "rejected")
            case "same name":
                with suppress(Rejected):  # refused at once, which is an answer
                    yield self.put(kind, name, manifest, "success", "rejected")
            case "repeated":
                yield self.put(kind, name, manifest, "success")
                yield self.put_when_free(kind, name, manifest, "success")
            case "slow copy":
                yield self.put(kind, name, manifest[: len(manifest) // 3], "rejected")
                yield self.put_when_free(kind, name, manifest, "success")
            case _:
                yield self.put(kind, name, manifest, "success")

    def manifest(self, batch_id: str, file: str, kind: str) -> bytes:
        entry = {"path": f"s3://{self.landing.bucket}/{file}", "type": kind, "format": "GeoJSON"}
        uploader = f"uploader {self.number}"
        return json.dumps({"batch_id": batch_id, "uploader": uploader, "intent": "ingest_vector", "files": [entry]}).encode()

    def put(self, kind: str, name: str, content: bytes, *expected: str) -> Delivery:
        key = self.landing.submit(content, name)
        return Delivery(kind, key, content, datetime.now(UTC), frozenset(expected))

    def put_when_free(self, kind: str, name: str, content: bytes, *expected: str) -> Delivery:
        """While another manifest waits under its name, a manifest is refused."""
        while True:
            with suppress(Rejected):
                return self.put(kind, name, content, *expected)
            time.sleep(2 if FULL else 0.5)


def kinds() -> list[list[str]]:
    """For each uploader, what it delivers."""
    chance = random.Random(SEED)
    drawn = [*chance.choices([*KINDS], [*KINDS.values()], k=UPLOADERS * DELIVERIES - len(KINDS)), *KINDS]
    chance.shuffle(drawn)
    return [drawn[number::UPLOADERS] for number in range(UPLOADERS)]


def kill_workers(outside: Orchestrated, stack: Stack, total: int) -> None:
    """Kill workers, spread over the deliveries."""
    chance = random.Random(SEED)
    for number in range(KILLS):
        due = total * number // KILLS
        until(lambda due=due: dealt_with(stack) > due, 3600, pause=1.0)
        victim = chance.choice(until(lambda: outside.living(WORKER), pause=0.1))
        time.sleep(chance.random())
        with suppress(psutil.NoSuchProcess):
            victim.kill()


def dealt_with(stack: Stack) -> int:
    return sum(1 for _ in stack.landing.store.list("archive/"))


def answers(stack: Stack, delivery: Delivery) -> list[tuple[str, str]]:
    """The answers to a manifest, one a name of an attempt. One on an attempt whose worker was gone is none."""
    apart = [f"reports/{delivery.batch_id}/", f"reports/{delivery.batch_id}~/"]
    reports = [json.loads(stack.landing.store.read(info.key)) for prefix in apart for info in stack.landing.store.list(prefix)]
    return [
        (report["status"], report["problems"][0]["code"] if report["problems"] else "")
        for report in reports
        if report["manifest_sha256"] == delivery.sha256 and not {each["code"] for each in report["problems"]} & {"lease_expired"}
    ]


def wrong(stack: Stack, delivery: Delivery, times: int) -> str | None:
    """What is wrong with the answers to a manifest that was delivered so often; None when nothing is."""
    found = answers(stack, delivery)
    if not found:
        return f"{delivery.kind} {delivery.key}: no answer"
    if len(found) > times or not {status for status, _ in found} <= delivery.expected:
        return f"{delivery.kind} {delivery.key}, delivered {times} times: {found}"
    return None


def waited_for_others(stack: Stack, deliveries: list[Delivery]) -> tuple[list[float], float]:
    """For each good batch, the seconds between its delivery and the last beginning of its work; and how long such work takes."""
    waits, work = [], []
    for delivery in deliveries:
        if delivery.kind == "good":
            *_, run = stack.ledger.runs(delivery.batch_id)
            waits.append((run.started_at - delivery.at).total_seconds())
            work.append((decided(stack.ledger, run).decided_at - run.started_at).total_seconds())
    return sorted(waits), median(work)


def waited_for_bad(stack: Stack, deliveries: list[Delivery]) -> list[float]:
    """For each good batch, the seconds that runs of bad ones took between its delivery and the end of its work."""
    runs = [run for batch_id in stack.ledger.batch_ids() for run in stack.ledger.runs(batch_id)]
    bad = [
        (run.started_at, end.decided_at) for run in runs if (end := decided(stack.ledger, run)).decision is not Decision.SUCCESS
    ]
    waits = []
    for delivery in deliveries:
        if delivery.kind == "good":
            *_, run = stack.ledger.runs(delivery.batch_id)
            spans = [(max(delivery.at, begun), min(run.started_at, ended)) for begun, ended in bad]
            waits.append(sum((ended - begun for begun, ended in spans if begun < ended), timedelta(0)).total_seconds())
    return sorted(waits)


def decided(ledger: Ledger, run: Run) -> Outcome:
    outcome = ledger.outcome(run.id)
    assert outcome is not None, f"{run.id} is undecided"
    return outcome


@pytest.mark.parametrize("orchestrated", ["servers"], indirect=True)
def test_each_delivery_gets_one_right_answer(orchestrated: Orchestrated, cli: Any) -> None:
    uploading = open_landing_zone(settings_of(Accounts(cli.folder / "accounts").settings("uploader")))
    uploaders = [Uploader(number, uploading, orchestrated) for number in range(UPLOADERS)]
    with orchestrated.running(), orchestrated.stack() as stack, ThreadPoolExecutor(UPLOADERS + 1) as hands:
        killing = hands.submit(kill_workers, orchestrated, stack, UPLOADERS * DELIVERIES)
        delivering = [hands.submit(each.deliver_all, own) for each, own in zip(uploaders, kinds(), strict=True)]
        deliveries = [delivery for done in delivering for delivery in done.result(3600)]
        until(lambda: not stack.landing.waiting(), 3600, pause=1.0)
        killing.result(600)
        until(lambda: not stack.ledger.undecided(), 600)
    cli("reconcile")
    with orchestrated.stack() as stack:
        gc(stack, age=timedelta(0))
        times = Counter(delivery.sha256 for delivery in deliveries)
        unlike = {delivery.sha256: delivery for delivery in deliveries}.values()
        assert [said for delivery in unlike if (said := wrong(stack, delivery, times[delivery.sha256]))] == []
        for name in {delivery.batch_id for delivery in deliveries if delivery.kind == "same name"}:
            ends = [decided(stack.ledger, run) for run in stack.ledger.runs(name)]
            assert sum(end.decision is Decision.SUCCESS and not end.unchanged_since for end in ends) == 1, f"{name} is one's"
            refused = [each for each in stack.ledger.receipts(name) if each.problems]
            assert all(map(is_refused_the_name, refused)), name
        assert [verdict for verdict in verify(stack) if verdict.finding.damages] == []
        waits, work = waited_for_others(stack, list(unlike))
        behind = waited_for_bad(stack, list(unlike))
        print(f"{len(deliveries)} deliveries: {Counter(each.kind for each in deliveries)}")
        print(f"A good batch works {work:.2f} s (median), waits {median(waits):.1f} s and {waits[-1]:.1f} s at most,")
        print(f"of these {behind[-1]:.1f} s at most behind runs of bad ones.")
        assert behind[-1] < LONGEST * max(1.0, work)
