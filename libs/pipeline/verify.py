"""Holding lake and ledger against each other, both ways: what is recorded is there, as recorded, and nothing else is.

Three looks, together or each by itself: at the files of versions, at all else that lies in the lake, and at the ledger in itself.
No damage makes them fail: each is a finding.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from libs.column_names import GEOMETRY
from libs.ledger.audit import against_head, audit
from libs.models import (
    Asset,
    BBox,
    DamagedDocument,
    Finding,
    Head,
    LakeFile,
    Lineage,
    NewerFormat,
    Reservation,
    Verified,
    was_changed,
)
from libs.pipeline.identity import placed
from libs.pipeline.publishing import keys_of, record_flaw
from libs.pipeline.raster_header import raster_differs
from libs.pipeline.raw_files import damaged, named
from libs.pipeline.side_by_side import Once, side_by_side
from libs.pipeline.stack import Stack
from libs.spatial_utils.crs import Crs, UnknownCrs
from libs.spatial_utils.geoparquet import Footer, SelfCheckFailed, footer_size, read_footer, union
from libs.storage import IDENTITY, ObjectInfo, ObjectMissing, ObjectRefused

__all__ = ["Finding", "Verified", "chain_head", "expected_objects", "verify", "verify_ledger"]

Mend = Callable[[Asset, Sequence[LakeFile]], None]
"""Puts back what it can of a version's files."""

_Made = Lineage | DamagedDocument | NewerFormat | None
"""How a version was made, as far as a record of it is there and can be read."""

_BESIDE = "It lies among the files of this version, but the record of the version does not name it. Move it away."


def verify(stack: Stack, assets: Iterable[Asset] | None = None, mend: Mend | None = None) -> Iterator[Verified]:
    """Hold the lake against the ledger, and the ledger against itself.

    Args:
        stack: What to work with.
        assets: Only the files of these versions.
        mend: Given, it gets each version with files that are missing or changed, and these files, and puts back what it can. What
            is told of the version is how it is then. Each other version is read once all the same.

    Raises:
        LakeOfAnother: when the settings bring a lake and a ledger together that do not belong together.
        ServiceUnavailable: when a service cannot be reached.
    """
    versions = _Versions(stack, mend)
    if assets is not None:
        stack.require_own_lake(bind=False)
        yield from versions.some(assets)
        return
    yield from _pair(stack)
    yield from audit(stack.ledger)
    known: set[str] = set()
    yield from versions.all(known)
    yield from _unexpected(stack, known)


def verify_ledger(stack: Stack, head: Head | None = None) -> Iterator[Verified]:
    """Hold the ledger's records against their seals, the chain of decisions and each other. No lake file is read.

    Args:
        stack: What to work with.
        head: The chain's head of an earlier time, which has to be in it still.
    """
    yield from _pair(stack)
    yield from audit(stack.ledger)
    if head is not None:
        yield from against_head(stack.ledger, head)


@dataclass(frozen=True)
class _Seen:
    """What was found of one version.

    Attributes:
        lost: Its files that are missing or changed.
        keys: Of all objects that it accounts for.
    """

    asset: Asset
    lineage: _Made
    verdicts: Sequence[Verified]
    lost: Sequence[LakeFile]
    keys: AbstractSet[str]


