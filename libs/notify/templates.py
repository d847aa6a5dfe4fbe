"""The words of mails: a template for each event, the operator's own where there is one.

A template is a text with ``$names`` (``string.Template``). Its first line is the subject. What the names stand for is made
harmless first: a name that an uploader has chosen can neither add a header nor another name.
"""

from collections.abc import Iterable
from pathlib import Path
from string import Template

from libs.models import DatasetReport, Event, Problem
from libs.notify.channel import Message, Notification, shown

_SHOWN = 20
"""Problems, warnings and datasets that a mail lists."""

_END = """
Batch:     $batch_id
Uploader:  $uploader
Intent:    $intent
Decided:   $decided_at
Report:    reports/$batch_id.json in the landing zone, or: spatial-etl status $batch_id
"""

DEFAULTS = {
    Event.PUBLISHED: "Published: $batch_id\n\nYour delivery is published.\n\n$datasets\n$warnings" + _END,
    Event.REJECTED: "Rejected: $batch_id\n\nYour delivery was rejected. Nothing of it is loaded.\n\n$problems\n"
    "Correct this, then upload the manifest again.\n" + _END,
    Event.FAILED: "Failed: $batch_id\n\nYour delivery could not be processed. Nothing of it is loaded.\n\n$problems\n" + _END,
    Event.CANCELED: "Canceled: $batch_id\n\nYour delivery was canceled. Nothing of it is loaded.\n\n$problems\n" + _END,
}

NAMES = frozenset(
    {"batch_id", "uploader", "event", "run_id", "intent", "recipe", "decided_at", "text", "problems", "warnings", "datasets"}
)
"""What a template may use."""


def file_of(event: Event) -> str:
    """Name of an event's template."""
    return f"{event}.txt"


def wrong(folder: Path) -> list[str]:
    """What is wrong with the templates in a folder; those that are wrong are not used."""
    return [said for event in Event if (said := _own(folder, event)[1])]


def render(folder: Path | None, message: Message) -> tuple[str, str, str]:
    """Subject and body of a mail, and what is wrong with the operator's template if the default was used for it."""
    told = message.notification
    event = Event(told.event)
    own, said = _own(folder, event) if folder is not None else (None, "")
    whole = Template(own if own is not None else DEFAULTS[event]).substitute(_values(told))
    subject, _, body = whole.partition("\n")
    return shown(subject.strip()), body.lstrip("\n"), said


def _own(folder: Path, event: Event) -> tuple[str | None, str]:
    """The operator's template of an event, None where there is none that can be used; and what is wrong with it."""
    path = folder / file_of(event)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None, "" if folder.is_dir() else f"There is no folder {folder}."
    except (OSError, UnicodeDecodeError) as error:
        return None, f"{path} cannot be read: {error}."
    template = Template(text)
    if not template.is_valid():
        return None, f"{path} has a $ that begins no name; write $$ for the sign."
    if unknown := sorted(set(template.get_identifiers()) - NAMES):
        return None, f"{path} uses ${unknown[0]}; there are {', '.join(f'${name}' for name in sorted(NAMES))}."
    return text, ""


def _values(told: Notification) -> dict[str, str]:
    values = {
        name: shown(getattr(told, name) or "-")
        for name in ("batch_id", "uploader", "event", "run_id", "intent", "recipe", "text")
    }
    return values | {
        "decided_at": f"{told.decided_at:%Y-%m-%d %H:%M:%S} UTC",
        "problems": _listed(map(_problem, told.problems[:_SHOWN]), len(told.problems)),
        "warnings": _listed(map(_problem, told.warnings[:_SHOWN]), len(told.warnings)),
        "datasets": _listed(map(_dataset, told.datasets[:_SHOWN]), len(told.datasets) + told.left_out),
    }


def _listed(entries: Iterable[str], total: int) -> str:
    more = f"... and {total - _SHOWN:,} more; the report has all.\n" if total > _SHOWN else ""
    return "".join(f"{entry}\n" for entry in entries) + more


def _problem(problem: Problem) -> str:
    place, said, what = map(shown, (problem.where, problem.message, problem.remedy))
    return f"- {place} [{problem.code}]\n  {said}\n  -> {what}"


def _dataset(dataset: DatasetReport) -> str:
    features = "" if dataset.features is None else f", {dataset.features:,} features"
    title = f" ({shown(dataset.title)})" if dataset.title else ""
    return f"- {shown(dataset.dataset_id)}@{dataset.version}{title}{features}"
