"""Waiting for one's turn to grow a dataset: two writers at once make two versions, the second on top of the first."""

from collections.abc import Callable
from time import sleep

from libs.ledger import ahead
from libs.models import Asset, Reservation, Run
from libs.pipeline.datasets import MadeDataset
from libs.pipeline.placing import file_names
from libs.pipeline.stack import Stack

_LOOK_AGAIN = 0.1
"""Seconds between two looks at those in front."""


def take(stack: Stack, run: Run, dataset: MadeDataset, check: Callable[[], None]) -> tuple[Reservation, Asset | None]:
    """Reserve the next version of a dataset, and wait until all below it are decided.

    To be called for the datasets of a batch in the order of their names, before any other is reserved: see
    :mod:`libs.ledger.turns`.

    Args:
        stack: What to work with.
        run: Whose turn it is to be.
        dataset: What was delivered.
        check: Called while it waits; what it raises ends the waiting.

    Returns:
        The reservation, and the version to grow: it stays the one before this one.
    """
    place = _reserved(stack, run, dataset)
    while True:
        check()
        base, waiting = ahead(stack.ledger, place)
        if not waiting:
            return place, base
        sleep(_LOOK_AGAIN)


def _reserved(stack: Stack, run: Run, dataset: MadeDataset) -> Reservation:
    """A number in whose place nothing lies."""
    names = {dataset.dataset_id: file_names(dataset)}
    while True:
        place = stack.ledger.reserve(names, run, stack.lake.prefix)[dataset.dataset_id]
        in_the_way = [info.key for info in stack.lake.objects(place.prefix)]
        if not in_the_way:
            return place
        stack.ledger.pass_over(place, in_the_way)
