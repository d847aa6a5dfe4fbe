"""The formats that can be read: how a manifest names them, what they consist of, how they are recognised, who reads them.

One entry of ``FORMATS`` is all that a further format needs, as long as GDAL reads it without a loss. Another one has a folder
of its own in ``worker/formats/``, which its entry names as ``reader``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from libs.models import Rejected
from libs.spatial_utils.sniffing import Kind


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: As manifests write it, and as it is shown.
        kinds: What the first bytes may look like, the usual one first.
        extensions: Of the main file, lower case, the usual one first.
        aliases: Further spellings in manifests, compared without case, spaces, ``-`` and ``_``.
        reader: Folder in ``worker/formats/`` of its reader; empty: GDAL by itself reads it.
        infers: Whether a large file may be parsed by a sample of it.
        driver: GDAL's short name of the one driver that may open it.
        register: C function that registers this driver.
        required: Extensions of files that must lie beside the main file, with the same stem; ``.a|.b``: one of them.
        geometry_parts: Those of them that a table without geometry lacks.
        replaceable: Those of them that can be made again, or done without, where the manifest allows it (``missing_sidecars``).
        optional: Extensions of files that are read as well if they are there.
        suffixes: Suffixes to the whole name, of files that are read as well (``roads.shp.xml``, ``data.gpkg-wal``).
        encoding: How text is encoded: always in UTF-8, as the file declares (XML), or None where the manifest may say.
        named_after_file: Whether there is one layer, and it has the file's name.
        one_layer: Whether there is one layer, whatever its name.
        folder: Whether a file of this format is a folder.
        tabular: Whether a file may hold a table without geometry.
        has_keys: Whether rows have keys that are hidden, as a rule.
        options: Open options of the driver.
        takes: Names of the options in a manifest that say how a file is read.
        nested: Whether it is delivered as archives in an archive.
        seamless: Whether a file may name others of its format, which are read in its place (``seamless.py``).
        picks_geometry: Whether ``geometry`` in a manifest picks one of several geometries of a feature.
        raster: Whether it holds a raster.
        world: Extensions of files that say where a picture lies, for formats that do not say it themselves.
        as_raster: Name of the format that reads the rasters in a file of this one, where it may hold both.
    """

    name: str
    kinds: tuple[Kind, ...]
    extensions: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    reader: str = ""
    infers: bool = False
    driver: str = ""
    register: str = ""
    required: tuple[str, ...] = ()
    geometry_parts: frozenset[str] = frozenset()
    replaceable: frozenset[str] = frozenset()
    optional: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    encoding: Literal["UTF-8", "declared"] | None = "UTF-8"
    named_after_file: bool = False
    one_layer: bool = False
    folder: bool = False
    has_keys: bool = False
    options: tuple[str, ...] = ()
    takes: frozenset[str] = frozenset()
    nested: bool = False
    seamless: bool = False
    picks_geometry: bool = False
    raster: bool = False
    world: tuple[str, ...] = ()
    as_raster: str = ""

    @property
    def is_picture(self) -> bool:
        """Whether most files of this format are mere pictures: a world file beside it makes one a raster."""
        return bool(self.world)

    @property
    def logs(self) -> tuple[str, ...]:
        """Suffixes of files from which a database is completed."""
        return tuple(suffix for suffix in self.suffixes if suffix.startswith("-"))

    @property
    def has_one_layer(self) -> bool:
        """Whether a file of this format, in no archive, becomes one dataset."""
        return self.one_layer or self.named_after_file

    def companions(self, main: str, siblings: Iterable[str]) -> tuple[str, ...]:
        """The names among ``siblings`` (in the folder of ``main``) that belong to it, sorted; extensions in any case."""
        stem = PurePosixPath(main).stem
        wanted = {part for parts in (*self.required, *self.optional) for part in parts.split("|")}
        own = {main + suffix for suffix in self.suffixes}
        return tuple(
            sorted(
                name
                for name in siblings
                if name != main
                and (name in own or (PurePosixPath(name).stem == stem and PurePosixPath(name).suffix.lower() in wanted))
            )
        )


