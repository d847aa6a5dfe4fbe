"""What follows the commit of a batch: each version gets its record in the lake, then the ledger's copies are made.

In this order: where a version's asset is, all that belongs to it is there. A crash in between is rolled forward by ``reconcile``.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from libs.ledger import Ledger
from libs.logs import extra
from libs.models import Asset, DamagedRecord, Lineage, NewerFormat, Outcome, VersionRecord
from libs.storage import DataLake, ObjectMissing, ObjectRefused

_LOG = logging.getLogger(__name__)

_AT_ONCE = 8
"""Records that are written at the same time: a write waits for a disk or a server most of its time."""

IN_THE_WAY = "in the way"
"""Action of the audit log, on a lake key: what lies there is not the record of the version."""


def publish(lake: DataLake, ledger: Ledger, outcome: Outcome) -> None:
    """Make the versions of a committed outcome known, in the lake and in the ledger. Doing it again does nothing.

    Raises:
        ServiceUnavailable: when one of them cannot be reached; it is done later.
    """
    _record(lake, ledger, outcome, {asset.id for asset in outcome.assets})
    ledger.publish(outcome)


def keys_of(lake: DataLake, asset: Asset) -> set[str]:
    """What lies in the lake for a version: its files, and its record."""
    return {lake.record_key(asset.dataset_id, asset.version), *(file.key for file in asset.files)}


def without_record(lake: DataLake, ledger: Ledger) -> list[str]:
    """The versions whose records are not in the lake. Lists the whole lake."""
    there = {info.key for info in lake.objects()}
    return [identity for identity in ledger.version_ids() if lake.record_key(*_split(identity)) not in there]


def record_missing(lake: DataLake, ledger: Ledger) -> list[str]:
    """Write the records that are not in the lake: of versions that an earlier release made, or that somebody removed.

    Returns:
        The versions.
    """
    by_run: dict[str, list[str]] = {}
    for identity in without_record(lake, ledger):
        if asset := ledger.asset(*_split(identity)):
            by_run.setdefault(asset.run_id, []).append(identity)
    written: list[str] = []
    for run_id, identities in by_run.items():
        if outcome := ledger.outcome(run_id):
            written += _record(lake, ledger, outcome, {*identities})
    return written


def record_flaw(lake: DataLake, asset: Asset, lineage: Lineage | None) -> str | None:
    """What is wrong with the record of a version in the lake; None when it says what the ledger does.

    Args:
        lake: Where it lies.
        asset: What the ledger says of the version.
        lineage: Likewise; None where that is not known.

    Raises:
        ObjectMissing, ObjectRefused: when it cannot be read.
        NewerFormat: when a later release wrote it in a format that this one cannot read.
    """
    try:
        record = VersionRecord.parse(lake.record(asset.dataset_id, asset.version))
    except DamagedRecord as error:
        return f"It {error}."
    if record.asset != asset or lineage not in (None, record.lineage):
        return "It does not say what the ledger says of this version."
    return None


def _record(lake: DataLake, ledger: Ledger, outcome: Outcome, wanted: Collection[str]) -> list[str]:
    """Write the records of some versions of an outcome. Returns those that lie there now."""
    if not outcome.assets:
        return []
    run = ledger.run(outcome.run_id)
    receipt = ledger.receipt(run.receipt_id) if run else None
    if run is None or receipt is None:  # somebody removed them from the ledger: `verify` says so
        return []
    own, _ = ledger.identity()
    shared = VersionRecord.shared(own.ledger_id if own else None, receipt, run, outcome)
    lineage = {each.id: each for each in outcome.lineage}

    def write(asset: Asset) -> bool:
        return _write(lake, ledger, shared, asset, lineage[asset.id])

    assets = [asset for asset in outcome.assets if asset.id in wanted and asset.id in lineage]
    done = zip(assets, _each(write, assets), strict=True)
    return [asset.id for asset, written in done if written]


def _each(write: Any, assets: Sequence[Asset]) -> Iterable[bool]:
    if len(assets) <= _AT_ONCE:  # not worth the threads
        return map(write, assets)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="recording") as pool:
        return list(pool.map(write, assets))


def _write(lake: DataLake, ledger: Ledger, shared: dict[str, Any], asset: Asset, lineage: Lineage) -> bool:
    """Write one record. What is in its way is left: the batch is committed, and ``verify`` tells of it."""
    key = lake.record_key(asset.dataset_id, asset.version)
    try:
        if lake.describe(asset.dataset_id, asset.version, VersionRecord(**shared, asset=asset, lineage=lineage).content()):
            return True
        why = record_flaw(lake, asset, lineage)
    except NewerFormat:
        return True
    except (ObjectRefused, ObjectMissing) as error:
        why = str(error)
    if why is not None:
        what = {"batch_id": asset.batch_id, "run_id": asset.run_id, "dataset_id": asset.dataset_id}
        _LOG.warning("The record of %s was not written to %s. %s", asset.id, lake.uri(key), why, extra=extra(**what))
        if not any(entry.action == IN_THE_WAY for entry in ledger.activity(key)):
            ledger.log(IN_THE_WAY, key, reason=why)
    return why is None


def _split(identity: str) -> tuple[str, int]:
    dataset_id, _, version = identity.rpartition("@")
    return dataset_id, int(version)
