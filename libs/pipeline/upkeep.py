"""What keeps the platform clean after crashes: reconcile rolls decisions forward, gc removes what nothing speaks of.

Nothing of an undecided run is ever touched: it is decided first, which needs its lease to have run out.
"""

from libs.models import Model
from libs.pipeline import scratch
from libs.pipeline.stack import Stack


class Reconciled(Model):
    """What reconciling did.

    Attributes:
        given_up: Runs whose lease had run out, decided as failures; their batches still wait in the landing zone.
        published: Runs whose assets and lineage were copied.
        scratch: Runs whose scratch folders were removed.
        workspaces: Leftover workspaces of the engine that were dropped.
    """

    given_up: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    workspaces: tuple[str, ...] = ()


class Collected(Model):
    """What garbage collection did.

    Attributes:
        removed: Lake keys of runs that were decided otherwise than ``success``, removed.
        unknown: Lake keys that no record speaks of at all. Left alone: nobody knows whose they are.
        partial: Number of unfinished uploads that were removed.
    """

    removed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    partial: int = 0


def reconcile(stack: Stack) -> Reconciled:
    """Roll forward what crashes left: safe to run at any time, by any number of workers, as often as one likes."""
    given_up = [run.id for run in stack.ledger.undecided() if stack.ledger.give_up(run)]
    unpublished = stack.ledger.unpublished()
    for outcome in unpublished:
        stack.ledger.publish(outcome)
    # A replay has no record in the ledger, and leaves nothing that somebody could still want.
    dead = [
        run_id
        for run_id in scratch.leftovers(stack.scratch)
        if stack.ledger.run(run_id) is None or stack.ledger.outcome(run_id) is not None
    ]
    for run_id in dead:
        scratch.remove(stack.scratch, run_id)
    leftovers = stack.engine.leftovers()
    for name in leftovers:
        stack.engine.drop(name)
    return Reconciled(
        given_up=tuple(given_up),
        published=tuple(outcome.run_id for outcome in unpublished),
        scratch=tuple(dead),
        workspaces=tuple(leftovers),
    )


def gc(stack: Stack) -> Collected:
    """Remove lake objects of runs that came to nothing, and unfinished uploads."""
    removed = []
    abandoned = stack.ledger.abandoned()
    for reservation in abandoned:
        if stack.lake.store.head(reservation.key) is not None:
            stack.lake.remove(reservation.key)
            stack.ledger.log("removed", reservation.key, run_id=reservation.run_id)
            removed.append(reservation.key)
    lying = [info.key for info in stack.lake.objects()]  # listed before the records: what is placed now is reserved already
    reserved = {reservation.key for reservation in stack.ledger.reservations()}
    unknown = [key for key in lying if key not in reserved]
    partial = stack.lake.store.sweep({reservation.key for reservation in abandoned}) + stack.landing.store.sweep()
    return Collected(removed=tuple(removed), unknown=tuple(unknown), partial=partial)
