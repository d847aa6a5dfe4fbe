"""What a file is, judged by its first bytes, so that a wrong format in a manifest is met by a sentence that helps."""

import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

HEAD_BYTES = 64 * 1024


class Kind(StrEnum):
    """What the head of a file looks like, in words that an uploader knows."""

    EMPTY = "an empty file"
    FOLDER = "a folder"
    ZIP = "a ZIP archive"
    XLSX = "an Excel workbook (XLSX)"
    XLSB = "a binary Excel workbook (XLSB)"
    ODS = "an OpenDocument spreadsheet (ODS)"
    OLE = "an Excel workbook of the years before 2007 (XLS), or one with a password"
    GZIP = "a gzip file"
    BZIP2 = "a bzip2 file"
    XZ = "an xz file"
    TAR = "a tar archive"
    ARCHIVE = "an archive (7z or RAR)"
    SQLITE = "an SQLite database"
    SHAPEFILE = "a shapefile"
    DBASE = "a dBASE table (DBF)"
    FLATGEOBUF = "FlatGeobuf"
    PARQUET = "Parquet"
    PMTILES = "PMTiles"
    PBF = "OpenStreetMap PBF"
    TIFF = "a TIFF image"
    PNG = "a PNG picture"
    JPEG = "a JPEG picture"
    IMAGE = "a picture in JPEG 2000"
    ASCII_GRID = "an ASCII grid (AAIGrid)"
    ERDAS = "an ERDAS Imagine file (IMG)"
    DTED = "a DTED elevation model"
    GRIB = "GRIB"
    NETCDF = "netCDF or HDF5"
    POINT_CLOUD = "a point cloud (LAS or LAZ)"
    ACCESS = "a Microsoft Access database (MDB or ACCDB)"
    PDF = "a PDF document"
    HTML = "a web page (HTML)"
    HTML_GEOJSON = "a web page (HTML) with GeoJSON in it"
    KML = "KML"
    GPX = "GPX"
    VRT = "a GDAL virtual dataset (VRT)"
    OSM_XML = "OpenStreetMap XML"
    GEORSS = "a news feed with places (GeoRSS)"
    LV_BAG = "an extract of the Dutch BAG (LV BAG)"
    XML_ERROR = "an error report in XML"
    XML = "XML"
    TOPOJSON = "TopoJSON"
    ESRI_JSON = "Esri JSON"
    JSON_FG = "JSON-FG"
    JSON = "JSON"
    JSON_SEQUENCE = "a JSON text sequence"
    MAPINFO_TAB = "a MapInfo table (TAB)"
    MAPINFO_MIF = "MapInfo MIF"
    DXF = "DXF"
    DXF_BINARY = "binary DXF"
    DWG = "an AutoCAD drawing (DWG)"
    LFS_POINTER = "a Git LFS pointer, not the file itself"
    TEXT_UTF16 = "text in UTF-16"
    TEXT = "plain text"
    BINARY = "binary data of an unknown kind"


