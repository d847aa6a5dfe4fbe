"""Answers of a server that are one page of many: a file that looks whole, and is not.

Sources: WFS 2.0, 7.7.4 (``numberMatched``, ``numberReturned``, ``next``); OGC API Features, Part 1, requirements 28 to 31;
GeoServer (``totalFeatures``) and Esri (``exceededTransferLimit``) by use.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.spatial_utils.worker.protocol import Notes


@dataclass(frozen=True)
class Page:
    """What a collection says of itself.

    Attributes:
        matched: Features that the service has.
        returned: Features that it says it has sent.
        more: Whether it says that there is more.
    """

    matched: int | None = None
    returned: int | None = None
    more: bool = False

    @classmethod
    def of_members(cls, members: Mapping[str, Any]) -> "Page":
        """What a GeoJSON collection says, by its members."""
        links, own = members.get("links"), members.get("properties")
        following = isinstance(links, list) and any(isinstance(link, dict) and link.get("rel") == "next" for link in links)
        exceeded = any(isinstance(said, Mapping) and said.get("exceededTransferLimit") is True for said in (members, own))
        matched = _number(members.get("numberMatched"))
        return cls(
            _number(members.get("totalFeatures")) if matched is None else matched,
            _number(members.get("numberReturned")),
            following or exceeded,
        )

    @classmethod
    def of_attributes(cls, attributes: Mapping[str, str]) -> "Page":
        """What a collection in GML says, by the attributes of its element."""
        return cls(_number(attributes.get("numberMatched")), _number(attributes.get("numberReturned")), "next" in attributes)

    def tell(self, features: int | None, notes: Notes, place: str) -> None:
        """Warn if this is not all that the service has.

        Args:
            features: In the file, if that is known.
            notes: Takes the warning.
            place: Of the file among others.
        """
        there = self.returned if features is None else features
        if self.matched is None or there is None:
            if not self.more:
                return
            counts = "not all features" if there is None else f"{there:,} features, and not all"
        elif self.matched > there:
            counts = f"{there:,} of {self.matched:,} features"
        else:  # all, even if several pages were put together
            return
        notes.warn(
            "one_page_of_many",
            f"The file is one page of a larger answer. It holds {counts}.",
            "If all features are wanted, download all pages and give their files the same 'dataset_id'.",
            place,
        )


def _number(said: Any) -> int | None:
    if isinstance(said, str) and said.isascii() and said.isdigit():
        return int(said)
    return said if type(said) is int and said >= 0 else None
