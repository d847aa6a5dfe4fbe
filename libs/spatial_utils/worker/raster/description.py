"""What a raster is, beside its pixels: all that a copy of it has to say, too."""

import ctypes
import math
from typing import Any

from libs.spatial_utils.worker.ogr.reference import crs_of
from libs.spatial_utils.worker.raster.api import DTYPES, OF_ALPHA, OF_NODATA, PER_DATASET, Api

_OF_GDAL = frozenset({"IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "RPC", "json:ISIS3", "COLOR_PROFILE", "xml:VRT"})
"""Domains that say how a file is made, or that are told otherwise."""
_OF_FILE = ("AREA_OR_POINT=", "TIFFTAG_MINSAMPLEVALUE=", "TIFFTAG_MAXSAMPLEVALUE=", "OVR_RESAMPLING_ALG=")
_STATISTICS = "STATISTICS_"
"""Items that say what the pixels tell better."""


def describe(api: Api, dataset: int) -> dict[str, Any]:
    """Everything of a raster but its pixels, as JSON has it."""
    bands = [api.GDALGetRasterBand(dataset, number + 1) for number in range(api.GDALGetRasterCount(dataset))]
    gcps = gcps_of(api, dataset)
    reference = api.GDALGetSpatialRef(dataset) or (api.GDALGetGCPSpatialRef(dataset) if gcps else None)
    return {
        "width": api.GDALGetRasterXSize(dataset),
        "height": api.GDALGetRasterYSize(dataset),
        "bands": [_band(api, band) for band in bands],
        "mask": has_mask(api, bands[0]) if bands else False,
        "crs": crs_of(api.gdal, reference),
        "transform": transform_of(api, dataset),
        "point": "AREA_OR_POINT=Point" in api.metadata(dataset, ""),
        "gcps": [[gcp["pixel"], gcp["line"], gcp["x"], gcp["y"], gcp["z"]] for gcp in gcps],
        "rpc": sorted(api.metadata(dataset, "RPC")),
        "metadata": _metadata(api, dataset),
    }


def transform_of(api: Api, dataset: int) -> list[float] | None:
    """GDAL's geotransform; None where there is none."""
    values = (ctypes.c_double * 6)()
    return None if api.GDALGetGeoTransform(dataset, values) else [*values]


def gcps_of(api: Api, dataset: int) -> list[dict[str, Any]]:
    """The ground control points."""
    found = api.GDALGetGCPs(dataset)
    names = ("pixel", "line", "x", "y", "z")
    return [{name: getattr(found[index], name) for name in names} for index in range(api.GDALGetGCPCount(dataset))]


def has_mask(api: Api, band: int) -> bool:
    """Whether a mask beside the bands says where there is data: neither nodata nor a band of alpha does."""
    flags = api.GDALGetMaskFlags(band)
    return bool(flags & PER_DATASET) and not flags & (OF_ALPHA | OF_NODATA)


def kept_items(items: list[str]) -> list[str]:
    """The items of a domain that are worth keeping, without the blanks around a value, which XML does not keep."""
    told = (item.strip() for item in items if not item.startswith((*_OF_FILE, _STATISTICS)))
    return [item for item in told if not item.endswith("=")]


def kept_domains(api: Api, handle: int) -> list[str]:
    """The domains of an object that are worth keeping."""
    return [domain for domain in api.domains(handle) if domain not in _OF_GDAL]


def _metadata(api: Api, handle: int) -> dict[str, list[str]]:
    found = {domain: sorted(kept_items(api.metadata(handle, domain))) for domain in kept_domains(api, handle)}
    return {domain: items for domain, items in found.items() if items}


def _band(api: Api, band: int) -> dict[str, Any]:
    dtype = DTYPES.get(api.GDALGetRasterDataType(band), "an unknown type")
    nodata, colour = api.nodata(band, dtype), api.GDALGetRasterColorInterpretation(band)
    rat = api.GDALGetDefaultRAT(band)
    attributes = [api.GDALRATGetColumnCount(rat), api.GDALRATGetRowCount(rat)] if rat else []
    return {
        "dtype": dtype,
        "nodata": None if nodata is None else "nan" if isinstance(nodata, float) and math.isnan(nodata) else _number(nodata),
        "colour": api.GDALGetColorInterpretationName(colour).decode().lower(),
        "palette": palette_of(api, band),
        "name": (api.GDALGetDescription(band) or b"").decode("utf-8", "replace"),
        "scaling": api.scaling(band),
        "unit": (api.GDALGetRasterUnitType(band) or b"").decode("utf-8", "replace"),
        "categories": api.texts(api.GDALGetRasterCategoryNames(band)),
        "attributes": attributes if all(attributes) else [],
        "metadata": _metadata(api, band),
    }


def palette_of(api: Api, band: int) -> list[list[int]] | None:
    """The colours of a palette: red, green, blue, alpha."""
    table = api.GDALGetRasterColorTable(band)
    if not table:
        return None
    entries = (api.GDALGetColorEntry(table, index).contents for index in range(api.GDALGetColorEntryCount(table)))
    return [[entry.c1, entry.c2, entry.c3, entry.c4] for entry in entries]


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(value)
