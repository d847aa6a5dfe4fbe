"""Kills a worker at one external effect after the other, lets another recover, and tells what was found each time.

A program of its own, for ``test_crash.py``: ``python crash_driver.py FOLDER FIRST STEP [BEFORE]`` tries the effects number
FIRST, FIRST + STEP, ... until a worker lives to the end, and prints one line of JSON for each. With BEFORE, a first worker is
killed at that effect, and it is the one that recovers after it which is killed at one after the other.

An external effect is whatever outlasts the process: a file made, written, synced, linked, renamed or removed, a statement that
changes the ledger, a process started. They are met where they leave Python, so that none can be forgotten; nothing of it is in
the product. Killing before each of them covers every state that a crash can leave: nothing changes between one and the next.
"""

import ctypes
import json
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from libs.ledger import Records
from libs.models import Decision, utc_now
from libs.models.settings import Settings
from libs.pipeline.process import process
from libs.pipeline.stack import Stack
from libs.pipeline.upkeep import gc, reconcile
from libs.pipeline.verify import Finding, verify
from libs.platform import open_ledger, open_stack
from libs.storage import landing

BATCH = "three-files"
POINT = '{"type": "Feature", "properties": {"n": %d}, "geometry": {"type": "Point", "coordinates": [9, %d]}}'
FILES = {
    "points.geojson": POINT % (1, 53),
    "stops.geojsonl": "\n".join(POINT % (n, 53 + n) for n in range(3)),
    "trees.csv": "species,x,y\noak,9.5,53.5\nlime,9.6,53.6\n",
}
MANIFEST = {
    "batch_id": BATCH,
    "uploader": "tester",
    "intent": "ingest_vector",
    "files": [
        {"path": f"s3://landing-zone/{BATCH}/points.geojson", "type": "vector", "format": "GeoJSON"},
        {"path": f"s3://landing-zone/{BATCH}/stops.geojsonl", "type": "vector", "format": "GeoJSONSeq"},
        {
            "path": f"s3://landing-zone/{BATCH}/trees.csv",
            "type": "vector",
            "format": "CSV",
            "crs": "EPSG:4326",
            "options": {"x": "x", "y": "y"},
        },
    ],
}

LATER = 3600.0
"""Seconds that a recovering worker comes after the one before it: leases have run out, leftovers have settled."""

_FILE_EVENTS = {"os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.truncate", "subprocess.Popen"}
_UNAUDITED = ("write", "copy_file_range", "fsync")
_CHANGES = ("INSERT", "UPDATE", "DELETE", "CREATE", "BEGIN", "COMMIT")
_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PR_SET_CHILD_SUBREAPER = 36


class Effects:
    """Counts the external effects of this process; kills it before a given one."""

    def __init__(self, fatal: int) -> None:
        self.trail: list[str] = []
        self._fatal, self._lock = fatal, threading.Lock()
        sys.addaudithook(self._on_audit)
        for name in _UNAUDITED:
            setattr(os, name, self._counted(f"os.{name}", getattr(os, name)))
        connect = sqlite3.connect

        def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
            connection = connect(*arguments, **options)
            connection.set_trace_callback(self._on_statement)
            return connection

        sqlite3.connect = traced  # type: ignore[assignment]

    def _happens(self, what: str) -> None:
        with self._lock:
            self.trail.append(what)
            if len(self.trail) == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    def _on_audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _FILE_EVENTS or (event == "open" and arguments[2] & _FOR_WRITING):
            self._happens(f"{event} {arguments[0]}")

    def _on_statement(self, sql: str) -> None:
        if sql.startswith(_CHANGES):
            self._happens(sql[:60])

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self._happens(name)
            return function(*arguments, **options)

        return counted


def work(home: Path) -> None:
    """What a worker does that starts on a waiting batch."""
    with open_stack(Settings(spatial_etl_home=home)) as stack:
        list(process(stack))


def recover(home: Path, later: float) -> None:
    """What a worker does that starts after a crash, some time later."""
    present = time.time
    time.time = lambda: present() + later
    with open_stack(Settings(spatial_etl_home=home)) as stack:
        stack.ledger.clock = lambda: utc_now() + timedelta(seconds=later)
        reconcile(stack)
        list(process(stack))
        gc(stack)