def _gdal(
    name: str, kind: Kind | tuple[Kind, ...], extensions: tuple[str, ...], driver: str, register: str, **more: Any
) -> Format:
    """A format that GDAL reads: ``driver`` is its short name, ``register`` the end of the C function ``RegisterOGR...``."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return Format(name, kinds, extensions, driver=driver, register=f"RegisterOGR{register}", **more)


def _grid(
    name: str,
    kind: Kind | tuple[Kind, ...],
    extensions: tuple[str, ...],
    driver: str,
    *,
    optional: tuple[str, ...] = (),
    reader: str = "",
    **more: Any,
) -> Format:
    """A format of rasters: ``driver`` is GDAL's short name, and the end of the C function ``GDALRegister_...``."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return Format(
        name, kinds, extensions, driver=driver, register=f"GDALRegister_{driver}", reader=reader or "raster", raster=True,
        named_after_file=True, optional=(".prj", *optional), suffixes=(".aux.xml", ".msk", ".ovr"), **more,
    )  # fmt: skip


_PNG_WORLD, _JPEG_WORLD = (".pgw", ".pngw", ".wld"), (".jgw", ".jpgw", ".jpegw", ".wld")
_OF_SHEETS = frozenset({"x", "y", "wkt", "header"})
_OF_TEXT = frozenset({"delimiter", "decimal", "thousands", "null_values", "quote", "skip_rows", "comment"})

