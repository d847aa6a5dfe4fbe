"""The home: where the embedded stores lie. Whoever only looks makes none."""

from pathlib import Path

from libs.models import NoHome
from libs.models.settings import HOME, Settings


def lacks_home(settings: Settings) -> bool:
    """Whether the ledger lies in the home, and nothing was delivered there yet."""
    return settings.mongo_connection_string is None and not settings.has_home


def require_home(settings: Settings) -> None:
    """Refuse to look into a home that is not there.

    Raises:
        NoHome: saying where it was looked for, and what makes one.
    """
    if not lacks_home(settings):
        return
    home = settings.spatial_etl_home
    if settings.minio_endpoint is not None:
        found = (
            f"MONGO_CONNECTION_STRING is not set, so the ledger is a file of this machine, and there is none in {home.absolute()}"
        )
        raise NoHome("no ledger", f"{found}.", "MONGO_CONNECTION_STRING")
    if home == HOME:
        said = (
            f"There is none in {Path.cwd()}, nor in a folder above it. `spatial-etl ingest FILE` makes one here. To work with one"
        )
        raise NoHome("no home here", f"{said} that lies elsewhere, go to its folder, or type --home FOLDER.", "SPATIAL_ETL_HOME")
    said = f"There is none in {home.absolute()}. `spatial-etl ingest FILE` makes one there."
    raise NoHome("no home here", said, "SPATIAL_ETL_HOME")
