"""JSON by POST, as ``webhook`` and ``openlineage`` send it."""

import http.client
import socket
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from libs.notify.channel import TIME_LIMIT, NotSent, shown

_COME_AGAIN = {408, 425, 429}
"""Statuses by which a server asks for another try. With those of 500 and above: it is not this message that is wrong."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A POST that is redirected would become a GET: nothing would be told, and it would seem to be."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Endpoint:
    """An URL that takes JSON.

    Args:
        url: With ``http`` or ``https``. Only its host appears in messages: the rest may be a secret.
        token: Sent as a bearer token, if there is one.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._url, self._token = url, token
        self.host = urlsplit(url).netloc.rpartition("@")[2]

    def post(self, body: bytes, headers: dict[str, str]) -> None:
        """Send JSON.

        Raises:
            NotSent: for any answer but one of success.
        """
        self._ask("POST", headers | {"Content-Type": "application/json"}, body)

    def check(self) -> str:
        """Whether anything answers there; whatever it thinks of a request without content.

        Raises:
            NotSent: when nothing does.
        """
        try:
            self._ask("HEAD", {}, None)
        except NotSent as error:
            if not isinstance(error.__cause__, urllib.error.HTTPError):
                raise
        return f"{self.host} answers"

    def _ask(self, method: str, headers: dict[str, str], body: bytes | None) -> None:
        own = {"User-Agent": "spatial-etl"} | ({"Authorization": f"Bearer {self._token}"} if self._token else {})
        request = urllib.request.Request(self._url, data=body, headers=own | headers, method=method)  # noqa: S310 - http(s): Stack
        try:
            urllib.request.build_opener(_NoRedirects).open(request, timeout=TIME_LIMIT).close()
        except urllib.error.HTTPError as error:
            error.close()
            down = error.code >= http.client.INTERNAL_SERVER_ERROR or error.code in _COME_AGAIN
            raise NotSent(f"{self.host} answered {error.code} {shown(error.reason)[:100]}.", down=down) from error
        except urllib.error.URLError as error:
            raise NotSent(f"{self.host} does not answer: {_reason(error.reason)}.", down=True) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotSent(f"{self.host} does not answer: {_reason(error)}.", down=True) from None


def _reason(error: object) -> str:
    """Why, without the URL, which some of these errors quote."""
    if isinstance(error, TimeoutError | socket.timeout):
        return "it took too long"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__ if isinstance(error, Exception) else shown(error)[:100]
