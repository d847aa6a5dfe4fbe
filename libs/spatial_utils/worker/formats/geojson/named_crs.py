"""What the members ``crs`` of GeoJSON say: of GeoJSON 2008, which every object could have; RFC 7946 has none.

No upstream issue is known (GDAL 3.12.4).
"""

import json
from typing import Any

from libs.spatial_utils.worker.ogr.reference import by_default
from libs.spatial_utils.worker.protocol import Unreadable

_MEMBERS = {"name": ("name",), "epsg": ("code",), "link": ("href",), "url": ("url", "href"), "ogc": ("urn",)}
"""The properties of a ``crs`` of a type that GDAL looks at. Where it finds none of them it takes EPSG:4326."""
_ENOUGH = 3
"""So many different ones tell that there are several."""


class NamedCrs:
    """What a file says of its CRS, at its head or in its features and geometries."""

    def __init__(self) -> None:
        self._at_head: Any = None
        self._inside = dict[str, Any]()

    def at_head(self, crs: Any) -> None:
        """Note what the file itself says. Null says nothing, and leaves the default."""
        self._at_head = crs

    def inside(self, crs: Any) -> None:
        """Note what a feature or a geometry says, of which GDAL takes no notice."""
        if crs is not None and len(self._inside) < _ENOUGH:
            self._inside[json.dumps(crs, sort_keys=True)] = crs

    def reference(self, as_gdal: dict[str, str] | None, place: str) -> dict[str, str] | None:
        """The layer's CRS, as ``LayerReader`` has it.

        Args:
            as_gdal: What GDAL makes of the file.
            place: Of the layer.

        Raises:
            Unreadable: ``crs_mixed``.
        """
        said = (
            self._inside if self._at_head is None else {json.dumps(self._at_head, sort_keys=True): self._at_head} | self._inside
        )
        if not said:
            return by_default(as_gdal)
        if len(said) > 1:
            raise Unreadable(
                "crs_mixed",
                f"The file names several CRSs: {', '.join(map(_shown, said))}.",
                "Write everything in one, and name it once, at the head of the file.",
                place,
            )
        ((text, crs),) = said.items()
        named = _named(crs)
        if named is None:
            return {"unknown": _shown(text)}
        return {"text": named} if self._at_head is None else as_gdal


def _named(crs: Any) -> str | None:
    """What a ``crs`` says, if it says anything."""
    kind, properties = (crs.get("type"), crs.get("properties")) if isinstance(crs, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(properties, dict):
        return None
    said = next(filter(None, map(properties.get, _MEMBERS.get(kind.lower(), ()))), None)
    return None if said is None else f"EPSG:{said}" if kind.lower() == "epsg" else str(said)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")  # noqa: PLR2004 - a line's worth
