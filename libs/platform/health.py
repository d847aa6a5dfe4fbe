"""What works on this machine: each check tries the real thing, and says what to do when that does not work."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from libs.models import Rejected, ServiceUnavailable, utc_now
from libs.models.settings import Settings
from libs.platform import open_channels, open_engine, open_lake, open_landing_zone, open_ledger, open_registry
from libs.platform.home import lacks_home
from libs.platform.wording import NO_MANIFEST, count, size

if TYPE_CHECKING:
    from libs.storage import LandingZone

LITTLE_SPACE = 2 * 10**9
"""Bytes: less free space than this stops the first larger file."""


SKEW = 5.0
"""Seconds that a store's clock may differ from this machine's: S3 dates its answers to the second, and an answer takes time."""

LOOKED_AT = 100_000
"""Raw files, at most, whose rights are looked at."""
SHOWN = 20
"""Places, at most, that are named."""


class Verdict(StrEnum):
    """What came of a check."""

    GOOD = "good"
    WEAK = "weak"
    """It works, with less than it should have."""
    BAD = "bad"


@dataclass(frozen=True)
class Check:
    """A check that was made.

    Attributes:
        name: What was looked at.
        found: What was found.
        remedy: What to do, when it is not good.
    """

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


def all_checks(settings: Settings) -> Iterator[Check]:
    """Every check, in the order in which one thing builds on another."""
    for subject, look in (
        ("Python", _python),
        ("Packages", _packages),
        ("Folders", _folders),
        ("Recipes", _recipes),
        ("Stores", _stores),
        ("Notices", _notices),
        ("Engine", _engine),
        ("Reading", _reading),
    ):
        try:
            yield from look(settings)
        except ServiceUnavailable as error:
            remedy = f"Check {error.setting}."
            yield Check(subject, Verdict.BAD, str(error).removesuffix(f" {remedy}"), remedy)
        except Rejected as error:
            for problem in error.problems:
                yield Check(subject, Verdict.BAD, f"{problem.where}: {problem.message}", problem.remedy)
        except Exception as error:  # noqa: BLE001 - a check reports every fault
            yield Check(subject, Verdict.BAD, f"{type(error).__name__}: {error}", "Install again what requirements.txt says.")


def _python(_: Settings) -> Iterator[Check]:
    system = f"{platform.system()} {platform.release()} ({platform.machine()})"
    found = f"{platform.python_version()} on {system}, {os.cpu_count()} cores"
    if sys.platform != "linux":
        yield Check("Python", Verdict.WEAK, found, "Only Linux is tested: its kernel confines the reading of untrusted files.")
    else:
        yield Check("Python", Verdict.GOOD, found)


def _packages(_: Settings) -> Iterator[Check]:
    found, missing = [], []
    for name in ("duckdb", "duckdb-extension-spatial", "pyarrow", "pydantic", "pyogrio", "pyproj"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Check("Packages", Verdict.BAD, f"not installed: {', '.join(missing)}", "Install what requirements.txt says.")
    else:
        yield Check("Packages", Verdict.GOOD, ", ".join(found))


def _folders(settings: Settings) -> Iterator[Check]:
    yield _folder("Home", settings.spatial_etl_home, "SPATIAL_ETL_HOME")
    yield _folder("Scratch", settings.scratch, "SPATIAL_ETL_SCRATCH")
    for name, place in (("Landing", settings.landing), ("Lake", settings.lake)):
        if place.folder is not None and place.setting != "SPATIAL_ETL_HOME":
            yield _folder(name, place.folder, place.setting)


def _folder(name: str, folder: Path, setting: str) -> Check:
    """Whether a folder can be written to, and how much fits in."""
    place = folder.resolve()
    while not place.exists():  # what is not there is made when it is needed, in the nearest folder that is
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"doctor")
    except OSError as error:
        return Check(name, Verdict.BAD, f"{folder}: {error.strerror}", f"Make it writable, or set {setting} to another folder.")
    free = shutil.disk_usage(place).free
    found = f"{folder.absolute()}, {size(free)} free"
    if free < LITTLE_SPACE:
        return Check(name, Verdict.WEAK, found, f"Free some space, or set {setting} to a larger disk.")
    return Check(name, Verdict.GOOD, found)


def _recipes(settings: Settings) -> Iterator[Check]:
    registry = open_registry(settings)
    found = count(len(registry.recipes), "recipe")
    yield Check("Recipes", Verdict.GOOD, f"{found}; your own are looked for in {settings.recipes}")
    for problem in (problem for each in registry.broken for problem in each.problems):
        yield Check("Recipes", Verdict.BAD, f"{problem.where}: {problem.message}", problem.remedy)


def _stores(settings: Settings) -> Iterator[Check]:
    from libs.pipeline.identity import require_own_lake

    if lacks_home(settings) and settings.minio_endpoint is None:
        for name in ("Landing", "Lake", "Ledger"):
            yield Check(name, Verdict.GOOD, "not there yet: the first delivery makes it")
        return
    landing = open_landing_zone(settings)
    yield from _landing(landing)
    lake = open_lake(settings)
    next(iter(lake.objects()), None)
    yield Check("Lake", Verdict.GOOD, lake.store.uri(""))
    skew = (landing.store.clock() - utc_now()).total_seconds()
    if abs(skew) > SKEW:
        found = f"{landing.store.place}: its clock is {abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
        yield Check(
            "Clocks", Verdict.WEAK, found, "Set both clocks by NTP. Nothing waits for them, but times in lists are wrong."
        )
    ledger = open_ledger(settings)
    with closing(ledger.store):
        datasets = count(len(ledger.newest_versions()), "dataset")
        about = ledger.store.describe()
        yield Check("Ledger", Verdict.GOOD, f"{about}, {datasets}")
        paired = require_own_lake(settings, lake, ledger, bind=False)
    if paired:
        yield Check("Identity", Verdict.GOOD, "lake and ledger belong together")
    elif settings.lake.folder is None and settings.mongo_connection_string is None:
        found = "the lake is on a server, and would get a ledger that is a file of this machine"
        yield Check("Identity", Verdict.WEAK, found, "Set MONGO_CONNECTION_STRING, unless nobody else works with this lake.")
    else:
        yield Check("Identity", Verdict.GOOD, "lake and ledger are new, and will belong together from their first use on")


def _landing(landing: "LandingZone") -> Iterator[Check]:
    """What waits, and what a run would stumble over."""
    found = f"{landing.store.uri('')}, {count(len(landing.waiting()), 'manifest')} waiting"
    unrecognized, closed = landing.unrecognized(), landing.closed(LOOKED_AT)
    if unrecognized:
        others = f"{count(len(unrecognized), 'file')} in manifests/ without the name of a manifest: {', '.join(unrecognized[:3])}"
        yield Check("Landing", Verdict.WEAK, f"{found}, {others}", f"Name it rightly: {NO_MANIFEST}")
    else:
        yield Check("Landing", Verdict.GOOD, found)
    for error in closed[:SHOWN]:
        yield Check("Landing", Verdict.WEAK, f"{error.uri} {error.reason}", "Change the rights to it, or take it away.")
    if len(closed) > SHOWN:
        more = f"{count(len(closed) - SHOWN, 'place')} more in the landing zone that may not be read or removed"
        yield Check("Landing", Verdict.WEAK, more, "Change the rights to them, or take them away.")


def _notices(settings: Settings) -> Iterator[Check]:
    """Whether those who are to be told answer, and what they were not told."""
    from libs.notify import NotSent

    channels = open_channels(settings)
    for channel in channels:
        try:
            yield Check("Notices", Verdict.GOOD, f"{channel.name}: {channel.check()}")
        except NotSent as error:
            remedy = f"Check {channel.setting}. What is to be told waits, and is tried again for a week."
            yield Check("Notices", Verdict.WEAK, f"{channel.name}: {error}", remedy)
    if channels:
        yield from _untold(settings)


def _untold(settings: Settings) -> Iterator[Check]:
    from libs.ledger.notices import Notices
    from libs.models import NoticeResult

    ledger = open_ledger(settings)
    with closing(ledger.store):
        notices = Notices(ledger)
        owed, lost = notices.owed(), list(notices.ends(result=NoticeResult.GIVEN_UP))
    if owed:
        found = (
            f"{count(len(owed), 'notice')} to be sent, the oldest of batch {min(owed, key=lambda each: each.noted_at).batch_id}"
        )
        yield Check("Notices", Verdict.GOOD, found)
    if lost:
        last = max(lost, key=lambda each: each.ended_at)
        found = f"{count(len(lost), 'notice')} given up, the last: {last.channel} of batch {last.batch_id}: {last.remark}"
        yield Check(
            "Notices", Verdict.WEAK, found, "Tell these people yourself: `spatial-etl status BATCH` shows what they missed."
        )


def _engine(settings: Settings) -> Iterator[Check]:
    from libs.platform import choose_engine

    reason = choose_engine(settings).reason
    with tempfile.TemporaryDirectory(prefix="doctor-") as folder:  # a home that is not there yet is not made by a look
        makes_none = lacks_home(settings) and settings.spatial_etl_scratch is None
        engine = open_engine(settings.model_copy(update={"spatial_etl_scratch": Path(folder)}) if makes_none else settings)
        try:
            engine.warm_up()
            found = engine.describe()
        finally:
            engine.close()
    memory = f"{settings.spatial_etl_memory_mb:,} MiB before it spills"
    yield Check("Engine", Verdict.GOOD, f"{found}, {memory}; chosen because {reason}")


def _reading(_: Settings) -> Iterator[Check]:
    """The worker process that reads files, and what confines it."""
    from libs.spatial_utils.reading import sandbox_features

    features = sandbox_features()
    yield Check("Reading", Verdict.GOOD, f"GDAL {features['gdal']} in a worker process")
    weak, holds = [], ["limits on memory, time and files"]
    if features["landlock"]:
        holds.append(f"Landlock (ABI {features['landlock']})")
    else:
        weak.append("no Landlock, so a malicious file might make GDAL open other files")
    if features["no_network"]:
        holds.append("no network")
    elif features["seccomp"]:
        weak.append("no network namespace; only the filter of system calls keeps a malicious file off the network")
    else:
        weak.append("no network namespace, so a malicious file might make GDAL speak to the network")
    if features["seccomp"]:
        holds.append("a filter of system calls")
    if weak:
        remedy = (
            "Use Linux 5.13 or later, with Landlock and user namespaces switched on. In a container, they also need the seccomp "
            "profile deploy/seccomp.json."
        )
        yield Check("Sandbox", Verdict.WEAK, f"{'; '.join(weak)}. In force: {', '.join(holds)}", remedy)
    else:
        yield Check("Sandbox", Verdict.GOOD, ", ".join(holds))
