"""Texts of feeds as values: times as feeds write them, and numbers where an extension has them."""

import re
from email.utils import parsedate_to_datetime

import pyarrow as pa

from libs.spatial_utils.worker.values.inference import TextProfile, cast

_RFC_822 = re.compile(
    r"(?:[A-Za-z]{3}, *)?[0-9]{1,2} +[A-Za-z]{3} +[0-9]{4} +[0-9]{2}:[0-9]{2}(?::[0-9]{2})? +"
    r"(?:GMT|UTC?|Z|[ECMP][SD]T|[-+][0-9]{4})"
)


def times_of(texts: list[str | None]) -> list[str | None]:
    """Times of RSS (RFC 822) in UTC, as ISO 8601, if all texts are such times; else the texts."""
    found: list[str | None] = []
    for text in texts:
        moment = None
        if text is not None:
            if not _RFC_822.fullmatch(text):
                return texts
            try:
                moment = parsedate_to_datetime("GMT".join(text.rsplit("Z", 1)) if text.endswith("Z") else text)
            except ValueError:
                return texts
            offset = moment.utcoffset()
            if offset is None:
                return texts
            moment = moment.replace(tzinfo=None) - offset
        found.append(None if moment is None else f"{moment.isoformat()}Z")
    return found


def numbers_of(texts: list[str | None]) -> list[int | float | str | None]:
    """Texts as numbers, if all of them are numbers and stay what they are; else the texts."""
    column, profile = pa.array(texts, pa.string()), TextProfile()
    profile.add(column.drop_null())
    if profile.type not in {pa.int64(), pa.float64()}:
        return [*texts]
    values: list[int | float | str | None] = cast(column, profile.type).to_pylist()
    return values
