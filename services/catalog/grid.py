"""The tiles of the web: Mercator on a sphere, zoom 0 is one tile, each zoom has four for one of the zoom before."""

import math
from typing import Any

from libs.models import BBox

WEB_MERCATOR = "EPSG:3857"
SIDE = 2 * math.pi * 6_378_137.0
"""Metres on a side of the world."""
NORTHERNMOST = math.degrees(math.atan(math.sinh(math.pi)))
"""Degrees: beyond there is no tile."""
_PIXELS = 256
_PIXEL = 0.00028
"""Metres of a pixel of OGC's standard screen."""


def metres(zoom: int, x: int, y: int) -> BBox:
    """The frame of a tile in Mercator's metres: west, south, east, north."""
    side = SIDE / 2**zoom
    return x * side - SIDE / 2, SIDE / 2 - (y + 1) * side, (x + 1) * side - SIDE / 2, SIDE / 2 - y * side


def degrees(zoom: int, left: float, top: float, right: float, bottom: float) -> BBox:
    """A frame in units of a zoom's tiles, from the north-west, as longitudes and latitudes: west, south, east, north."""
    longitudes = [max(-180.0, min(180.0, 360 * each / 2**zoom - 180)) for each in (left, right)]
    latitudes = [math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * each / 2**zoom)))) for each in (bottom, top)]
    return longitudes[0], latitudes[0], longitudes[1], latitudes[1]


def tile_of(zoom: int, longitude: float, latitude: float) -> tuple[int, int]:
    """Column and row of the tile that a place lies in, or of the nearest one."""
    latitude = math.radians(max(-NORTHERNMOST, min(NORTHERNMOST, latitude)))
    across, down = longitude / 360 + 0.5, 0.5 - math.asinh(math.tan(latitude)) / (2 * math.pi)
    last = 2**zoom - 1
    return max(0, min(last, math.floor(across * 2**zoom))), max(0, min(last, math.floor(down * 2**zoom)))


def tile_matrix_set(deepest: int) -> dict[str, Any]:
    """OGC's description of these tiles (WebMercatorQuad), down to a zoom."""
    return {
        "id": "WebMercatorQuad",
        "title": "Google Maps Compatible for the World",
        "uri": "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad",
        "crs": "http://www.opengis.net/def/crs/EPSG/0/3857",
        "orderedAxes": ["X", "Y"],
        "wellKnownScaleSet": "http://www.opengis.net/def/wkss/OGC/1.0/GoogleMapsCompatible",
        "tileMatrices": [
            {
                "id": str(zoom),
                "scaleDenominator": SIDE / _PIXELS / 2**zoom / _PIXEL,
                "cellSize": SIDE / _PIXELS / 2**zoom,
                "pointOfOrigin": [-SIDE / 2, SIDE / 2],
                "tileWidth": _PIXELS,
                "tileHeight": _PIXELS,
                "matrixWidth": 2**zoom,
                "matrixHeight": 2**zoom,
            }
            for zoom in range(deepest + 1)
        ],
    }