FORMATS: tuple[Format, ...] = (
    _gdal(
        "GeoJSON", (Kind.JSON, Kind.JSON_FG), (".geojson", ".json"), "GeoJSON", "GeoJSON",
        aliases=("application/geo+json",), encoding=None, reader="geojson", infers=True, one_layer=True,
    ),
    _gdal(
        "GeoJSONSeq", (Kind.JSON_SEQUENCE, Kind.JSON),
        (".geojsonl", ".geojsons", ".ndgeojson", ".ndjson", ".jsonl", ".nljson", ".json", ".geojson"), "GeoJSONSeq", "GeoJSONSeq",
        aliases=("GeoJSONL", "NDGeoJSON", "NDJSON", "GeoJSON text sequence", "application/geo+json-seq"),
        encoding=None, reader="geojson", infers=True, one_layer=True,
    ),
    _gdal(
        "EsriJSON", Kind.ESRI_JSON, (".esrijson", ".json", ".geojson"), "ESRIJSON", "ESRIJSON",
        aliases=("Esri JSON", "Esri FeatureSet", "ArcGIS JSON"), encoding=None, reader="esrijson",
        one_layer=True,
    ),
    Format("TopoJSON", (Kind.TOPOJSON,), (".topojson", ".json"), encoding=None, reader="topojson"),
    Format(
        "JSON-FG", (Kind.JSON_FG, Kind.JSON), (".jsonfg", ".fgjson", ".json", ".geojson"),
        ("JSONFG", "OGC Features and Geometries JSON", "application/fg+json"), encoding=None, reader="jsonfg",
        picks_geometry=True,
    ),
    _gdal(
        "GPKG", Kind.SQLITE, (".gpkg",), "GPKG", "GeoPackage",
        aliases=("GeoPackage", "OGC GeoPackage"), suffixes=("-wal", "-journal"), has_keys=True, reader="geopackage",
        picks_geometry=True, as_raster="GPKG raster",
    ),
    _gdal(
        "SQLite", Kind.SQLITE, (".sqlite", ".sqlite3", ".spatialite", ".db"), "SQLite", "SQLite",
        aliases=("SpatiaLite", "SQLite3"), suffixes=("-wal", "-journal"), has_keys=True, reader="sqlite",
    ),
    Format(
        "MBTiles", (Kind.SQLITE,), (".mbtiles",), driver="MBTiles", register="GDALRegister_MBTiles", reader="mbtiles",
        as_raster="MBTiles raster",
    ),
    _gdal("PMTiles", Kind.PMTILES, (".pmtiles",), "PMTiles", "PMTiles", reader="pmtiles"),
    _gdal(
        "ESRI Shapefile", Kind.SHAPEFILE, (".shp",), "ESRI Shapefile", "Shape",
        aliases=("Shapefile", "SHP", "ESRI Shape", "ArcGIS Shapefile"),
        required=(".shx", ".dbf"), replaceable=frozenset({".shx", ".dbf"}),
        optional=(".prj", ".cpg", ".cst", ".qpj", ".dbt", ".fpt"), encoding=None, named_after_file=True, reader="shapefile",
    ),
    _gdal(
        "dBASE", Kind.DBASE, (".dbf",), "ESRI Shapefile", "Shape", aliases=("DBF",), optional=(".cpg", ".dbt", ".fpt"),
        encoding=None, named_after_file=True, reader="shapefile",
    ),
    _gdal(
        "FlatGeobuf", Kind.FLATGEOBUF, (".fgb",), "FlatGeobuf", "FlatGeobuf", aliases=("FGB",), reader="flatgeobuf",
        one_layer=True,
    ),
    _gdal(
        "FileGDB", Kind.FOLDER, (".gdb",), "OpenFileGDB", "OpenFileGDB", folder=True, has_keys=True,
        aliases=("OpenFileGDB", "ESRI FileGDB", "File Geodatabase", "ESRI File Geodatabase", "GDB", "Geodatabase"),
        reader="filegdb",
    ),
    _gdal("KML", Kind.KML, (".kml",), "LIBKML", "LIBKML", aliases=("LIBKML",), encoding="declared", reader="kml"),
    _gdal("KMZ", Kind.KML, (".kml",), "LIBKML", "LIBKML", encoding="declared", reader="kml"),
    _gdal(
        "GML", Kind.XML, (".gml", ".xml"), "GML", "GML", aliases=("OGC GML",), optional=(".xsd", ".gfs"),
        options=("DOWNLOAD_SCHEMA=NO", "WRITE_GFS=NO"), encoding="declared", reader="gml",
        picks_geometry=True,
    ),
    Format(
        "GeoRSS", (Kind.GEORSS, Kind.XML), (".rss", ".atom", ".xml", ".georss"), ("RSS", "Atom", "application/rss+xml"),
        encoding="declared", named_after_file=True, reader="georss", picks_geometry=True,
    ),
    Format(
        "HTML", (Kind.HTML_GEOJSON,), (".html", ".htm"), ("GeoJSON in HTML", "web page", "Leaflet", "text/html"),
        encoding="declared", reader="html",
    ),
    _gdal("OSM PBF", Kind.PBF, (".pbf",), "OSM", "OSM", aliases=("PBF", "OpenStreetMap PBF"), reader="osm"),
    _gdal(
        "OSM XML", Kind.OSM_XML, (".osm",), "OSM", "OSM",
        aliases=("OSM", "OpenStreetMap XML"), encoding="declared", reader="osm",
    ),
    Format(
        "LV BAG", (Kind.LV_BAG,), (".xml",), ("LVBAG", "BAG", "BAG 2.0", "BAG Extract"),
        reader="lvbag", encoding="declared", nested=True,
    ),
    _gdal("GPX", Kind.GPX, (".gpx",), "GPX", "GPX", encoding="declared", reader="gpx"),
    Format(
        "CSV", (Kind.TEXT, Kind.TEXT_UTF16), (".csv", ".tsv", ".txt", ".tab"), ("TSV", "text/csv", "delimited text"),
        reader="csv", encoding=None, named_after_file=True, takes=_OF_SHEETS | _OF_TEXT,
    ),
    Format(
        "XLSX", (Kind.XLSX,), (".xlsx", ".xlsm", ".xltx"), ("Excel", "XLSM", "Office Open XML Workbook"),
        reader="spreadsheet", takes=_OF_SHEETS,
    ),
    Format(
        "ODS", (Kind.ODS,), (".ods", ".ots"), ("OpenDocument", "OpenDocument Spreadsheet"),
        reader="spreadsheet", takes=_OF_SHEETS,
    ),
    _gdal(
        "MapInfo TAB", Kind.MAPINFO_TAB, (".tab",), "MapInfo File", "TAB", aliases=("TAB", "MapInfo File", "MapInfo"),
        required=(".dat|.dbf", ".map", ".id"), geometry_parts=frozenset({".map", ".id"}), optional=(".ind",),
        encoding=None, named_after_file=True, reader="mapinfo", seamless=True,
    ),
    _gdal(
        "MapInfo MIF", Kind.MAPINFO_MIF, (".mif",), "MapInfo File", "TAB", aliases=("MIF", "MIF/MID", "MapInfo MIF/MID"),
        required=(".mid",), replaceable=frozenset({".mid"}), encoding=None, named_after_file=True, reader="mapinfo",
    ),
    _gdal(
        "DXF", (Kind.DXF, Kind.DXF_BINARY), (".dxf",), "DXF", "DXF",
        aliases=("AutoCAD DXF", "binary DXF"), encoding=None, reader="dxf",
    ),
    Format(
        "GeoParquet", (Kind.PARQUET,), (".parquet", ".geoparquet", ".pq"), ("Parquet",),
        reader="parquet", named_after_file=True, picks_geometry=True,
    ),
    _grid(
        "GeoTIFF", Kind.TIFF, (".tif", ".tiff", ".gtiff"), "GTiff", reader="geotiff",
        optional=(".tfw", ".tifw", ".tiffw", ".wld"), aliases=("TIFF", "GTiff", "BigTIFF", "COG", "image/tiff"),
    ),
    _grid("PNG", Kind.PNG, (".png",), "PNG", optional=_PNG_WORLD, world=_PNG_WORLD, aliases=("image/png",)),
    _grid(
        "JPEG", Kind.JPEG, (".jpg", ".jpeg"), "JPEG", optional=_JPEG_WORLD, world=_JPEG_WORLD, aliases=("JPG", "image/jpeg"),
    ),
    _grid(
        "AAIGrid", Kind.ASCII_GRID, (".asc", ".grd", ".agr"), "AAIGrid", reader="aaigrid",
        aliases=("ASCII grid", "Esri ASCII grid", "ASC", "Arc/Info ASCII Grid"),
    ),
    _grid("ERDAS Imagine", Kind.ERDAS, (".img",), "HFA", optional=(".ige", ".rrd", ".rde"), aliases=("HFA", "IMG", "ERDAS IMG")),
    _grid("DTED", Kind.DTED, (".dt0", ".dt1", ".dt2"), "DTED"),
    _grid("XYZ", (Kind.TEXT,), (".xyz",), "XYZ", reader="xyz", aliases=("XYZ grid", "ASCII XYZ")),
    _grid("USGS DEM", (Kind.TEXT,), (".dem",), "USGSDEM", aliases=("USGSDEM", "CDED")),
    _grid(
        "SRTM HGT", (Kind.BINARY, Kind.TEXT), (".hgt",), "SRTMHGT", aliases=("SRTMHGT", "HGT", "SRTM"),
    ),
    _grid(
        "ENVI", (Kind.BINARY, Kind.TEXT, Kind.TEXT_UTF16), (".bsq", ".bil", ".bip", ".img"), "ENVI",
        reader="envi", required=(".hdr",),
    ),
    Format(
        "GPKG raster", (Kind.SQLITE,), (".gpkg",), ("GeoPackage raster", "GPKG tiles"), driver="GPKG",
        register="RegisterOGRGeoPackage", suffixes=("-wal", "-journal"), reader="tiled_raster", raster=True,
    ),
    Format(
        "MBTiles raster", (Kind.SQLITE,), (".mbtiles",), ("MBTiles images",), driver="MBTiles",
        register="GDALRegister_MBTiles", suffixes=("-wal", "-journal"), reader="tiled_raster", raster=True,
    ),
    _grid("GRIB", Kind.GRIB, (".grib", ".grib2", ".grb", ".grb2"), "GRIB", aliases=("GRIB2", "GRIB1")),
)  # fmt: skip

