"""What a use case works with: one landing zone, lake, ledger, engine and recipe registry. Chosen by ``libs.platform``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from libs.compute.engine import ComputeEngine
from libs.ledger import Ledger
from libs.models.settings import Settings
from libs.spatial_utils.reading import ReadLimits
from libs.storage import DataLake, LandingZone
from libs.transformations import Registry


@dataclass(frozen=True)
class Stack:
    """The chosen implementations behind the seams.

    Attributes:
        scratch: Folder for transient files; ``runs`` below it holds a folder for each run at work.
        limits: For the reading of one file.
    """

    settings: Settings
    landing: LandingZone
    lake: DataLake
    ledger: Ledger
    engine: ComputeEngine
    registry: Registry
    scratch: Path
    limits: ReadLimits


@dataclass(frozen=True)
class Event:
    """A sign of progress of a batch.

    Attributes:
        phase: ``read``, ``write``, ``place`` or ``done``.
        subject: A file's path or a dataset's id.
        features: Features so far, where they are what moves.
    """

    batch_id: str
    phase: str
    subject: str
    features: int | None = None


Progress = Callable[[Event], None]


def no_progress(_: Event) -> None:
    """For those who do not watch."""
