"""Making a lost ledger again out of its lake: each version carries its record there.

The new ledger gets an identity of its own, and the lake is given to it. It does not take over the old one's: should that be found
again, in a backup or on another machine, two ledgers of one name would count the same versions. So the old one is refused
from then on, as any other.

First it is noted in the empty ledger that it is being rebuilt; the last step gives the lake to it. Before that step, lake and
ledger do not belong together, so that nobody works with a half of it; and a rebuild that was killed is begun again, and goes on.
"""

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from libs.ledger import Ledger
from libs.models import (
    DamagedRecord,
    Decision,
    LakeFile,
    LakeIdentity,
    Model,
    NewerFormat,
    NotEmpty,
    Outcome,
    OwnLake,
    Problem,
    Rebuilding,
    Reservation,
    Run,
    VersionRecord,
)
from libs.storage import RECORD, DataLake, ObjectMissing, ObjectRefused

_AT_ONCE = 8
"""Versions that are read at the same time."""

_UNKNOWN = (
    "deliveries that were rejected, failed or canceled, and manifests that have not been processed",
    "warnings of deliveries, and lists of files in large manifests",
    "version numbers that were reserved and never used, unless a later version shows that they were",
    "which version somebody went back to, who else may deliver a dataset, what was said of it, and whether it is retired",
    "the audit log, but for what the records of versions tell",
)
"""What no version says."""


class Damage(Model):
    """A lake object that is not what a record says, or a record that is none."""

    uri: str
    message: str


class Rebuilt(Model):
    """What came of a rebuild.

    Attributes:
        ledger_id: What the new ledger is called.
        ledger_before: What the lake's ledger was called; None when the lake did not say.
        batches: Batches that are known again.
        versions: Versions that are known again, those with damaged files included.
        files: Files that were looked at.
        hashed: Their bytes, as far as they were read.
        damaged: What is not as recorded. The versions of damaged files are known again; those of damaged records are not.
        without_record: Prefixes of what lies there without a record: leftovers, or versions of an earlier release. Left alone.
        incomplete: Batches of which versions are gone.
        unknown: What a lake cannot tell.
    """

    ledger_id: str
    ledger_before: str | None
    batches: int
    versions: int
    files: int
    hashed: int
    damaged: tuple[Damage, ...] = ()
    without_record: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    unknown: tuple[str, ...] = _UNKNOWN


def rebuild(lake: DataLake, ledger: Ledger, *, hashes: bool = True) -> Rebuilt:
    """Make a ledger out of a lake. Nobody else may work with either meanwhile.

    Args:
        lake: The lake. Only its identity is changed.
        ledger: An empty one, or one that a rebuild out of this lake was begun with and killed.
        hashes: Read and hash each file; else only their sizes are compared.

    Raises:
        NotEmpty: when the ledger holds something, or the lake no version that explains itself.
    """
    found, (own, bound) = lake.identity(), ledger.identity()
    places = f"The lake in {lake.store.place}, and {ledger.store.place}"
    if own is not None and found is not None and own.ledger_id == found.ledger_id:
        raise NotEmpty(
            places, "they belong together already: nothing is lost, and nothing was changed.", "whether a rebuild is needed"
        )
    lying = {info.key: info.size for info in lake.objects()}
    prefixes = sorted({prefix for key in lying if (prefix := lake.prefix_of(key))})
    described = [prefix for prefix in prefixes if f"{prefix}{RECORD}" in lying]
    if not described:
        why = f"no version in the lake carries its record ({RECORD}): there is nothing to make a ledger of. Nothing was changed."
        raise NotEmpty(places, why, "whether this is the right lake")
    rebuilding = Rebuilding(
        lake_id=found.lake_id if found else None,
        lake=lake.store.place,
        ledger_before=found.ledger_id if found else None,
        started_at=ledger.clock(),
    )
    if not ledger.begin_rebuilding(rebuilding):
        why = "the ledger is not empty. A ledger is made only where there is none. Nothing was changed."
        raise NotEmpty(places, why, "the settings, which have to name a new ledger")
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="rebuilding") as pool:
        looked = list(pool.map(partial(_look_at, lake, lying, hashes=hashes), described))
    runs, gaps = _by_run(looked), _gaps(looked, {*prefixes})
    incomplete = []
    for run_id, (prefixes_of_run, datasets) in runs.items():
        records = [_read(lake, prefix) for prefix in prefixes_of_run]
        if len(records) < datasets:
            incomplete.append(f"{run_id}: {len(records):,} of {datasets:,} versions")
        _restore(ledger, records, runs, gaps)
    own = ledger.identify()
    ledger.link_missing()
    lake_id = found.lake_id if found else bound.lake_id if bound else str(uuid.uuid4())
    bound = ledger.bind(OwnLake(lake_id=lake_id, place=lake.store.place, bound_at=ledger.clock()))
    ledger.log("rebuilt", lake.store.place, ledger_before=rebuilding.ledger_before, versions=len(looked))
    lake.give_to(LakeIdentity(lake_id=bound.lake_id, ledger_id=own.ledger_id, ledger=ledger.store.place, bound_at=ledger.clock()))
    return Rebuilt(
        ledger_id=own.ledger_id,
        ledger_before=rebuilding.ledger_before,
        batches=len({each.batch_id for each in looked if each.batch_id}),
        versions=sum(each.run_id is not None for each in looked),
        files=sum(each.files for each in looked),
        hashed=sum(each.hashed for each in looked),
        damaged=tuple(damage for each in looked for damage in each.damaged),
        without_record=tuple(prefix for prefix in prefixes if prefix not in {*described}),
        incomplete=tuple(incomplete),
    )