KNOWN_BUT_NOT_READ = {
    "xls": "Open it in a spreadsheet program and save it as XLSX.",
    "xlsb": "Open it in a spreadsheet program and save it as XLSX.",
    "fods": "Open it in a spreadsheet program and save it as ODS.",
    "dwg": "Save it as DXF.",
}

_RASTER = "It is not read. Write it as GeoTIFF: gdal_translate in.nc out.tif"
_NO_DATA = "It holds no features. Upload the data itself, for example as GeoPackage or GeoJSON."
WHAT_TO_DO = {
    Kind.FOLDER: "Name the files in it. The only format that is a folder is FileGDB (.gdb).",
    Kind.XLSB: "Open it in a spreadsheet program and save it as XLSX.",
    Kind.OLE: "Open it in a spreadsheet program and save it as XLSX, without a password.",
    Kind.ARCHIVE: "Unpack it, and upload the files in it, or pack them as ZIP or tar.gz.",
    Kind.IMAGE: "It is not read. Write it as GeoTIFF: gdal_translate in.jp2 out.tif",
    Kind.NETCDF: _RASTER,
    Kind.POINT_CLOUD: "Point clouds are not read. Upload features, for example as GeoPackage.",
    Kind.ACCESS: "Export its tables: a personal geodatabase as FileGDB or GeoPackage, other tables as CSV or XLSX.",
    Kind.PDF: _NO_DATA,
    Kind.HTML: "It is a web page, perhaps one that asks for a login. Download the data itself, and upload that.",
    Kind.VRT: "It only refers to other files, which are never followed. Upload these, or convert it: ogr2ogr out.gpkg in.vrt",
    Kind.XML_ERROR: "A server has answered with an error. Read it in a text editor, repeat the request, and upload its answer.",
    Kind.DWG: "Save it as DXF in text form (ASCII).",
    Kind.LFS_POINTER: "Run 'git lfs pull' in the repository that it comes from, and upload the file that is there then.",
}
"""What to do with a file of a kind that no format has."""


