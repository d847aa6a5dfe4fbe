"""The drawing of a dataset version, for the page that shows it."""

import base64
import tempfile

import dagster as dg

from libs.models import Asset
from libs.pipeline.stack import Stack
from libs.spatial_utils.preview import draw
from libs.storage import ObjectMissing, ObjectRefused

LARGEST = 64 * 1024 * 1024
"""Bytes of a file that is fetched to be drawn."""


def preview(stack: Stack, asset: Asset) -> dg.MarkdownMetadataValue | None:
    """An image that needs no request; None for a table, an empty layer, and data that is too large or in several files."""
    if not asset.has_geometry or asset.bbox is None or len(asset.data) != 1 or asset.data[0].bytes > LARGEST:
        return None
    (file,) = asset.data
    with tempfile.TemporaryFile() as copy:  # it has no name: nothing is left of it when the worker is killed
        try:
            for piece in stack.lake.store.stream(file.key):
                copy.write(piece)
        except (ObjectMissing, ObjectRefused):
            return None  # `verify` says so
        copy.seek(0)
        image = base64.b64encode(draw(copy, asset.bbox).encode()).decode()
    return dg.MetadataValue.md(f"![{asset.id}](data:image/svg+xml;base64,{image})")