class _Versions:
    """Reads and hashes the files of versions, several at once, and compares what each says of itself with its record.

    Args:
        stack: What to work with.
        mend: See :func:`verify`.
    """

    def __init__(self, stack: Stack, mend: Mend | None) -> None:
        self._stack, self._mend = stack, mend
        self._raw_hash = Once(self._hash_raw)  # many versions may be made from one raw file

    def all(self, known: set[str]) -> Iterator[Verified]:
        """Of all versions. ``known`` is told the keys of their objects."""

        def look(version: tuple[Asset, _Made], go_on: Callable[[], None]) -> _Seen:
            return self._look(*version, go_on)

        for seen in side_by_side(look, self._stack.ledger.legible_versions(), "verifying"):
            known |= seen.keys
            yield from self._mended(seen)

    def some(self, assets: Iterable[Asset]) -> Iterator[Verified]:
        """Of these versions, and of what lies beside their objects."""

        def look(asset: Asset, go_on: Callable[[], None]) -> tuple[_Seen, list[Verified]]:
            try:
                made: _Made = self._stack.ledger.lineage(asset.dataset_id, asset.version)
            except (DamagedDocument, NewerFormat) as error:
                made = error
            seen = self._look(asset, made, go_on)
            return seen, [*self._beside(seen)]

        for seen, beside in side_by_side(look, assets, "verifying"):
            yield from self._mended(seen)
            yield from beside

    def _mended(self, seen: _Seen) -> Sequence[Verified]:
        if self._mend is None or not seen.lost:
            return seen.verdicts
        self._mend(seen.asset, seen.lost)
        return self._look(seen.asset, seen.lineage, lambda: None).verdicts

    def _look(self, asset: Asset, made: _Made, go_on: Callable[[], None]) -> _Seen:
        stack, verdicts, lost = self._stack, [], []
        footers: dict[str, Footer] = {}
        intact = True
        for file in asset.files:
            finding, message, footer = _look_at(stack, file, go_on)
            verdicts.append(_about(asset, stack.lake.uri(file.key), finding, message))
            footers |= {} if footer is None else {file.key: footer}
            intact &= finding is Finding.INTACT
            if finding in {Finding.MISSING, Finding.CHANGED}:
                lost.append(file)
        if made is None or isinstance(made, Lineage):  # else the audit names it
            verdicts += self._raw_files(asset, made)
            verdicts += _record_flaw(stack, asset, made)
        if differs := [*_differs(asset, footers), *(raster_differs(stack.lake, asset) if intact else ())]:
            message = f"It does not say what the files of the version say: {'; '.join(differs)}."
            verdicts.append(
                Verified(
                    dataset_id=asset.dataset_id, version=asset.version, record=f"assets/{asset.id}", finding=Finding.EDITED,
                    message=message,
                )
            )  # fmt: skip
        return _Seen(asset, made, verdicts, lost, expected_objects(stack, asset))

    def _beside(self, seen: _Seen) -> Iterator[Verified]:
        lake, asset = self._stack.lake, seen.asset
        for info in lake.objects(lake.prefix(asset.dataset_id, asset.version)):
            if info.key not in seen.keys:
                yield _about(asset, lake.uri(info.key), Finding.UNEXPECTED, _BESIDE)

    def _raw_files(self, asset: Asset, lineage: Lineage | None) -> Iterator[Verified]:
        """What is wrong with the raw files that are kept for a version."""
        lake = self._stack.lake
        for key, sha256 in damaged(lake, lineage, self._raw_hash) if lineage else ():
            finding = Finding.CHANGED if sha256 else Finding.MISSING
            said = f"It has the SHA-256 {sha256}" if sha256 else "It is gone"
            message = f"{said}; its name is the SHA-256 of a raw file. Restore it from a backup."
            yield _about(asset, lake.uri(key), finding, message)

    def _hash_raw(self, key: str) -> str | None:
        try:
            return self._stack.lake.hash(key).sha256
        except ObjectMissing:
            return None


def expected_objects(stack: Stack, asset: Asset) -> set[str]:
    """The keys of all objects that a version accounts for: what may lie in its prefix."""
    return keys_of(stack.lake, asset)


def _record_flaw(stack: Stack, asset: Asset, lineage: Lineage | None) -> Iterator[Verified]:
    """What is wrong with the record that the version carries. Those of releases before such records may have none."""
    uri = stack.lake.uri(stack.lake.record_key(asset.dataset_id, asset.version))
    again = "Move it away; `spatial-etl reconcile` writes it again."
    try:
        flaw = record_flaw(stack.lake, asset, lineage)
    except ObjectMissing:
        if not stack.ledger.is_before_records(asset.dataset_id, asset.version):
            message = "The version has no record in the lake. `spatial-etl reconcile` writes it."
            yield _about(asset, uri, Finding.MISSING, message)
    except ObjectRefused as error:
        yield _about(asset, uri, Finding.UNREADABLE, str(error))
    except NewerFormat:
        return  # only a later release can tell
    else:
        if flaw is not None and all(_is_sealed(stack, name, asset.id) for name in ("assets", "lineage")):
            yield _about(asset, uri, Finding.CHANGED, f"{flaw} {again}")


def _is_sealed(stack: Stack, collection: str, identity: str) -> bool:
    """Whether a record of the ledger is as it was written. If not, the audit says so, and what it says blames nothing else."""
    document = stack.ledger.store.get(collection, identity)
    return document is not None and not was_changed(document)