def _normal(name: str) -> str:
    return "".join(character for character in name.casefold() if character not in " -_/")


_BY_NAME = {_normal(spelling): entry for entry in FORMATS for spelling in (entry.name, *entry.aliases)}


def formats_of(looks: Kind, among: Sequence[Format] = FORMATS) -> list[Format]:
    """The formats that a file of a kind may have, the likeliest first."""
    return sorted((entry for entry in among if looks in entry.kinds), key=lambda entry: entry.kinds.index(looks))


def find_format(name: str, where: str, *, raster: bool = False) -> Format:
    """The format that a manifest names.

    Args:
        name: As the manifest says; spelling is forgiving.
        where: For the problem: ``files[0].format``.
        raster: Whether the rasters in the file are meant, where it may hold features, too.

    Raises:
        Rejected: ``unknown_format``, naming those that there are.
    """
    found = _BY_NAME.get(_normal(name))
    if found is None:
        listed = ", ".join(entry.name for entry in FORMATS)
        remedy = KNOWN_BUT_NOT_READ.get(_normal(name), f"Use one of: {listed}.")
        raise Rejected.because("unknown_format", where, f"{name!r} is not a format that is read here.", remedy)
    return _BY_NAME[_normal(found.as_raster)] if raster and found.as_raster else found
