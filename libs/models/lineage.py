"""Lineage: which inputs and which recipe made which version."""

from typing import Any

from libs.models.asset import Changes
from libs.models.base import Identifier, Moment, Record, Sha256
from libs.models.document import Document
from libs.models.growth import Growth, InputVersion
from libs.models.inputs import Use


class InputObject(Record):
    """One raw object that was read (a Shapefile is several)."""

    key: str
    sha256: Sha256
    bytes: int


class InputLayer(Record):
    """One layer that went into a version.

    Attributes:
        file: Index into the ``files`` of the lineage's manifest.
        path: As in the manifest.
        layer: Its name in the file.
        crs: CRS that it was read in: authority code or WKT2; None for a table, and for local coordinates.
        crs_source: Who says so: ``file``, ``manifest``, or ``format`` where only the format's default is left. None for a table.
        features: Features read; None of a raster.
        objects: Everything that was read for it, with hashes.
    """

    file: int
    path: str
    format: str
    layer: str
    crs: str | None
    features: int | None
    objects: tuple[InputObject, ...]
    crs_source: str | None = None
    name: str | None = None


class Lineage(Document):
    """How a version was made (collection ``lineage``), complete enough to make it again.

    Attributes:
        recipe: The recipe as data, with its parameters bound.
        manifest: The manifest, with those of its files that the version was made of. The whole one is in ``manifests``.
        datasets: Versions that it was made from, beside its files: they were pinned when it was made.
        growth: What its files did to the version before; None where they replaced it.
        software: Versions of what made it, by name.
        seconds: Wall time by phase.
    """

    dataset_id: Identifier
    version: int
    run_id: str
    batch_id: Identifier
    uploader: str
    created_at: Moment
    intent: str
    recipe: dict[str, Any]
    manifest: dict[str, Any]
    inputs: tuple[InputLayer, ...]
    datasets: tuple[InputVersion, ...] = ()
    growth: Growth | None = None
    changes: Changes
    engine: str
    software: dict[str, str]
    seconds: dict[str, float] = {}

    @property
    def id(self) -> str:
        """``_id``: ``<dataset_id>@<N>``."""
        return f"{self.dataset_id}@{self.version}"

    @property
    def made_of(self) -> tuple[InputLayer, ...]:
        """The layers that it was made of: its inputs but for the named ones."""
        return tuple(layer for layer in self.inputs if layer.name is None)

    @property
    def uses(self) -> tuple[Use, ...]:
        """What it says, the other way round: for each version that was read, that this one was made from it."""
        own = {"output": self.id, "run_id": self.run_id, "batch_id": self.batch_id}
        return tuple(Use(input=version.id, **own) for version in self.datasets)
