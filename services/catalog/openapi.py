"""The descriptions of the interfaces as OpenAPI 3.0 documents."""

from typing import Any

JSON = "application/json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
_GEOJSON = "application/geo+json"


def description(server: str, default: int, most: int) -> dict[str, Any]:
    """The document of OGC API Features and Tiles.

    Args:
        server: Where the interface is.
        default: Features of a page.
        most: Features of a page, at most.
    """
    collection, item = _path("collectionId", "A dataset"), _path("featureId", "The number of its row, from 0")
    form = {
        "name": "f",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "enum": ["json"]},
        "description": "The format",
    }
    limit = _query("limit", "Features, at most", {"type": "integer", "minimum": 1, "maximum": most, "default": default})
    start = _query("start", "Row with which the page begins", {"type": "integer", "minimum": 0, "default": 0})
    bbox = _bbox()
    times = _query("datetime", "A moment or an interval; for datasets with a column of times", {"type": "string"})
    tiling = "/collections/{collectionId}/tiles"
    place = [
        _path(name, meaning)
        for name, meaning in (("z", "The zoom"), ("row", "From the north, from 0"), ("col", "From 180 west, from 0"))
    ]
    described = form | {"schema": {"type": "string", "enum": ["json", "tilejson"]}}
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "spatial-etl",
            "version": "1.0.0",
            "description": "OGC API - Features and Tiles over the lake. Read only.",
        },
        "servers": [{"url": server}],
        "paths": {
            "/": _get("landing", "What there is", [form]),
            "/conformance": _get("conformance", "What it conforms to", [form]),
            "/api": _get("api", "This document", [form], OPENAPI),
            "/collections": _get("collections", "The datasets", [form]),
            "/collections/{collectionId}": _get("collection", "A dataset", [collection, form]),
            "/collections/{collectionId}/items": _get(
                "items", "Its features", [collection, limit, bbox, times, start, form], _GEOJSON
            ),
            "/collections/{collectionId}/items/{featureId}": _get("item", "One feature", [collection, item, form], _GEOJSON),
            tiling: _get("tilesets", "Its vector tiles", [collection, form]),
            f"{tiling}/WebMercatorQuad": _get("tileset", "Their description", [collection, described]),
            f"{tiling}/WebMercatorQuad/{{z}}/{{row}}/{{col}}": _get(
                "tile", "One tile", [collection, *place], "application/vnd.mapbox-vector-tile", "string"
            ),
            "/tileMatrixSets": _get("tileMatrixSets", "The tiles' schemes", [form]),
            "/tileMatrixSets/WebMercatorQuad": _get("tileMatrixSet", "The tiles' scheme", [form]),
        },
    }


def stac_description(server: str, default: int, most: int) -> dict[str, Any]:
    """The document of STAC API.

    Args:
        server: Where the interface is.
        default: Items of a page.
        most: Items of a page, at most.
    """
    collection, item = _path("collectionId", "A dataset"), _path("itemId", "A version, as <dataset>@<number>")
    limit = _query("limit", "Items, at most", {"type": "integer", "minimum": 1, "maximum": most, "default": default})
    times = _query("datetime", "A moment or an interval in which a version was made", {"type": "string"})
    token = _query("token", "Of the link to the next page", {"type": "string"})
    texts = {"type": "array", "items": {"type": "string"}}
    lists = [
        _query(name, meaning, texts) | {"style": "form", "explode": False}
        for name, meaning in (("ids", "These versions only"), ("collections", "Versions of these datasets only"))
    ]
    touching = _query("intersects", "A geometry of GeoJSON that they touch", {"type": "string"})
    paged = [limit, _bbox(), times, token]
    search = _get("getSearch", "Versions", [*paged, touching, *lists], _GEOJSON)
    posted = _get("postSearch", "Versions", [], _GEOJSON)["get"]
    posted["requestBody"] = {"content": {JSON: {"schema": {"type": "object"}}}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "spatial-etl", "version": "1.0.0", "description": "STAC API over the lake. Read only."},
        "servers": [{"url": server}],
        "paths": {
            "/": _get("landing", "What there is", []),
            "/conformance": _get("conformance", "What it conforms to", []),
            "/api": _get("api", "This document", [], OPENAPI),
            "/collections": _get("collections", "The datasets", [limit, token]),
            "/collections/{collectionId}": _get("collection", "A dataset", [collection]),
            "/collections/{collectionId}/items": _get("items", "Its versions", [collection, *paged], _GEOJSON),
            "/collections/{collectionId}/items/{itemId}": _get("item", "A version", [collection, item], _GEOJSON),
            "/search": search | {"post": posted},
        },
    }


def _bbox() -> dict[str, Any]:
    box = {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}}
    return _query("bbox", "west,south,east,north in degrees", box) | {"style": "form", "explode": False}


def _path(name: str, meaning: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "description": meaning}


def _query(name: str, meaning: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": meaning}


def _get(name: str, summary: str, parameters: list[dict[str, Any]], kind: str = JSON, form: str = "object") -> dict[str, Any]:
    refused = {"type": "object", "properties": {"code": {"type": "string"}, "description": {"type": "string"}}}
    responses: dict[str, Any] = {"200": {"description": summary, "content": {kind: {"schema": {"type": form}}}}}
    for status, why in (("400", "A parameter is wrong"), ("404", "There is no such thing"), ("500", "It cannot be read")):
        responses[status] = {"description": why, "content": {JSON: {"schema": refused}}}
    return {"get": {"operationId": name, "summary": summary, "parameters": parameters, "responses": responses}}
