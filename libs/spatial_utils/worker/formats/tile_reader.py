"""Vector tiles: the features of the highest zoom, in the pieces into which the tiles cut them.

They are counted apart from GDAL: it stops at a tile that is damaged, and says nothing. No upstream issue is known (GDAL 3.12.4).
"""

import zlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from libs.spatial_utils.worker.formats.protobuf import fields
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reader import OgrReader
from libs.spatial_utils.worker.protocol import Unreadable

_MAX_TILE = 64 * 1024 * 1024
_GZIP_OR_ZLIB = 47
"""For zlib: find out which of both, with the largest window."""
_LAYER, _NAME, _FEATURE = 3, 1, 2
"""Fields of a tile and of its layer."""


@dataclass(frozen=True)
class Tile:
    """A tile as it is stored.

    Attributes:
        zoom: Its zoom.
        column: From the west.
        row: As the format counts them.
        data: Its bytes, packed or not.
        times: How many tiles in a row it stands for.
    """

    zoom: int
    column: int
    row: int
    data: object
    times: int = 1


class TileReader(OgrReader):
    """See ``OgrReader``."""

    _zoom: int
    _features: Counter[str]

    @abstractmethod
    def highest_tiles(self) -> tuple[int, Iterable[Tile]]:
        """The highest zoom that there are tiles for, and these tiles; raises ``Unreadable``."""

    def check_before(self) -> None:
        """Count; and register what GDAL reads a tile with."""
        self.gdal.register("RegisterOGRMVT")
        self._zoom, tiles = self.highest_tiles()
        self._features = _counted(tiles, self.path.name)

    def open_options(self) -> list[str]:
        """The attributes as JSON: GDAL reads as columns only those that the metadata list, as the types that they say."""
        return [f"ZOOM_LEVEL={self._zoom}", "JSON_FIELD=YES", "CLIP=YES"]

    def check_opened(self) -> None:
        """Compare with what GDAL sees when it does not leave out what lies in the margin of a tile only."""
        whole = self.gdal.open(self.source, self.request.driver, [f"ZOOM_LEVEL={self._zoom}", "JSON_FIELD=YES", "CLIP=NO"])
        seen = Counter[str]()
        if whole is not None:
            for index in range(self.gdal.GDALDatasetGetLayerCount(whole)):
                handle = self.gdal.GDALDatasetGetLayer(whole, index)
                seen[self.gdal.OGR_L_GetName(handle).decode("utf-8", "replace")] = self.gdal.OGR_L_GetFeatureCount(handle, 1)
            self.gdal.GDALClose(whole)
        for name, count in sorted(self._features.items()):
            if seen[name] != count:
                raise Unreadable(
                    "count_mismatch",
                    f"The tiles of {self.path.name!r} hold {count:,} features of the layer {name!r}, but {seen[name]:,} can be "
                    "read.",
                    "Write the file again, with metadata that list all its layers ('vector_layers').",
                )

    def has_layer(self, handle: int, table: str) -> bool:  # noqa: ARG002 - see OgrReader
        """The metadata may list layers of other zooms."""
        return self._features[table] > 0

    def check_described(self, layers: Sequence[OgrLayer]) -> None:
        """Say that the features are pieces."""
        for layer in layers:
            layer.notes.warn(
                "cut_by_tiles",
                f"The features are those of the tiles of zoom {self._zoom}, cut at the borders of the tiles and with their "
                "precision: a feature on several tiles comes in several pieces, each with all attributes.",
                "Ask for the data that the tiles were made from, where whole features or exact coordinates matter.",
                layer.place,
            )

    def images(self, kind: str) -> Unreadable:
        """What to say of tiles without features."""
        return Unreadable(
            "unreadable",
            f"The tiles of {self.path.name!r} are images ({kind}): there are no features in them.",
            "Ask for the data that they were drawn from.",
        )

    def no_tiles(self) -> Unreadable:
        """What to say of a file without tiles."""
        return Unreadable("no_features", f"{self.path.name!r} has no tiles.", "Check that it is the right file.")


def unpacked(data: bytes, limit: int = _MAX_TILE) -> bytes:
    """What gzip or zlib has packed.

    Raises:
        IndexError: when it is cut off, or larger than the limit.
        zlib.error: when it is damaged.
    """
    unpacking = zlib.decompressobj(_GZIP_OR_ZLIB)
    found = unpacking.decompress(data, limit)
    if not unpacking.eof:
        raise IndexError
    return found


def _counted(tiles: Iterable[Tile], name: str) -> Counter[str]:
    """The number of the features in tiles, by layer."""
    found = Counter[str]()
    for tile in tiles:
        try:
            _count(tile, found)
        except (IndexError, KeyError, TypeError, UnicodeDecodeError, zlib.error) as error:
            raise Unreadable(
                "damaged",
                f"The tile {tile.zoom}/{tile.column}/{tile.row} (zoom, column, row) of {name!r} is not a vector tile.",
                "Write the file again.",
            ) from error
    return found


def _count(tile: Tile, found: Counter[str]) -> None:
    data = tile.data
    if not isinstance(data, bytes):
        raise TypeError
    if data[:2] == b"\x1f\x8b" or data[:1] == b"\x78":
        data = unpacked(data)
    for number, layer in fields(data):
        if number == _LAYER and isinstance(layer, bytes):
            parts = [*fields(layer)]
            name = dict(parts)[_NAME]
            if not isinstance(name, bytes):
                raise TypeError
            found[name.decode()] += tile.times * sum(part == _FEATURE for part, _ in parts)
