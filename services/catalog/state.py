"""What the catalog has open while it runs."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import cast

from starlette.requests import Request

from libs.ledger import Ledger
from libs.models.settings import Settings
from libs.pipeline.scratch import run_folder
from libs.platform import open_lake, open_landing_zone, open_ledger
from libs.storage import DataLake, LandingZone
from services.catalog.features import Features
from services.catalog.index import Index
from services.catalog.local import LocalFiles
from services.catalog.tiles import Tiles
from services.catalog.versions import Versions


@dataclass(frozen=True)
class State:
    """The stores, and what is made of them.

    Attributes:
        folder: For files in the making; it goes with the catalog.
    """

    settings: Settings
    folder: Path
    ledger: Ledger
    lake: DataLake
    landing: LandingZone
    index: Index
    versions: Versions
    files: LocalFiles
    features: Features
    tiles: Tiles


@contextmanager
def opened(settings: Settings) -> Iterator[State]:
    """Open the stores; they are closed, and local copies are gone, when the context ends.

    Raises:
        ServiceUnavailable: when one cannot be reached.
    """
    ledger, lake = open_ledger(settings), open_lake(settings)
    try:
        with run_folder(settings.scratch, f"catalog-{token_hex(8)}") as folder:
            lent, counted = folder.resolve() / "files", folder.resolve() / "tiles"
            lent.mkdir()
            files = LocalFiles(lake, lent)
            with closing(Features(files)) as features, closing(Tiles(files, counted)) as tiles:
                yield State(
                    settings,
                    folder,
                    ledger,
                    lake,
                    open_landing_zone(settings),
                    Index(ledger),
                    Versions(ledger),
                    files,
                    features,
                    tiles,
                )
    finally:
        ledger.store.close()


def state_of(request: Request) -> State:
    """The state of the application that a request came to."""
    return cast("State", request.app.state.catalog)
