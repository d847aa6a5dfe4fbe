"""MBTiles: the features of the highest zoom, in the pieces into which the tiles cut them."""

from collections import Counter
from collections.abc import Sequence

from libs.spatial_utils.worker.formats.mbtiles.tiles import features_of
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.reader import OgrReader
from libs.spatial_utils.worker.protocol import Unreadable


class Reader(OgrReader):
    """See ``OgrReader``."""

    _zoom: int
    _features: Counter[str]

    def check_before(self) -> None:
        """Count; and register what GDAL opens the database with, and what it reads a tile with."""
        self.gdal.register("RegisterOGRSQLite")
        self.gdal.register("RegisterOGRMVT")
        self._zoom, self._features = features_of(self.path)

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
                    "Write the file again, with a metadata entry 'json' that lists all its layers ('vector_layers').",
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
