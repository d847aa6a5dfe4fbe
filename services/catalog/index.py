"""The datasets in short, held in memory: what is listed, searched and sorted without reading the ledger anew."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from libs.ledger import Ledger
from libs.models import About, Asset, Owner


@dataclass(frozen=True)
class Entry:
    """The current version of a dataset, in short.

    Attributes:
        newest: Number of the newest version.
        words: What is searched, folded: id, title, project, uploader, columns and what they mean.
    """

    dataset_id: str
    title: str | None
    project: str | None
    uploader: str | None
    kind: str
    version: int
    newest: int
    features: int | None
    geometry_types: tuple[str, ...]
    crs: str | None
    size: int
    created_at: datetime
    set_aside: int
    words: str

    @classmethod
    def of(cls, asset: Asset, owner: Owner | None, newest: int, about: About) -> "Entry":
        """The entry of a version, with what people say of the dataset."""
        project, uploader = (owner.project, owner.uploader) if owner else (None, None)
        columns = " ".join(field.name for field in asset.table_schema)
        said = (
            asset.dataset_id,
            asset.title,
            about.title,
            about.description,
            *about.tags,
            project,
            uploader,
            columns,
            *asset.meanings.values(),
        )
        return cls(
            dataset_id=asset.dataset_id,
            title=about.title or asset.title,
            project=project,
            uploader=uploader,
            kind=asset.kind,
            version=asset.version,
            newest=newest,
            features=asset.features,
            geometry_types=asset.geometry_types,
            crs=asset.crs,
            size=sum(file.bytes for file in asset.files),
            created_at=asset.created_at,
            set_aside=asset.changes.set_aside,
            words=" ".join(filter(None, said)).casefold(),
        )


SORTS: Mapping[str, tuple[Callable[[Entry], tuple[object, ...]], bool]] = MappingProxyType(
    {
        "name": (lambda entry: (entry.dataset_id.casefold(),), False),
        "newest": (lambda entry: (entry.created_at,), True),
        "features": (lambda entry: (entry.features or 0,), True),
        "size": (lambda entry: (entry.size,), True),
    }
)
"""By name: what is compared, and whether the greatest comes first."""


@dataclass(frozen=True)
class Search:
    """What is looked for. Empty: everything."""

    words: str = ""
    project: str = ""
    uploader: str = ""
    kind: str = ""
    sort: str = "name"

    def of(self, entries: Iterable[Entry]) -> list[Entry]:
        """The entries that match, in order."""
        words = self.words.casefold().split()
        found = [
            entry
            for entry in entries
            if (not self.project or entry.project == self.project)
            and (not self.uploader or entry.uploader == self.uploader)
            and (not self.kind or entry.kind == self.kind)
            and all(word in entry.words for word in words)
        ]
        key, reverse = SORTS[self.sort]
        return sorted(found, key=key, reverse=reverse)


class Index:
    """All entries. Each look reads the ids of the ledger, and the records of what has changed since the last one."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._stamps: dict[str, tuple[int, int, int]] = {}

    def entries(self) -> list[Entry]:
        """The datasets that are in use now, in the order of their ids."""
        with self._lock:
            current, said = self._ledger.decisions(), self._ledger.descriptions()
            newest = self._ledger.newest_versions()
            stamps = {
                name: (number, current[name].number if name in current else 0, said[name].number if name in said else 0)
                for name, number in newest.items()
                if name not in said or said[name].about.retired is None
            }
            changed = [name for name, stamp in stamps.items() if self._stamps.get(name) != stamp]
            if changed:
                assets = self._ledger.current(changed)
                owners = self._ledger.owners(assets)
                abouts = {name: each.about for name, each in said.items()}
                self._entries |= {
                    name: Entry.of(asset, owners.get(name), newest[name], abouts.get(name, About()))
                    for name, asset in assets.items()
                }
            self._stamps = stamps
            return [self._entries[name] for name in stamps if name in self._entries]
