"""PMTiles, version 3: tiles and the directories that say where each lies, in one file."""

import re
import struct
import zlib
from collections.abc import Iterator

from libs.spatial_utils.worker.formats.pmtiles.directory import GZIP, NOT_PACKED, Header, header_of, highest_zoom, tiles_of
from libs.spatial_utils.worker.formats.tile_reader import Tile, TileReader
from libs.spatial_utils.worker.ogr.messages import MessageRule, MessageRules
from libs.spatial_utils.worker.protocol import Unreadable

_VERSION = 3
_UNKNOWN, _VECTOR = 0, 1
_IMAGES = {2: "PNG", 3: "JPEG", 4: "WebP", 5: "AVIF"}
_PACKINGS = {3: "Brotli", 4: "Zstandard"}
_DAMAGE = (IndexError, zlib.error, struct.error)


class Reader(TileReader):
    """See ``OgrReader``."""

    messages = MessageRules(
        losses=(
            MessageRule(
                re.compile("Invalid run_length"),
                "unreadable",
                "Equal tiles of two zooms share an entry of a directory, which is not read.",
                "Take the highest zoom out: 'pmtiles extract OLD NEW --minzoom=Z', where Z is this zoom.",
            ),
        )
    )

    def highest_tiles(self) -> tuple[int, Iterator[Tile]]:
        """See ``TileReader``."""
        try:
            with self.path.open("rb") as file:
                header = header_of(file)
                self._check(header)
                zoom = highest_zoom(file, header)
        except _DAMAGE as error:
            raise self._damaged() from error
        if zoom is None:
            raise self.no_tiles()
        return zoom, self._tiles(header, zoom)

    def _tiles(self, header: Header, zoom: int) -> Iterator[Tile]:
        try:
            with self.path.open("rb") as file:
                yield from tiles_of(file, header, zoom)
        except _DAMAGE as error:
            raise self._damaged() from error

    def _check(self, header: Header) -> None:
        if header.version != _VERSION:
            raise Unreadable(
                "unreadable",
                f"{self.path.name!r} is PMTiles of version {header.version}; version {_VERSION} is read.",
                "Convert it with 'pmtiles convert OLD NEW'.",
            )
        if header.tile_type in _IMAGES:
            raise self.images(_IMAGES[header.tile_type])
        if header.tile_type not in {_UNKNOWN, _VECTOR}:
            raise Unreadable(
                "unreadable",
                f"The tiles of {self.path.name!r} are of a type that is not known here (number {header.tile_type}).",
                "Write it with Mapbox Vector Tiles, or ask for the data that they were made from.",
            )
        for packing in (header.directory_packing, header.tile_packing):
            if packing not in {NOT_PACKED, GZIP}:
                raise Unreadable(
                    "unreadable",
                    f"{self.path.name!r} is compressed in a way that is not read: {_PACKINGS.get(packing, 'not named')}.",
                    "Write it again with gzip, for tiles and for directories.",
                )

    def _damaged(self) -> Unreadable:
        return Unreadable(
            "damaged",
            f"{self.path.name!r} is not a PMTiles that can be read: a part of it is cut off or damaged.",
            "Write or upload the file again.",
        )
