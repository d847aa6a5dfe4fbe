"""Writing one file of a format from GeoParquet files, in bounded memory."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from libs.column_names import BBOX, GEOMETRY
from libs.compute.exporting.columns import OutColumn, columns_of, creation_options, quoted, warnings_of
from libs.compute.exporting.formats import CSV, FLATGEOBUF, GEOJSON, KML, SHAPEFILE, Export
from libs.models import Problem, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

_ROWS = 16_384
_LARGEST_SHAPEFILE = 2**31 - 1
"""Bytes of its parts: beyond, many programs read it wrongly."""
_LOCAL = 'LOCAL_CS["Undefined Cartesian SRS"]'
"""For coordinates without a CRS. Without any, GeoPackage would say that they are longitude and latitude."""
_SHAPES = {
    "Point": "Point", "MultiPoint": "MultiPoint", "LineString": "LineString", "MultiLineString": "LineString",
    "Polygon": "Polygon", "MultiPolygon": "Polygon",
}  # fmt: skip
"""Which geometries go into one Shapefile."""


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        features: Rows.
        renamed: Name in the lake to name in the file, where it is another.
        changes: How many features lost something, by what happened and where.
        warnings: What the format cannot hold.
    """

    features: int
    renamed: Mapping[str, str]
    changes: Mapping[str, int]
    warnings: tuple[Problem, ...]


def write_file(
    database: "duckdb.DuckDBPyConnection",
    files: Sequence[Path],
    target: Path,
    export: Export,
    *,
    layer: str,
    crs: str | None,
    names: Sequence[str] | None = None,
) -> Written:
    """Write a file of any format but GeoParquet.

    Args:
        database: With the spatial extension; it is told to keep the order of rows.
        files: GeoParquet as the lake has it, of one schema, in order.
        target: To be created. Its folder holds nothing else.
        export: The format.
        layer: Name of the layer in the file.
        crs: Authority code or WKT of the coordinates; None for a table, and for local coordinates.
        names: Of the columns that are wanted, in this order; None: all.

    Raises:
        Rejected: when the format cannot hold the data at all.
    """
    schema = pq.read_schema(files[0])
    has_geometry = GEOMETRY in schema.names
    columns = columns_of(schema, export, names)
    types = _geometry_types(files) if has_geometry else frozenset()
    _require_holdable(export, types, has_geometry=has_geometry)
    database.execute("SET GLOBAL preserve_insertion_order = true")
    database.execute("SET enable_geoparquet_conversion = false")
    source = f"read_parquet([{', '.join(_text(str(path)) for path in files)}])"
    features, missing, lost = _counted(database, source, columns, has_geometry=has_geometry)
    indexed = not missing
    writing = _Writing(database, source, target, export, columns, layer, crs, types, has_geometry, indexed)
    with _refusals(export):
        writing.write()
    warnings = [*warnings_of(columns, lost, export), *_of_geometry(export, crs, missing, has_geometry=has_geometry)]
    changes = {f"values of {column.source}": losing for column, losing in zip(columns, lost, strict=True) if losing}
    renamed = {column.source: column.name for column in columns if column.name != column.source}
    return Written(features, renamed, changes, tuple(warnings))


def _counted(
    database: "duckdb.DuckDBPyConnection", source: str, columns: Sequence[OutColumn], *, has_geometry: bool
) -> tuple[int, int, list[int]]:
    """Features; those without a geometry or with an empty one; those that lose something, by column. One pass."""
    # An empty geometry has an extent without sides in the lake, a missing one none: no geometry has to be read.
    missing = f"count(*) FILTER (WHERE {BBOX}.xmin IS NULL)" if has_geometry else "0"
    counts = [column.lost or "0" for column in columns]
    features, without, *lost = database.execute(f"SELECT count(*), {', '.join([missing, *counts])} FROM {source}").fetchall()[0]
    return features, without, lost


