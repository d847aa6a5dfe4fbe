"""A geometry of GML by itself, as GDAL reads it."""

import ctypes
from collections.abc import Callable

from libs.spatial_utils.worker.ogr.gdal import Gdal


def complaints(gdal: Gdal) -> Callable[[bytes], str | None]:
    """Gives a function that says of an element why it is no geometry for GDAL, or none without a complaint; None when it is."""
    create = gdal.function("OGR_G_CreateFromGML", ctypes.c_void_p, [ctypes.c_char_p])

    def complaint(text: bytes) -> str | None:
        with gdal.overhearing() as heard:
            geometry = create(text)
            if geometry:
                gdal.OGR_G_DestroyGeometry(geometry)
        return heard[0][1] if heard else None if geometry else "no reason is given"

    return complaint