ARCHIVES = frozenset({Kind.ZIP, Kind.GZIP, Kind.BZIP2, Kind.XZ, Kind.TAR})
"""What can be unpacked."""

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"PK\x03\x04", Kind.ZIP), (b"PK\x05\x06", Kind.ZIP), (b"\x1f\x8b", Kind.GZIP),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind.OLE),
    (b"7z\xbc\xaf\x27\x1c", Kind.ARCHIVE), (b"Rar!", Kind.ARCHIVE), (b"\xfd7zXZ", Kind.XZ), (b"BZh", Kind.BZIP2),
    (b"SQLite format 3\0", Kind.SQLITE), (b"\0\0\x27\x0a", Kind.SHAPEFILE), (b"fgb", Kind.FLATGEOBUF), (b"PAR1", Kind.PARQUET),
    (b"PMTiles", Kind.PMTILES),
    (b"II*\0", Kind.TIFF), (b"MM\0*", Kind.TIFF), (b"II+\0", Kind.TIFF), (b"%PDF", Kind.PDF),
    (b"MM\0+", Kind.TIFF), (b"\x89PNG\r\n", Kind.PNG), (b"\xff\xd8\xff", Kind.JPEG), (b"\0\0\0\x0cjP  ", Kind.IMAGE),
    (b"CDF\x01", Kind.NETCDF), (b"CDF\x02", Kind.NETCDF), (b"\x89HDF\r\n", Kind.NETCDF), (b"LASF", Kind.POINT_CLOUD),
    (b"EHFA_HEADER_TAG", Kind.ERDAS), (b"UHL1", Kind.DTED), (b"GRIB", Kind.GRIB),
    (b"\0\x01\0\0Standard Jet DB\0", Kind.ACCESS), (b"\0\x01\0\0Standard ACE DB\0", Kind.ACCESS),
    (b"AutoCAD Binary DXF", Kind.DXF_BINARY), (b"AC10", Kind.DWG), (b"version https://git-lfs", Kind.LFS_POINTER),
    (b"\xff\xfe", Kind.TEXT_UTF16), (b"\xfe\xff", Kind.TEXT_UTF16), (b"\x1e", Kind.JSON_SEQUENCE),
)  # fmt: skip

_ODS_TYPE = b"application/vnd.oasis.opendocument.spreadsheet"
_PACKAGE = rb"^PK\x03\x04.{26}(?=\[Content_Types\]\.xml|_rels/|docProps/|xl/)(?:.*?PK\x03\x04.{26})?"
"""A package begins with one of these entries. An archive that holds a package as a file does not."""
_ZIP_PATTERNS: tuple[tuple[re.Pattern[bytes], Kind], ...] = (
    (re.compile(rb"^PK\x03\x04.{26}mimetype(?:.{0,64}?)application/vnd\.oasis\.opendocument\.spreadsheet", re.DOTALL), Kind.ODS),
    (re.compile(_PACKAGE + rb"xl/workbook\.bin", re.DOTALL), Kind.XLSB),
    (re.compile(_PACKAGE + rb"xl/[\w./-]+\.xml", re.DOTALL), Kind.XLSX),
)
_PACKAGES = (("xl/workbook.xml", Kind.XLSX), ("xl/workbook.bin", Kind.XLSB))
_XML_ROOTS: tuple[tuple[str, Kind], ...] = (
    ("html", Kind.HTML), ("kml", Kind.KML), ("gpx", Kind.GPX), ("osm", Kind.OSM_XML),
    ("bag(Stand|Mutaties)", Kind.LV_BAG),
    ("(OGRVRTDataSource|VRTDataset)", Kind.VRT), ("(ServiceExceptionReport|ExceptionReport|Error)", Kind.XML_ERROR),
)  # fmt: skip
_DBASE_VERSIONS, _DBASE_HEADER = frozenset(b"\x02\x03\x04\x05\x30\x31\x32\x43\x63\x83\x8b\x8e\xcb\xf5\xfb"), 32
_FOXPRO_VERSIONS, _FOXPRO_PATH = frozenset(b"\x30\x31\x32"), 263
_ESRI_MEMBERS = frozenset({b"geometryType", b"spatialReference", b"objectIdFieldName", b"fieldAliases"})
_ESRI_FEATURES = re.compile(rb'"features"\s*:\s*\[\s*\{\s*(?:"geometry"\s*:\s*\{[^{}]*\}\s*,\s*)?"attributes"\s*:\s*\{')
_FG_CONFORMS = re.compile(rb'"[^"]*json-fg-1[^"]*"')
_FEEDS = re.compile("rss|feed|RDF")
_FEED_PLACES = re.compile(rb"georss\.org/georss|/geo/wgs84_pos#|<georss:|<geo:lat")
"""Places in feeds: their namespaces; prefixes are not always declared."""
_GEOJSON_IN_PAGE = re.compile(
    rb"""\\?["']type\\?["']\s*:\s*\\?["'](?:Feature(?:Collection)?|(?:Multi)?(?:Point|LineString|Polygon)|GeometryCollection)\\?["']"""
    rb"""|&quot;type&quot;\s*:\s*&quot;Feature|type\s*:\s*["']FeatureCollection["'][^]]{0,100}features["']?\s*:\s*\[\s*\{"""
)
"""As JSON writes it, in a text of JavaScript, too; or as only JavaScript does: then the reader says so."""
_PAGE_CHUNK, _OVERLAP = 1024 * 1024, 256
_JSON_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')
_ROOT = re.compile(rb"<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_XML_NOISE = re.compile(rb"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\])?\s*>", re.DOTALL | re.IGNORECASE)
_TEXT_PATTERNS: tuple[tuple[re.Pattern[bytes], Kind], ...] = (
    (re.compile(rb"!table", re.IGNORECASE), Kind.MAPINFO_TAB),
    (re.compile(rb"ncols\s+\d+\s+nrows\s+\d+\s+[xy]ll", re.IGNORECASE), Kind.ASCII_GRID),
    (re.compile(rb"(?ims)version\s+\d+\s.*^\s*(columns|coordsys|delimiter|charset)\b"), Kind.MAPINFO_MIF),
    (re.compile(rb"(?:\s*999\s*\r?\n[^\n]*\n)*\s*0\s*\r?\n\s*SECTION\b"), Kind.DXF),
)