def chain_head(stack: Stack) -> Head:
    """The end of the chain of decisions now, to be kept outside of the ledger."""
    own, _ = stack.ledger.identity()
    number, sha256 = stack.ledger.chain.head()
    return Head(ledger_id=own.ledger_id if own else None, number=number, sha256=sha256, taken_at=stack.ledger.clock())


def _about(asset: Asset, uri: str, finding: Finding, message: str) -> Verified:
    return Verified(dataset_id=asset.dataset_id, version=asset.version, uri=uri, finding=finding, message=message)


def _pair(stack: Stack) -> Iterator[Verified]:
    """Lake and ledger name each other. A pair of strangers is refused; a pair that has lost a half of its names is a finding."""
    identity = stack.lake.uri(IDENTITY)
    try:
        if stack.lake.identity_was_changed():
            yield Verified(uri=identity, finding=Finding.CHANGED, message="It does not match its seal. Restore it from a backup.")
            return
    except ObjectRefused as error:
        yield Verified(uri=identity, finding=Finding.UNREADABLE, message=f"{error} Restore it from a backup.")
        return
    used = any(True for _ in stack.ledger.store.ids("outcomes"))
    try:
        own, bound = stack.ledger.identity()
        if own is not None or not used:
            stack.require_own_lake(bind=False)
    except (DamagedDocument, NewerFormat):
        return  # the audit names it
    found = stack.lake.identity()
    if used and found is not None and own is None:
        message = f"It is gone; the lake's is of the ledger {found.ledger_id}. Restore the ledger from a backup."
        yield Verified(record="identity/ledger", finding=Finding.DELETED, message=message)
        return
    if used and found is not None and bound is None:
        message = f"It is gone; the lake {found.lake_id} names this ledger as its own. `spatial-etl process` makes it again."
        yield Verified(record="identity/lake", finding=Finding.DELETED, message=message)
    if found is None and bound is not None:
        message = f"It is gone; this ledger's lake is {bound.lake_id}. `spatial-etl process` makes it again."
        yield Verified(uri=identity, finding=Finding.MISSING, message=message)


def _look_at(stack: Stack, file: LakeFile, go_on: Callable[[], None]) -> tuple[Finding, str, Footer | None]:
    """The verdict on a file, and what it says of itself."""
    try:
        found = stack.lake.hash(file.key, lambda _: go_on())
    except ObjectMissing:
        message = "The ledger knows this file, but the lake does not hold it: restore it from a backup, or replay the version."
        return Finding.MISSING, message, None
    except (ObjectRefused, ValueError) as error:
        return Finding.UNREADABLE, f"{error}", None
    if (found.sha256, found.size) != (file.sha256, file.bytes):
        recorded = f"recorded are {file.bytes:,} bytes and {file.sha256}"
        return Finding.CHANGED, f"It has {found.size:,} bytes and SHA-256 {found.sha256}; {recorded}.", None
    try:
        return Finding.INTACT, "Size and SHA-256 are as recorded.", _footer(stack, file.key, found.end)
    except SelfCheckFailed as error:
        return Finding.UNREADABLE, f"Size and SHA-256 are as recorded, but it is no lake file: {error}", None


def _footer(stack: Stack, key: str, end: bytes) -> Footer | None:
    """What a Parquet file says of itself; None for another file."""
    if not key.endswith(".parquet"):
        return None
    size = footer_size(end)
    return read_footer(end if size <= len(end) else stack.lake.end(key, size))


def _differs(asset: Asset, found: Mapping[str, Footer]) -> Iterator[str]:
    """Where the record of a version does not say what its files say. Their footers are given by URI, those that could be read."""
    for file in asset.files:
        if file.key in found and file.features != found[file.key].features:
            yield f"{file.name} has {found[file.key].features:,} rows"
    footers = [found[file.key] for file in asset.data if file.key in found]
    if len(footers) == len(asset.data):
        yield from _differs_as_a_whole(asset, footers)


def _differs_as_a_whole(asset: Asset, footers: Sequence[Footer]) -> Iterator[str]:
    """Where the summary of a version does not say what its data files say together."""
    if asset.features not in {None, rows := sum(footer.features for footer in footers)}:
        yield f"they have {rows:,} features"
    if asset.kind in {"vector", "table"}:
        recorded = [(column.name, _spelled(column.type)) for column in asset.table_schema]
        for footer in footers:
            if recorded != [(column.name, _spelled(str(column.type))) for column in footer.schema]:
                yield f"they have the columns {', '.join(f'{column.name} {column.type}' for column in footer.schema)}"
                break
    if asset.kind == "table" and any(GEOMETRY in footer.schema.names for footer in footers):
        yield "they have geometries"
    if asset.kind == "vector":
        yield from _differs_on_the_map(asset, footers)


