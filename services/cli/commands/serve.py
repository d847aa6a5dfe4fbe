"""``serve``: the catalog in a browser."""

from typing import Annotated

import typer


def serve(
    *,
    port: Annotated[
        int, typer.Option(metavar="PORT", help="Port on this machine; 0: any that is free.", min=0, max=65535)
    ] = 8080,
) -> None:
    """Show datasets and deliveries in a browser, and give lake files and features over HTTP.

    It listens on this machine only, and changes nothing. Ctrl-C ends it.
    """
    import os
    import sys

    # A process of its own: interfaces know nothing of each other. -P: a folder `services` where it is called is not imported.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "services.catalog", "--port", str(port)])  # noqa: S606