@dataclass(frozen=True)
class _Looked:
    """What is kept of a record: all of them at once would take much memory."""

    prefix: str
    damaged: tuple[Damage, ...]
    run_id: str | None = None
    batch_id: str | None = None
    decided_at: float = 0.0
    datasets: int = 0
    dataset_id: str = ""
    version: int = 0
    files: int = 0
    hashed: int = 0


def _read(lake: DataLake, prefix: str) -> VersionRecord:
    """The record in a prefix.

    Raises:
        DamagedRecord: when it is none, or that of another version.
    """
    dataset_id, _, version = prefix.removesuffix("/").rpartition("/v")
    record = VersionRecord.parse(lake.record(dataset_id, int(version)))
    asset, run = record.asset, record.run
    if lake.prefix(asset.dataset_id, asset.version) != prefix:
        raise DamagedRecord(f"is the record of {asset.id}")
    if (record.lineage.id, asset.run_id, run.receipt_id) != (asset.id, run.id, record.receipt.id):
        raise DamagedRecord("contradicts itself")
    return record


def _look_at(lake: DataLake, lying: Mapping[str, int], prefix: str, *, hashes: bool) -> _Looked:
    try:
        record = _read(lake, prefix)
    except (DamagedRecord, NewerFormat, ObjectMissing, ObjectRefused) as error:
        message = f"It {error}." if isinstance(error, DamagedRecord) else str(error)
        return _Looked(prefix, (Damage(uri=lake.uri(f"{prefix}{RECORD}"), message=message),))
    asset = record.asset
    flaws = [(file, _flaw(lake, lying, file, hashes=hashes)) for file in asset.files]
    return _Looked(
        prefix=prefix,
        damaged=tuple(Damage(uri=lake.uri(file.key), message=flaw) for file, flaw in flaws if flaw),
        run_id=asset.run_id,
        batch_id=asset.batch_id,
        decided_at=record.decided_at.timestamp(),
        datasets=record.datasets,
        dataset_id=asset.dataset_id,
        version=asset.version,
        files=len(asset.files),
        hashed=sum(lying.get(file.key, 0) for file in asset.files) if hashes else 0,
    )


