"""The functions of GDAL's C API that rasters need, beside those of :mod:`libs.spatial_utils.worker.ogr.gdal`."""

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

from libs.spatial_utils.worker.ogr.gdal import Gdal, strings

_V, _I, _S, _D, _I64 = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_double, ctypes.c_int64
_LIST, _PI = ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(ctypes.c_int)
_U64 = ctypes.c_uint64


class ColorEntry(ctypes.Structure):
    """``GDALColorEntry``: red, green, blue, alpha."""

    _fields_ = (("c1", ctypes.c_short), ("c2", ctypes.c_short), ("c3", ctypes.c_short), ("c4", ctypes.c_short))


class Gcp(ctypes.Structure):
    """``GDAL_GCP``: a pixel whose place is known."""

    _fields_ = (("id", _S), ("info", _S), ("pixel", _D), ("line", _D), ("x", _D), ("y", _D), ("z", _D))


_PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "GDALGetDriverByName": (_V, (_S,)),
    "GDALCreate": (_V, (_V, _S, _I, _I, _I, _I, _LIST)),
    "GDALGetRasterXSize": (_I, (_V,)),
    "GDALGetRasterYSize": (_I, (_V,)),
    "GDALGetRasterCount": (_I, (_V,)),
    "GDALGetRasterBand": (_V, (_V, _I)),
    "GDALGetRasterDataType": (_I, (_V,)),
    "GDALGetBlockSize": (None, (_V, _PI, _PI)),
    "GDALGetSpatialRef": (_V, (_V,)),
    "GDALSetSpatialRef": (_I, (_V, _V)),
    "GDALGetGeoTransform": (_I, (_V, ctypes.POINTER(_D))),
    "GDALSetGeoTransform": (_I, (_V, ctypes.POINTER(_D))),
    "GDALGetGCPCount": (_I, (_V,)),
    "GDALGetGCPs": (ctypes.POINTER(Gcp), (_V,)),
    "GDALGetGCPSpatialRef": (_V, (_V,)),
    "GDALSetGCPs2": (_I, (_V, _I, ctypes.POINTER(Gcp), _V)),
    "GDALGetMetadataDomainList": (_LIST, (_V,)),
    "GDALGetMetadata": (_LIST, (_V, _S)),
    "GDALSetMetadata": (_I, (_V, _LIST, _S)),
    "GDALGetDescription": (_S, (_V,)),
    "GDALSetDescription": (None, (_V, _S)),
    "GDALGetRasterColorInterpretation": (_I, (_V,)),
    "GDALSetRasterColorInterpretation": (_I, (_V, _I)),
    "GDALGetColorInterpretationName": (_S, (_I,)),
    "GDALGetRasterColorTable": (_V, (_V,)),
    "GDALSetRasterColorTable": (_I, (_V, _V)),
    "GDALGetColorEntryCount": (_I, (_V,)),
    "GDALGetColorEntry": (ctypes.POINTER(ColorEntry), (_V, _I)),
    "GDALGetRasterNoDataValue": (_D, (_V, _PI)),
    "GDALGetRasterNoDataValueAsInt64": (_I64, (_V, _PI)),
    "GDALGetRasterNoDataValueAsUInt64": (_U64, (_V, _PI)),
    "GDALSetRasterNoDataValue": (_I, (_V, _D)),
    "GDALSetRasterNoDataValueAsInt64": (_I, (_V, _I64)),
    "GDALSetRasterNoDataValueAsUInt64": (_I, (_V, _U64)),
    "GDALGetRasterScale": (_D, (_V, _PI)),
    "GDALGetRasterOffset": (_D, (_V, _PI)),
    "GDALSetRasterScale": (_I, (_V, _D)),
    "GDALSetRasterOffset": (_I, (_V, _D)),
    "GDALGetRasterUnitType": (_S, (_V,)),
    "GDALSetRasterUnitType": (_I, (_V, _S)),
    "GDALGetRasterCategoryNames": (_LIST, (_V,)),
    "GDALGetDefaultRAT": (_V, (_V,)),
    "GDALRATGetColumnCount": (_I, (_V,)),
    "GDALRATGetRowCount": (_I, (_V,)),
    "GDALGetMaskBand": (_V, (_V,)),
    "GDALGetMaskFlags": (_I, (_V,)),
    "GDALRasterIO": (_I, (_V, _I, _I, _I, _I, _I, _V, _I, _I, _I, _I, _I)),
    "GDALDatasetRasterIOEx": (_I, (_V, _I, _I, _I, _I, _I, _V, _I, _I, _I, _I, _PI, _I64, _I64, _I64, _V)),
    "OSRImportFromESRI": (_I, (_V, _LIST)),
}
OF_RASTER_READ_ONLY = 0x02 | 0x40
"""GDAL_OF_RASTER | GDAL_OF_VERBOSE_ERROR."""
DTYPES = {1: "uint8", 2: "uint16", 3: "int16", 4: "uint32", 5: "int32", 6: "float32", 7: "float64", 8: "complex int16",
          9: "complex int32", 10: "complex64", 11: "complex128", 12: "uint64", 13: "int64", 14: "int8", 15: "float16",
          16: "complex float16"}  # fmt: skip
