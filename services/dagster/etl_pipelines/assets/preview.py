"""The drawing of a dataset version, for the page that shows it."""

import base64
import math
import struct
import tempfile

import pyarrow as pa

from libs.models import Asset, BBox
from libs.spatial_utils.preview import WIDTH, Drawing, draw
from libs.storage import DataLake, ObjectMissing, ObjectRefused
from services.dagster.etl_pipelines.markdown import inert

_DEGREES = {"EPSG:4326", "OGC:CRS84"}
_KILOMETRES = 111.32
"""Of a degree of longitude at the equator."""
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
