"""What keeps the platform clean after crashes: reconcile rolls decisions forward, gc removes files of runs without success.

Nothing of an undecided run is ever touched: it is decided first, which needs its worker to be gone.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from time import sleep

from libs.ledger import Ledger, Life
from libs.models import Model, Reservation
from libs.pipeline import raw_files, scratch
from libs.pipeline.identity import placed
from libs.pipeline.lease import pause_between_looks
from libs.pipeline.publishing import publish, record_missing
from libs.pipeline.stack import Stack

AGE = timedelta(days=1)
"""What is younger, gc leaves alone: time to find out that something is wrong, and not only with a run."""

_TELLING = 30.0
"""Seconds, at most, for what is still to be told to others."""


class Reconciled(Model):
    """What reconciling did.

    Attributes:
        given_up: Runs whose workers were gone, decided as failures; their batches still wait in the landing zone.
        published: Runs whose assets and lineage were copied.
        linked: Decisions that were added to the chain, as ``<collection>/<_id>``.
        scratch: Runs whose scratch folders were removed.
        workspaces: Leftover workspaces of the engine that were dropped.
        notices: Number of notices that were sent.
    """

    given_up: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    workspaces: tuple[str, ...] = ()
    notices: int = 0


class Removable(Model):
    """A lake file of a run that did not succeed.

    Attributes:
        run_id: The run.
        upload: Version of its object: another one that comes to lie there meanwhile is left alone.
    """

    key: str
    run_id: str
    upload: str


class RemovableRaw(Model):
    """A raw file that is kept for no version.

    Attributes:
        upload: See :class:`Removable`.
    """

    key: str
    upload: str


class Garbage(Model):
    """What garbage collection would remove, and what it would not.

    Attributes:
        removable: Lake files of runs that were decided otherwise than ``success``, all of them older than a day.
        young: Lake keys of such files that are younger. They are left for another time.
        unknown: Lake keys that no record speaks of, or that somebody else has put there. Left alone: nobody knows whose they are.
        partial: Number of unfinished uploads that would be removed.
        records: Number of parts of records that would be removed: their runs were decided without them.
        raw: Raw files of runs that did not succeed. None while any run is undecided, which may need them.
    """

    removable: tuple[Removable, ...] = ()
    young: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    partial: int = 0
    records: int = 0
    raw: tuple[RemovableRaw, ...] = ()


class Collected(Model):
    """What garbage collection did.

    Attributes:
        removed: Lake keys that were removed.
        young: See :class:`Garbage`.
        unknown: See :class:`Garbage`.
        partial: Number of unfinished uploads that were removed.
        records: Number of parts of records that were removed.
        raw: Lake keys of raw files that were removed.
    """

    removed: tuple[str, ...] = ()
    young: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    partial: int = 0
    records: int = 0
    raw: tuple[str, ...] = ()


def reconcile(stack: Stack) -> Reconciled:
    """Roll forward what crashes left: safe to run at any time, by any number of workers, as often as one likes."""
    stack.require_own_lake(bind=False)
    given_up = _give_up(stack.ledger)
    unpublished = stack.ledger.unpublished()
    for outcome in unpublished:
        publish(stack.lake, stack.ledger, outcome)
    linked = stack.ledger.link_missing()
    # A replay has no record in the ledger, and leaves nothing that somebody could still want.
    dead = [
        run_id for run_id in scratch.leftovers(stack.scratch) if stack.ledger.run(run_id) is None or stack.ledger.decided(run_id)
    ]
    for run_id in dead:
        scratch.remove(stack.scratch, run_id)
    leftovers = stack.engine.leftovers()
    for name in leftovers:
        stack.engine.drop(name)
    return Reconciled(
        given_up=tuple(given_up),
        published=tuple(outcome.run_id for outcome in unpublished),
        linked=tuple(linked),
        scratch=tuple(dead),
        workspaces=tuple(leftovers),
        notices=stack.sender.turn(_TELLING),
    )


def _give_up(ledger: Ledger) -> list[str]:
    """Decide the runs whose workers are gone. One that may be gone, on another machine, is watched for a lease's time."""
    given_up: list[str] = []
    runs = ledger.undecided()
    while runs:
        given_up += [run.id for run in runs if ledger.give_up(run)]
        runs = [run for run in runs if run.id not in given_up and ledger.life(run) is Life.UNSURE]
        if runs:
            sleep(pause_between_looks(ledger.lease_seconds))
            runs = [run for each in runs if (run := ledger.run(each.id))]
    return given_up


