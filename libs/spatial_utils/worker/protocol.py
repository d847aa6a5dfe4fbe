"""What every reader in the worker offers: layers, each a schema up front and batches later. Knows no format."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa

COLUMN_NOTES = b"spatial_etl:notes"
"""Key of a field's metadata under which the worker says what it knows of a column besides its type."""
BATCH_ROWS = 32_768
"""No more than an engine takes at once: it joins batches, and splits those only that have too many bytes."""
BATCH_BYTES = 32 * 1024 * 1024
"""Where features are large, a batch ends earlier, at about this size."""


class Unreadable(Exception):  # noqa: N818 - a verdict on the file
    """A file, or a part of it, that cannot be read as it should; becomes a problem for the uploader.

    Attributes:
        code: Of the problem.
        place: Within the file (``layer roads, feature 17``), or empty.
    """

    def __init__(self, code: str, message: str, remedy: str, place: str = "") -> None:
        self.code, self.message, self.remedy, self.place = code, message, remedy, place
        super().__init__(message)

    def as_dict(self) -> dict[str, str]:
        """As it is sent to the reader."""
        return {"code": self.code, "message": self.message, "remedy": self.remedy, "place": self.place}


def unknown_geometry(wanted: str, there: Iterable[str]) -> Unreadable:
    """What to say where no geometry has the name that the manifest gives."""
    listed = ", ".join(map(repr, there)) or "none"
    return Unreadable(
        "unknown_geometry",
        f"No geometry has the name {wanted!r}, which 'geometry' gives. There are: {listed}.",
        "Give one of these names as 'geometry', or leave it out.",
    )


class SchemaInferenceFailed(Exception):  # noqa: N818 - a verdict on what was said of the file
    """Types that were announced after a look at some rows do not hold for all of them: the file must be read again."""


@dataclass
class Notes:
    """Warnings and counts on the way."""

    warnings: list[dict[str, str]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def warn(self, code: str, message: str, remedy: str, place: str = "") -> None:
        """Note something that the uploader should know but that loses nothing."""
        warning = {"code": code, "message": message, "remedy": remedy, "place": place}
        if warning not in self.warnings:
            self.warnings.append(warning)


class RasterSource(Protocol):
    """One raster of the file.

    Attributes:
        name: Its name in the file.
    """

    name: str

    def described(self) -> dict[str, Any]:
        """All of it but its pixels, as JSON."""
        ...

    def send(self, out: BinaryIO) -> dict[str, Any]:
        """Write its pixels, strip by strip; returns the trailer."""
        ...


class LayerReader(Protocol):
    """One layer of the file.

    Attributes:
        name: Its name in the file.
        schema: Attribute columns, then ``geom`` (``pa.binary()``) if ``geometry``.
        geometry: Whether there is a geometry column.
        crs: ``{"name": authority code}`` that was verified, ``{"text": ...}`` for a definition in any spelling,
            ``{"unknown": ...}`` for words that mean nothing, ``{"default": authority code}`` when only the format says what it
            is, or None when nothing does.
        claimed: Features that the file claims to have, None when it does not say.
    """

    name: str
    schema: pa.Schema
    geometry: bool
    crs: dict[str, str] | None
    claimed: int | None
    notes: Notes

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The layer's rows in file order, once; raises ``Unreadable``, and ``SchemaInferenceFailed`` where it may."""
        ...


NO_HEADER = "none"
"""Value of ``header`` in :attr:`Request.csv` where there are no column names."""


@dataclass(frozen=True)
class Request:
    """What the worker is asked to do; the reading side sends it as JSON.

    Attributes:
        sources: Main files with the prefix that their layers' names get.
        folder: All that the worker may see of the file system.
        reader: Folder in ``formats/`` of the format's reader; empty: GDAL by itself reads it.
        may_infer: Whether a large file may be parsed by a sample of it, where the format can do that.
        driver: GDAL driver, with the C function that registers it and its open options.
        layer: The layer that is wanted, or a pattern of such names (``*``, ``?``), or None for all of them.
        encoding: As the manifest says, or None.
        tabular: Whether a file is read as a table, even if it could hold geometry.
        csv: The manifest's options for tables of text, with ``geometry`` of the file as ``wkt``: CSV and spreadsheets.
        geometry: The one of several geometries of a feature that is wanted, or None.
        memory_mb: Address space to take, in MiB.
        cpu_seconds: Processor time to take.
        keep_key: Whether the keys of rows are wanted that a database keeps beside the columns.
        named: Columns that are wanted, in lower case, keys too: the recipe names them, or what the rows are appended to has them.
        appended: Whether the rows are appended to others: no key is wanted that is not named.
        full_scan: Whether types are announced after a look at every row, so that ``SchemaInferenceFailed`` is never raised.
        policies: What to do with bad rows: ``on_bad_value``, ``on_bad_geometry``, ``on_bad_text``; see ``worker.quarantine``.
        written_bytes: Size of the files that may be written beside the source; 0: nothing may be written.
        raster: What is wanted of a raster; None for features and tables.
    """

    sources: tuple[tuple[str, str], ...]
    folder: str
    reader: str
    may_infer: bool
    driver: str
    register: str
    options: tuple[str, ...]
    layer: str | None
    encoding: str | None
    tabular: bool
    csv: dict[str, Any]
    memory_mb: int
    cpu_seconds: int
    full_scan: bool
    written_bytes: int
    policies: dict[str, str | None] = field(default_factory=dict)
    geometry: str | None = None
    keep_key: bool = False
    named: tuple[str, ...] = ()
    appended: bool = False
    raster: dict[str, Any] | None = None

    def asks_for(self, key: str) -> bool:
        """Whether somebody asks for the key of this name."""
        return self.keep_key or key.casefold() in self.named

    def wants(self, layer: str) -> bool:
        """Whether a layer is to be read, unless another has exactly the name that is wanted (``OpenFile.keep_exact``)."""
        if self.layer is None or self.layer == layer:
            return True
        return any(sign in self.layer for sign in "*?") and fnmatchcase(layer, self.layer.replace("[", "[[]"))

    @property
    def paths(self) -> list[tuple[Path, str]]:
        """The main files with the prefixes of their layers."""
        return [(Path(path), prefix) for path, prefix in self.sources]


@dataclass
class OpenFile:
    """An opened file.

    Attributes:
        names: Of all its layers.
        layers: Those that are wanted.
        rasters: Likewise.
        notes: What was noted before one of them was read.
        inferred: Whether reading one of them may raise ``SchemaInferenceFailed``.
    """

    names: list[str] = field(default_factory=list)
    layers: list[LayerReader] = field(default_factory=list)
    rasters: list[RasterSource] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    inferred: bool = False

    def keep_exact(self, wanted: str | None) -> None:
        """Leave out what a pattern has found, if a layer has exactly this name: names may hold ``*`` and ``?``."""
        if wanted in self.names:
            self.layers = [layer for layer in self.layers if layer.name == wanted]
            self.rasters = [raster for raster in self.rasters if raster.name == wanted]
