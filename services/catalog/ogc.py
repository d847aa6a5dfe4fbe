"""OGC API - Features, Part 1 (Core, GeoJSON, OpenAPI 3.0), over the current versions of the datasets. Tiles: `ogc_tiles.py`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from libs.models import Asset
from services.catalog.answers import Refused, base_url, only, url
from services.catalog.features import LARGEST, NotTransformable, Question, extent, is_served, time_column
from services.catalog.openapi import OPENAPI, description
from services.catalog.questions import bbox_of, moments_of, number_of
from services.catalog.state import State, state_of

GEOJSON = "application/geo+json"
CRS84_URI = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
DEFAULT, MOST = 10, 10_000
"""Features of a page."""
CONFORMANCE = tuple(
    f"http://www.opengis.net/spec/{standard}/conf/{name}"
    for standard, names in {
        "ogcapi-features-1/1.0": ("core", "geojson", "oas30"),
        "ogcapi-tiles-1/1.0": ("core", "tileset", "tilesets-list", "geodata-tilesets", "mvt", "oas30"),
        "tms/2.0": ("tilematrixset", "json-tilematrixset", "tilesetmetadata", "json-tilesetmetadata"),
    }.items()
    for name in names
)
_TILESETS = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector"
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)


def landing(request: Request) -> Response:
    """The entry: what there is."""
    only(request.query_params, ("f",))
    base = f"{base_url(request)}/ogc"
    links = [
        link(base, "self", "This document"),
        link(f"{base}/api", "service-desc", "The description of the API", OPENAPI),
        link(f"{base}/conformance", "conformance", "What it conforms to"),
        link(f"{base}/collections", "data", "The datasets"),
        link(f"{base}/tileMatrixSets", "http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes", "The tiles' schemes"),
        link(f"{base_url(request)}/", "alternate", "The same for people", "text/html"),
    ]
    return JSONResponse(
        {"title": "spatial-etl", "description": "The datasets of this lake, in their current versions.", "links": links}
    )


def conformance(request: Request) -> Response:
    """What the interface conforms to."""
    only(request.query_params, ("f",))
    return JSONResponse({"conformsTo": CONFORMANCE})


def api(request: Request) -> Response:
    """The description of the interface, OpenAPI 3.0."""
    only(request.query_params, ("f",))
    return JSONResponse(description(f"{base_url(request)}/ogc", DEFAULT, MOST), media_type=OPENAPI)


def collections(request: Request) -> Response:
    """All datasets that have places on the earth."""
    only(request.query_params, ("f",))
    base, state = base_url(request), state_of(request)
    shown = [_collection(base, asset) for asset in state.ledger.datasets() if is_served(asset)]
    links = [link(f"{base}/ogc/collections", "self", "This document")]
    return JSONResponse({"links": links, "collections": shown})


def collection(request: Request) -> Response:
    """One dataset."""
    only(request.query_params, ("f",))
    return JSONResponse(_collection(base_url(request), served(request)))


def items(request: Request) -> Response:
    """Features of a dataset, page by page."""
    asset, state = served(request), state_of(request)
    has_times = ("datetime",) if time_column(asset) else ()
    only(request.query_params, ("limit", "bbox", *has_times, "start", "f"))
    question = _question(request.query_params)
    page = _asked(state, asset, question)
    address = f"{base_url(request)}/ogc/collections/{asset.dataset_id}/items"
    asked = {name: request.query_params.get(name) for name in ("bbox", "datetime")}
    links = [
        link(url(address, "", limit=question.limit, start=question.start or None, **asked), "self", "This page", GEOJSON),
        link(address.removesuffix("/items"), "collection", "The dataset"),
    ]
    if page.following is not None:
        links.append(
            link(url(address, "", limit=question.limit, start=page.following, **asked), "next", "The next page", GEOJSON)
        )
    head = {
        "type": "FeatureCollection",
        **({} if question.is_filtered else {"numberMatched": asset.features or 0}),
        "numberReturned": len(page.features),
        "timeStamp": f"{state.ledger.clock():%Y-%m-%dT%H:%M:%SZ}",
        "links": links,
    }
    return StreamingResponse(_written(head, page.features), media_type=GEOJSON, headers={"Cache-Control": "no-cache"})


def item(request: Request) -> Response:
    """One feature, by the number of its row."""
    only(request.query_params, ("f",))
    asset, number = served(request), request.path_params["item"]
    feature = None
    if _NUMBER.fullmatch(number):
        feature = _asked(state_of(request), asset, int(number))
    if feature is None:
        raise Refused(404, f"{asset.id} has no feature {number!r}. Their ids are numbers from 0 to {(asset.features or 0) - 1}.")
    address = f"{base_url(request)}/ogc/collections/{asset.dataset_id}"
    links = JSONResponse(
        [link(f"{address}/items/{number}", "self", "This feature", GEOJSON), link(address, "collection", "The dataset")]
    )
    return Response(f'{feature[:-1]},"links":{bytes(links.body).decode()}}}', media_type=GEOJSON)


def _asked(state: State, asset: Asset, question: Any) -> Any:
    """What the features say to a question, or to the number of a row."""
    try:
        return state.features.one(asset, question) if isinstance(question, int) else state.features.page(asset, question, LARGEST)
    except NotTransformable as error:
        raise Refused(
            500,
            f"A feature of {asset.id} has no longitude and latitude: {asset.crs} does not reach it. Read the lake file instead.",
        ) from error


def served(request: Request) -> Asset:
    """The current version of the dataset in the address.

    Raises:
        Refused: when there is none, or its features have no place on the earth.
    """
    name = request.path_params["collection"]
    asset = state_of(request).ledger.asset(name)
    if asset is None:
        raise Refused(404, f"There is no dataset {name!r}.")
    if not is_served(asset):
        raise Refused(404, f"{asset.id} has no places on the earth: it is a table, or has no CRS. Read the lake file instead.")
    return asset


def _collection(base: str, asset: Asset) -> dict[str, Any]:
    address = f"{base}/ogc/collections/{asset.dataset_id}"
    where = extent(asset.crs, asset.bbox)
    return {
        "id": asset.dataset_id,
        "title": asset.title or asset.dataset_id,
        "description": f"Version {asset.version}, {asset.features or 0:,} features.",
        "itemType": "feature",
        "crs": [CRS84_URI],
        **({"extent": {"spatial": {"bbox": [where], "crs": CRS84_URI}}} if where else {}),
        "links": [
            link(address, "self", "This document"),
            link(f"{address}/items", "items", "Its features", GEOJSON),
            *([link(f"{address}/tiles", _TILESETS, "Its vector tiles")] if asset.bbox is not None else []),
            link(f"{base}/datasets/{asset.dataset_id}/{asset.version}", "describedby", "The same for people", "text/html"),
            *(
                link(
                    f"{base}/datasets/{asset.dataset_id}/{asset.version}/{file.name}",
                    "enclosure",
                    "The lake file",
                    "application/vnd.apache.parquet",
                )
                for file in asset.data
            ),
        ],
    }


def link(address: str, rel: str, title: str, kind: str = "application/json") -> dict[str, Any]:
    """A link."""
    return {"href": address, "rel": rel, "type": kind, "title": title}


def _written(head: Mapping[str, Any], features: list[str]) -> Iterator[str]:
    yield f'{bytes(JSONResponse(head).body).decode()[:-1]},"features":['
    for at in range(0, len(features), 1000):
        yield ("," if at else "") + ",".join(features[at : at + 1000])
    yield "]}"


def _question(given: Mapping[str, str]) -> Question:
    """What is asked for.

    Raises:
        Refused: when a parameter cannot be understood.
    """
    limit, start = number_of(given, "limit", DEFAULT, least=1), number_of(given, "start", 0)
    since, until = moments_of(given.get("datetime"))
    return Question(start, min(limit, MOST), bbox_of(given.get("bbox")), since, until)
