"""Bringing a ledger of an earlier release to this one: what that release did not write yet is added.

No record is rewritten: those of earlier formats are read as they are. Each step may be made again. Workers may go on meanwhile.
"""

from collections import Counter

from libs.ledger import Ledger, Life
from libs.ledger.kinds import KINDS
from libs.models import FORMAT, Model, NewerFormat, format_of
from libs.models.settings import Settings
from libs.pipeline.build import release
from libs.pipeline.identity import require_own_lake
from libs.pipeline.publishing import publish, record_missing, without_record
from libs.storage import DataLake


class Upgrade(Model):
    """What an upgrade does, or would do.

    Attributes:
        release: This one.
        format: Of the records that it writes.
        records: How many records there are of each format. They stay as they are.
        working: Runs that workers are at. They are left alone.
        published: Committed runs whose versions are made known.
        linked: Decisions that are added to the chain, as ``<collection>/<_id>``.
        described: Versions that get a record in the lake.
        noted: Whether it is noted that the ledger has this format: earlier releases that would spoil it refuse from then on.
    """

    release: str
    format: str = FORMAT
    records: dict[str, int]
    working: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    described: tuple[str, ...] = ()
    noted: bool = False


def plan(settings: Settings, lake: DataLake, ledger: Ledger) -> Upgrade:
    """What :func:`upgrade` would do. Changes nothing. Reads every record.

    Raises:
        NewerRelease, NewerFormat: when a later release works with the ledger, and its records cannot be read.
        LakeOfAnother: when lake and ledger do not belong together.
    """
    require_own_lake(settings, lake, ledger, bind=False)
    undecided = ledger.undecided()
    return Upgrade(
        release=release(),
        records=_formats(ledger),
        working=tuple(run.id for run in undecided if ledger.life(run) is not Life.GONE),
        published=tuple(outcome.run_id for outcome in ledger.unpublished()),
        linked=tuple(ledger.unlinked()),
        described=tuple(without_record(lake, ledger)),
        noted=not ledger.uses_format(),
    )


def upgrade(settings: Settings, lake: DataLake, ledger: Ledger) -> Upgrade:
    """Bring a ledger to this release. What was done before is not done again.

    Returns:
        What was done.

    Raises:
        NewerRelease, NewerFormat, LakeOfAnother: see :func:`plan`. Nothing was changed then.
    """
    planned = plan(settings, lake, ledger)
    for outcome in ledger.unpublished():
        publish(lake, ledger, outcome)
    linked = {*planned.linked, *ledger.link_missing()}  # what was published has its link by that
    described = record_missing(lake, ledger)
    noted = ledger.note_format(release())  # last: until then, an earlier release may still come back
    return planned.model_copy(update={"linked": tuple(sorted(linked)), "described": tuple(described), "noted": noted})


def _formats(ledger: Ledger) -> dict[str, int]:
    """How many records there are of each format.

    Raises:
        NewerFormat: when this release cannot read one.
    """
    newest = format_of({"format": FORMAT})[0]
    count: Counter[str] = Counter()
    for collection in KINDS:
        for identity, document in ledger.store.find(collection):
            written = str(document.get("format", "1.0"))
            if format_of(document)[0] > newest:
                raise NewerFormat(f"The record {collection}/{identity}", written)
            count[written] += 1
    return dict(sorted(count.items(), key=lambda each: format_of({"format": each[0]})))
