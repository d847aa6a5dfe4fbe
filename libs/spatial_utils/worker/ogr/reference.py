"""What a file says of its CRS."""

import ctypes

from libs.spatial_utils.worker.ogr.gdal import Gdal, strings

_SAME = ("IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES", "CRITERION=EQUIVALENT_EXCEPT_AXIS_ORDER_GEOGCRS")
_WKT2 = ("FORMAT=WKT2_2019",)
_EAST_FIRST = 0
"""OAMS_TRADITIONAL_GIS_ORDER."""
_LARGEST_EPSG_CODE = 32_767
"""Above this, a code is not EPSG's, even where PROJ knows it under that name."""


def warm_up(gdal: Gdal) -> None:
    """Have the commonest CRS ready, which GDAL keeps: a worker that needs no other leaves PROJ's database shut."""
    reference = gdal.OSRNewSpatialReference(None)
    gdal.OSRImportFromEPSG(reference, 4326)
    gdal.OSRIsSameEx(reference, reference, strings(_SAME))
    gdal.OSRRelease(reference)


def crs_of(gdal: Gdal, reference: int | None) -> dict[str, str] | None:
    """What the file says of its CRS: a code only where the definition is the authority's own."""
    if not reference:
        return None
    name = (gdal.OSRGetName(reference) or b"").decode("utf-8", "replace")
    if gdal.OSRIsLocal(reference) or name.lower().startswith("undefined "):
        return None
    authority, code = gdal.OSRGetAuthorityName(reference, None), gdal.OSRGetAuthorityCode(reference, None)
    if authority == b"EPSG" and code and code.isdigit():
        if int(code) > _LARGEST_EPSG_CODE:  # for the reading side to say whose it is
            return {"text": f"EPSG:{int(code)}"}
        official = gdal.OSRNewSpatialReference(None)
        try:
            if gdal.OSRImportFromEPSG(official, int(code)) == 0 and gdal.OSRIsSameEx(reference, official, strings(_SAME)):
                return {"name": f"EPSG:{int(code)}"}
        finally:
            gdal.OSRRelease(official)
    wkt = gdal.text(gdal.OSRExportToWktEx, reference, _WKT2)
    return {"text": wkt} if wkt else None


def by_default(found: dict[str, str] | None) -> dict[str, str] | None:
    """What the library takes for granted where a file says nothing, as what it is."""
    return {"default": found["name"]} if found is not None and "name" in found else found


def swaps_axes(gdal: Gdal, text: str) -> bool | None:
    """Whether a CRS has its northing or latitude before its easting or longitude; None where its definition is not known.

    Args:
        gdal: The library.
        text: A code (``EPSG:25832``), or a definition as PROJJSON.
    """
    reference, count = gdal.OSRNewSpatialReference(None), ctypes.c_int()
    try:
        with gdal.overhearing():
            if gdal.OSRSetFromUserInput(reference, text.encode()) != 0:
                return None
        gdal.OSRSetAxisMappingStrategy(reference, _EAST_FIRST)
        mapping = gdal.OSRGetDataAxisToSRSAxisMapping(reference, ctypes.byref(count))
        return bool(list(mapping[: count.value])[:2] == [2, 1])
    finally:
        gdal.OSRRelease(reference)


def crs_of_code(gdal: Gdal, code: int) -> dict[str, str] | None:
    """The CRS of an EPSG code, as ``crs_of`` says it; None when there is none, or it has heights, which GDAL may leave out."""
    reference = gdal.OSRNewSpatialReference(None)
    try:
        known = gdal.OSRImportFromEPSG(reference, code) == 0 and gdal.OSRGetAxesCount(reference) == 2  # noqa: PLR2004 - x and y
        return crs_of(gdal, reference) if known else None
    finally:
        gdal.OSRRelease(reference)
