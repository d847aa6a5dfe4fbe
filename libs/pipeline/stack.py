"""What a use case works with: one landing zone, lake, ledger, engine and recipe registry. Chosen by ``libs.platform``."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from libs.compute.engine import ComputeEngine
from libs.ledger import Ledger, Records
from libs.models import ServiceUnavailable
from libs.models.settings import Settings
from libs.notify import Channel
from libs.pipeline.identity import require_own_lake
from libs.pipeline.left import Left
from libs.pipeline.sender import Sender
from libs.spatial_utils import crs, reading
from libs.spatial_utils.reading import ReadLimits
from libs.storage import DataLake, LandingZone
from libs.transformations import Registry


@dataclass(frozen=True)
class Stack:
    """The chosen implementations behind the seams.

    Attributes:
        past: Knows the versions that new ones follow: the ledger, or in a dry run the one that it stands for.
        past_lake: Where the files of these versions lie; None: in the lake.
        scratch: Folder for transient files; ``runs`` below it holds a folder for each run at work.
        limits: For the reading of one file.
        channels: Who is told what became of batches.
        left: Manifests that this process could not take away.
    """

    settings: Settings
    landing: LandingZone
    lake: DataLake
    ledger: Ledger
    past: Records
    engine: ComputeEngine
    registry: Registry
    scratch: Path
    limits: ReadLimits
    channels: tuple[Channel, ...] = ()
    past_lake: DataLake | None = None
    left: Left = field(default_factory=Left, compare=False)

    @cached_property
    def sender(self) -> Sender:
        """Tells the channels what is to be told."""
        return Sender(self.ledger, self.lake, self.channels)

    def require_own_lake(self, *, bind: bool) -> None:
        """Make sure, each time before work, that the lake is this ledger's.

        Args:
            bind: They become a pair when both are new. Not for work that places nothing.

        Raises:
            LakeOfAnother: when they do not belong together.
        """
        require_own_lake(self.settings, self.lake, self.ledger, bind=bind)

    def warm_up(self, *, engine: bool = True) -> None:
        """Start what takes a moment, the reading process, the engine and what knows of CRSs, and return at once.

        Args:
            engine: Whether it is needed: rasters do without, in 60 MB less.
        """
        reading.warm_up()
        for part in (self.engine, crs) if engine else (crs,):
            threading.Thread(target=_warm_up, args=(part.warm_up,), name="warm-up", daemon=True).start()


def _warm_up(part: Callable[[], None]) -> None:
    # Whoever needs the part meets it again; and no thread starts another once the program ends.
    with suppress(ServiceUnavailable, RuntimeError):
        part()
