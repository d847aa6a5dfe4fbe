"""STAC API (1.0: Core, Collections, Features, Item Search) over all versions of all datasets."""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from libs.models import Asset, BBox
from services.catalog import stac
from services.catalog.answers import Refused, base_url, only, url
from services.catalog.features import parts_of
from services.catalog.openapi import OPENAPI, stac_description
from services.catalog.questions import bbox_of, moments_of, number_of
from services.catalog.state import State, state_of
from services.catalog.versions import Version

if TYPE_CHECKING:
    import shapely

GEOJSON = stac.GEOJSON
DEFAULT, MOST = 10, 1_000
"""Items of a page."""
COLLECTIONS = 100
"""Collections of a page, unless asked otherwise."""
LARGEST = 1024 * 1024
"""Bytes of a search that is posted."""
CONFORMANCE = (
    *(f"https://api.stacspec.org/v1.0.0/{name}" for name in ("core", "collections", "ogcapi-features", "item-search")),
    *(f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{name}" for name in ("core", "geojson", "oas30")),
)
_ITEM = re.compile(r"(.+)@([1-9]\d{0,8})", re.ASCII)
_LISTS = ("ids", "collections")
_PARAMETERS = ("limit", "bbox", "datetime", "intersects", *_LISTS, "token")


@dataclass(frozen=True)
class Question:
    """Which versions are looked for. Empty: all.

    Attributes:
        limit: Of a page.
        bbox: Longitudes and latitudes that their extent touches.
        intersects: A geometry that their extent touches.
        since: First moment, RFC 3339 in UTC.
        until: Last moment.
        after: The last version of the page before.
    """

    limit: int = DEFAULT
    bbox: BBox | None = None
    intersects: "shapely.Geometry | None" = None
    since: str | None = None
    until: str | None = None
    ids: frozenset[str] | None = None
    collections: frozenset[str] | None = None
    after: str | None = None

    def of(self, versions: Iterable[Version]) -> list[Version]:
        """Those that match, in their order."""
        return [version for version in versions if self._matches(version)]

    def _matches(self, version: Version) -> bool:
        return (
            (self.ids is None or version.id in self.ids)
            and (self.collections is None or version.dataset_id in self.collections)
            and (self.since is None or version.created >= self.since)
            and (self.until is None or version.created <= self.until)
            and (self.bbox is None or any(_touch(part, version.where) for part in parts_of(self.bbox)))
            and (self.intersects is None or self._intersects(version.where))
        )

    def _intersects(self, where: BBox | None) -> bool:
        import shapely

        return where is not None and bool(shapely.intersects(self.intersects, shapely.box(*where)))


def landing(request: Request) -> Response:
    """The entry: a STAC Catalog."""
    only(request.query_params, ())
    base = f"{base_url(request)}/stac"
    links = [
        stac.link(base, "self", "This document"),
        stac.link(base, "root", "This document"),
        stac.link(f"{base}/conformance", "conformance", "What it conforms to"),
        stac.link(f"{base}/api", "service-desc", "The description of the API", OPENAPI),
        stac.link(f"{base_url(request)}/", "service-doc", "The same for people", "text/html"),
        stac.link(f"{base}/collections", "data", "The datasets"),
        stac.link(f"{base}/search", "search", "Search of versions", GEOJSON) | {"method": "GET"},
        stac.link(f"{base}/search", "search", "Search of versions", GEOJSON) | {"method": "POST"},
    ]
    return JSONResponse(
        {
            "type": "Catalog",
            "stac_version": stac.VERSION,
            "id": "spatial-etl",
            "title": "spatial-etl",
            "description": "The datasets of this lake, and all their versions.",
            "conformsTo": CONFORMANCE,
            "links": links,
        }
    )


def conformance(request: Request) -> Response:
    """What the interface conforms to."""
    only(request.query_params, ())
    return JSONResponse({"conformsTo": CONFORMANCE})


def api(request: Request) -> Response:
    """The description of the interface, OpenAPI 3.0."""
    only(request.query_params, ())
    return JSONResponse(stac_description(f"{base_url(request)}/stac", DEFAULT, MOST), media_type=OPENAPI)


def collections(request: Request) -> Response:
    """All datasets, page by page."""
    given = request.query_params
    only(given, ("limit", "token"))
    state, base = state_of(request), base_url(request)
    limit = min(number_of(given, "limit", COLLECTIONS, least=1), MOST)
    versions = state.versions.by_dataset()
    names = sorted(versions)
    first = bisect_right(names, given.get("token", ""))
    page = names[first : first + limit]
    links = [stac.link(f"{base}/stac/collections", "self", "This document"), stac.link(f"{base}/stac", "root", "The entry")]
    if first + limit < len(names):
        links.append(stac.link(url(base, "/stac/collections", limit=limit, token=page[-1]), "next", "The next page"))
    current = state.ledger.current(page)
    shown = [stac.collection(current[name], versions[name], base) for name in page if name in current]
    return JSONResponse({"collections": shown, "links": links, "numberMatched": len(names), "numberReturned": len(shown)})


def collection(request: Request) -> Response:
    """A dataset."""
    only(request.query_params, ())
    asset, versions = _dataset(request)
    return JSONResponse(stac.collection(asset, versions, base_url(request)))


def items(request: Request) -> Response:
    """The versions of a dataset, page by page."""
    given = request.query_params
    only(given, _PARAMETERS)
    asset, _ = _dataset(request)
    question = _question({"collections": asset.dataset_id, **given}, _listed)
    only_here = replace(question, collections=(question.collections or frozenset()) & {asset.dataset_id})
    return _answer(request, only_here, lambda token: _next(request, token))


def item(request: Request) -> Response:
    """A version."""
    only(request.query_params, ())
    name, dataset = request.path_params["item"], request.path_params["collection"]
    found = _ITEM.fullmatch(name)
    asset = state_of(request).ledger.asset(dataset, int(found[2])) if found and found[1] == dataset else None
    if asset is None:
        raise Refused(404, f"There is no version {name!r} of the dataset {dataset!r}.")
    return JSONResponse(stac.item(asset, base_url(request)), media_type=GEOJSON)


async def search(request: Request) -> Response:
    """Versions by place, time, dataset and id."""
    if request.method != "POST":
        return await run_in_threadpool(_searched, request)
    only(request.query_params, ())
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise Refused(413, f"A search has {LARGEST} bytes at most.")
    return await run_in_threadpool(_posted, request, body)


def _searched(request: Request) -> Response:
    given = request.query_params
    only(given, _PARAMETERS)
    return _answer(request, _question(given, _listed), lambda token: _next(request, token))


def _next(request: Request, token: str) -> dict[str, Any]:
    """The link to the next page: the same question with another token."""
    asked = {name: value for name, value in request.query_params.items() if name != "token"}
    return stac.link(url(base_url(request), request.url.path, **asked, token=token), "next", "The next page", GEOJSON)


def _posted(request: Request, body: bytes) -> Response:
    try:
        given = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise Refused(400, "The body is not JSON.") from error
    if not isinstance(given, dict):
        raise Refused(400, "The body must be an object of JSON.")
    only(given, _PARAMETERS)
    plain = {name: value for name, value in given.items() if value is not None}
    box = plain.get("bbox")
    if isinstance(box, list):
        plain["bbox"] = ",".join(map(str, box))
    question = _question(plain, _list)

    def following(token: str) -> dict[str, Any]:
        address = stac.link(f"{base_url(request)}/stac/search", "next", "The next page", GEOJSON)
        return address | {"method": "POST", "body": given | {"token": token}}

    return _answer(request, question, following)


def _answer(request: Request, question: Question, following: Callable[[str], dict[str, Any]]) -> Response:
    """A page of versions."""
    state, base = state_of(request), base_url(request)
    found = question.of(state.versions.all())
    first = _first(found, question.after, state)
    page = found[first : first + question.limit]
    assets = (state.ledger.asset(version.dataset_id, version.number) for version in page)
    features = [stac.item(asset, base) for asset in assets if asset is not None]
    links = [stac.link(f"{base}/stac", "root", "The entry"), stac.link(str(request.url), "self", "This page", GEOJSON)]
    if first + question.limit < len(found):
        links.append(following(page[-1].id))
    return JSONResponse(
        {
            "type": "FeatureCollection",
            "features": features,
            "links": links,
            "numberMatched": len(found),
            "numberReturned": len(features),
        },
        media_type=GEOJSON,
    )


def _first(found: list[Version], after: str | None, state: State) -> int:
    """Where a page begins: behind a version, also when others were made since."""
    if after is None:
        return 0
    known = next((version for version in state.versions.all() if version.id == after), None)
    if known is None:
        raise Refused(400, f"The parameter 'token' is not one of a page that was given: {after!r}.")
    return bisect_right(found, known)


def _dataset(request: Request) -> tuple[Asset, list[Version]]:
    """The dataset in the address: its current version, and all of them.

    Raises:
        Refused: when there is none.
    """
    name, state = request.path_params["collection"], state_of(request)
    asset = state.ledger.asset(name)
    if asset is None:
        raise Refused(404, f"There is no dataset {name!r}.")
    return asset, state.versions.by_dataset().get(name, [])


def _question(given: Mapping[str, Any], listed: Callable[[str, Any], frozenset[str]]) -> Question:
    """What is asked for.

    Raises:
        Refused: when a parameter cannot be understood.
    """
    if "bbox" in given and "intersects" in given:
        raise Refused(400, "The parameters 'bbox' and 'intersects' cannot be given together.")
    for name in ("bbox", "datetime", "token"):
        if name in given and not isinstance(given[name], str):
            raise Refused(400, f"The parameter {name!r} must be {'a list of numbers' if name == 'bbox' else 'text'}.")
    since, until = moments_of(given.get("datetime"))
    return Question(
        limit=min(number_of(given, "limit", DEFAULT, least=1), MOST),
        bbox=bbox_of(given.get("bbox")),
        intersects=_geometry(given.get("intersects")),
        since=_utc(since),
        until=_utc(until),
        ids=listed("ids", given["ids"]) if "ids" in given else None,
        collections=listed("collections", given["collections"]) if "collections" in given else None,
        after=given.get("token"),
    )


def _utc(moment: str | None) -> str | None:
    """A moment as those of versions are written."""
    return None if moment is None else f"{datetime.fromisoformat(moment).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


def _listed(_: str, text: str) -> frozenset[str]:
    return frozenset(text.split(","))


def _list(name: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Refused(400, f"The parameter {name!r} must be a list of texts.")
    return frozenset(value)


def _geometry(value: Any) -> "shapely.Geometry | None":
    import shapely

    if value is None:
        return None
    try:
        made = shapely.from_geojson(value if isinstance(value, str) else json.dumps(value))
        if not shapely.is_empty(made) and shapely.is_valid(made):
            return made
    except (shapely.errors.GEOSException, TypeError, ValueError, RecursionError):
        pass
    raise Refused(400, "The parameter 'intersects' must be a valid geometry of GeoJSON in longitudes and latitudes.")


def _touch(one: BBox, other: BBox | None) -> bool:
    return other is not None and one[0] <= other[2] and one[2] >= other[0] and one[1] <= other[3] and one[3] >= other[1]
