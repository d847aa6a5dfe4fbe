"""GDAL's C API, as far as reading needs it. Loaded in the worker only.

The library is the one in pyogrio's wheel. Pyogrio's own interface opens a file with every driver that is registered, turns
curves into lines and strips measures without a word, and logs what GDAL complains about. Here only the declared driver exists
in the process, curves and measures arrive and can be counted, and every complaint is heard: GDAL's C API is a stable contract,
so it is called directly. It also saves half a second of imports.
"""

import ctypes
import importlib.util
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

_V, _I, _S, _D = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_double
_LIST, _PV, _PI, _I64 = (
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_int),
    ctypes.c_int64,
)


class CodedValue(ctypes.Structure):
    """``OGRCodedValue``: a code of a domain and its label, either may be NULL; a NULL code ends the list."""

    _fields_ = (("code", _S), ("label", _S))


class _Moment(ctypes.Structure):
    """The date in ``OGRField``."""

    _fields_ = (
        ("year", ctypes.c_int16),
        ("month", ctypes.c_uint8),
        ("day", ctypes.c_uint8),
        ("hour", ctypes.c_uint8),
        ("minute", ctypes.c_uint8),
        ("zone", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8),
        ("second", ctypes.c_float),
    )


class Bound(ctypes.Union):
    """``OGRField``, as far as a range has such bounds. The domain's field type says which member holds."""

    _fields_ = (("integer", _I), ("integer64", _I64), ("real", _D), ("moment", _Moment))


_PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    # name: (result, arguments); strings that GDAL allocates come back as void pointers, to be freed
    "GDALVersionInfo": (_S, (_S,)),
    "CPLSetConfigOption": (None, (_S, _S)),
    "CPLSetErrorHandler": (_V, (_V,)),
    "CPLErrorReset": (None, ()),
    "VSIFree": (None, (_V,)),
    "VSIFileFromMemBuffer": (_V, (_S, _S, ctypes.c_uint64, _I)),
    "VSIFCloseL": (_I, (_V,)),
    "VSIUnlink": (_I, (_S,)),
    "VSIGetMemFileBuffer": (_V, (_S, ctypes.POINTER(ctypes.c_uint64), _I)),
    "GDALOpenEx": (_V, (_S, ctypes.c_uint, _LIST, _LIST, _LIST)),
    "GDALClose": (_I, (_V,)),
    "GDALDatasetGetLayerCount": (_I, (_V,)),
    "GDALDatasetGetLayer": (_V, (_V, _I)),
    "GDALGetMetadataItem": (_S, (_V, _S, _S)),
    "GDALDatasetExecuteSQL": (_V, (_V, _S, _V, _S)),
    "GDALDatasetReleaseResultSet": (None, (_V, _V)),
    "GDALDatasetGetFieldDomain": (_V, (_V, _S)),
    "GDALDatasetGetRelationshipNames": (_LIST, (_V, _LIST)),
    "GDALDatasetGetRelationship": (_V, (_V, _S)),
    "GDALRelationshipGetCardinality": (_I, (_V,)),
    "GDALRelationshipGetType": (_I, (_V,)),
    "GDALRelationshipGetLeftTableName": (_S, (_V,)),
    "GDALRelationshipGetRightTableName": (_S, (_V,)),
    "GDALRelationshipGetMappingTableName": (_S, (_V,)),
    "GDALRelationshipGetLeftTableFields": (_LIST, (_V,)),
    "GDALRelationshipGetRightTableFields": (_LIST, (_V,)),
    "GDALRelationshipGetLeftMappingTableFields": (_LIST, (_V,)),
    "GDALRelationshipGetRightMappingTableFields": (_LIST, (_V,)),
    "CSLDestroy": (None, (_LIST,)),
    "OGR_FldDomain_GetDescription": (_S, (_V,)),
    "OGR_FldDomain_GetDomainType": (_I, (_V,)),
    "OGR_FldDomain_GetFieldType": (_I, (_V,)),
    "OGR_CodedFldDomain_GetEnumeration": (ctypes.POINTER(CodedValue), (_V,)),
    "OGR_RangeFldDomain_GetMin": (ctypes.POINTER(Bound), (_V, ctypes.POINTER(ctypes.c_bool))),
    "OGR_RangeFldDomain_GetMax": (ctypes.POINTER(Bound), (_V, ctypes.POINTER(ctypes.c_bool))),
    "OGR_GlobFldDomain_GetGlob": (_S, (_V,)),
    "OGR_L_GetName": (_S, (_V,)),
    "OGR_L_GetSpatialRef": (_V, (_V,)),
    "OGR_L_GetGeomType": (_I, (_V,)),
    "OGR_L_GetFeatureCount": (_I64, (_V, _I)),
    "OGR_L_TestCapability": (_I, (_V, _S)),
    "OGR_L_GetLayerDefn": (_V, (_V,)),
    "OGR_L_GetFIDColumn": (_S, (_V,)),
    "OGR_L_SetIgnoredFields": (_I, (_V, _LIST)),
    "OGR_L_GetNextFeature": (_V, (_V,)),
    "OGR_L_GetFeature": (_V, (_V, _I64)),
    "OGR_L_SetNextByIndex": (_I, (_V, _I64)),
    "OGR_L_GetArrowStream": (ctypes.c_bool, (_V, _V, _LIST)),
    "OGR_F_GetFieldAsString": (_S, (_V, _I)),
    "OGR_F_GetGeometryRef": (_V, (_V,)),
    "OGR_F_Destroy": (None, (_V,)),
    "OGR_FD_GetFieldCount": (_I, (_V,)),
    "OGR_FD_GetFieldDefn": (_V, (_V, _I)),
    "OGR_FD_GetGeomFieldCount": (_I, (_V,)),
    "OGR_FD_GetGeomFieldDefn": (_V, (_V, _I)),
    "OGR_GFld_GetNameRef": (_S, (_V,)),
    "OGR_GFld_GetSpatialRef": (_V, (_V,)),
    "OGR_Fld_GetNameRef": (_S, (_V,)),
    "OGR_Fld_GetType": (_I, (_V,)),
    "OGR_Fld_SetType": (None, (_V, _I)),
    "OGR_Fld_GetSubType": (_I, (_V,)),
    "OGR_Fld_GetWidth": (_I, (_V,)),
    "OGR_Fld_GetTZFlag": (_I, (_V,)),
    "OGR_Fld_GetDomainName": (_S, (_V,)),
    "OGR_Fld_GetAlternativeNameRef": (_S, (_V,)),
    "OGR_Fld_GetComment": (_S, (_V,)),
    "OSRNewSpatialReference": (_V, (_S,)),
    "OSRRelease": (None, (_V,)),
    "OSRGetAuthorityName": (_S, (_V, _S)),
    "OSRGetAuthorityCode": (_S, (_V, _S)),
    "OSRGetName": (_S, (_V,)),
    "OSRGetAxesCount": (_I, (_V,)),
    "OSRIsLocal": (_I, (_V,)),
    "OSRSetFromUserInput": (_I, (_V, _S)),
    "OSRSetAxisMappingStrategy": (None, (_V, _I)),
    "OSRGetDataAxisToSRSAxisMapping": (_PI, (_V, _PI)),
    "OSRImportFromEPSG": (_I, (_V, _I)),
    "OSRIsSameEx": (_I, (_V, _V, _LIST)),
    "OSRExportToWktEx": (_I, (_V, _PV, _LIST)),
    "OSRExportToPROJJSON": (_I, (_V, _PV, _LIST)),
    "OSRSetPROJSearchPaths": (None, (_LIST,)),
    "OSRSetPROJEnableNetwork": (None, (_I,)),
    "OGR_G_CreateFromWkb": (_I, (_V, _V, _PV, _I)),
    "OGR_G_CreateFromWkt": (_I, (ctypes.POINTER(_S), _V, _PV)),
    "OGR_G_DestroyGeometry": (None, (_V,)),
    "OGR_G_WkbSize": (_I, (_V,)),
    "OGR_G_ExportToIsoWkb": (_I, (_V, _I, _V)),
    "OGR_G_GetGeometryType": (_I, (_V,)),
    "OGR_G_GetGeometryCount": (_I, (_V,)),
    "OGR_G_GetGeometryRef": (_V, (_V, _I)),
    "OGR_G_GetLinearGeometry": (_V, (_V, _D, _LIST)),
    "OGR_G_HasCurveGeometry": (_I, (_V, _I)),
    "OGR_G_IsMeasured": (_I, (_V,)),
    "OGR_G_SetMeasured": (None, (_V, _I)),
    "OGR_G_CloseRings": (None, (_V,)),
    "OGR_G_Clone": (_V, (_V,)),
    "OGR_G_CreateGeometry": (_V, (_I,)),
    "OGR_G_AddGeometryDirectly": (_I, (_V, _V)),
    "OGR_G_ForceToMultiPolygon": (_V, (_V,)),
    "OGR_G_ForceToPolygon": (_V, (_V,)),
}

