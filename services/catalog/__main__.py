"""``python -m services.catalog``: the catalog in the foreground, on loopback, until Ctrl-C. ``spatial-etl serve`` runs it."""

import argparse
import signal
import socket
import sys
from contextlib import suppress

from libs import logs
from libs.models import ServiceUnavailable
from libs.models.settings import Settings
from libs.platform.extras import needing
from libs.platform.home import require_home
from libs.raw_text import inert

UNREACHABLE = 3
HOST = "127.0.0.1"


def main() -> int:
    """Serve; expected errors become an exit code and a text."""
    parser = argparse.ArgumentParser(prog="python -m services.catalog", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="of the catalog (%(default)s); 0: any that is free")
    port: int = parser.parse_args().port
    for ending in (signal.SIGINT, signal.SIGTERM):  # whoever is started in the background has the first ignored
        signal.signal(ending, signal.default_int_handler)
    try:
        with suppress(KeyboardInterrupt), needing("catalog", "the catalog", "the installation"):
            settings = Settings()
            logs.install(sys.stderr, lambda: settings.spatial_etl_log)
            _serve(settings, port)
    except ServiceUnavailable as error:
        print(f"Cannot go on: {inert(str(error))}", file=sys.stderr)  # noqa: T201
        return UNREACHABLE
    return 0


def _serve(settings: Settings, port: int) -> None:
    from services.catalog.app import application, server
    from services.catalog.state import opened

    require_home(settings)
    with _bound(port) as listener, opened(settings) as state:
        print(f"The catalog is at http://{HOST}:{listener.getsockname()[1]}/ . Ctrl-C ends it.", flush=True)  # noqa: T201
        server(application(state)).run(sockets=[listener])


def _bound(port: int) -> socket.socket:
    """A socket on loopback.

    Raises:
        ServiceUnavailable: when somebody else has the port.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise ServiceUnavailable(f"the port {port}", f"{error.strerror}.", "--port") from error
    listener.listen(128)
    return listener


if __name__ == "__main__":
    sys.exit(main())
