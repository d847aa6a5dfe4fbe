"""What a process that watches tells about itself and its platform over HTTP: ``/metrics`` for Prometheus, ``/health``."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import typer

from libs.ledger import Ledger
from libs.ledger.tally import Tally
from libs.models import ServiceUnavailable
from libs.models.settings import Settings
from libs.pipeline.metrics import CONTENT_TYPE, collect, exposition
from libs.storage import LandingZone
from services.cli import output

LOOPBACK = "127.0.0.1"
_SECONDS = 10
"""That a client may take to say what it wants."""


def address(given: str) -> tuple[str, int]:
    """``[HOST:]PORT`` as host and port; the host is this machine where none is given."""
    host, _, port = given.rpartition(":")
    if not port.isascii() or not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004 - the last port
        raise typer.BadParameter(f"{given!r} is not [HOST:]PORT, such as 9464 or 10.0.0.5:9464", param_hint="--metrics")
    return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)


class Monitor:
    """What is told. Safe to ask from several threads.

    Args:
        ledger: Counted.
        landing: Where manifests wait.
        settings: Of this process.
    """

    def __init__(self, ledger: Ledger, landing: LandingZone, settings: Settings) -> None:
        self._tally, self._landing, self._settings = Tally(ledger), landing, settings
        self._lock = threading.Lock()
        self._trouble: str | None = None

    def looked(self, error: ServiceUnavailable | None) -> None:
        """Note how a look at the landing zone ended."""
        self._trouble = None if error is None else str(error)

    def metrics(self) -> str:
        """The metrics of now.

        Raises:
            ServiceUnavailable: when ledger or landing zone cannot be read.
        """
        with self._lock:
            return exposition(collect(self._tally, self._landing, self._settings))

    def health(self) -> dict[str, str]:
        """``ok``; or ``failing`` and why, when the last look at the landing zone met a service that failed."""
        trouble = self._trouble
        return {"status": "ok"} if trouble is None else {"status": "failing", "message": trouble}

    def warm_up(self) -> None:
        """Count what there is, so that the first who asks need not wait for it."""
        try:
            self.metrics()
        except ServiceUnavailable:
            return  # whoever asks is told


@contextmanager
def served(monitor: Monitor, host: str, port: int) -> Iterator[None]:
    """Tell it over HTTP until the context ends.

    Raises:
        ServiceUnavailable: when the address cannot be had.
    """

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

    class Handler(_Handler):
        told = monitor

    try:
        server = Server((host, port), Handler)
    except OSError as error:
        raise ServiceUnavailable(f"the address {host}:{port}", f"{error.strerror or error}.", "--metrics") from error
    shown = f"[{host}]" if ":" in host else host
    output.aside(f"Metrics are at http://{shown}:{server.server_address[1]}/metrics, health at /health.")
    for name, work in (("metrics", server.serve_forever), ("first count", monitor.warm_up)):
        threading.Thread(target=work, name=name, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers one client."""

    told: ClassVar[Monitor]
    timeout = _SECONDS
    server_version, sys_version = "spatial-etl", ""

    def do_GET(self) -> None:
        """Metrics, health, or what there is."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            try:
                self._answer(200, CONTENT_TYPE, self.told.metrics())
            except ServiceUnavailable as error:
                self._answer(503, "text/plain; charset=utf-8", f"{error}\n")
        elif path == "/health":
            health = self.told.health()
            self._answer(200 if health["status"] == "ok" else 503, "application/json", json.dumps(health) + "\n")
        else:
            self._answer(404, "text/plain; charset=utf-8", "There is /metrics and /health.\n")

    do_HEAD = do_GET  # noqa: N815 - the library's name

    def _answer(self, status: int, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Who asked is no news."""
