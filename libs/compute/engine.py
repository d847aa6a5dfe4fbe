"""The compute seam: what every engine offers to the pipeline.

An engine works in a *workspace* of one run. When the workspace closes, nothing of it is left. Rules of the pipeline do not belong
here.
"""

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import pyarrow as pa

from libs.compute.batching import read_ahead
from libs.models import BBox, Changes, Model, Policies, Problem
from libs.models.settings import Settings
from libs.spatial_utils import geoparquet
from libs.spatial_utils.geoparquet import ResultFile
from libs.transformations import Recipe

DATA_FILE = "data.parquet"
"""Name of a result that is one file."""

THREAD_MB = 96
"""Memory that a thread needs. On machines with many cores, memory limits the number of threads."""


def default_threads(memory_mb: int) -> int:
    """Default number of threads of an engine, or of sessions on a server."""
    return max(1, min(len(os.sched_getaffinity(0)), memory_mb // THREAD_MB))


def schema_name(run_id: str, table: int) -> str:
    """Name of the schema that holds one dataset of a run while it is made: ``proc_<run>_<hash>_<n>``.

    The hash keeps apart runs that are spelled alike when case and punctuation do not count. At most 63 bytes: PostgreSQL's limit.

    >>> schema_name("survey-7#2", 1)
    'proc_survey_7_2_b55466e6_1'
    """
    readable = re.sub("[^a-z0-9]", "_", run_id.lower())[:40]
    return f"proc_{readable}_{hashlib.sha256(run_id.encode()).hexdigest()[:8]}_{table}"


class Capabilities(Model):
    """What an engine is called, and what it can do that not every engine can.

    Attributes:
        name: In the lineage, and in ``SPATIAL_ETL_ENGINE``.
        max_read_columns: Columns that the steps of one recipe may read; None where the engine has no limit of its own.
    """

    name: str
    max_read_columns: int | None = None


@dataclass(frozen=True)
class Source:
    """Rows of one layer on their way into an engine.

    Attributes:
        schema: Arrow schema of the batches: the relation's columns in order and, for a layer, the binary column ``geom`` last.
        crs: CRS of the geometry, authority code or WKT2; None for a table, and for local coordinates.
        batches: Record batches in source order. Consumed once, never held together.
        where: The place, for problems: ``files[0]: layer roads``.
        crs_assumed: Whether the CRS is the default of the format, as neither the file nor the manifest names one.
        feature_of: Gives the feature's number in its layer for a row of the batches, both from 0: they differ once features were
            set aside on the way here.
    """

    schema: pa.Schema
    crs: str | None
    batches: Iterable[pa.RecordBatch]
    where: str
    crs_assumed: bool = False
    feature_of: Callable[[int], int] = int


@dataclass(frozen=True)
class Target:
    """Where the files of a result go, and what their metadata say.

    Attributes:
        folder: It exists, and holds nothing else.
        crs: PROJJSON; None for an undefined CRS, and for a table.
        metadata: Further key-value pairs of each file.
    """

    folder: Path
    crs: Mapping[str, Any] | None
    metadata: Mapping[str, str] | None = None


class Processed(Protocol):
    """What a recipe made of its sources; lives as long as its workspace. Engines inherit from it.

    Attributes:
        schema: Arrow schema of the result: attribute columns, then for a layer ``geom`` (WKB) and the struct ``bbox``: null where
            ``geom`` is, as GeoParquet asks for, and of nulls where a geometry has no extent.
        crs: CRS of the result; None for a table, and for local coordinates.
        features: Rows.
        bbox: Extent in the units of the CRS, None when no geometry has one.
        changes: What the recipe changed, counted.
        origins: Columns that come from a column of the sources, renamed and cast ones, too; and from which.
        warnings: What the uploader should know although nothing is wrong.
        set_aside: Features that a policy or a rule kept out of the result. They are not among ``changes``.
        broken_rules: See :class:`libs.compute.layout.Report`.
    """

    schema: pa.Schema
    crs: str | None
    features: int
    bbox: BBox | None
    changes: Changes
    origins: Mapping[str, str]
    warnings: tuple[Problem, ...]
    set_aside: int
    broken_rules: Mapping[int, tuple[int, str]]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in file order: along the Hilbert curve over the extent, ties and features without extent in source order.

        A recipe that defines another order, and a table, come in theirs.
        """
        ...

    def rejects(self) -> Iterator[pa.RecordBatch]:
        """The features that were set aside, in source order. Can be read once.

        Columns: ``_etl_row`` (64-bit), the feature's place among all rows loaded, from 0; ``_etl_code`` and ``_etl_message``,
        what is wrong with it; and those of the source, their values as they came, before the first step.
        """
        ...

    def write(self, target: Target) -> Sequence[ResultFile]:
        """Write the result as GeoParquet: here as ``data.parquet``, through the one writer in this process.

        An engine that can write by itself overrides it: one file, or parts in file order (``part-00000.parquet``). Such files
        are read back and checked like all others: schema, row count, CRS, extent, geometry types.
        """
        schema = self.schema.with_metadata(target.metadata)
        groups = read_ahead(geoparquet.row_groups(self.schema, self.batches()))
        return [geoparquet.write(target.folder / DATA_FILE, schema, groups, target.crs)]


class DatasetBuilder(Protocol):
    """Makes one dataset from one recipe and one or more sources, which agree in schema."""

    def load(self, source: Source) -> int:
        """Take in every row of a source and return how many there were.

        Raises:
            Rejected: when the recipe does not fit the source, or the source does not agree with those before it.
        """
        ...

    def close(self) -> None:
        """Drop everything that belongs to it. Closing twice is no error. Closing the workspace closes it, too."""
        ...

    def finish(self) -> Processed:
        """Apply what of the recipe needs to see all rows, and count what was changed.

        Raises:
            Rejected: when the data does not allow what the recipe asks.
        """
        ...


class Workspace(Protocol):
    """What one run has in an engine, for as long as the run lasts."""

    def dataset(self, recipe: Recipe, policies: Policies | None = None) -> DatasetBuilder:
        """A new dataset to be made by a recipe with bound parameters. All named inputs are there.

        Args:
            recipe: It.
            policies: ``on_bad_value`` and ``on_bad_geometry``, for what its steps find; None: that rejects the batch.
        """
        ...

    def add_input(self, name: str, source: Source, columns: Collection[str] | None = None) -> int:
        """Take in every row of a named input, for all datasets. Returns how many there were.

        Args:
            name: Of the input. Sources of one name are appended.
            source: Rows.
            columns: Those that steps read, beside the geometry; None: all.

        Raises:
            Rejected: when the source does not agree in schema with those before it.
        """
        ...

    def drop_input(self, name: str) -> None:
        """Forget a named input, to read it again."""
        ...


class ComputeEngine(Protocol):
    """An engine: DuckDB in this process, or PostGIS.

    Attributes:
        capabilities: What it is called and can do. Nothing outside asks which engine it is.
    """

    capabilities: Capabilities

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The engine that the settings describe. Nothing is opened yet.

        Raises:
            ServiceUnavailable: when a setting is missing.
        """
        ...

    def describe(self) -> str:
        """Versions and place, for people. Of an engine that is warmed up.

        Raises:
            ServiceUnavailable: when the engine cannot be used.
        """
        ...

    def versions(self) -> dict[str, str]:
        """Versions of the software that computes, by name."""
        ...

    def warm_up(self) -> None:
        """Prepare for the first workspace, so that it need not wait. Safe to call from another thread.

        Raises:
            ServiceUnavailable: when the engine cannot be used; the first workspace would raise it, too.
        """
        ...

    def workspace(self, run_id: str, scratch: Path) -> AbstractContextManager[Workspace]:
        """The workspace of a run, gone when the context ends however it ends."""
        ...

    def leftovers(self) -> list[str]:
        """Names of what is left of workspaces whose process was killed. The workspace of a living process is not among them."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...

    def drop(self, name: str) -> None:
        """Remove a leftover. Removing one that is gone is no error."""
        ...
