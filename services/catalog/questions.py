"""What a question has in its parameters: numbers, boxes, moments, the version in its address."""

import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from starlette.requests import Request

from libs.models import Asset, BBox
from services.catalog.answers import Refused
from services.catalog.state import state_of

MOST_PAGES = 2_000
_VERSIONS = 200
"""Numbers of versions that are listed."""
_VERSION = re.compile(r"[1-9]\d{0,8}", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)


def number_of(given: Mapping[str, Any], name: str, default: int, least: int = 0) -> int:
    """A whole number.

    Raises:
        Refused: when it is none, or too small.
    """
    text = str(given.get(name, default))
    if not _NUMBER.fullmatch(text):
        raise Refused(400, f"The parameter {name!r} must be a whole number; it is {text!r}.")
    if int(text) < least:
        raise Refused(400, f"The parameter {name!r} must be {least} or more.")
    return int(text)


def bbox_of(text: str | None) -> BBox | None:
    """A box of longitudes and latitudes; its west may lie east of its east: it crosses 180°.

    Raises:
        Refused: when it is none.
    """
    if text is None:
        return None
    try:
        sides = [float(each) for each in text.split(",")]
    except ValueError:
        sides = []
    if len(sides) == 6:  # noqa: PLR2004 - with heights, which are not looked at
        sides = [*sides[:2], *sides[3:5]]
    if len(sides) != 4 or not all(map(math.isfinite, sides)):  # noqa: PLR2004 - west, south, east, north
        raise Refused(400, f"The parameter 'bbox' must be west,south,east,north in degrees; it is {text!r}.")
    west, south, east, north = sides
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):  # noqa: PLR2004 - degrees
        raise Refused(400, f"The parameter 'bbox' must lie within -180,-90,180,90, its south below its north; it is {text!r}.")
    return west, south, east, north


def moments_of(text: str | None) -> tuple[str | None, str | None]:
    """The first and the last moment of an instant or interval of RFC 3339; None where it is open.

    Raises:
        Refused: when it is none.
    """
    if text is None:
        return None, None
    first, slash, last = text.partition("/")
    if not slash:
        last = first
    since = None if slash and first in {"", ".."} else _moment(first, text, "T00:00:00Z")
    until = None if slash and last in {"", ".."} else _moment(last, text, "T23:59:59.999999Z")
    if since and until and datetime.fromisoformat(since) > datetime.fromisoformat(until):
        raise Refused(400, f"The parameter 'datetime' ends before it begins: {text!r}.")
    return since, until


def _moment(text: str, whole: str, of_day: str) -> str:
    try:
        date.fromisoformat(text)
        text += of_day
    except ValueError:
        pass
    try:
        if datetime.fromisoformat(text).tzinfo is not None:
            return text
    except ValueError:
        pass
    raise Refused(
        400,
        "The parameter 'datetime' must be a moment such as 2026-03-01 or 2026-03-01T08:00:00Z, or two of them with / between; "
        f"it is {whole!r}.",
    )


def asset_of(request: Request) -> Asset:
    """The version in the address; without a number, the current one.

    Raises:
        Refused: when there is none.
    """
    ledger, name = state_of(request).ledger, request.path_params["dataset"]
    text = request.path_params.get("version")
    if text is not None and not _VERSION.fullmatch(text):
        raise Refused(404, f"{text[:20]!r} is no number of a version.")
    number = None if text is None else int(text)
    asset = ledger.asset(name, number)
    if asset is not None:
        return asset
    versions = ledger.versions(name)
    if number is not None and versions:
        raise Refused(404, f"The dataset {name!r} has no version {number}. It has {', '.join(map(str, versions[-_VERSIONS:]))}.")
    raise Refused(404, f"There is no dataset {name!r}.")


def rows_of(request: Request) -> Asset:
    """The version in the address, which has rows.

    Raises:
        Refused: when there is none, or it has no rows.
    """
    asset = asset_of(request)
    if asset.features is None or not asset.data:
        raise Refused(404, f"{asset.id} has no rows: it is of the kind {asset.kind!r}.")
    return asset


def page_of(text: str) -> int:
    """The number of a page.

    Raises:
        Refused: when it is none.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= MOST_PAGES):  # noqa: PLR2004 - digits
        raise Refused(400, f"The parameter 'page' must be a number from 1 to {MOST_PAGES}; it is {text!r}.")
    return int(text)