def kind_of(path: Path) -> Kind:
    """What a file, or a folder, looks like."""
    if path.is_dir():
        return Kind.FOLDER
    with path.open("rb") as file:
        kind = kind_of_bytes(file.read(HEAD_BYTES))
        if kind is Kind.HTML:
            file.seek(0)
            return Kind.HTML_GEOJSON if _has_geojson(file) else kind
    return (_packaged_kind(path) or kind) if kind in {Kind.ZIP, Kind.XLSX, Kind.XLSB} else kind


def kind_of_bytes(head: bytes) -> Kind:
    """What a file looks like by its first ``HEAD_BYTES``."""
    if not head:
        return Kind.EMPTY
    found = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if found is Kind.ZIP:
        return next((kind for pattern, kind in _ZIP_PATTERNS if pattern.search(head)), found)
    if found in {Kind.TEXT_UTF16, Kind.JSON_SEQUENCE}:
        return _json_behind(head, found)
    if found is not None:
        return found
    return next((kind for fits, kind in _LAYOUTS if fits(head)), None) or _text_kind(head)


def _json_behind(head: bytes, found: Kind) -> Kind:
    """What stands behind the mark of UTF-16, or behind a record separator: a whole JSON document, or what the mark says."""
    if found is Kind.TEXT_UTF16:
        codec = "utf-16-be" if head[:1] == b"\0" else "utf-16"  # of which the mark, if there is one, says the rest
        text = head[: len(head) // 2 * 2].decode(codec, "replace").encode("utf-8", "replace").lstrip()
        return _json_kind(text) if text[:1] in b"{[" and text else found
    text = head.removeprefix(b"\x1e").lstrip()
    members = json_members(text)
    return Kind.JSON if members.get(b"type") == b"FeatureCollection" or b"features" in members else found


def _packaged_kind(path: Path) -> Kind | None:
    """What a ZIP archive is, by the names in its directory, for those whose first bytes do not tell; None where it has none."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = frozenset(archive.namelist())
            if names >= {"mimetype", "content.xml"}:
                with archive.open("mimetype") as file:
                    return Kind.ODS if file.read(len(_ODS_TYPE)) == _ODS_TYPE else Kind.ZIP
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError):
        return None
    return next((kind for name, kind in _PACKAGES if name in names), Kind.ZIP)


def _has_geojson(page: BinaryIO) -> bool:
    """Whether GeoJSON, as JSON writes it, stands anywhere in a web page."""
    before = b""
    while chunk := page.read(_PAGE_CHUNK):
        if _GEOJSON_IN_PAGE.search(before + chunk):
            return True
        before = chunk[-_OVERLAP:]
    return False


def is_tar(head: bytes) -> bool:
    """Whether a file begins as a tar archive does (POSIX ustar, GNU)."""
    return head[257:262] == b"ustar"


def _text_kind(head: bytes) -> Kind:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        return Kind.EMPTY
    if text[:1] == b"<":
        return _xml_kind(text)
    if text[:1] in b"{[":
        return _json_kind(text)
    found = next((kind for pattern, kind in _TEXT_PATTERNS if pattern.match(text)), None)
    if found is not None:
        return found
    if b"\0" not in head:
        return Kind.TEXT
    return _json_behind(head, Kind.TEXT_UTF16) if _is_unmarked_utf16(head) else Kind.BINARY


def _is_unmarked_utf16(head: bytes) -> bool:
    """Whether one half of the bytes is mostly 0, and the other nowhere nor a control character: Latin text without a mark."""
    high, low = sorted((head[::2], head[1::2]), key=lambda half: half.count(0), reverse=True)
    return 2 * high.count(0) >= len(high) and _CONTROL.search(low) is None


def _is_dbase(head: bytes) -> bool:
    """A version byte, a date, and a header of 32 bytes, 32 for each field, and a terminator; in FoxPro a path behind it."""
    if len(head) < _DBASE_HEADER or head[0] not in _DBASE_VERSIONS or head[2] > 12 or head[3] > 31:  # noqa: PLR2004 - month, day
        return False
    length, record = struct.unpack("<8xHH", head[:12])
    if head[0] in _FOXPRO_VERSIONS and length > _FOXPRO_PATH:
        length -= _FOXPRO_PATH
    whole_fields = (length - _DBASE_HEADER) % 32 in {0, 1, 2}  # the terminator is one byte, or none, or two
    return length > _DBASE_HEADER and record > 0 and (whole_fields or b"\r" in head[length - 2 : length + 1])


def _xml_kind(text: bytes) -> Kind:
    if re.match(rb"<!doctype\s+html", text, re.IGNORECASE):
        return Kind.HTML
    root = xml_root(text)
    if root is None:
        return Kind.XML
    if _FEEDS.fullmatch(root) and _FEED_PLACES.search(text):
        return Kind.GEORSS
    return next((kind for name, kind in _XML_ROOTS if re.fullmatch(name, root, re.IGNORECASE)), Kind.XML)


def xml_root(head: bytes) -> str | None:
    """The name of the root element, without its prefix; None where the head has none."""
    root = _ROOT.search(_XML_NOISE.sub(b"", head))
    return None if root is None else root[1].decode("ascii")


def _json_kind(text: bytes) -> Kind:
    keys = json_members(text)
    if keys.get(b"type") == b"Topology":
        return Kind.TOPOJSON
    if b"type" not in keys and (keys.keys() & _ESRI_MEMBERS or _ESRI_FEATURES.search(text)):
        return Kind.ESRI_JSON
    if b"coordRefSys" in keys or (b"conformsTo" in keys and _FG_CONFORMS.search(text)):
        return Kind.JSON_FG
    return Kind.JSON


def json_members(text: bytes) -> dict[bytes, bytes]:
    """The keys of the outermost object that the head shows, with their values if these are texts."""
    members: dict[bytes, bytes] = {}
    depth, key, after_colon = 0, b"", False
    for match in _JSON_TOKEN.finditer(text):
        token = match[0]
        if token in b"{[":
            depth += 1
        elif token in b"}]":
            depth -= 1
        elif depth != 1:
            continue
        elif token == b":":
            after_colon = True
        elif token == b",":
            after_colon = False
        elif after_colon:
            members[key] = token[1:-1]
        else:
            key = token[1:-1]
            members.setdefault(key, b"")
    return members


_LAYOUTS: tuple[tuple[Callable[[bytes], bool], Kind], ...] = (
    (is_tar, Kind.TAR), (lambda head: b"OSMHeader" in head[:32], Kind.PBF), (_is_dbase, Kind.DBASE),
)  # fmt: skip
"""Formats that are known by more than their first bytes."""
