"""What is said of a batch and of its data, the same in every interface."""

from collections.abc import Callable

from libs.ledger import BatchState
from libs.models import Changes, Report, Status
from libs.platform.wording import count


def of_state(state: BatchState, uri_of: Callable[[str], str]) -> Report | None:
    """The report on a batch; None while nothing is decided. ``uri_of`` gives the URI of a lake key."""
    if state.outcome is not None and state.status is Status(state.outcome.decision):
        return Report.of_outcome(state.outcome, uri_of, state.receipt.sha256)
    return Report.of_rejection(state.receipt) if state.receipt.problems else None


def changes(made: Changes) -> list[str]:
    """What was changed on the way, in words; empty when nothing was."""
    said = []
    if made.repaired:
        said.append(f"{count(made.repaired, 'geometry')} repaired")
    if made.linearized:
        said.append(f"{count(made.linearized, 'curved geometry')} turned into lines")
    said += [f"{count(number, 'feature')} left out by {step}" for step, number in made.dropped.items()]
    if made.renamed:
        said.append("renamed " + ", ".join(f"{old!r} to {new!r}" for old, new in made.renamed.items()))
    said += [f"{number:,} {name.replace('_', ' ')}" for name, number in made.counts.items()]
    return said
