"""Files that GDAL reads: opened with the one driver that is declared."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from libs.spatial_utils.worker.formats.dxf import encoding as dxf
from libs.spatial_utils.worker.formats.geojson import checks as geojson
from libs.spatial_utils.worker.formats.geojson.parsing import tidied
from libs.spatial_utils.worker.formats.geojson.profile import GeoJSONProfile
from libs.spatial_utils.worker.formats.geopackage import checks as geopackage
from libs.spatial_utils.worker.formats.gml import checks as gml
from libs.spatial_utils.worker.formats.gml.guard import GmlGuard
from libs.spatial_utils.worker.formats.guards import guarded
from libs.spatial_utils.worker.formats.mapinfo import checks as mapinfo
from libs.spatial_utils.worker.formats.markup import XmlGuard
from libs.spatial_utils.worker.formats.shapefile import parts
from libs.spatial_utils.worker.ogr.catalog import DATABASES, Catalog
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.ogr.layer import OgrLayer
from libs.spatial_utils.worker.ogr.messages import classify
from libs.spatial_utils.worker.protocol import Notes, OpenFile, Request, Unreadable

_IMPLICIT_LAYERS = frozenset({"GPX"})
"""Drivers that always show the same layers, whether the file has features for them or not."""


def open_file(gdal: Gdal, request: Request) -> OpenFile:
    """The datasets of a request: one, or several out of one archive."""
    opened = OpenFile()
    for path, prefix in request.paths:
        open_layers(gdal, path, prefix, request, opened)
    return opened


def open_layers(gdal: Gdal, path: Path, prefix: str, request: Request, opened: OpenFile) -> None:
    """Add the layers of a dataset, their names prefixed, to what is open."""
    contents, exact_times = None, False
    if request.driver in geojson.DRIVERS:
        contents = _contents(path, prefix, request.driver)
        contents.page.tell(contents.features, opened.notes, path.name if prefix else "")
        exact_times = contents.exact_times
    dataset, guard = _open(
        gdal, path, request, opened.notes, exact_times=exact_times, untidy=contents is not None and contents.untidy
    )
    handles = [gdal.GDALDatasetGetLayer(dataset, index) for index in range(gdal.GDALDatasetGetLayerCount(dataset))]
    catalog = Catalog.of(gdal, dataset, request.driver, handles, opened.notes) if request.driver in DATABASES else None
    layers: list[OgrLayer] = []
    for handle in handles:
        name = prefix + gdal.OGR_L_GetName(handle).decode("utf-8", "replace")
        if request.driver in _IMPLICIT_LAYERS and not _has_features(gdal, handle, guard, name.removeprefix(prefix)):
            continue
        opened.names.append(name)
        if not request.wants(name):
            continue
        if catalog:
            table = name.removeprefix(prefix)
            if request.layer is None and _is_internal(catalog, table, name, opened.notes):
                continue
            gdal.complaints.items += catalog.heard.get(table, [])
        layers.append(
            OgrLayer(
                gdal, dataset, handle, path, name, request, contents=contents, exact_times=exact_times, catalog=catalog,
            )
        )  # fmt: skip
        opened.inferred |= layers[-1].inferred
    opened.layers += layers
    if catalog:
        if request.driver == geopackage.DRIVER and request.layer is None:
            _tell_of_unregistered(gdal, dataset, catalog, {name.removeprefix(prefix) for name in opened.names}, opened.notes)
        catalog.tell({layer.own_name: layer.claimed for layer in layers}, opened.notes, prefix)
    if isinstance(guard, GmlGuard):
        gml.check(
            gdal,
            path,
            guard,
            {gdal.OGR_L_GetName(handle).decode("utf-8", "replace"): handle for handle in handles},
            layers,
            opened.notes,
        )
    classify(gdal.complaints.take(), opened.notes, path.name)
    guard.check_columns([layer.schema for layer in layers], _columns(gdal, handles))


def _has_features(gdal: Gdal, handle: int, guard: XmlGuard, name: str) -> bool:
    known = guard.has_features(name)
    return bool(gdal.OGR_L_GetFeatureCount(handle, 1) > 0) if known is None else known


def _is_internal(catalog: Catalog, table: str, name: str, notes: Notes) -> bool:
    """Whether a table belongs to a program rather than to the data: then it is noted and passed over."""
    program = catalog.program(table)
    if program is not None:
        notes.warn(
            "internal_table_skipped",
            f"The table {table!r} is not read: {program} keeps things of its own in it.",
            f"If it is wanted, add another entry for this file, with {json.dumps({'layer': name}, ensure_ascii=False)[1:-1]}.",
            f"layer {name}",
        )
    return program is not None


def _tell_of_unregistered(gdal: Gdal, dataset: int, catalog: Catalog, listed: set[str], notes: Notes) -> None:
    """Note the tables of a GeoPackage that GDAL does not list: once one without geometry is registered, all have to be."""
    known = {name.casefold() for name in listed} | geopackage.registered(gdal, dataset)
    for name, table in catalog.tables.items():
        if name not in known and catalog.program(name) is None:
            notes.warn(
                "table_not_registered",
                f"The table {table.name!r} is not read: it is not registered in 'gpkg_contents', as others are.",
                "If it is wanted, register it there with the data_type 'attributes'.",
                f"layer {table.name}",
            )


def _columns(gdal: Gdal, handles: Iterable[int]) -> Iterator[str]:
    """The names of the attributes of layers, looked up when they are wanted: GDAL reads a layer's definition for them."""
    for handle in handles:
        definition = gdal.OGR_L_GetLayerDefn(handle)
        for index in range(gdal.OGR_FD_GetFieldCount(definition)):
            yield gdal.OGR_Fld_GetNameRef(gdal.OGR_FD_GetFieldDefn(definition, index)).decode("utf-8", "replace")


def _contents(path: Path, prefix: str, driver: str) -> GeoJSONProfile:
    try:
        return GeoJSONProfile.of(path, driver)
    except Unreadable as error:
        if prefix:  # one of several files
            error.place = f"{path.name}, {error.place}"
        raise


def _open(gdal: Gdal, path: Path, request: Request, notes: Notes, *, exact_times: bool, untidy: bool) -> tuple[int, XmlGuard]:
    options = [*request.options]
    if request.driver == parts.DRIVER:
        parts.check(path)
        options.append("ENCODING=")  # decoded here, strictly
        options.append("ADJUST_GEOM_TYPE=ALL_SHAPES")  # not the first one alone tells whether any has measures, which are counted
        if parts.has_wide_integers(path):
            options.append("ADJUST_TYPE=YES")  # looks whether every value is a 64-bit integer
    elif request.driver == mapinfo.DRIVER:
        mapinfo.check_values(path, notes)
    elif request.driver == dxf.DRIVER:
        options.append(dxf.option(path, request.encoding))
    elif exact_times:
        options.append("DATE_AS_STRING=YES")
    guard = guarded(path, request.driver, notes)
    source = gdal.held(tidied(path), path.name) if untidy else str(path)
    dataset = gdal.open(source, request.driver, options)
    classify(gdal.complaints.take(), notes, path.name, opening=dataset is None)
    if dataset is None:
        raise Unreadable(
            "unreadable",
            f"GDAL's {request.driver} reader finds nothing in {path.name!r} that it can read as features or tables.",
            "Check that it holds vector data (not only tiles or images), that it is whole, and that 'format' is right.",
        )
    guard.check_whole()
    return dataset, guard
