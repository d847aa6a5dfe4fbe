"""Opening large files of features: parsed by Arrow where they are ordinary, by GDAL otherwise."""

from dataclasses import replace
from pathlib import Path

from libs.spatial_utils.worker.formats.geojson import checks as geojson
from libs.spatial_utils.worker.formats.geojson.features.framing import find
from libs.spatial_utils.worker.formats.geojson.features.layer import ParsedLayer
from libs.spatial_utils.worker.formats.geojson.profile import GeoJSONProfile
from libs.spatial_utils.worker.ogr import dataset
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.protocol import Notes, OpenFile, Request, SchemaInferenceFailed, Unreadable


def open_file(gdal: Gdal, request: Request) -> OpenFile:
    """The files of a request: one, or several out of one archive."""
    opened = OpenFile()
    for path, prefix in request.paths:
        layer = _parsed_layer(gdal, path, prefix, request, opened.notes)
        if layer is None:
            dataset.open_layers(gdal, path, prefix, request, opened)
            continue
        opened.names.append(layer.name)
        if request.wants(layer.name):
            opened.layers.append(layer)
            opened.inferred = True
    return opened


def _parsed_layer(gdal: Gdal, path: Path, prefix: str, request: Request, notes: Notes) -> ParsedLayer | None:
    """The layer of a file that need not be read by GDAL; None if it must."""
    frame = find(path, request.driver)
    if frame is None:
        return None
    sample = frame.sample()
    features = frame.parsed(sample)
    exact_times = geojson.has_partly_read_times(sample)
    options = [*request.options, *(["DATE_AS_STRING=YES"] if exact_times else [])]
    try:
        with gdal.open_bytes(frame.document(sample), path.name, request.driver, options) as opened:
            if opened is None:
                return None
            handle = gdal.GDALDatasetGetLayer(opened, 0)
            name = prefix + gdal.OGR_L_GetName(handle).decode("utf-8", "replace")
            contents = GeoJSONProfile.of_features(features)
            contents.look_at(frame.members())
            if contents.page.matched is not None and contents.page.returned is None:  # then all features are to be counted
                return None
            as_gdal = OgrLayer(
                gdal, opened, handle, path, name, replace(request, full_scan=True), contents=contents, exact_times=exact_times
            )
            layer = ParsedLayer(frame, sample, features, as_gdal)
            contents.page.tell(None, notes, path.name if prefix else "")
            return layer
    except (SchemaInferenceFailed, Unreadable):
        return None
    finally:
        gdal.complaints.take()
