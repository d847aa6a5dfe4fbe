"""GML."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from libs.remedies import way_in
from libs.spatial_utils.worker.formats.gml import checks
from libs.spatial_utils.worker.formats.gml.geometry import complaints
from libs.spatial_utils.worker.formats.gml.guard import GmlGuard
from libs.spatial_utils.worker.formats.gml.template import lists_all, names_of, template_of, with_several_geometries
from libs.spatial_utils.worker.formats.xml import XmlReader
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.messages import MessageRule, MessageRules
from libs.spatial_utils.worker.protocol import Unreadable, unknown_geometry

_HARMLESS = (re.compile(r"Cannot import http://www\.opengis\.net/gml/srs/epsg\.xml#\d+ due to"),)
"""GDAL knows the code without fetching anything."""
_SCHEMAS = {".xsd": "XSD", ".gfs": "GFS_TEMPLATE"}
"""Files beside one that list its properties, with the options of GDAL that name them."""
_BAD_GEOMETRY = MessageRule(
    re.compile(r"<(?:gml:)?(?:pos|posList|coord|coordinates)\b|Geometry of feature .* cannot be parsed"),
    "damaged_geometry",
    "GDAL cannot read a geometry: {}.",
    f"Check the file with the program that made it, and write or upload it again.{way_in('geometry')}",
)


class Reader(XmlReader):
    """See ``OgrReader``."""

    guards = GmlGuard
    guard: GmlGuard
    messages = MessageRules(harmless=_HARMLESS)

    _several: Mapping[str, Sequence[tuple[str, ...]]]
    """Types of features with several geometries that have no schema: where these stand."""
    _template: str | None = None

    def prepare(self) -> None:
        """See ``XmlReader``."""
        super().prepare()
        self.guard.complaint = complaints(self.gdal)
        if self.guard.may_keep and "geometry" not in self.guard.keeps:
            self.messages = MessageRules(harmless=_HARMLESS, losses=(_BAD_GEOMETRY,))

    def check_before(self) -> None:
        """See ``OgrReader``."""
        super().check_before()
        several = {} if self.path.with_suffix(".xsd").exists() else with_several_geometries(self.guard)
        known = self.path.with_suffix(".gfs")
        self._several = {} if several and known.exists() and lists_all(known, several) else several
        if self._several and self.guard.bad:  # which of them is bad, nobody has noted
            raise self.guard.first_bad
        if self._several:
            self._template = template_of(self.gdal, self.path, self._several)

    def open_options(self) -> list[str]:
        """See ``OgrReader``. GDAL finds a schema by itself only beside the file, not beside a copy."""
        if self._template:
            return [f"GFS_TEMPLATE={self._template}"]
        return (
            [] if self._schema is None or self.source == str(self.path) else [f"{_SCHEMAS[self._schema.suffix]}={self._schema}"]
        )

    @property
    def _schema(self) -> Path | None:
        """What lists the properties beside the file; GDAL prefers the first of them."""
        return next((path for suffix in _SCHEMAS if (path := self.path.with_suffix(suffix)).exists()), None)

    def check_after(self, layer: OgrLayer, read: int, missing: int) -> None:
        """Hold the geometries that were read against those that there are."""
        paths = self._several.get(layer.own_name, ())
        if self._template is None or not paths or not layer.geometry:
            return
        place = dict(zip(names_of(paths), paths, strict=True))[layer.geometry_name]
        _, there = self.guard.paths[layer.own_name][place]
        if read - missing != there:
            raise Unreadable(
                "geometry_lost",
                f"{there:,} features have a geometry in {layer.geometry_name!r}; {read - missing:,} of them can be read.",
                "Upload the .xsd that lists the properties of the features beside the file.",
                layer.place,
            )

    def check_described(self, layers: Sequence[OgrLayer]) -> None:
        """See ``OgrReader``."""
        handles = {self.gdal.OGR_L_GetName(handle).decode("utf-8", "replace"): handle for handle in self.handles}
        listed = self._template is None and self._schema is not None
        checks.check(self.gdal, self.path, self.guard, handles, layers, self.notes, listed=listed)
        super().check_described(layers)
        wanted, names = self.request.geometry, dict.fromkeys(name for layer in layers for name in layer.geometry_names)
        if wanted is not None and wanted.casefold() not in map(str.casefold, names):
            raise unknown_geometry(wanted, names)