def _spelled(type_name: str) -> str:
    """A type without what lists call their items: Arrow and Parquet have words of their own for that."""
    return re.sub(r"list<\w+: ", "list<item: ", type_name)


def _differs_on_the_map(asset: Asset, footers: Sequence[Footer]) -> Iterator[str]:
    extent: BBox | None = None
    for footer in footers:
        extent = union(extent, footer.bbox)
    if extent != asset.bbox:
        yield f"their extent is {extent}"
    types = sorted({each for footer in footers for each in footer.geometry_types})
    if types != [*asset.geometry_types]:
        yield f"their geometries are {', '.join(types) or 'none'}"
    if not all(_same_crs(asset.crs, footer.crs) for footer in footers):
        yield "their CRS is another one"


def _same_crs(name: str | None, projjson: Mapping[str, Any] | None) -> bool:
    if name is None or projjson is None:
        return name is None and projjson is None
    own = projjson.get("id", {})
    try:
        return f"{own.get('authority')}:{own.get('code')}" == name or Crs.parse(name).same(Crs.parse(json.dumps(projjson)))
    except UnknownCrs:
        return False


def _unexpected(stack: Stack, known: Collection[str]) -> Iterator[Verified]:
    """Everything in the lake that is not of a version, and what it is."""
    for info in stack.lake.objects():
        if info.key in known:
            continue
        try:
            found = _stray(stack, info)
        except (DamagedDocument, NewerFormat):
            continue  # a record that would tell is damaged, which the audit says
        if found is not None:
            yield Verified(uri=stack.lake.uri(info.key), finding=found[0], message=found[1])
    yield from _raw_without_a_version(stack)


def _raw_without_a_version(stack: Stack) -> Iterator[Verified]:
    """Raw files that are kept, and of which no version says that it was made from them."""
    kept = [*stack.lake.raw_objects()]
    try:
        needed = named(stack.ledger) if kept and not stack.ledger.undecided() else {sha256 for sha256, _ in kept}
    except (DamagedDocument, NewerFormat):
        return  # a record that would tell is damaged, which the audit says
    for sha256, info in kept:
        if sha256 not in needed:
            message = "A raw file that no version was made from: `spatial-etl gc` removes it."
            yield Verified(uri=stack.lake.uri(info.key), finding=Finding.REMOVABLE, message=message)


def _stray(stack: Stack, info: ObjectInfo) -> tuple[Finding, str] | None:
    """What an object is that no version accounted for when it was listed; None when one does by now."""
    prefix = stack.lake.prefix_of(info.key)
    if prefix is None:
        return Finding.UNEXPECTED, "No record names it, and no version lies there. Move it away."
    dataset_id, _, number = prefix[:-1].rpartition("/v")
    version = f"{dataset_id}@{number}"
    asset = stack.ledger.asset(dataset_id, int(number))
    if asset is not None:
        return None if info.key in expected_objects(stack, asset) else (Finding.UNEXPECTED, _BESIDE)
    reserved = stack.ledger.store.get("versions", version)
    if reserved is None:
        message = (
            f"The ledger knows no {version}. Move the object away, if somebody put it there; if the ledger was restored from "
        )
        return Finding.UNEXPECTED, f"{message}an older backup, this is of a later state: restore a newer one."
    return _left_by(stack, info, Reservation.from_document(reserved))


def _left_by(stack: Stack, info: ObjectInfo, reservation: Reservation) -> tuple[Finding, str]:
    """What an object is that lies in the prefix of a reservation without a version."""
    run_id = reservation.run_id
    if not placed(info, reservation) or stack.ledger.was_passed_over(info.key):
        return Finding.UNEXPECTED, f"It lay there before {run_id} came, and no record names it. Move it away."
    outcome = stack.ledger.outcome(run_id)
    if outcome is None:
        return Finding.PENDING, f"{run_id} has placed it, and is not decided yet."
    if reservation.id in {asset.id for asset in outcome.assets}:
        return Finding.PENDING, f"{run_id} has committed it. Its record is not copied: see there."
    return Finding.REMOVABLE, f"{run_id} has left it, and did not commit it: `spatial-etl gc` removes it."
