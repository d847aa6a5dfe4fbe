"""The platform while Dagster runs it: its processes, an uploader from outside, and what must hold when all work is done."""

import json
import re
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil
from botocore.exceptions import ClientError

from libs.ledger.records import lost
from libs.models import Decision
from libs.models.settings import Settings
from libs.pipeline import scratch
from libs.pipeline.publishing import keys_of
from libs.pipeline.stack import Stack
from libs.pipeline.verify import verify
from libs.platform import open_stack
from services.dagster.processes import COMMANDS

WORKER = "worker"
PATIENCE = 300.0
"""Seconds to wait for what must happen."""

_COMMANDS = {**COMMANDS, WORKER: "multiprocessing.spawn"}
_URL = re.compile(r"UI is at (\S+);")


class Uploader(Protocol):
    """What somebody outside can do with the landing zone."""

    def put(self, key: str, content: str) -> None: ...

    def get(self, key: str) -> str | None: ...


class FolderUploader:
    """Of a landing zone that is a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, content: str) -> None:
        target = self.root / key
        target.parent.mkdir(parents=True, exist_ok=True)
        (new := target.with_suffix(".new")).write_text(content)
        new.replace(target)

    def get(self, key: str) -> str | None:
        path = self.root / key
        return path.read_text() if path.exists() else None


class BucketUploader:
    """Of a landing zone that is a bucket: any S3 client does."""

    def __init__(self, client: Any, bucket: str) -> None:
        self.client, self.bucket = client, bucket

    def put(self, key: str, content: str) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content.encode())

    def get(self, key: str) -> str | None:
        try:
            return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode()
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"NoSuchKey", "AccessDenied"}:  # who may not list is not told which
                raise
            return None


@dataclass
class Orchestrated:
    """Dagster on a stack, as a person starts it.

    Attributes:
        command: Starts it, in the foreground; it says where its user interface is.
        environment: Of the command, with what reaches the stack.
        uploader: Has the landing zone before it.
        prefix: Where the uploader may put files.
        log: Of the command.
    """

    command: list[str | Path]
    environment: dict[str, str]
    uploader: Uploader
    prefix: str
    log: Path
    url: str = ""

    @contextmanager
    def running(self) -> Iterator[None]:
        """From its start to Ctrl-C, which leaves no process."""
        with self.log.open("wb") as log:
            service = subprocess.Popen(self.command, cwd=self.log.parent, env=self.environment, stdout=log, stderr=log)
        try:
            said = until(lambda: _URL.search(self.log.read_text()) or service.poll())
            assert isinstance(said, re.Match), self.log.read_text()
            self.url = said[1]
            yield
            assert service.poll() is None, self.log.read_text()
        finally:
            service.send_signal(signal.SIGINT)
            service.wait(PATIENCE)
        until(lambda: not self.living())

    def living(self, kind: str = "") -> list[psutil.Process]:
        """The processes of a kind. They are told by their home: a worker outlives the code server that started it."""
        home = f"{self.environment['SPATIAL_ETL_HOME']}/dagster"
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("DAGSTER_HOME") == home and _COMMANDS.get(kind, "") in " ".join(process.cmdline()):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):  # the former includes zombies
                continue
        return found

    def ask(self, query: str, **variables: Any) -> Any:
        """GraphQL."""
        return graphql(self.url, query, **variables)

    def deliver(self, batch_id: str, content: str, **file: str) -> None:
        """A batch of one GeoJSON file, which makes the dataset of its name: the file first, then the manifest."""
        key = f"{self.prefix}/{batch_id}/{batch_id}.geojson"
        self.uploader.put(key, content)
        entry = {"path": f"s3://landing-zone/{key}", "type": "vector", "format": "GeoJSON", "dataset_id": batch_id, **file}
        manifest = {"batch_id": batch_id, "uploader": "tester", "intent": "ingest_vector", "files": [entry]}
        self.uploader.put(f"manifests/{batch_id}.json", json.dumps(manifest))

    def report(self, batch_id: str) -> dict[str, Any] | None:
        content = self.uploader.get(f"reports/{batch_id}.json")
        return None if content is None else json.loads(content)

    @contextmanager
    def stack(self) -> Iterator[Stack]:
        """The platform below Dagster."""
        with open_stack(settings_of(self.environment)) as stack:
            yield stack


def points(count: int) -> str:
    """A GeoJSON file."""
    feature = {"type": "Feature", "properties": {"n": 1}, "geometry": {"type": "Point", "coordinates": [9, 53]}}
    return json.dumps({"type": "FeatureCollection", "features": [feature] * count})


def until(true: Callable[[], Any], seconds: float = PATIENCE, *, pause: float = 0.2) -> Any:
    """What ``true`` returns when it is true at last."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(pause)
    return found


def graphql(url: str, query: str, **variables: Any) -> Any:
    """What Dagster's webserver answers."""
    content = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{url}/graphql", content, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        found = json.load(answer)
    assert "errors" not in found, found
    return found["data"]


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The settings that a process with this environment would read."""
    known = {name: environment[name.upper()] for name in Settings.model_fields if name.upper() in environment}
    return Settings(_env_file=None, **known)


def ends(stack: Stack, batches: list[str]) -> Counter[str]:
    """How many batches came to which end. Each must have come to exactly one, of which its uploader was told.

    To be asked after reconcile and gc: nothing else may be left.
    """
    found = {batch_id: _end(stack, batch_id) for batch_id in batches}
    assert sorted(batch.batch_id for batch in stack.ledger.batches()) == sorted(batches)
    assets = list(stack.ledger.assets())
    succeeded = sorted(batch_id for batch_id, end in found.items() if end == Decision.SUCCESS)
    assert sorted(asset.dataset_id for asset in assets) == succeeded, "of each dataset one version, and none without success"
    recorded = sorted(key for asset in assets for key in keys_of(stack.lake, asset))
    assert sorted(info.key for info in stack.lake.objects()) == recorded
    assert [verdict for verdict in verify(stack) if verdict.finding.damages] == []
    assert stack.landing.waiting() == []
    assert scratch.leftovers(stack.scratch) == []
    assert stack.engine.leftovers() == []
    return Counter(found.values())


def _end(stack: Stack, batch_id: str) -> str:
    """Of a batch's attempts, the last has decided, and those before it lost their worker."""
    *earlier, last = (stack.ledger.outcome(run.id) for run in stack.ledger.runs(batch_id))
    assert last is not None, f"{batch_id} is undecided"
    assert all(outcome is not None and lost(outcome) for outcome in earlier), f"{batch_id} was tried again without need"
    assert last.decision is Decision.SUCCESS or lost(last), f"{batch_id}: {last.problems}"
    report = json.loads(stack.landing.store.read(f"reports/{batch_id}.json"))
    assert (report["run_id"], report["status"]) == (last.run_id, last.decision.value), batch_id
    return last.decision.value
