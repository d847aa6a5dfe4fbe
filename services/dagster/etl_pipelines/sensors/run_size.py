"""How many batches a run serves. Small ones share a run, because to start one costs seconds. Policy of Dagster, not a rule."""

from collections.abc import Sequence

from libs.pipeline.intake import Work

LARGE = 16 * 1024 * 1024
"""Bytes of a batch that gets a run of its own: it takes long, and no other batch should wait behind it."""
RUN_BYTES = 64 * 1024 * 1024
"""Bytes that the batches of one run have together, at most."""
RUN_BATCHES = 250
"""Batches of one run, at most."""
SHARE = 50
"""Batches of one run, at least, where so many wait: to start a run costs as much as some fifty small batches."""


def grouped(batches: Sequence[Work], at_a_time: int = 1) -> list[tuple[Work, ...]]:
    """Batches in groups for one run each: small ones share, up to a number and a size; a large one is alone.

    Args:
        batches: What is to be run.
        at_a_time: How many runs work at once. Many batches are shared out, so that each run has some.

    >>> [len(group) for group in grouped([Work("a", "a#1", 10), Work("b", "b#1", LARGE), Work("c", "c#1", 10)])]
    [2, 1]
    >>> [len(group) for group in grouped([Work("a", "a#1", 10)] * 300, at_a_time=2)]
    [150, 150]
    """
    share = min(max(-(-len(batches) // at_a_time), SHARE), RUN_BATCHES)
    groups: list[list[Work]] = []
    shared: list[Work] = []
    size = 0
    for batch in batches:
        if batch.bytes >= LARGE:
            groups.append([batch])
            continue
        if not shared or len(shared) == share or size + batch.bytes > RUN_BYTES:
            shared, size = [], 0
            groups.append(shared)
        shared.append(batch)
        size += batch.bytes
    return [tuple(group) for group in groups]
