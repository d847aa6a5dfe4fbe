"""What every answer has in common: headers that keep a browser from running or fetching anything, and refusals that say why."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from libs.raw_text import inert

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Refused(Exception):  # noqa: N818 - a verdict on the request
    """A request that is answered with a reason.

    Attributes:
        status: Of HTTP.
        reason: For whoever asked, in one or two sentences.
    """

    def __init__(self, status: int, reason: str) -> None:
        self.status, self.reason = status, inert(reason)
        super().__init__(self.reason)


class SecurityHeaders:
    """Adds the headers to every answer, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, guarded if scope["type"] == "http" else send)


def base_url(request: Request) -> str:
    """``http://127.0.0.1:8080``: where the catalog is, as whoever asks reaches it. The host was checked before."""
    return f"{request.url.scheme}://{request.url.netloc}"


def url(base: str, path: str, **parameters: Any) -> str:
    """An address with parameters; those that are None or empty are left out."""
    query = urlencode({name: value for name, value in parameters.items() if value not in {None, ""}})
    return f"{base}{path}{'?' if query else ''}{query}"


def json_error(status: int, reason: str) -> JSONResponse:
    """A refusal for a program."""
    return JSONResponse({"code": str(status), "description": reason}, status)


def only(given: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Refuse parameters that are not known: a filter that was mistyped must not give everything.

    Raises:
        Refused: naming them, and those that are known.
    """
    if unknown := sorted(given.keys() - {*known}):
        names = ", ".join(known) or "none"
        raise Refused(400, f"The parameter {unknown[0]!r} is not known here. Known are: {names}.")
    if repeated := sorted({name for name in given if len(getattr(given, "getlist", lambda _: [1])(name)) > 1}):
        raise Refused(400, f"The parameter {repeated[0]!r} is given more than once.")
