"""Kills a worker at one external effect after the other, lets another recover, and tells what was found each time.

A program of its own, for ``test_crash.py`` and ``test_services_killed.py``, on the platform that its environment names. It
prints one line of JSON for each crash.

``crash_driver.py worker FIRST STEP [BEFORE]`` kills it before the effects number FIRST, FIRST + STEP, ... until a worker lives
to the end. With BEFORE, a first worker is killed at that effect, and it is the one that recovers after it which is killed at
one after the other. Killing before each of them covers every state that a crash can leave: nothing changes between one and
the next.

``crash_driver.py service FOLDER NAME harmless|deadly MOMENT...`` kills one of the services in FOLDER before the first effect,
or at the first sign of progress, whose name begins with MOMENT, and starts it again; ``deadly`` kills the worker too, while
the service is down.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

import libs.compute.duckdb  # noqa: F401 - what workers import late, they would all import again
from libs.models import ServiceUnavailable, utc_now
from libs.models.settings import Settings
from libs.pipeline import identity
from libs.pipeline.maintenance import gc, reconcile
from libs.pipeline.process import process
from libs.pipeline.progress import Progress, no_progress
from libs.platform import open_stack, s3_server
from libs.storage import s3
from services.local import LocalServices
from tests.e2e.crash_batch import found, seen, sessions_end, submit
from tests.e2e.crash_effects import Effects

LATER = 25 * 3600.0
"""Seconds that a recovering worker comes after the one before it: leases have run out, and gc counts nothing as young."""

_DOWN = 0.5
"""Seconds that a killed service is away, before it is started again."""

_PR_SET_CHILD_SUBREAPER = 36


def work(settings: Settings, progress: Progress = no_progress) -> str | None:
    """What a worker does that starts on a waiting batch. Returns what it gave up for."""
    with open_stack(settings) as stack:
        try:
            list(process(stack, progress=progress))
        except ServiceUnavailable as error:
            return str(error)
        return None


def recover(settings: Settings, later: float) -> None:
    """What a worker does that starts after a crash, some time later."""
    with ahead(later), open_stack(settings) as stack:
        stack.ledger.clock = lambda: utc_now() + timedelta(seconds=later)
        reconcile(stack)
        list(process(stack))
        gc(stack)


@contextmanager
def ahead(seconds: float) -> Iterator[None]:
    """Put the clock forward. Those of the stores cannot be: what is there becomes old sooner, and may seem to be from before."""
    present, stale, clocks = time.time, s3._STALE, identity._CLOCKS
    time.time = lambda: present() + seconds
    s3._STALE, identity._CLOCKS = timedelta(0), timedelta(seconds=seconds) + clocks
    try:
        yield
    finally:
        time.time, s3._STALE, identity._CLOCKS = present, stale, clocks


@dataclass(frozen=True)
class Fate:
    """What becomes of a worker.

    Attributes:
        later: Seconds after which it comes to recover from a crash; 0 for the first worker.
        effect: Number of the effect before which it is killed.
        moment: Beginning of the effect's name before which it rings, and waits for the answer.
        deadly: It is killed when it has got it.
    """

    later: float = 0
    effect: int = 0
    moment: str = ""
    deadly: bool = False


class Nursery:
    """Where workers come from that will be killed: forks of a process that has imported everything, and started nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._orders, orders = Pipe()
        self._bell, bell = Pipe()
        if os.fork() == 0:
            self._orders.close()
            self._bell.close()
            self._serve(orders, bell)
            os._exit(0)
        orders.close()
        bell.close()

    def worker(self, fate: Fate, when_it_rings: Callable[[], None] = lambda: None) -> dict[str, Any]:
        """Have a worker live and die.

        Returns:
            ``trail``, its effects, None when it was killed; ``gave_up`` for a service, and why; ``orphans``, how many processes
            it left that did not end.
        """
        self._orders.send(fate)
        while True:
            ready = wait([self._orders, self._bell])
            if self._bell in ready:
                self._bell.recv()
                when_it_rings()
            if self._orders in ready:
                return dict(self._orders.recv())

    def answer(self) -> None:
        """Let the worker that has rung go on."""
        self._bell.send(None)

    def _serve(self, orders: Connection, bell: Connection) -> None:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
        while True:
            try:
                fate = orders.recv()
            except EOFError:
                return
            lived = self._forked(fate, bell)
            orders.send(lived | {"orphans": _orphans()})

    def _forked(self, fate: Fate, bell: Connection) -> dict[str, Any]:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                told = json.dumps(self._live(fate, bell))
                with os.fdopen(writing, "w") as pipe:
                    pipe.write(told)
                os._exit(0)
            except BaseException:  # noqa: BLE001 - must never return into the driver
                traceback.print_exc()
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            told = pipe.read()
        _, status = os.waitpid(pid, 0)
        if os.waitstatus_to_exitcode(status) == -signal.SIGKILL:
            return {"trail": None, "gave_up": None}
        if status:
            sys.exit("the worker failed")
        return dict(json.loads(told))

    def _live(self, fate: Fate, bell: Connection) -> dict[str, Any]:
        rung = threading.Event()

        def before(number: int, name: str) -> None:
            if number == fate.effect:
                os.kill(os.getpid(), signal.SIGKILL)
            if fate.moment and name.startswith(fate.moment) and not rung.is_set():
                rung.set()
                bell.send(None)
                bell.recv()
                if fate.deadly:
                    os.kill(os.getpid(), signal.SIGKILL)

        effects = Effects(before)
        if fate.later:
            recover(self._settings, fate.later)
            return {"trail": effects.trail, "gave_up": None}
        signs = (lambda event: before(-1, f"{event.phase} {event.subject}")) if fate.moment else no_progress
        return {"trail": effects.trail, "gave_up": work(self._settings, signs)}


