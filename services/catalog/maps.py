"""What the map of a page asks for: what there is to show of a version, its tiles, and what is known of one feature."""

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from libs.models import Asset
from libs.raw_text import inert
from services.catalog.answers import Refused, only
from services.catalog.density import DEEPEST
from services.catalog.features import as_text, extent, is_mapped
from services.catalog.questions import asset_of
from services.catalog.state import state_of
from services.catalog.tiles import EXTENT, LAYER, sharpest, shown_columns

MVT = "application/vnd.mapbox-vector-tile"
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)
_NOT_KEPT = {"Cache-Control": "no-cache"}


def overview(request: Request) -> Response:
    """What there is to show."""
    only(request.query_params, ())
    asset = _mapped(request)
    pyramid = state_of(request).tiles.pyramid(asset)
    return JSONResponse(
        {
            "features": asset.features or 0,
            "placed": pyramid.placed,
            "unplaced": pyramid.unplaced,
            "bounds": extent(asset.crs, asset.bbox),
            "base": pyramid.base,
            "sharpest": sharpest(pyramid),
            "layer": LAYER,
            "extent": EXTENT,
            "columns": [{"name": name, "label": inert(name)} for name in shown_columns(asset)],
        },
        headers=_NOT_KEPT,
    )


def tile(request: Request) -> Response:
    """A tile of a version."""
    only(request.query_params, ())
    zoom, x, y = (request.path_params[name] for name in ("zoom", "x", "y"))
    return tile_answer(request, _mapped(request), zoom, x, y)


def feature(request: Request) -> Response:
    """The values of one feature, as they are to be read."""
    only(request.query_params, ())
    asset, number = _mapped(request), request.path_params["feature"]
    values = None
    if _NUMBER.fullmatch(number):
        values = state_of(request).features.values(asset, int(number))
    if values is None:
        raise Refused(404, f"{asset.id} has no feature {number!r}. Their ids are numbers from 0 to {(asset.features or 0) - 1}.")
    told = [[inert(name), inert(as_text(value))] for name, value in values.items()]
    return JSONResponse({"id": int(number), "values": told}, headers=_NOT_KEPT)


def tile_answer(request: Request, asset: Asset, zoom: str, x: str, y: str) -> Response:
    """A tile, to whoever asks for it.

    Raises:
        Refused: when there is no such tile.
    """
    if not all(_NUMBER.fullmatch(each) for each in (zoom, x, y)) or int(zoom) > DEEPEST or max(int(x), int(y)) >= 2 ** int(zoom):
        raise Refused(
            404,
            f"There is no tile {zoom[:20]}/{x[:20]}/{y[:20]}. Zoom z, from 0 to {DEEPEST}, has 2^z columns and rows.",
        )
    made = state_of(request).tiles.tile(asset, int(zoom), int(x), int(y))
    headers: dict[str, Any] = {"ETag": f'"{made.tag}"', "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
    if f'"{made.tag}"' in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    if not made.content:
        return Response(status_code=204, headers=headers)
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        return Response(made.content, headers=headers | {"Content-Encoding": "gzip"}, media_type=MVT)
    return Response(made.plain, headers=headers, media_type=MVT)


def _mapped(request: Request) -> Asset:
    """The version in the address.

    Raises:
        Refused: when there is none, or no map of it.
    """
    asset = asset_of(request)
    if not is_mapped(asset):
        raise Refused(404, f"There is no map of {asset.id}: it has no places on the earth.")
    return asset