OF_VECTOR_READ_ONLY = 0x04 | 0x40
"""GDAL_OF_VECTOR | GDAL_OF_VERBOSE_ERROR."""
_SOURCE_FILE = re.compile(r"/\S*/(\w+\.(?:cpp|c|h))\b")
"""Where GDAL was built: of no use to an uploader."""
DEBUG, WARNING, FAILURE = 1, 2, 3
INTEGER, REAL, STRING, BINARY, DATE, TIME, DATE_TIME, INTEGER64 = 0, 2, 4, 8, 9, 10, 11, 12
"""OGRFieldType."""
BOOLEAN, INT16, FLOAT32 = 1, 2, 3
"""OGRFieldSubType."""
_OPEN_RING = "Non closed ring"
MAX_COMPLAINTS = 200


@dataclass
class Complaints:
    """What GDAL said, in order, each thing once.

    Attributes:
        hidden: The folder of the file, with its slash: no uploader knows it.
        dropped: How much went beyond the limit.
        of_open_rings: Whether GDAL has met a ring that does not end where it begins.
    """

    items: list[tuple[int, str]] = field(default_factory=list)
    hidden: str = ""
    dropped: int = 0
    of_open_rings: bool = False

    def add(self, severity: int, message: str) -> None:
        """Note a complaint of a severity."""
        if self.hidden:
            message = message.replace(self.hidden, "")
        self.of_open_rings |= _OPEN_RING in message
        if (severity, message) in self.items:
            return
        if len(self.items) < MAX_COMPLAINTS:
            self.items.append((severity, message))
        else:
            self.dropped += 1

    def take(self) -> list[tuple[int, str]]:
        """Everything since the last call."""
        taken, self.items = self.items, []
        return taken


