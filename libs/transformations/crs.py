"""What steps must know of a CRS. That needs a CRS database, so the caller that plans a recipe passes in a look-up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from libs.models import BBox

DEFAULT_CRS = "EPSG:4326"
"""What recipes reproject to by default. Coordinates without a CRS stay as they are then."""


@dataclass(frozen=True)
class CrsUnit:
    """The unit of a CRS's horizontal axes.

    Attributes:
        quantity: Length for a projected CRS, angle for a geographic one.
        size: In metres or in degrees.
    """

    quantity: Literal["length", "angle"]
    size: float


@dataclass(frozen=True)
class CrsFacts:
    """A CRS.

    Attributes:
        name: Authority code or WKT2, in the spelling that relations use.
        unit: Of its axes; None when the look-up cannot tell.
        eighth: How far it is in that unit an eighth of the way round the earth; None also where nothing on
            its map is as wide.
        area: Its area of use in its own coordinates, xmin > xmax where that crosses 180 degrees; None when it is not known.
        reaches_180: Whether its area of use reaches the meridian of 180 degrees, or is not known.
        ends_at_180: Whether its map of the world ends there, so that neighbours across 180 degrees lie at opposite edges.
    """

    name: str
    unit: CrsUnit | None
    eighth: float | None = None
    area: BBox | None = None
    reaches_180: bool = False
    ends_at_180: bool = False


CrsLookup = Callable[[str], CrsFacts]
"""Says what a text (authority code, WKT) is; raises ValueError, with a message for people, when it is no CRS."""


def unresolved_crs(text: str) -> CrsFacts:
    """The look-up without a CRS database: takes any text for the name of a CRS of unknown unit."""
    return CrsFacts(text, None)


def same_crs(one: str, other: str) -> bool:
    """Whether two CRS names mean the same CRS, as far as names tell.

    Axis order is x, y throughout, so ``OGC:CRS84`` is ``EPSG:4326``. Two spellings of one CRS count as different: to
    transform between them changes nothing, while to skip a needed transformation would.
    """
    return _canonical(one) == _canonical(other)


def _canonical(name: str) -> str:
    text = name.strip().upper()
    return "EPSG:4326" if text == "OGC:CRS84" else text


def short_name(crs: str) -> str:
    """A CRS for a sentence: its code, or the name in its WKT."""
    parts = crs.split('"', maxsplit=2)
    return parts[1] if len(parts) > 2 else crs  # noqa: PLR2004 - text before, in and after the first quotes
