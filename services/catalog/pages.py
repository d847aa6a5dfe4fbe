"""The pages for people, made here and complete: a browser fetches a style sheet and a picture, and runs nothing."""

import json
import shlex
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from libs.models import Asset, Report
from libs.platform.telling import changes, of_state
from libs.platform.wording import size
from libs.raw_text import inert
from services.catalog import downloads, pictures, ranges
from services.catalog.answers import Refused, base_url, only, url
from services.catalog.features import is_mapped, is_served
from services.catalog.index import SORTS, Search
from services.catalog.questions import asset_of, page_of
from services.catalog.state import state_of
from services.catalog.texts import TEXTS, language_of

if TYPE_CHECKING:
    from jinja2 import Environment

    from libs.ledger import BatchState

HERE = Path(__file__).parent
PER_PAGE = 50
FEED_SHOWN = 10
"""Problems, or versions, of an entry of the feed."""
SHOWN = 200
"""Problems, columns, versions and files of one page."""
_MANIFEST = 20_000
"""Characters of a manifest that are shown."""


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def finalize(value: Any) -> Any:
        """Whatever a page shows is inert, whoever wrote it; escaping comes after it."""
        return inert(value, keep="\n") if isinstance(value, str) and not isinstance(value, Markup) else value

    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"size": size, "count": lambda number: f"{number:,}", "when": lambda moment: f"{moment:%Y-%m-%d %H:%M} UTC"}
    made.filters["short_crs"] = lambda crs: crs.split('"')[1] if crs and "[" in crs and crs.count('"') > 1 else crs
    return made


def render(request: Request, page: str, status: int = 200, media_type: str = "text/html", **values: Any) -> Response:
    """A page in the language that the browser asks for."""
    language = language_of(request.headers.get("Accept-Language"))
    html = _templates().get_template(page).render(t=TEXTS[language], language=language, path=request.url.path, **values)
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Language", "Content-Language": language}
    return Response(html, status, headers, media_type)


