"""What a GeoTIFF of a raster says beside its pixels: GDAL writes a file of one pixel in memory, whose tags are copied.

So GeoKeys, colours and metadata are as GDAL has them, and all other programs read them as it does.
"""

import base64
import ctypes
import io
from typing import Any

from libs.spatial_utils import tiff
from libs.spatial_utils.worker.ogr.gdal import strings
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.raster.api import DTYPES, PALETTE, RED, Api, Gcp
from libs.spatial_utils.worker.raster.description import gcps_of, kept_domains, kept_items, transform_of

_OF_PIXELS = frozenset({254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 280, 281, 284, 317, 320, 322, 323, 324,
                        325, 330, 338, 339, 340, 341, 347, tiff.GDAL_METADATA, tiff.GDAL_NODATA})  # fmt: skip
"""Tags that the writer makes itself."""
_PATH = "/vsimem/template.tif"
_RGB = (RED, RED + 1, RED + 2)


def template(api: Api, dataset: int, crs: str | None) -> dict[str, Any]:
    """The tags of a GeoTIFF of a raster.

    Args:
        api: The library, with its driver ``GTiff``.
        dataset: The raster.
        crs: Definition of the CRS to write; empty: none; None: the raster's own.
    """
    bands = [api.GDALGetRasterBand(dataset, number + 1) for number in range(api.GDALGetRasterCount(dataset))]
    colours = [api.GDALGetRasterColorInterpretation(band) for band in bands]
    dtype = DTYPES[api.GDALGetRasterDataType(bands[0])]
    options = ["INTERLEAVE=PIXEL", f"PHOTOMETRIC={_photometric(api, bands, colours, dtype)}", "PROFILE=GDALGeoTIFF"]
    with api.created(_PATH, (1, 1), len(bands), dtype, options) as made:
        _place(api, dataset, made, crs)
        _items(api, dataset, made)
        for index, band in enumerate(bands):
            _band(api, band, api.GDALGetRasterBand(made, index + 1), colours[index], dtype)
    content = api.gdal.written(_PATH)
    api.gdal.VSIUnlink(_PATH.encode())
    return _tags(content)


def _photometric(api: Api, bands: list[int], colours: list[int], dtype: str) -> str:
    if dtype in {"uint8", "uint16"} and colours[0] == PALETTE and api.GDALGetRasterColorTable(bands[0]):
        return "PALETTE"
    return "RGB" if tuple(colours[:3]) == _RGB else "MINISBLACK"


def _place(api: Api, dataset: int, made: int, crs: str | None) -> None:
    gcps, transform = gcps_of(api, dataset), transform_of(api, dataset)
    reference = (api.GDALGetSpatialRef(dataset) or api.GDALGetGCPSpatialRef(dataset)) if crs is None else None
    own = None
    if crs:
        own = reference = api.gdal.OSRNewSpatialReference(None)
        if api.gdal.OSRSetFromUserInput(reference, crs.encode()) != 0:
            raise Unreadable("unknown_crs", "GDAL does not know the CRS that 'crs' names.", "Write an authority code or WKT.")
    try:
        if gcps and transform is None:
            points = (Gcp * len(gcps))(*(Gcp(b"", b"", **gcp) for gcp in gcps))
            api.GDALSetGCPs2(made, len(gcps), points, reference)
            return
        if reference:
            api.GDALSetSpatialRef(made, reference)
        if transform is not None:
            api.GDALSetGeoTransform(made, (ctypes.c_double * 6)(*transform))
    finally:
        if own is not None:
            api.gdal.OSRRelease(own)


def _items(api: Api, source: int, made: int) -> None:
    """Copy the metadata that is worth keeping; and what the dataset alone has."""
    for domain in kept_domains(api, source):
        items = api.metadata(source, domain)
        kept = kept_items(items)
        if domain == "":
            kept += [item for item in items if item.startswith("AREA_OR_POINT=")]
        if kept:
            api.GDALSetMetadata(made, strings(kept), domain.encode())
    if rpc := api.metadata(source, "RPC"):
        api.GDALSetMetadata(made, strings(rpc), b"RPC")


def _band(api: Api, source: int, made: int, colour: int, dtype: str) -> None:
    for domain in kept_domains(api, source):
        if kept := kept_items(api.metadata(source, domain)):
            api.GDALSetMetadata(made, strings(kept), domain.encode())
    if table := api.GDALGetRasterColorTable(source):
        api.GDALSetRasterColorTable(made, table)
    if colour != PALETTE:
        api.GDALSetRasterColorInterpretation(made, colour)
    nodata = api.nodata(source, dtype)
    if nodata is not None:
        api.set_nodata(made, dtype, nodata)
    if name := api.GDALGetDescription(source):
        api.GDALSetDescription(made, name)
    if unit := api.GDALGetRasterUnitType(source):
        api.GDALSetRasterUnitType(made, unit)
    if scaling := api.scaling(source):
        api.GDALSetRasterScale(made, scaling[0])
        api.GDALSetRasterOffset(made, scaling[1])


def _tags(content: bytes) -> dict[str, Any]:
    directory = next(tiff.directories(io.BytesIO(content), len(content)))
    copied = ((code, directory.tag(code)) for code in sorted(directory.tags.keys() - _OF_PIXELS))
    geo = [[code, tag.type, tag.count, base64.b64encode(tag.data).decode()] for code, tag in copied if tag is not None]
    return {
        "geo": geo,
        "nodata": directory.text(tiff.GDAL_NODATA),
        "metadata": directory.text(tiff.GDAL_METADATA),
        "photometric": directory.integer(tiff.PHOTOMETRIC),
        "extra": list(directory.integers(tiff.EXTRA_SAMPLES)),
        "palette": list(directory.integers(tiff.COLOR_MAP)),
    }
