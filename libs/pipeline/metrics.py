"""Metrics of a platform, in the text format of Prometheus: what its ledger counts, what waits, and how much room is left.

All counters come from the ledger. So they do not begin anew with a process, and every process of a platform tells the same.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from libs.ledger.tally import Tally
from libs.models import Decision, Status, utc_now
from libs.models.settings import Settings
from libs.pipeline.build import build
from libs.raw_text import inert
from libs.storage import LandingZone

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of :func:`exposition`."""

Samples = Mapping[str, float]
"""Values by the label's value."""


@dataclass(frozen=True)
class Metric:
    """A metric and its values.

    Attributes:
        name: Without the prefix that all have.
        kind: Counters never fall, and end in ``_total``.
        meaning: One sentence.
        label: What tells the values apart; empty where there is only one.
        samples: The values; of one without a label under ``""``.
    """

    name: str
    kind: Literal["counter", "gauge"]
    meaning: str
    label: str
    samples: Samples


def collect(tally: Tally, landing: LandingZone, settings: Settings) -> Iterator[Metric]:
    """All metrics of now.

    Args:
        tally: Counts the ledger; brought up to date.
        landing: Where manifests wait.
        settings: Say which folders the platform fills.

    Raises:
        ServiceUnavailable: when ledger or landing zone cannot be read.
    """
    tally.update()
    waiting = landing.waiting()
    now = utc_now()
    oldest = max(((now - info.modified).total_seconds() for info in waiting), default=0.0)
    yield _gauge("build_info", "The build that tells this; always 1.", "version", {build(): 1})
    yield _gauge("batches", "Batches by status.", "status", {status: tally.batches[status] for status in Status})
    yield _gauge("waiting_manifests", "Manifests in the landing zone that are not dealt with yet.", "", {"": len(waiting)})
    yield _gauge("waiting_seconds", "Since when the oldest of them lies there.", "", {"": max(oldest, 0.0)})
    yield _counter("runs_total", "Runs that were decided.", "decision", {each: tally.runs[each] for each in Decision})
    yield _gauge(
        "last_run_timestamp_seconds", "When a run was last decided so, in seconds since 1970.", "decision",
        {decision: moment.timestamp() for decision, moment in tally.last.items()},
    )  # fmt: skip
    yield _counter("problems_total", "Problems of runs and of rejected manifests.", "code", tally.problems)
    yield _counter("warnings_total", "Warnings of runs.", "code", tally.warnings)
    yield _counter("phase_seconds_total", "Time that making the versions took.", "phase", _rounded(tally.seconds))
    yield _counter("read_bytes_total", "Size of the raw files that versions were made from.", "", {"": tally.read})
    yield _counter("written_bytes_total", "Size of the files of versions.", "", {"": tally.written})
    yield _counter("features_total", "Features of versions.", "", {"": tally.features})
    yield _gauge("datasets", "Datasets that have a version.", "", {"": tally.datasets})
    yield _gauge("versions", "Versions of all datasets.", "", {"": tally.versions})
    yield _gauge("free_bytes", "Room on the disk of each folder of the platform on this machine.", "place", _room(settings))


def exposition(metrics: Iterable[Metric]) -> str:
    """Metrics as text."""
    lines: list[str] = []
    for metric in metrics:
        name = f"spatial_etl_{metric.name}"
        lines += [f"# HELP {name} {metric.meaning}", f"# TYPE {name} {metric.kind}"]
        for value, number in sorted(metric.samples.items()):
            labels = f'{{{metric.label}="{_escaped(value)}"}}' if metric.label else ""
            lines.append(f"{name}{labels} {number!r}")
    return "\n".join(lines) + "\n"


def _rounded(seconds: Samples) -> dict[str, float]:
    return {phase: round(value, 3) for phase, value in seconds.items()}


def _gauge(name: str, meaning: str, label: str, samples: Samples) -> Metric:
    return Metric(name, "gauge", meaning, label, samples)


def _counter(name: str, meaning: str, label: str, samples: Samples) -> Metric:
    return Metric(name, "counter", meaning, label, samples)


def _room(settings: Settings) -> dict[str, float]:
    """Free bytes, for this user, by what the folder is for. A place on a server is its server's business."""
    places = {"home": settings.spatial_etl_home, "scratch": settings.scratch}
    places |= {
        name: place.folder
        for name, place in (("landing", settings.landing), ("lake", settings.lake))
        if place.folder is not None
    }  # fmt: skip
    room: dict[str, float] = {}
    for name, folder in places.items():
        nearest = next((each for each in (folder.absolute(), *folder.absolute().parents) if each.exists()), None)
        if nearest is not None:
            room[name] = shutil.disk_usage(nearest).free
    return room


def _escaped(value: str) -> str:
    return inert(value).replace("\\", "\\\\").replace('"', '\\"')
