"""The application: what is where, and what is said when something cannot be given."""

from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from libs.models import Rejected, ServiceUnavailable
from libs.models.document import DamagedDocument
from libs.storage import ObjectMissing, ObjectRefused
from services.catalog import downloads, maps, ogc, ogc_tiles, pages, stac_api, tables
from services.catalog.answers import Refused, SecurityHeaders, json_error
from services.catalog.state import State

HOSTS = ["127.0.0.1", "localhost", "::1", "[::1]"]
"""Names under which a browser may ask: a page of another site that gets its name to mean this machine is refused."""


def application(state: State) -> Starlette:
    """The application over opened stores."""
    app = Starlette(
        routes=[
            Route("/", pages.datasets),
            Route("/datasets/{dataset}", pages.dataset),
            Route("/datasets/{dataset}/{version}", pages.dataset),
            Route("/datasets/{dataset}/{version}/{file}", pages.file),
            Route("/pictures/{dataset}/{version}", pages.picture),
            Route("/tables/{dataset}/{version}", tables.table),
            Route("/downloads/{dataset}/{version}/{name}", downloads.download),
            Route("/maps/{dataset}/{version}", maps.overview),
            Route("/maps/{dataset}/{version}/features/{feature}", maps.feature),
            Route("/maps/{dataset}/{version}/{zoom}/{x}/{y}", maps.tile),
            Route("/activity", pages.activity),
            Route("/batches/{batch}", pages.batch),
            Route("/feed", pages.feed),
            Route("/ogc", ogc.landing),
            Route("/ogc/", ogc.landing),
            Route("/ogc/api", ogc.api),
            Route("/ogc/conformance", ogc.conformance),
            Route("/ogc/collections", ogc.collections),
            Route("/ogc/collections/{collection}", ogc.collection),
            Route("/ogc/collections/{collection}/items", ogc.items),
            Route("/ogc/collections/{collection}/items/{item}", ogc.item),
            Route("/ogc/collections/{collection}/tiles", ogc_tiles.tilesets),
            Route("/ogc/collections/{collection}/tiles/WebMercatorQuad", ogc_tiles.tileset),
            Route("/ogc/collections/{collection}/tiles/WebMercatorQuad/{zoom}/{y}/{x}", ogc_tiles.tile),
            Route("/ogc/tileMatrixSets", ogc_tiles.tile_matrix_sets),
            Route("/ogc/tileMatrixSets/WebMercatorQuad", ogc_tiles.tile_matrix_set),
            Route("/stac", stac_api.landing),
            Route("/stac/", stac_api.landing),
            Route("/stac/api", stac_api.api),
            Route("/stac/conformance", stac_api.conformance),
            Route("/stac/collections", stac_api.collections),
            Route("/stac/collections/{collection}", stac_api.collection),
            Route("/stac/collections/{collection}/items", stac_api.items),
            Route("/stac/collections/{collection}/items/{item}", stac_api.item),
            Route("/stac/search", stac_api.search, methods=["GET", "POST"]),
            Mount("/static", StaticFiles(directory=pages.HERE / "static")),
        ],
        middleware=[Middleware(SecurityHeaders), Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)],
        exception_handlers={
            Refused: _handler(lambda error: (error.status, error.reason)),
            Rejected: _handler(lambda error: (400, " ".join(f"{each.message} {each.remedy}" for each in error.problems[:5]))),
            HTTPException: _handler(lambda error: (error.status_code, f"{error.detail}.")),
            ObjectMissing: _handler(lambda error: (409, f"{error} `spatial-etl verify` says what is wrong.")),
            ObjectRefused: _handler(lambda error: (409, f"{error} `spatial-etl verify` says what is wrong.")),
            DamagedDocument: _handler(lambda error: (500, f"{error} `spatial-etl verify --chain` says what is wrong.")),
            ServiceUnavailable: _handler(lambda error: (503, f"{error} `spatial-etl doctor` shows what works.")),
        },
    )
    app.state.catalog = state
    return app


def server(app: Starlette) -> uvicorn.Server:
    """What runs the application on sockets that are open already."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,  # as all else that this process logs
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            proxy_headers=False,
            limit_concurrency=256,
            timeout_graceful_shutdown=3,
        )
    )


def _handler(told: Callable[..., tuple[int, str]]) -> Callable[[Request, Exception], "Response"]:
    """What is said of an error: as a page to people, as JSON to programs."""

    async def answer(request: Request, error: Exception) -> Response:
        status, reason = told(error)
        if request.url.path.startswith(("/ogc", "/stac", "/maps")):
            return json_error(status, reason)
        return await run_in_threadpool(pages.refused, request, status, reason)

    return answer  # type: ignore[return-value]
