"""Answers of a server that are one page of many: a file that looks whole, and is not.

Sources: WFS 2.0, 7.7.4 (``numberMatched``, ``numberReturned``, ``next``); OGC API Features, Part 1, requirements 28 to 31;
GeoServer (``totalFeatures``) and Esri (``exceededTransferLimit``) by use.
"""

from typing import Any

from libs.spatial_utils.child.source import Notes


def of_members(members: dict[str, Any]) -> str | None:
    """What a GeoJSON document holds of an answer that has more; None when it is the whole answer, or does not say.

    >>> of_members({"type": "FeatureCollection", "numberMatched": 5000, "numberReturned": 1000})
    '1,000 of 5,000 features'
    """
    properties, links = members.get("properties"), members.get("links")
    exceeded = properties.get("exceededTransferLimit") if isinstance(properties, dict) else None
    follows = isinstance(links, list) and any(isinstance(link, dict) and link.get("rel") == "next" for link in links)
    return _held(
        members.get("numberMatched", members.get("totalFeatures")),
        members.get("numberReturned"),
        follows=follows or exceeded is True or members.get("exceededTransferLimit") is True,
    )


def of_attributes(attributes: dict[str, str]) -> str | None:
    """The same of a GML document, by the attributes of its root element."""
    counts = (attributes.get(name, "") for name in ("numberMatched", "numberReturned"))
    matched, returned = (int(count) if count.isdecimal() else None for count in counts)
    return _held(matched, returned, follows="next" in attributes)


def _held(matched: Any, returned: Any, *, follows: bool) -> str | None:
    if type(matched) is int and type(returned) is int and returned < matched:
        return f"{returned:,} of {matched:,} features"
    return "the features of one page" if follows else None


def warn(notes: Notes, what: str, place: str) -> None:
    """Warn that the server has more features than the file.

    Args:
        notes: Takes the warning.
        what: As the functions above say it.
        place: Within the file.
    """
    notes.warn(
        "one_page_of_many",
        f"The file is one page of a larger answer. It holds {what}.",
        "If all features are wanted, download all pages and give their files the same 'dataset_id'.",
        place,
    )
