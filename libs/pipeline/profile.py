"""What is in a file, found by reading it once in the confined process: nothing is loaded, nothing is stored."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from libs.column_names import GEOMETRY
from libs.models import BBox, FileSpec
from libs.models.inspection import ColumnProfile, LayerProfile
from libs.spatial_utils import braille
from libs.spatial_utils.reading import LayerStream, ReadLimits, SourceFile, read_source

SAMPLES = 3
_VERTICES = 20_000
"""Of the features that are drawn, about; the first ones of each layer."""
_LONGEST = 40
"""Characters of a value that are shown."""


def profile(path: Path, spec: FileSpec, limits: ReadLimits) -> tuple[LayerProfile, ...]:
    """The layers of a file.

    Args:
        path: The file in a folder of its own, with what belongs to it.
        spec: What a manifest would say of it.
        limits: What reading may take.

    Raises:
        Rejected: when it cannot be read.
    """
    layers: list[LayerProfile] = []

    def consume(source: SourceFile) -> None:
        layers.extend(_Layer(stream).profile() for stream in source.streams())

    read_source(path, spec, "files[0]", limits, consume, layers.clear)
    return tuple(layers)


class _Layer:
    """One layer, while it is read."""

    def __init__(self, stream: LayerStream) -> None:
        self._stream = stream
        fields = [field for field in stream.schema if field.name != GEOMETRY or not stream.layer.has_geometry]
        self._columns = [_Column(field) for field in fields]
        self._types = set[str]()
        self._extent: BBox | None = None
        self._drawn: list[Any] = []
        self._vertices = 0

    def profile(self) -> LayerProfile:
        for batch in self._stream:
            for column, values in zip(self._columns, batch.columns, strict=False):
                column.add(values)
            if self._stream.layer.has_geometry:
                self._look_at(batch.column(batch.num_columns - 1))
        layer, extent = self._stream.layer, self._extent
        return LayerProfile(
            name=layer.name,
            features=self._stream.features,
            geometry_types=tuple(sorted(self._types)),
            crs=layer.crs.name if layer.crs else None,
            crs_source=layer.crs_source if layer.crs else None,
            extent=extent,
            columns=tuple(column.profile() for column in self._columns),
            picture=self._picture(),
        )

    def _look_at(self, geometry: pa.Array) -> None:
        import numpy as np
        import shapely

        shapes = shapely.from_wkb(geometry.drop_null().to_numpy(zero_copy_only=False), on_invalid="ignore")
        shapes = shapes[~shapely.is_missing(shapes)]
        self._types |= {shape_type(code) for code in np.unique(shapely.get_type_id(shapes)).tolist()}
        bounds = shapely.bounds(shapes[~shapely.is_empty(shapes)])
        bounds = bounds[np.isfinite(bounds).all(axis=1)]
        if len(bounds):
            low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
            before = self._extent or (*low, *high)
            self._extent = (
                min(before[0], float(low[0])), min(before[1], float(low[1])),
                max(before[2], float(high[0])), max(before[3], float(high[1])),
            )  # fmt: skip
        for shape in shapes:
            if self._vertices >= _VERTICES:
                break
            self._drawn.append(shape)
            self._vertices += int(shapely.get_num_coordinates(shape))

    def _picture(self) -> tuple[str, ...]:
        import shapely

        extent = self._extent
        if extent is None or extent[:2] == extent[2:]:
            return ()
        side = max(extent[2] - extent[0], extent[3] - extent[1])
        along = shapely.get_coordinates(shapely.segmentize(self._drawn, side / (2 * braille.WIDTH)))
        return braille.draw(((x, y) for x, y in along.tolist()), extent)


def shape_type(code: int) -> str:
    """GeoParquet's name of a type of Shapely."""
    import shapely

    names = {"LINEARRING": "LineString", "LINESTRING": "LineString", "POINT": "Point", "POLYGON": "Polygon",
             "MULTIPOINT": "MultiPoint", "MULTILINESTRING": "MultiLineString", "MULTIPOLYGON": "MultiPolygon",
             "GEOMETRYCOLLECTION": "GeometryCollection"}  # fmt: skip
    return names[shapely.GeometryType(code).name]


class _Column:
    """One column, while it is read."""

    def __init__(self, field: pa.Field) -> None:
        self._field, self._nulls, self._samples = field, 0, list[str]()
        self._least: pa.Scalar | None = None
        self._most: pa.Scalar | None = None
        kind = field.type
        self._ordered = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind)

    def add(self, values: pa.Array) -> None:
        """Look at more values."""
        self._nulls += values.null_count
        if len(self._samples) < SAMPLES:
            self._samples += _shown(islice(values.drop_null(), SAMPLES - len(self._samples)))
        if self._ordered and values.null_count < len(values):
            found = pc.min_max(values)
            seen = [end for end in (self._least, self._most, found["min"], found["max"]) if end is not None]
            ends = pc.min_max(pa.array(seen, values.type))
            self._least, self._most = ends["min"], ends["max"]

    def profile(self) -> ColumnProfile:
        """What was found."""
        ends = [None if end is None else str(end.as_py()) for end in (self._least, self._most)]
        return ColumnProfile(
            name=self._field.name, type=str(self._field.type), nulls=self._nulls, least=ends[0], most=ends[1],
            samples=tuple(self._samples),
        )  # fmt: skip


def _shown(values: Iterable[pa.Scalar]) -> list[str]:
    texts = (str(value.as_py()) for value in values)
    return [text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…" for text in texts]