def _orphans(limit: float = 10.0) -> int:
    """Wait until the processes that a killed worker left have ended; the number of those that have not."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
        except ChildProcessError:
            return 0
    return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def kill_worker(settings: Settings, nursery: Nursery, number: int, before: int | None) -> dict[str, Any]:
    """One crash and what came of it."""
    submit(settings)
    later = 0.0
    if before is not None:
        nursery.worker(Fate(effect=before))
        later = LATER
    lived = nursery.worker(Fate(effect=number, later=later))
    return {"point": number} | lived | aftermath(settings, later + LATER)


def kill_service(settings: Settings, nursery: Nursery, services: LocalServices, name: str, fate: Fate) -> dict[str, Any]:
    """A service that goes away and comes back, and what came of it."""
    mongodb = services.mongodb
    kill, start = {
        "minio": (services.minio.kill, services.minio.start),
        "ferretdb": (mongodb._daemon.kill, mongodb.start),
        "postgresql": (mongodb.cluster.kill, mongodb.start),
        "postgis": (services.postgis.kill, services.postgis.start),
    }[name]
    submit(settings)
    killed = []

    def restart() -> None:
        kill()
        killed.append(name)
        nursery.answer()
        time.sleep(_DOWN)
        start()

    lived = nursery.worker(fate, restart)
    return {"killed": killed, "moment": fate.moment} | lived | aftermath(settings, LATER)


def aftermath(settings: Settings, later: float) -> dict[str, Any]:
    """What is seen after a crash, and what is found after the recovery."""
    sessions = sessions_end(settings)
    after = {"sessions": sessions} | seen(settings)
    recover(settings, later)
    return after | found(settings)


def main() -> None:
    """Do what the command line says."""
    settings = Settings(_env_file=None)
    if settings.minio_endpoint is not None:
        assert s3_server(settings).quick  # the clients take long to make, and connect to nothing yet
        assert s3_server(settings).patient
        s3.PART = 5 * 1024 * 1024  # the least that S3 takes
    kind, *arguments = sys.argv[1:]
    nursery = Nursery(settings)
    if kind == "worker":
        number, step, *before = map(int, arguments)
        lived = False
        while not lived:
            point = kill_worker(settings, nursery, number, before[0] if before else None)
            print(json.dumps(point), flush=True)
            lived, number = point["trail"] is not None, number + step
    else:
        folder, name, how, *moments = arguments
        services = LocalServices(Path(folder))
        for moment in moments:
            point = kill_service(settings, nursery, services, name, Fate(moment=moment, deadly=how == "deadly"))
            print(json.dumps(point), flush=True)


if __name__ == "__main__":
    main()