class Gdal:
    """The library: loaded, quiet, without a single driver, without network."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec("pyogrio")
        if spec is None or not spec.submodule_search_locations:
            raise RuntimeError("pyogrio, whose wheel carries GDAL, is not installed.")
        folder = Path(spec.submodule_search_locations[0])
        # An extension module of pyogrio is linked to its GDAL: symbols are found through it, whatever the library is called.
        extension = next(iter(sorted(folder.glob("_ogr.*.so"))))
        self._library = ctypes.CDLL(os.fspath(extension), mode=os.RTLD_LOCAL | os.RTLD_NOW)
        for name, (result, arguments) in _PROTOTYPES.items():
            setattr(self, name, self.function(name, result, arguments))
        self.data_folders = [data for data in (folder / "gdal_data", folder / "proj_data") if data.is_dir()]
        self.complaints = Complaints()
        self._held = dict[str, bytes]()
        handler_type = ctypes.CFUNCTYPE(None, _I, _I, _S)
        self._handler = handler_type(self._on_error)  # kept: GDAL holds only the address
        self.CPLSetErrorHandler(ctypes.cast(self._handler, _V))
        for data in self.data_folders:
            if data.name == "gdal_data":
                self.configure({"GDAL_DATA": str(data)})
            else:
                self.OSRSetPROJSearchPaths(strings([str(data)]))
        self.OSRSetPROJEnableNetwork(0)

    def __getattr__(self, name: str) -> Any:
        """The C functions of the table above, set in the constructor."""
        raise AttributeError(name)

    def function(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        """A C function that the table above does not have: one of a single format."""
        function = getattr(self._library, name)
        function.restype, function.argtypes = result, list(arguments)
        return function

    def _on_error(self, severity: int, _number: int, message: bytes | None) -> None:
        text = _SOURCE_FILE.sub(r"\1", (message or b"").decode("utf-8", "replace").strip())
        if severity >= WARNING or (severity == DEBUG and "gnoring " in text):
            self.complaints.add(severity, text)

    @property
    def version(self) -> str:
        """GDAL's release, such as ``3.12.4``."""
        return str(self.GDALVersionInfo(b"RELEASE_NAME").decode())

    def configure(self, options: dict[str, str]) -> None:
        """Set configuration options of the process."""
        for name, value in options.items():
            self.CPLSetConfigOption(name.encode(), value.encode())

    def register(self, function: str) -> None:
        """Register a driver by its C function, such as ``RegisterOGRShape``."""
        getattr(self._library, function)()

    def open(self, path: str, driver: str, options: Sequence[str]) -> int | None:
        """Open a dataset read-only with one driver; None when GDAL refuses, see ``complaints``."""
        handle = self.GDALOpenEx(os.fsencode(path), OF_VECTOR_READ_ONLY, strings([driver]), strings(options), None)
        return handle or None

    def held(self, data: bytes, name: str) -> str:
        """The path, for GDAL, of a file in memory."""
        path = f"/vsimem/{len(self._held)}/{name}"
        self.VSIFCloseL(self.VSIFileFromMemBuffer(os.fsencode(path), data, len(data), 0))
        self._held[path] = data  # GDAL reads it where it lies
        return path

    def written(self, path: str) -> bytes:
        """What GDAL has written into a file in memory; nothing where there is no such file."""
        length = ctypes.c_uint64()
        start = self.VSIGetMemFileBuffer(os.fsencode(path), ctypes.byref(length), 0)
        return ctypes.string_at(start, length.value) if start else b""

    @contextmanager
    def open_bytes(self, data: bytes, name: str, driver: str, options: Sequence[str]) -> Iterator[int | None]:
        """Open what a file of a name would hold, like ``open``."""
        path = self.held(data, name)
        dataset = self.open(path, driver, options)
        try:
            yield dataset
        finally:
            if dataset:
                self.GDALClose(dataset)
            self.VSIUnlink(os.fsencode(path))
            del self._held[path]

    def query(self, dataset: int, sql: str) -> str | None:
        """The first value of the first row of a query, as text; None without rows."""
        result = self.GDALDatasetExecuteSQL(dataset, sql.encode(), None, None)
        if not result:
            return None
        try:
            feature = self.OGR_L_GetNextFeature(result)
            if not feature:
                return None
            try:
                value: bytes = self.OGR_F_GetFieldAsString(feature, 0)
                return value.decode("utf-8", "replace")
            finally:
                self.OGR_F_Destroy(feature)
        finally:
            self.GDALDatasetReleaseResultSet(dataset, result)

    def names(self, function: Any, handle: int, *arguments: Any) -> list[str]:
        """The texts of a C function whose list of strings is the caller's to free."""
        found = function(handle, *arguments)
        try:
            return [value.decode("utf-8", "replace") for value in takewhile(bool, found)] if found else []
        finally:
            self.CSLDestroy(found)

    @contextmanager
    def overhearing(self) -> Iterator[list[tuple[int, str]]]:
        """Keep what GDAL says meanwhile from being weighed with all else; it is in the list afterwards."""
        before, heard = self.complaints.take(), list[tuple[int, str]]()
        try:
            yield heard
        finally:
            heard += self.complaints.take()
            self.complaints.items = before

    def text(self, export: Any, handle: int, options: Sequence[str] = ()) -> str | None:
        """The result of an ``OSRExportTo...`` function; None when it fails."""
        pointer = ctypes.c_void_p()
        try:
            if export(handle, ctypes.byref(pointer), strings(options)) != 0 or not pointer.value:
                return None
            return ctypes.string_at(pointer.value).decode("utf-8", "replace")
        finally:
            if pointer.value:
                self.VSIFree(pointer)

    @contextmanager
    def geometry(self, wkb: bytes) -> Iterator[int | None]:
        """A geometry from WKB, or None when it is not valid WKB."""
        pointer = ctypes.c_void_p()
        failed = self.OGR_G_CreateFromWkb(wkb, None, ctypes.byref(pointer), len(wkb)) != 0
        try:
            yield None if failed else pointer.value
        finally:
            if pointer.value:
                self.OGR_G_DestroyGeometry(pointer)

    def wkb_from_wkt(self, text: str) -> bytes | None:
        """Well-Known Text as WKB; None when it is not valid, or when something follows it."""
        pointer, rest = ctypes.c_void_p(), ctypes.c_char_p(text.encode())
        failed = self.OGR_G_CreateFromWkt(ctypes.byref(rest), None, ctypes.byref(pointer)) != 0
        try:
            return None if failed or not pointer.value or (rest.value or b"").strip() else self.wkb(pointer.value)
        finally:
            if pointer.value:
                self.OGR_G_DestroyGeometry(pointer)

    def wkb(self, geometry: int) -> bytes:
        """A geometry as little-endian ISO WKB."""
        buffer = ctypes.create_string_buffer(self.OGR_G_WkbSize(geometry))
        if self.OGR_G_ExportToIsoWkb(geometry, 1, buffer) != 0:
            raise ValueError("the geometry cannot be written as WKB")
        return buffer.raw


def strings(values: Sequence[str]) -> Any:
    """A NULL-terminated list of C strings."""
    array = (ctypes.c_char_p * (len(values) + 1))()
    array[: len(values)] = [os.fsencode(value) for value in values]
    return array