def _flaw(lake: DataLake, lying: Mapping[str, int], file: LakeFile, *, hashes: bool) -> str | None:
    size = lying.get(file.key)
    if size is None:
        return "It is not there."
    if size != file.bytes:
        return f"It has {size:,} bytes, and not {file.bytes:,}."
    try:
        sha256 = lake.hash(file.key).sha256 if hashes else file.sha256
    except (ObjectMissing, ObjectRefused) as error:
        return str(error)
    return None if sha256 == file.sha256 else f"It has the SHA-256 {sha256}, and not {file.sha256}."


def _by_run(looked: Iterable[_Looked]) -> dict[str, tuple[list[str], int]]:
    """Prefixes of each run's versions, and how many it has made; in the order in which the runs were decided."""
    runs: dict[str, tuple[list[str], int]] = {}
    for each in sorted(looked, key=lambda each: (each.decided_at, each.prefix)):
        if each.run_id is not None:
            runs.setdefault(each.run_id, ([], each.datasets))[0].append(each.prefix)
    return runs


def _gaps(looked: Iterable[_Looked], lying: Collection[str]) -> dict[str, list[int]]:
    """By version, the numbers right below it that nothing lies under: runs that came to nothing had reserved them."""
    known: dict[str, list[int]] = {}
    for each in looked:
        if each.run_id is not None:
            known.setdefault(each.dataset_id, []).append(each.version)
    gaps: dict[str, list[int]] = {}
    for dataset_id, versions in known.items():
        for below, version in pairwise([0, *sorted(versions)]):
            gaps[f"{dataset_id}@{version}"] = [n for n in range(below + 1, version) if f"{dataset_id}/v{n}/" not in lying]
    return gaps


def _restore(ledger: Ledger, records: Sequence[VersionRecord], known: Collection[str], gaps: Mapping[str, list[int]]) -> None:
    """Insert the run of some versions again, and what must have been before it: failed attempts, and numbers they had taken."""
    first = records[0]
    for attempt in range(1, first.run.attempt):
        earlier = first.run.model_copy(update={"attempt": attempt, "manifest_version": "not known", "software": {}})
        if earlier.id not in known:
            ledger.restore(first.receipt, earlier, (), _not_known(earlier, ledger.owner))
    outcome = Outcome(
        run_id=first.run.id,
        batch_id=first.run.batch_id,
        decision=Decision.SUCCESS,
        decided_at=first.decided_at,
        decided_by=first.decided_by,
        intent=first.intent,
        recipe=first.recipe,
        warnings=(_rebuilt(len(records), first.datasets),),
        assets=tuple(record.asset for record in records),
        lineage=tuple(record.lineage for record in records),
    )
    reservations = (each for record in records for each in _reservations(record, gaps[record.asset.id]))
    ledger.restore(first.receipt, first.run, reservations, outcome)


def _reservations(record: VersionRecord, gaps: Iterable[int]) -> Iterator[Reservation]:
    asset = record.asset
    for version in (*gaps, asset.version):
        yield Reservation(
            dataset_id=asset.dataset_id,
            version=version,
            run_id=asset.run_id,
            prefix=f"{asset.dataset_id}/v{version}/",
            names=tuple(file.name for file in asset.files) if version == asset.version else (),
            reserved_at=record.run.started_at,
        )


def _not_known(run: Run, owner: str) -> Outcome:
    problem = Problem(
        code="attempt_not_known", where=run.id,
        message="The ledger was made again out of the lake, which tells of a later attempt only. This one did not succeed.",
        remedy="Nothing has to be done: the later attempt has processed the batch.",
    )  # fmt: skip
    return Outcome(
        run_id=run.id, batch_id=run.batch_id, decision=Decision.FAILURE, decided_at=run.started_at, decided_by=owner,
        problems=(problem,),
    )  # fmt: skip


def _rebuilt(versions: int, datasets: int) -> Problem:
    message = "The record of this batch was made again out of the lake. The warnings that it had are not known."
    if versions < datasets:
        message += f" Of its {datasets:,} versions, {datasets - versions:,} are not in the lake."
    return Problem(
        code="rebuilt", where="batch", message=message,
        remedy="Restore the ledger from a backup, if there is one, to have all of it.",
    )  # fmt: skip