@dataclass(frozen=True)
class _Writing:
    """One file in the making."""

    database: "duckdb.DuckDBPyConnection"
    source: str
    target: Path
    export: Export
    columns: Sequence[OutColumn]
    layer: str
    crs: str | None
    types: frozenset[str]
    has_geometry: bool
    indexed: bool

    def write(self) -> None:
        if self.export is GEOJSON:
            self._geojson()
        elif self.export is CSV:
            self._csv()
        elif self.export is SHAPEFILE:
            self._shapefile()
        else:
            self._gdal(self.target)

    def _select(self, geometry: str) -> str:
        values = [f"{column.value} AS {quoted(column.name)}" for column in self.columns]
        if self.has_geometry:
            values.append(f"{geometry} AS {GEOMETRY}")
        return f"SELECT {', '.join(values)} FROM {self.source}"

    def _gdal(self, target: Path) -> None:
        options = [f"DRIVER {_text(str(self.export.driver))}", f"LAYER_NAME {_text(self.layer)}"]
        if self.has_geometry:
            options.append(f"SRS {_text(self._srs())}")
            if len(self.types) == 1 and not any(kind.endswith(" Z") for kind in self.types):
                options.append(f"GEOMETRY_TYPE {_text(next(iter(self.types)).upper())}")
        if given := creation_options(self.export, self.columns, indexed=self.indexed):
            options.append(f"LAYER_CREATION_OPTIONS ({', '.join(map(_text, given))})")
        select = self._select(f"ST_GeomFromWKB({GEOMETRY})")
        self.database.execute(f"COPY ({select}) TO {_text(str(target))} (FORMAT gdal, {', '.join(options)})")

    def _srs(self) -> str:
        if self.export is KML:
            return "OGC:CRS84"  # for EPSG:4326 its driver swaps the axes
        return _LOCAL if self.crs is None else "EPSG:4326" if self.crs == "OGC:CRS84" else self.crs

    def _csv(self) -> None:
        select = self._select(f"ST_AsText(ST_GeomFromWKB({GEOMETRY}))")
        self.database.execute(f"COPY ({select}) TO {_text(str(self.target))} (FORMAT csv, HEADER)")

    def _geojson(self) -> None:
        # Ten times as fast as GDAL's driver, and with the shortest numbers that read back as the same.
        pairs = [f"{_text(json.dumps(column.name, ensure_ascii=False) + ':')} || {_json(column)}" for column in self.columns]
        properties = " || ',' || ".join(pairs) or "''"
        geometry = f"coalesce(ST_AsGeoJSON(ST_GeomFromWKB({GEOMETRY}))::VARCHAR, 'null')"
        start, middle, end = _text('{"type":"Feature","properties":{'), _text('},"geometry":'), _text("}")
        query = f"SELECT {start} || {properties} || {middle} || {geometry} || {end} FROM {self.source}"
        name = json.dumps(self.layer, ensure_ascii=False)
        with self.target.open("xb") as file:
            file.write(f'{{"type":"FeatureCollection","name":{name},"features":[\n'.encode())
            between = b""
            for lines in self.database.execute(query).to_arrow_reader(_ROWS):
                if lines.num_rows:
                    whole = pa.LargeListArray.from_arrays([0, lines.num_rows], lines.column(0).cast(pa.large_string()))
                    file.write(between + pc.binary_join(whole, pa.scalar(",\n", pa.large_string()))[0].as_buffer().to_pybytes())
                    between = b",\n"
            file.write(b"\n]}\n")

    def _shapefile(self) -> None:
        folder = self.target.with_name("parts")
        folder.mkdir()
        stem = self.target.name.removesuffix(SHAPEFILE.suffix)
        self._gdal(folder / f"{stem}.shp")
        parts = sorted(folder.iterdir())
        for part in parts:
            if part.stat().st_size > _LARGEST_SHAPEFILE:
                raise Rejected.because(
                    "export_too_large", part.name, f"It would have {part.stat().st_size:,} bytes; a Shapefile holds 2 GiB.",
                    "Write GeoPackage or FlatGeobuf, or export a part of the dataset.",
                )  # fmt: skip
        with zipfile.ZipFile(self.target, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for part in parts:
                archive.write(part, part.name)
                part.unlink()


def _json(column: OutColumn) -> str:
    """A column's value as JSON text. What would not be JSON, a number in a list that is not finite, is written as text."""
    made = f"CAST(to_json({column.value}) AS VARCHAR)"
    finite = f"NOT regexp_matches({made}, '[\\[:,](NaN|-?Infinity)[\\],}}]')"
    return f"coalesce(CASE WHEN {finite} THEN {made} ELSE CAST(to_json({made}) AS VARCHAR) END, 'null')"


def _geometry_types(files: Sequence[Path]) -> frozenset[str]:
    """The geometry types of all files, as their metadata list them."""
    geo = (json.loads(pq.read_metadata(path).metadata[b"geo"]) for path in files)
    return frozenset(kind for each in geo for kind in each["columns"][GEOMETRY]["geometry_types"])


def _require_holdable(export: Export, types: frozenset[str], *, has_geometry: bool) -> None:
    if not has_geometry:
        if not export.holds_tables:
            raise Rejected.because("export_geometry", export.name, "The dataset is a table, and the format holds maps only.",
                                   "Write CSV, GeoPackage or Parquet.")  # fmt: skip
        return
    heights = {kind for kind in types if kind.endswith(" Z")}
    if export is FLATGEOBUF and heights:
        raise Rejected.because("export_geometry", export.name, "The geometries have heights, which its writer loses.",
                               "Write GeoPackage or GeoParquet.")  # fmt: skip
    if export is SHAPEFILE:
        shapes = {_SHAPES.get(kind.removesuffix(" Z"), kind) for kind in types}
        if len(shapes) > 1 or "GeometryCollection" in shapes or (heights and heights != types):
            raise Rejected.because(
                "export_geometry", export.name,
                f"A Shapefile holds geometries of one kind; here are {', '.join(sorted(types))}.",
                "Write GeoPackage or GeoParquet.",
            )  # fmt: skip


def _of_geometry(export: Export, crs: str | None, missing: int, *, has_geometry: bool) -> "Iterator[Problem]":
    if not has_geometry:
        return
    if export is CSV:
        yield Problem(
            code="export_crs", where=export.name, message=f"The column {GEOMETRY!r} holds WKT. The file does not say its CRS: "
            f"{crs or 'none is known'}.", remedy="Tell whoever reads it, or write GeoPackage.",
        )  # fmt: skip
    if export is FLATGEOBUF and missing:
        yield Problem(
            code="export_geometry", where=export.name, message=f"{missing:,} features have no geometry or an empty one. The file "
            "holds them, and therefore has no spatial index.", remedy="Leave them out by a condition, or write GeoPackage.",
        )  # fmt: skip
    if export in {SHAPEFILE, KML} and missing:
        yield Problem(
            code="export_geometry", where=export.name,
            message=f"{missing:,} features have no geometry or an empty one; in the file all of them have none.",
            remedy="GeoPackage keeps the difference.",
        )  # fmt: skip


@contextmanager
def _refusals(export: Export) -> "Iterator[None]":
    """What GDAL refuses is a fault of the data for this format, not of the program."""
    import duckdb

    try:
        yield
    except duckdb.IOException as error:
        said = str(error).removeprefix("IO Error: ").partition("\n")[0]
        if "No space left" in said:
            raise
        raise Rejected.because("export_refused", export.name, f"The writer of the format says: {said}.",
                               "Write GeoPackage or GeoParquet.") from error  # fmt: skip


def _text(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"
