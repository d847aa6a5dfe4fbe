"""The drawing of a dataset version, for the page that shows it."""

import base64
import math
import struct
import tempfile

import pyarrow as pa

from libs.models import Asset, BBox, RasterSummary
from libs.spatial_utils.preview import WIDTH, Drawing, draw
from libs.storage import DataLake, ObjectMissing, ObjectRefused
from services.dagster.etl_pipelines.markdown import inert

_DEGREES = {"EPSG:4326", "OGC:CRS84"}
_KILOMETRES = 111.32
"""Of a degree of longitude at the equator."""
_HEAD = 8 * 1024 * 1024
"""Bytes before the tiles of a raster: its directories, and the places of all its tiles."""
LARGEST = 64 * 1024 * 1024
"""Bytes of a file that is fetched to be drawn."""


def preview(lake: DataLake, asset: Asset, largest: int = LARGEST, pixels: int = WIDTH) -> str | None:
    """Markdown of an image that needs no request.

    None for a table, an empty layer, and data that is too large, in several files, or damaged.

    Args:
        lake: Where the data is.
        asset: The version.
        largest: Bytes of a file that is fetched to be drawn.
        pixels: Of the longer side.
    """
    if isinstance(asset.summary, RasterSummary):
        return _of_raster(lake, asset, asset.summary, largest)
    if not asset.has_geometry or asset.bbox is None or len(asset.data) != 1 or asset.data[0].bytes > largest:
        return None
    (file,) = asset.data
    with tempfile.TemporaryFile() as copy:  # it has no name: nothing is left of it when the worker is killed
        try:
            for piece in lake.store.stream(file.key):
                copy.write(piece)
        except (ObjectMissing, ObjectRefused):
            return None  # `verify` says so
        copy.seek(0)
        try:
            drawing = draw(copy, asset.bbox, pixels)
        except (pa.ArrowException, OSError, ValueError, struct.error):
            return None  # `verify` says so
    image = base64.b64encode(drawing.svg.encode()).decode()
    return f"{_caption(asset, asset.bbox, drawing)}\n\n![{asset.id}](data:image/svg+xml;base64,{image})"


def _of_raster(lake: DataLake, asset: Asset, summary: RasterSummary, largest: int) -> str | None:
    """The smallest overview: it lies near the file's beginning, so that the rest is not fetched."""
    from libs.spatial_utils.cog.picture import picture

    (file,) = asset.data
    columns, rows = summary.overviews[-1] if summary.overviews else (summary.width, summary.height)
    wanted = min(file.bytes, largest, _HEAD + 2 * columns * rows * 8 * len(summary.bands))
    with tempfile.TemporaryFile() as copy:
        try:
            for piece in lake.store.stream(file.key):
                copy.write(piece)
                if copy.tell() >= wanted:
                    break
            image = picture(copy, file.bytes)
        except (ObjectMissing, ObjectRefused, ValueError, KeyError, IndexError, struct.error):
            return None  # `verify` says so
    shown = f"An overview of {columns:,} x {rows:,} of {summary.width:,} x {summary.height:,} pixels. Transparent: no data."
    return f"{shown}\n\n![{asset.id}](data:image/png;base64,{base64.b64encode(image).decode()})"


def _caption(asset: Asset, bbox: BBox, drawing: Drawing) -> str:
    """What is in the picture, where its frame lies, and how long its bar is."""
    west, south, east, north = (f"{side:.6g}" for side in bbox)
    crs = inert(asset.crs or "local coordinates")
    shown = f"All {drawing.features:,} features"
    if drawing.looked_at < drawing.features:
        shown = f"A sample of {drawing.looked_at:,} of {drawing.features:,} features"
    if drawing.empty:
        shown += f", {drawing.empty:,} of them without geometry"
    caption = f"{shown}. Frame: {west}, {south} to {east}, {north}, {crs}."
    if not drawing.bar:
        return caption
    if asset.crs not in _DEGREES:
        return f"{caption} Bar: {drawing.bar:g} units of the CRS."
    kilometres = drawing.bar * _KILOMETRES * math.cos(math.radians((bbox[1] + bbox[3]) / 2))
    return f"{caption} Bar: {drawing.bar:g} degrees, about {kilometres:.3g} km in the middle."
