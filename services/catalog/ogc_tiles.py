"""OGC API - Tiles, Part 1: vector tiles of the current versions of the datasets, in WebMercatorQuad."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from libs.models import Asset
from libs.spatial_utils.mvt import COUNT
from libs.spatial_utils.mvt import LAYER as DENSITY
from services.catalog import grid, maps
from services.catalog.answers import Refused, base_url, only
from services.catalog.density import DEEPEST, Pyramid
from services.catalog.features import extent, is_mapped
from services.catalog.ogc import CRS84_URI, link, served
from services.catalog.state import state_of
from services.catalog.tiles import LAYER, sharpest, shown_columns

_MATRIX_SET = "WebMercatorQuad"
_TYPES = {"bool": "boolean", "int": "integer", "uint": "integer", "float": "number", "double": "number", "decimal": "number"}


def tile_matrix_sets(request: Request) -> Response:
    """The tile matrix sets: there is one."""
    only(request.query_params, ("f",))
    described = grid.tile_matrix_set(DEEPEST)
    address = f"{base_url(request)}/ogc/tileMatrixSets/{_MATRIX_SET}"
    entry = {name: described[name] for name in ("id", "title", "uri", "crs")} | {"links": [link(address, "self", _MATRIX_SET)]}
    return JSONResponse({"tileMatrixSets": [entry]})


def tile_matrix_set(request: Request) -> Response:
    """The one there is."""
    only(request.query_params, ("f",))
    return JSONResponse(grid.tile_matrix_set(DEEPEST))


def tilesets(request: Request) -> Response:
    """The tilesets of a dataset: there is one."""
    only(request.query_params, ("f",))
    asset = _tiled(request)
    described = {name: value for name, value in _tileset(request, asset).items() if name not in {"layers", "tileMatrixSetLimits"}}
    address = _address(request, asset)
    return JSONResponse({"links": [link(address.rpartition("/")[0], "self", "This document")], "tilesets": [described]})


def tileset(request: Request) -> Response:
    """A tileset: OGC's description, or TileJSON."""
    only(request.query_params, ("f",))
    asset, form = _tiled(request), request.query_params.get("f", "json")
    if form == "json":
        return JSONResponse(_tileset(request, asset))
    if form == "tilejson":
        return JSONResponse(_tile_json(request, asset, state_of(request).tiles.pyramid(asset)))
    raise Refused(400, f"The parameter 'f' must be json or tilejson; it is {form!r}.")


def tile(request: Request) -> Response:
    """A tile of a dataset."""
    only(request.query_params, ())
    zoom, x, y = (request.path_params[name] for name in ("zoom", "x", "y"))
    return maps.tile_answer(request, _tiled(request), zoom, x, y)


def _tiled(request: Request) -> Asset:
    asset = served(request)
    if not is_mapped(asset):
        raise Refused(404, f"There are no tiles of {asset.id}: it is empty.")
    return asset


def _address(request: Request, asset: Asset) -> str:
    return f"{base_url(request)}/ogc/collections/{asset.dataset_id}/tiles/{_MATRIX_SET}"


def _tileset(request: Request, asset: Asset) -> dict[str, Any]:
    address, base = _address(request, asset), f"{base_url(request)}/ogc"
    pyramid = state_of(request).tiles.pyramid(asset)
    where = extent(asset.crs, asset.bbox) or (-180.0, -90.0, 180.0, 90.0)
    limits = []
    for zoom in range(sharpest(pyramid) + 1):
        (left, top), (right, bottom) = grid.tile_of(zoom, where[0], where[3]), grid.tile_of(zoom, where[2], where[1])
        rows = {"minTileRow": top, "maxTileRow": bottom, "minTileCol": left, "maxTileCol": right}
        limits.append({"tileMatrix": str(zoom), **rows})
    template = link(f"{address}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}", "item", "A tile", maps.MVT) | {"templated": True}
    return {
        "title": asset.title or asset.dataset_id,
        "dataType": "vector",
        "crs": "http://www.opengis.net/def/crs/EPSG/0/3857",
        "tileMatrixSetURI": grid.tile_matrix_set(0)["uri"],
        "tileMatrixSetLimits": limits,
        "boundingBox": {"lowerLeft": where[:2], "upperRight": where[2:], "crs": CRS84_URI},
        "layers": [
            {"id": each["id"], "dataType": "vector", "minTileMatrix": str(each["minzoom"]), "maxTileMatrix": str(each["maxzoom"])}
            for each in _layers(asset, pyramid)
        ],
        "links": [
            link(address, "self", "This document"),
            link(f"{address}?f=tilejson", "alternate", "The same as TileJSON"),
            link(f"{base}/tileMatrixSets/{_MATRIX_SET}", "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme", _MATRIX_SET),
            link(f"{base}/collections/{asset.dataset_id}", "http://www.opengis.net/def/rel/ogc/1.0/geodata", "The dataset"),
            template,
        ],
    }


def _tile_json(request: Request, asset: Asset, pyramid: Pyramid) -> dict[str, Any]:
    where = extent(asset.crs, asset.bbox) or (-180.0, -90.0, 180.0, 90.0)
    return {
        "tilejson": "3.0.0",
        "name": asset.id,
        "description": f"{pyramid.placed:,} features; {pyramid.unplaced:,} more have no place on the map.",
        "version": f"{asset.version}.0.0",
        "scheme": "xyz",
        "tiles": [f"{_address(request, asset)}/{{z}}/{{y}}/{{x}}"],
        "minzoom": 0,
        "maxzoom": sharpest(pyramid),
        "bounds": where,
        "center": [(where[0] + where[2]) / 2, (where[1] + where[3]) / 2, min(pyramid.base, sharpest(pyramid))],
        "vector_layers": _layers(asset, pyramid),
    }


def _layers(asset: Asset, pyramid: Pyramid) -> list[dict[str, Any]]:
    """The layers of the tiles, as TileJSON has them: counts up to some zoom, features from there on."""
    layers: list[dict[str, Any]] = []
    if pyramid.base > 0:
        layers.append(
            {"id": DENSITY, "fields": {COUNT: "Number: features in the cell"}, "minzoom": 0, "maxzoom": pyramid.base - 1}
        )
    if pyramid.base <= DEEPEST:
        types = {field.name: _type(field.type) for field in asset.table_schema}
        fields = {name: types[name] for name in shown_columns(asset)}
        layers.append({"id": LAYER, "fields": fields, "minzoom": pyramid.base, "maxzoom": sharpest(pyramid)})
    return layers


def _type(kind: str) -> str:
    return next((word.capitalize() for prefix, word in _TYPES.items() if kind.startswith(prefix)), "String")
