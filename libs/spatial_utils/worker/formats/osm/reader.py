"""OpenStreetMap: elements with tags as features, with all their tags as JSON. GDAL leaves some out: they are counted."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from libs.spatial_utils.worker.formats.osm.elements import Elements, elements_of
from libs.spatial_utils.worker.ogr.columns import Column
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.messages import MessageRule, MessageRules
from libs.spatial_utils.worker.ogr.reader import OgrReader
from libs.spatial_utils.worker.ogr.reference import by_default
from libs.spatial_utils.worker.protocol import Unreadable

_LAYERS = ("points", "lines", "multilinestrings", "multipolygons", "other_relations")
_ATTRIBUTES = "".join(f"osm_{name}=yes\n" for name in ("id", "version", "timestamp", "uid", "user", "changeset"))
_AREAS = (
    "aeroway,amenity,boundary,building,craft,geological,historic,landuse,leisure,military,natural,office,place,shop,sport,tourism,"
    "highway=platform,public_transport=platform"
)
"""Tags by which a closed way is an area, as GDAL has them by default."""
_CONFIGURATION = (
    f"[general]\nclosed_ways_are_polygons={_AREAS}\nattribute_name_laundering=no\nreport_all_nodes=no\nreport_all_ways=no\n"
    + "".join(f"[{layer}]\n{_ATTRIBUTES}unsignificant=\nignore=\nall_tags=yes\n" for layer in _LAYERS)
)
_IDS, _TIME, _WAY = ("osm_id", "osm_way_id"), "osm_timestamp", "osm_way_id"
_UNSORTED = re.compile("Non increasing node id")
_UTC = pa.timestamp("ms", "UTC")


class Reader(OgrReader):
    """See ``OgrReader``."""

    messages = MessageRules(
        losses=(
            MessageRule(
                re.compile(r"UNIQUE constraint failed: nodes\.id"),
                "unreadable",
                "An element stands in the file in several versions ({}).",
                "Extract one state with 'osmium time-filter in.osh.pbf -o out.osm.pbf'.",
            ),
            MessageRule(
                re.compile("cannot allocate|out of memory|osm_tmp", re.IGNORECASE),
                "read_out_of_memory",
                "The file needs more memory than is allowed: every node is kept until the ways have been read ({}).",
                "Split it ('osmium extract'), or raise SPATIAL_ETL_READ_MEMORY_MB.",
            ),
        )
    )

    _elements: Elements

    def check_before(self) -> None:
        """Count; and keep GDAL's database of nodes in memory, of which it may take a half: nothing can be written to disk."""
        self._elements = elements_of(self.path)
        self._ways = self._relations = self._layers_read = 0
        self.gdal.configure({"OSM_MAX_TMPFILE_SIZE": str(max(self.request.memory_mb // 2, 1))})

    def open(self) -> None:
        """See ``OgrReader``. GDAL's own index of nodes, which is smaller, needs them in the order of their ids."""
        try:
            super().open()
        except Unreadable as error:
            if not _UNSORTED.search(error.message):
                raise
            self.gdal.GDALClose(self.dataset)  # for the memory that its index has taken
            self.gdal.configure({"OSM_USE_CUSTOM_INDEXING": "NO"})
            self.opened.names.clear()
            self.opened.layers.clear()
            super().open()

    def open_options(self) -> list[str]:
        """See ``OgrReader``."""
        return [f"CONFIG_FILE={self.gdal.held(_CONFIGURATION.encode(), 'osmconf.ini')}", "TAGS_FORMAT=JSON"]

    def has_layer(self, handle: int, table: str) -> bool:
        """Whether there is a feature for a layer: GDAL always shows all five. It is asked where the elements do not say."""
        elements = self._elements
        if table == "points":
            return elements.nodes > 0
        if not elements.relations and (table not in {"lines", "multipolygons"} or not elements.ways):
            return False
        feature = self.gdal.OGR_L_GetNextFeature(handle)
        if feature:
            self.gdal.OGR_F_Destroy(feature)
        return bool(feature)

    def describe(self, layer: OgrLayer) -> None:
        """Coordinates are always WGS 84, times always UTC; every node with tags is a point."""
        layer.crs = by_default(layer.crs)
        layer.types_of_times = {}
        if layer.own_name == "points":
            layer.claimed = self._elements.nodes

    def columns(self, layer: OgrLayer, columns: list[Column]) -> list[Column]:  # noqa: ARG002 - see OgrReader
        """Numbers of elements are numbers, and times have their zone."""
        types = {**dict.fromkeys(_IDS, pa.int64()), _TIME: _UTC}
        return [_cast(column, types[column.name]) if column.name in types else column for column in columns]

    def rows(self, layer: OgrLayer) -> Iterator[pa.RecordBatch]:
        """See ``OgrReader``."""
        of_way = layer.names.index(_WAY) if _WAY in layer.names else None
        for batch in super().rows(layer):
            if layer.own_name == "lines":
                self._ways += batch.num_rows
            elif layer.own_name != "points":
                ways = 0 if of_way is None else batch.num_rows - batch.column(of_way).null_count
                self._ways += ways
                self._relations += batch.num_rows - ways
            yield batch

    def check_after(self, layer: OgrLayer, read: int, missing: int) -> None:  # noqa: ARG002 - see OgrReader
        """Once all layers have been read, say how many elements have no feature."""
        self._layers_read += 1
        if self.request.layer is not None or self._layers_read < len(self.opened.names):
            return
        ways, relations = self._elements.ways - self._ways, self._elements.relations - self._relations
        if ways or relations:
            layer.notes.warn(
                "osm_elements_not_read",
                f"{relations:,} of {self._elements.relations:,} relations and {ways:,} of {self._elements.ways:,} ways with tags "
                "have no feature: what they consist of is not in the file, or forms no area; or a way is the outline of a "
                "relation, whose feature, with the relation's tags, stands for both.",
                "Take an extract with complete relations ('osmium extract --strategy=smart'), if they are wanted.",
            )


def _cast(column: Column, type_: pa.DataType) -> Column:
    return replace(column, type=type_, convert=lambda values, first: column.convert(values, first).cast(type_))
