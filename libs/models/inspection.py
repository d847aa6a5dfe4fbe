"""What is in a file, found without ingesting it."""

from typing import Any

from libs.models.asset import RasterSummary
from libs.models.base import BBox, Model
from libs.models.problem import Problem


class ColumnProfile(Model):
    """A column of a layer.

    Attributes:
        type: As it is in the lake.
        nulls: Missing values.
        least: The smallest value, as text; None for types without an order, and without values.
        most: The largest value.
        samples: The first values, as text.
    """

    name: str
    type: str
    nulls: int
    least: str | None = None
    most: str | None = None
    samples: tuple[str, ...] = ()


class LayerProfile(Model):
    """A layer, read from end to end.

    Attributes:
        crs: Its name or code; None for local coordinates, an unknown CRS, and a table.
        crs_source: Who says so: ``file``, ``manifest``, ``format``; None when nothing does.
        extent: In the units of that CRS.
        raster: Of a raster, what ingesting it would make.
        picture: Lines of Braille characters: where the features are.
    """

    name: str
    features: int
    geometry_types: tuple[str, ...] = ()
    crs: str | None = None
    crs_source: str | None = None
    extent: BBox | None = None
    columns: tuple[ColumnProfile, ...] = ()
    picture: tuple[str, ...] = ()
    raster: RasterSummary | None = None


class Inspection(Model):
    """A file as ``spatial-etl inspect`` shows it.

    Attributes:
        file: Its name.
        format: That a manifest should name; None when no format is known.
        looks_like: By its first bytes, in words.
        layers: Those that can be read.
        problems: For which ingesting it would be rejected.
        warnings: That ingesting it would report.
        manifest: That ingests it.
    """

    file: str
    format: str | None
    looks_like: str
    layers: tuple[LayerProfile, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    manifest: dict[str, Any] | None = None
