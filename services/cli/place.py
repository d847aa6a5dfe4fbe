"""What commands that only look things up need: the ledger, and where a lake file lies for somebody at this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libs.ledger import Ledger
    from libs.models.settings import Place, Settings


def existing() -> "Settings":
    """The settings, for a command that makes no home.

    Raises:
        NoHome: when there is none yet.
    """
    from libs.models.settings import Settings
    from libs.platform.home import require_home

    settings = Settings()
    require_home(settings)
    return settings


@contextmanager
def home_told(settings: "Settings") -> Iterator[None]:
    """Say so when work makes a home where nobody has named one: the folder may be the wrong one."""
    from libs.models.settings import HOME
    from libs.platform.home import lacks_home
    from services.cli import output

    is_new = settings.spatial_etl_home == HOME and lacks_home(settings)
    yield
    if is_new and settings.has_home:
        output.aside(f"This made a home: {HOME.absolute()}. Commands find it from any folder below {Path.cwd()}.")


@contextmanager
def opened_ledger() -> Iterator["Ledger"]:
    """The ledger that the settings choose, without the rest of the stack, whose imports take longer than the look-up.

    Raises:
        NoHome: when there is none yet.
    """
    from libs.platform import open_ledger

    ledger = open_ledger(existing())
    try:
        yield ledger
    finally:
        ledger.store.close()


def without_server() -> str | None:
    """What to know of a ledger in which nothing is found: whether the settings leave out the one of a team."""
    from libs.models.settings import Settings

    settings = Settings()
    if settings.lake.folder is not None or settings.mongo_connection_string is not None:
        return None
    ledger = settings.spatial_etl_home / "ledger.sqlite"
    return f"MONGO_CONNECTION_STRING is not set: the lake is on a server, the ledger is {ledger} on this machine."


@cache
def _lake() -> "Place":
    """Where the lake is. It is not opened: that takes longer than to say where a file is."""
    from libs.models.settings import Settings

    return Settings().lake


def lake_uri(key: str) -> str:
    """The URI of a lake file, where the lake is now."""
    return _lake().uri(key)


def located(uri: str) -> str:
    """The path of a lake file in an embedded store, relative to the working folder if it lies below; else the URI itself."""
    lake = _lake()
    if lake.folder is None:
        return uri
    path = lake.folder.resolve() / uri.removeprefix(lake.uri(""))
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