def describe(stack: Stack) -> list[str]:
    """Write the records that versions lack in the lake: those of earlier releases. Lists the whole lake.

    Returns:
        The versions that have one now.
    """
    stack.require_own_lake(bind=False)
    return record_missing(stack.lake, stack.ledger)


def garbage(stack: Stack, age: timedelta = AGE) -> Garbage:
    """What :func:`gc` would remove now. Changes nothing.

    Args:
        stack: What to work with.
        age: What is younger is left alone.
    """
    stack.require_own_lake(bind=False)
    until = stack.ledger.clock() - age
    abandoned = {reservation.prefix: reservation for reservation in stack.ledger.abandoned()}
    removable, young, others = [], [], []
    for info in stack.lake.objects():
        reservation = abandoned.get(stack.lake.prefix_of(info.key) or "")
        if reservation is None or not placed(info, reservation) or stack.ledger.was_passed_over(info.key):
            others.append(info.key)
        elif max(info.modified, reservation.reserved_at) > until:
            young.append(info.key)
        else:
            removable.append(Removable(key=info.key, run_id=reservation.run_id, upload=info.version))
    # Listed before the records: what is placed now is reserved already.
    theirs = {reservation.prefix for reservation in stack.ledger.reservations()} - abandoned.keys()
    partial = stack.lake.store.sweep(_settled(abandoned, until), look_only=True) + stack.landing.store.sweep(look_only=True)
    return Garbage(
        removable=tuple(removable),
        young=tuple(young),
        unknown=tuple(key for key in others if stack.lake.prefix_of(key) not in theirs),
        partial=partial,
        records=len(stack.ledger.unused_parts()),
        raw=tuple(_unnamed_raw(stack, until)),
    )


def gc(stack: Stack, found: Garbage | None = None, age: timedelta = AGE) -> Collected:
    """Remove lake files of runs that did not succeed, and unfinished uploads.

    Args:
        stack: What to work with.
        found: What :func:`garbage` found, to remove that and no more; looked for when not given.
        age: What is younger is left alone.
    """
    stack.require_own_lake(bind=False)
    found = found or garbage(stack, age)
    removed = []
    for each in found.removable:
        if stack.lake.remove(each.key, each.upload):
            stack.ledger.log("removed", each.key, run_id=each.run_id)
            removed.append(each.key)
    raw = []
    for unnamed in found.raw:
        # Asked for each: a run that begins now may find the file there, and keep no other.
        if not stack.ledger.undecided() and stack.lake.remove(unnamed.key, unnamed.upload):
            stack.ledger.log("removed", unnamed.key)
            raw.append(unnamed.key)
    abandoned = {reservation.prefix: reservation for reservation in stack.ledger.abandoned()}
    settled = _settled(abandoned, stack.ledger.clock() - age)
    partial = stack.lake.store.sweep(settled) + stack.landing.store.sweep()
    records = stack.ledger.remove_unused_parts()
    return Collected(
        removed=tuple(removed), young=found.young, unknown=found.unknown, partial=partial, records=records, raw=tuple(raw)
    )


def _unnamed_raw(stack: Stack, until: datetime) -> Iterator[RemovableRaw]:
    """Raw files that are kept and older than this, of which no version says that it was made from them."""
    old = [(sha256, info) for sha256, info in stack.lake.raw_objects() if info.modified <= until]
    if not old or stack.ledger.undecided():
        return
    named = raw_files.named(stack.ledger)
    yield from (RemovableRaw(key=info.key, upload=info.version) for sha256, info in old if sha256 not in named)


def _settled(abandoned: Mapping[str, Reservation], until: datetime) -> set[str]:
    """Keys under which nobody goes on with an upload."""
    return {key for reservation in abandoned.values() if reservation.reserved_at <= until for key in reservation.keys}