def after_crash(home: Path) -> dict[str, Any]:
    """What users see of the batch after the crash, and how far it had got."""
    ledger = open_ledger(Settings(spatial_etl_home=home))
    try:
        return {"committed": _successes(ledger), "visible": [asset.id for asset in ledger.assets()]}
    finally:
        ledger.store.close()


def after_recovery(home: Path) -> dict[str, Any]:
    """Everything that should be as if nothing had happened."""
    with open_stack(Settings(spatial_etl_home=home)) as stack:
        found = _found(stack)
    hidden = [path for bucket in ("landing-zone", "data-lake") for path in (home / bucket / ".partial").iterdir()]
    scratch = [path for path in (home / "scratch").rglob("*") if path.is_file() or path.parent.name == "runs"]
    found["left"] = [str(path.relative_to(home)) for path in hidden + scratch]
    return found


def _found(stack: Stack) -> dict[str, Any]:
    assets = list(stack.ledger.assets())
    recorded = {stack.lake.key_of(file.uri) for asset in assets for file in asset.files}
    lying = {info.key for info in stack.lake.objects()}
    report = json.loads(stack.landing.store.read(f"reports/{BATCH}.json"))
    return {
        "attempts": len(stack.ledger.runs(BATCH)),
        "successes": _successes(stack.ledger),
        "datasets": {asset.dataset_id: asset.features for asset in assets},
        "versions": len(assets),
        "lineage": sum(1 for _ in stack.ledger.store.ids("lineage")),
        "unrecorded": sorted(lying - recorded),
        "intact": all(item.finding is Finding.INTACT for item in verify(stack)),
        "report": report["status"],
        "problems": report["problems"],
        "reported": len(report["datasets"]),
        "waiting": [info.key for info in stack.landing.waiting()],
        "archived": sum(1 for _ in stack.landing.store.list("archive/")),
    }


def _successes(ledger: Records) -> int:
    runs = ledger.runs(BATCH)
    return sum(outcome.decision is Decision.SUCCESS for run in runs if (outcome := ledger.outcome(run.id)))


def fill(home: Path) -> None:
    """A landing zone with the batch in it."""
    folder = home / "landing-zone" / BATCH
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_text(content)
    (home / "landing-zone" / landing.MANIFESTS).mkdir()
    (home / "landing-zone" / landing.MANIFESTS / f"{BATCH}.json").write_text(json.dumps(MANIFEST))


def in_child(job: Callable[[], Any], fatal: int | None = None) -> Any:
    """Do a job in a forked process, to be killed at its effect number ``fatal``.

    Returns:
        What it returned; the effects when ``fatal`` was given and it lived; None when it was killed.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            effects = Effects(fatal) if fatal is not None else None
            result = job()
            with os.fdopen(writing, "w") as pipe:
                json.dump(effects.trail if effects else result, pipe)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - must never return into the driver
            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) == -signal.SIGKILL:
        return None
    if status:
        sys.exit("the worker failed")
    return json.loads(answer)


def wait_for_orphans(limit: float = 10.0) -> int:
    """Wait until the processes that a killed worker left have ended; the number of those that have not."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
        except ChildProcessError:
            return 0
    return len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def try_point(home: Path, number: int, before: int | None) -> dict[str, Any]:
    """One crash and what came of it."""
    fill(home)
    if before is None:
        lived = in_child(lambda: work(home), number)
        later = LATER
    else:
        in_child(lambda: work(home), before)
        wait_for_orphans()
        lived = in_child(lambda: recover(home, LATER), number)
        later = 2 * LATER
    found: dict[str, Any] = {"point": number, "trail": lived, "orphans": wait_for_orphans()}
    found |= in_child(lambda: after_crash(home))
    in_child(lambda: recover(home, later))
    return found | in_child(lambda: after_recovery(home))


def main() -> None:
    """Try points until a worker lives."""
    folder, number, step = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    before = int(sys.argv[4]) if len(sys.argv) > 4 else None
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    lived = False
    while not lived:
        found = try_point(folder / f"{before}-{number}", number, before)
        print(json.dumps(found), flush=True)
        lived, number = found["trail"] is not None, number + step


if __name__ == "__main__":
    main()
