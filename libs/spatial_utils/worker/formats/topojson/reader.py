"""TopoJSON: every object of the topology is a layer, and every member of a collection a feature."""

from collections.abc import Iterator
from typing import Any

from libs.spatial_utils.worker.formats.feature_layer import Feature, FeatureLayer, crs_of_2008
from libs.spatial_utils.worker.formats.topojson.arcs import Arcs
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.reader import FileReader
from libs.spatial_utils.worker.values.json_values import document_of


class Reader(FileReader):
    """See ``FileReader``."""

    def open(self) -> None:
        """See ``FileReader``."""
        topology = document_of(self.path, self.request.encoding, self.notes)
        objects = topology.get("objects") if isinstance(topology, dict) else None
        if not isinstance(objects, dict):
            raise Unreadable(
                "format_mismatch",
                "The file is declared as TopoJSON but holds no 'objects'.",
                "Upload the TopoJSON file: an object with \"type\": \"Topology\", 'objects' and 'arcs'.",
            )
        arcs, crs = Arcs(topology), crs_of_2008(topology.get("crs"))
        for name, made in objects.items():
            layer = self.prefix + name
            if self.add_name(layer):
                features = [*_features(made, arcs, f"layer {layer}")]
                self._tell(arcs, f"layer {layer}")
                self.opened.layers.append(FeatureLayer(self.gdal, layer, features, crs, self.request))

    def _tell(self, arcs: Arcs, place: str) -> None:
        if arcs.rings_closed:
            self.notes.warn(
                "rings_closed",
                f"{arcs.rings_closed:,} rings of polygons do not end where they begin. They were closed.",
                "Check these polygons, and write the file again from its source, if they look wrong.",
                place,
            )
        if arcs.rings_collapsed:
            self.notes.warn(
                "rings_collapsed",
                f"{arcs.rings_collapsed:,} rings of polygons have collapsed to a point or a line. They were left out.",
                "Use the data before it was simplified, if these parts are wanted.",
                place,
            )
        arcs.rings_closed = arcs.rings_collapsed = 0


def _features(made: Any, arcs: Arcs, place: str) -> Iterator[Feature]:
    is_collection = isinstance(made, dict) and made.get("type") == "GeometryCollection"
    members = made.get("geometries") if is_collection else [made]
    if not isinstance(members, list):
        raise Unreadable("damaged", "A collection has no list 'geometries'.", "Write the file again.", place)
    for number, member in enumerate(members, 1):
        properties = member.get("properties") if isinstance(member, dict) else None
        if not isinstance(member, dict) or not (properties is None or isinstance(properties, dict)):
            raise Unreadable(
                "damaged",
                f"Member {number:,} is no geometry of TopoJSON.",
                "A geometry is an object with a type, and its properties are an object.",
                f"{place}, feature {number}",
            )
        geometry: dict[str, Any] | Unreadable | None
        try:
            geometry = arcs.geometry(member, f"{place}, feature {number}")
        except Unreadable as problem:
            geometry = problem
        yield Feature(member.get("id"), properties or {}, geometry)