def datasets(request: Request) -> Response:
    """The list: searched, sorted, page by page."""
    given = request.query_params
    only(given, ("q", "project", "uploader", "kind", "sort", "page"))
    sort = given.get("sort", "name")
    if sort not in SORTS:
        raise Refused(400, f"The parameter 'sort' must be one of {', '.join(SORTS)}; it is {sort!r}.")
    search = Search(given.get("q", ""), given.get("project", ""), given.get("uploader", ""), given.get("kind", ""), sort)
    entries = state_of(request).index.entries()
    found = search.of(entries)
    number = page_of(given.get("page", "1"))
    shown = found[(number - 1) * PER_PAGE : number * PER_PAGE]
    asked = {"q": search.words, "project": search.project, "uploader": search.uploader, "kind": search.kind, "sort": sort}
    return render(
        request,
        "datasets.html",
        entries=shown,
        total=len(entries),
        found=len(found),
        search=search,
        sorts=[*SORTS],
        number=number,
        pages=max(1, -(-len(found) // PER_PAGE)),
        before=url("", "/", **asked, page=number - 1) if number > 1 else None,
        after=url("", "/", **asked, page=number + 1) if number * PER_PAGE < len(found) else None,
        projects=sorted({entry.project for entry in entries if entry.project}),
        uploaders=sorted({entry.uploader for entry in entries if entry.uploader}),
        kinds=sorted({entry.kind for entry in entries}),
        has_titles=any(entry.title and not entry.title.isascii() for entry in shown),
        has_rejects=any(entry.set_aside for entry in shown),
    )


def dataset(request: Request) -> Response:
    """A dataset in one version."""
    only(request.query_params, ())
    state, asset = state_of(request), asset_of(request)
    standing = state.ledger.standing(asset.dataset_id)
    base = base_url(request)
    address = f"{base}/datasets/{asset.dataset_id}/{asset.version}"
    versions = [made for number in standing.versions[: -SHOWN - 1 : -1] if (made := state.ledger.asset(asset.dataset_id, number))]
    return render(
        request,
        "dataset.html",
        asset=asset,
        about=said.about if (said := state.ledger.descriptions(asset.dataset_id).get(asset.dataset_id)) else None,
        standing=standing,
        versions=[(made, changes(made.changes)) for made in versions],
        older=len(standing.versions) - len(versions),
        changed=changes(asset.changes),
        lineage=state.ledger.lineage(asset.dataset_id, asset.version),
        has_picture=pictures.is_drawn(asset),
        has_map=is_mapped(asset),
        map_texts=_map_texts(request, asset),
        columns=asset.table_schema,
        downloads=downloads.downloads_of(asset),
        uses=list(_uses(asset, base, address, is_current=asset.version == standing.current)),
        shown=SHOWN,
    )


def _map_texts(request: Request, asset: Asset) -> str:
    """What the map says, as JSON."""
    texts = TEXTS[language_of(request.headers.get("Accept-Language"))]
    said = {key.removeprefix("map_"): text for key, text in texts.items() if key.startswith("map_")}
    return json.dumps(said | {"id": asset.id}, ensure_ascii=False)


def picture(request: Request) -> Response:
    """The drawing of a version."""
    only(request.query_params, ())
    asset = asset_of(request)
    svg = pictures.svg(state_of(request).files, asset)
    if svg is None:
        raise Refused(404, f"There is no picture of {asset.id}.")
    return Response(svg, media_type="image/svg+xml", headers={"Cache-Control": "private, max-age=86400"})


def file(request: Request) -> Response:
    """A file of a version, whole or in ranges."""
    only(request.query_params, ())
    asset, name = asset_of(request), request.path_params["file"]
    found = next((each for each in asset.files if each.name == name), None)
    if found is None:
        raise Refused(404, f"{asset.id} has no file {name!r}. It has {', '.join(each.name for each in asset.files)}.")
    return ranges.respond(request, state_of(request).lake, asset, found)


def activity(request: Request) -> Response:
    """What waits, and what became of the deliveries, the last one first."""
    only(request.query_params, ("page",))
    state, number = state_of(request), page_of(request.query_params.get("page", "1"))
    first = (number - 1) * PER_PAGE
    states = [*islice(state.ledger.batches(limit=first + PER_PAGE + 1), first, None)]
    waiting = state.landing.waiting() if number == 1 else []
    return render(
        request,
        "activity.html",
        waiting=waiting[:SHOWN],
        waiting_count=len(waiting),
        batches=[(each, _told(each, state.lake.uri)) for each in states[:PER_PAGE]],
        number=number,
        before=url("", "/activity", page=number - 1) if number > 1 else None,
        after=url("", "/activity", page=number + 1) if len(states) > PER_PAGE else None,
    )


def feed(request: Request) -> Response:
    """The last deliveries as an Atom feed. What became of one is an entry of its own, so that it is told when it changes."""
    only(request.query_params, ())
    state, entries = state_of(request), []
    for each in state.ledger.batches(limit=PER_PAGE):
        made, report = _told(each, state.lake.uri)
        moment = each.outcome.decided_at if each.outcome else each.receipt.received_at
        entries.append(
            {
                "state": each,
                "moment": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
                "number": each.run.attempt if each.run else 0,
                "problems": report.problems[:FEED_SHOWN] if report else (),
                "made": made[:FEED_SHOWN],
            }
        )
    updated = max((str(entry["moment"]) for entry in entries), default=f"{state.ledger.clock():%Y-%m-%dT%H:%M:%SZ}")
    return render(
        request, "feed.xml", media_type="application/atom+xml", base=base_url(request), entries=entries, updated=updated
    )


def batch(request: Request) -> Response:
    """A delivery: what became of it, and what to do if it was not accepted."""
    only(request.query_params, ())
    state, name = state_of(request), request.path_params["batch"]
    found = state.ledger.batch(name)
    if found is None:
        raise Refused(404, f"No delivery {name!r} has arrived. If it was uploaded just now, it still waits in the landing zone.")
    report = of_state(found, state.lake.uri)
    made = Report.of_outcome(found.made, state.lake.uri).datasets if found.made else ()
    manifest = found.receipt.raw or json.dumps(found.receipt.content, indent=2, ensure_ascii=False)
    others = {receipt.sha256: receipt for receipt in state.ledger.receipts(name) if receipt.sha256 != found.receipt.sha256}
    return render(
        request,
        "batch.html",
        state=found,
        report=report,
        problems=report.problems[:SHOWN] if report else (),
        warnings=report.warnings[:SHOWN] if report else (),
        more_problems=max(0, len(report.problems) - SHOWN) if report else 0,
        more_warnings=max(0, len(report.warnings) - SHOWN) if report else 0,
        made=[(each, changes(each.changes)) for each in made[:SHOWN]],
        more_made=max(0, len(made) - SHOWN),
        attempts=[(run, state.ledger.outcome(run.id)) for run in state.ledger.runs(name)],
        manifest=manifest if len(manifest) <= _MANIFEST else f"{manifest[:_MANIFEST]} ...",
        others=list(others.values())[-SHOWN:],
    )


def refused(request: Request, status: int, reason: str) -> Response:
    """The page that says why there is none."""
    return render(request, "error.html", status, reason=reason)


def _told(state: "BatchState", uri_of: Any) -> tuple[list[Any], Report | None]:
    """The versions that a batch made, and its report."""
    return [*(state.made.assets if state.made else ())], of_state(state, uri_of)


def _uses(asset: Asset, base: str, address: str, *, is_current: bool) -> Any:
    """What to type to use a version, by the key of its title. Features are those of the current one."""
    if is_current and is_served(asset):
        yield "use_ogc", f"{base}/ogc"
    yield "use_stac", f"{base}/stac/collections/{asset.dataset_id}/items/{asset.id}"
    if not asset.data:
        return
    link = f"{address}/{asset.data[0].name}"
    name = f"{asset.dataset_id}.parquet"
    yield "use_curl", f"curl -o {shlex.quote(name)} {shlex.quote(link)}"
    fetched = f'data = io.BytesIO(urllib.request.urlopen("{link}").read())'
    if asset.has_geometry:
        yield "use_file", f"ogrinfo -so -al /vsicurl/{link}"
        yield "use_python", f"import io, urllib.request, geopandas\n{fetched}\nprint(geopandas.read_parquet(data).head())"
    else:
        yield "use_python", f"import io, urllib.request, pyarrow.parquet as pq\n{fetched}\nprint(pq.read_table(data).slice(0, 5))"
    yield "use_duckdb", f"INSTALL httpfs; LOAD httpfs;\nSELECT * FROM '{link}' LIMIT 5;"
    if asset.has_geometry:
        yield "use_r", f'library(sf)\ndata <- read_sf("/vsicurl/{link}")  # needs GDAL with Parquet'
    else:
        yield "use_r", f'library(arrow)\ndownload.file("{link}", "{name}", mode = "wb")\ndata <- read_parquet("{name}")'
