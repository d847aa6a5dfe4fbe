"""All versions in short, held in memory: what a search looks at. A version never changes, so each is read once."""

import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from libs.ledger import Ledger
from libs.models import Asset, BBox
from services.catalog.features import extent

_MANY = 1_000
"""Versions that are new at once, from which on all records are read in one pass."""


def moment(asset: Asset) -> str:
    """When a version was made, as RFC 3339 has it."""
    return f"{asset.created_at:%Y-%m-%dT%H:%M:%S.%fZ}"


@dataclass(frozen=True, order=True)
class Version:
    """A version in short, in the order of a search: the last one made comes first.

    Attributes:
        created: See :func:`moment`: as texts, such moments are in their order.
        where: Extent as longitudes and latitudes; None for those that have none.
    """

    age: float
    id: str
    dataset_id: str
    number: int
    created: str
    where: BBox | None

    @classmethod
    def of(cls, asset: Asset) -> "Version":
        """A version in short."""
        where = extent(asset.crs, asset.bbox)
        return cls(-asset.created_at.timestamp(), asset.id, asset.dataset_id, asset.version, moment(asset), where)


class Versions:
    """The versions of a ledger. Each look reads the ids, and the records of those that are new."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._known: dict[str, Version] = {}
        self._sorted: list[Version] = []
        self._by_dataset: dict[str, list[Version]] = {}

    def all(self) -> list[Version]:
        """All of them, the last one made first."""
        with self._lock:
            self._look()
            return self._sorted

    def by_dataset(self) -> Mapping[str, list[Version]]:
        """Those of each dataset, in the order of their numbers."""
        with self._lock:
            self._look()
            return self._by_dataset

    def _look(self) -> None:
        """Bring what is known up to date. Lists that were given away stay as they are."""
        identities = {*self._ledger.version_ids()}
        new = identities - self._known.keys()
        if not new and len(identities) == len(self._known):
            return
        self._known = {identity: version for identity, version in self._known.items() if identity in identities}
        self._known |= {asset.id: Version.of(asset) for asset in self._read(new)}
        self._sorted = sorted(self._known.values())
        self._by_dataset = {}
        for version in sorted(self._known.values(), key=lambda each: (each.dataset_id, each.number)):
            self._by_dataset.setdefault(version.dataset_id, []).append(version)

    def _read(self, identities: Collection[str]) -> Iterator[Asset]:
        if len(identities) > _MANY:
            yield from (asset for asset in self._ledger.assets() if asset.id in identities)
            return
        for identity in identities:
            dataset_id, _, number = identity.rpartition("@")
            asset = self._ledger.asset(dataset_id, int(number))
            if asset is not None:
                yield asset
