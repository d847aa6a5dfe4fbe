"""Invented buildings in files of any size: the same rows every time, streamed, so that millions need no memory."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import shapely

REVISION = 1
"""To be raised when the rows change, so that no cached file of old is compared with a new one."""

CRS = "EPSG:32632"
BLOCK = 100_000
"""Rows made at once."""

INVALID = 0.01
"""Share of polygons whose ring crosses itself."""

_KINDS = pa.array(["house", "garage", "office", "school", "shop"])
_RING = np.array([[0, 0], [1, 0], [1, 0.6], [0.5, 0.6], [0.5, 1], [0, 1], [0, 0]])
"""An L-shaped floor plan in units of its width and depth."""


@dataclass(frozen=True)
class Format:
    """A file format to measure.

    Attributes:
        options: For GDAL's writer. FlatGeobuf's index would need all rows in memory.
        without: Columns that the format cannot hold.
    """

    name: str
    driver: str
    suffix: str
    options: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()


FORMATS = {
    each.suffix: each
    for each in (
        Format("FlatGeobuf", "FlatGeobuf", "fgb", options=(("SPATIAL_INDEX", "NO"),)),
        Format("GeoPackage", "GPKG", "gpkg"),
        Format("Shapefile", "ESRI Shapefile", "shp", without=("seen",)),
        Format("GeoJSON", "GeoJSON", "geojson"),
    )
}


def file_of(rows: int, format_: Format, cache: Path) -> Path:
    """The file with the first ``rows`` buildings, made when it is not in the cache."""
    folder = cache / f"buildings-{REVISION}-{rows}-{format_.suffix}"
    path = folder / f"buildings.{format_.suffix}"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=cache))
        try:
            _write(rows, format_, unfinished / path.name)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return path


def blocks(rows: int) -> Iterator[pa.RecordBatch]:
    """The first ``rows`` buildings, geometry (WKB, metres in :data:`CRS`) last."""
    for number, first in enumerate(range(0, rows, BLOCK)):
        yield _block(first, np.random.default_rng([REVISION, number])).slice(0, min(BLOCK, rows - first))


def _block(first: int, draw: np.random.Generator) -> pa.RecordBatch:
    ids = np.arange(first, first + BLOCK)
    return pa.record_batch(
        {
            "id": pa.array(ids),
            "kind": _KINDS.take(pa.array(draw.integers(0, len(_KINDS), BLOCK))),
            "name": pa.array([f"Building {number}" if number % 3 else None for number in ids], pa.string()),
            "height": pa.array(draw.uniform(2, 80, BLOCK)),
            "floors": pa.array(draw.integers(1, 30, BLOCK, dtype=np.int32)),
            "built": pa.array(draw.integers(0, 20_000, BLOCK, dtype=np.int32), pa.date32()),
            "seen": pa.array(1_600_000_000_000 + draw.integers(0, 10**11, BLOCK), pa.timestamp("ms")),
            "geometry": pa.array(shapely.to_wkb(_polygons(draw)), pa.binary()),
        }
    )


def _polygons(draw: np.random.Generator) -> Any:
    """Floor plans of 5 to 40 m a side, turned by any angle, anywhere in a zone of 400 by 600 km."""
    corner = draw.uniform([300_000, 5_200_000], [700_000, 5_800_000], (BLOCK, 2))
    plan = _RING * draw.uniform(5, 40, (BLOCK, 1, 2))
    invalid = np.flatnonzero(draw.random(BLOCK) < INVALID)[:, None]
    plan[invalid, [1, 4]] = plan[invalid, [4, 1]]  # two corners change places: the ring crosses itself
    angle = draw.uniform(0, np.pi, BLOCK)
    turn = np.stack([np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)], axis=-1).reshape(BLOCK, 2, 2)
    return shapely.polygons(corner[:, None] + plan @ turn)


def _write(rows: int, format_: Format, path: Path) -> None:
    schema = _block(0, np.random.default_rng(0)).schema
    kept = [name for name in schema.names if name not in format_.without]
    reader = pa.RecordBatchReader.from_batches(
        pa.schema([schema.field(name) for name in kept]), (block.select(kept) for block in blocks(rows))
    )
    os.environ["OGR_CURRENT_DATE"] = "2026-01-01T00:00:00Z"  # GDAL writes it into a GeoPackage
    pyogrio.write_arrow(
        reader,
        path,
        driver=format_.driver,
        geometry_name="geometry",
        geometry_type="Polygon",
        crs=CRS,
        **dict(format_.options),
    )
