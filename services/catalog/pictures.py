"""The small drawing of a version, made once and remembered."""

import struct
import threading
from collections import OrderedDict

import pyarrow as pa

from libs.models import Asset
from libs.spatial_utils.preview import draw
from services.catalog.local import LocalFiles

LARGEST = 64 * 1024 * 1024
"""Bytes of a file that is drawn: all of its geometries are read for it."""
_PIXELS = 640
_KEPT = 512

_drawn: OrderedDict[str, str | None] = OrderedDict()
_lock = threading.Lock()


def is_drawn(asset: Asset) -> bool:
    """Whether there is anything to draw: a layer with an extent, in one file that is not too large."""
    return asset.has_geometry and asset.bbox is not None and len(asset.data) == 1 and asset.data[0].bytes <= LARGEST


def svg(files: LocalFiles, asset: Asset) -> str | None:
    """The drawing; None where there is nothing to draw, or the file is damaged, which `verify` says.

    Raises:
        ObjectMissing, ObjectRefused: when the file cannot be read.
    """
    if not is_drawn(asset) or asset.bbox is None:
        return None
    (file,) = asset.data
    with _lock:
        if file.sha256 not in _drawn:
            with files.path(file).open("rb") as opened:
                try:
                    _drawn[file.sha256] = draw(opened, asset.bbox, _PIXELS).svg
                except (pa.ArrowException, OSError, ValueError, struct.error):
                    _drawn[file.sha256] = None
        _drawn.move_to_end(file.sha256)
        if len(_drawn) > _KEPT:
            _drawn.popitem(last=False)
        return _drawn[file.sha256]