"""GDALDataType."""
PALETTE, RED = 2, 3
"""GDALColorInterp; green and blue follow red."""
ALL_VALID, PER_DATASET, OF_ALPHA, OF_NODATA = 1, 2, 4, 8
"""Flags of a mask."""


class Api:
    """The functions, as attributes."""

    def __init__(self, gdal: Gdal) -> None:
        self.gdal = gdal
        for name, (result, arguments) in _PROTOTYPES.items():
            setattr(self, name, gdal.function(name, result, arguments))

    def __getattr__(self, name: str) -> Any:
        """The functions of the table above, set in the constructor."""
        raise AttributeError(name)

    def open(self, path: str, driver: str, options: Sequence[str] = ()) -> int | None:
        """Open a raster read-only with one driver; None when GDAL refuses."""
        return self.gdal.GDALOpenEx(path.encode(), OF_RASTER_READ_ONLY, strings([driver]), strings(options), None) or None

    @contextmanager
    def created(self, path: str, size: tuple[int, int], bands: int, dtype: str, options: Sequence[str]) -> Iterator[int]:
        """A GeoTIFF to be written, closed afterwards."""
        driver = self.GDALGetDriverByName(b"GTiff")
        number = next(code for code, name in DTYPES.items() if name == dtype)
        dataset = self.GDALCreate(driver, path.encode(), *size, bands, number, strings(options))
        if not dataset:
            raise RuntimeError("GDAL makes no GeoTIFF in memory")
        try:
            yield dataset
        finally:
            self.gdal.GDALClose(dataset)

    def texts(self, found: Any) -> list[str]:
        """A list of C strings that GDAL keeps."""
        texts = takewhile(lambda value: value is not None, found) if found else ()
        return [value.decode("utf-8", "replace") for value in texts]

    def metadata(self, handle: int, domain: str) -> list[str]:
        """The items of a domain, as GDAL writes them (``NAME=value``, or a document)."""
        return self.texts(self.GDALGetMetadata(handle, domain.encode()))

    def domains(self, handle: int) -> list[str]:
        """The names of the domains of metadata, that without a name first."""
        found = self.GDALGetMetadataDomainList(handle)
        try:
            return sorted({"", *self.texts(found)})
        finally:
            self.gdal.CSLDestroy(found)

    def nodata(self, band: int, dtype: str) -> int | float | None:
        """A band's nodata value."""
        there = ctypes.c_int()
        read = {"int64": self.GDALGetRasterNoDataValueAsInt64, "uint64": self.GDALGetRasterNoDataValueAsUInt64}
        value: int | float = read.get(dtype, self.GDALGetRasterNoDataValue)(band, ctypes.byref(there))
        return value if there.value else None

    def set_nodata(self, band: int, dtype: str, value: float) -> None:
        """Set a band's nodata value."""
        write = {"int64": self.GDALSetRasterNoDataValueAsInt64, "uint64": self.GDALSetRasterNoDataValueAsUInt64}
        write.get(dtype, self.GDALSetRasterNoDataValue)(band, value)

    def scaling(self, band: int) -> tuple[float, float] | None:
        """A band's scale and offset; None where it has none, or they change nothing."""
        there, also = ctypes.c_int(), ctypes.c_int()
        scale = self.GDALGetRasterScale(band, ctypes.byref(there))
        offset = self.GDALGetRasterOffset(band, ctypes.byref(also))
        found = (scale if there.value else 1.0, offset if also.value else 0.0)
        return None if found == (1.0, 0.0) else found
