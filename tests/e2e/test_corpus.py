"""Every file of the open corpus, the whole way: in the lake with what GDAL reads, or rejected with a reason to act on.

Each file is submitted as its owner would: with the format that it is, and as local coordinates where it carries no CRS.
"""

import csv
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest

from libs.models import Report, Status
from libs.models.settings import Settings
from libs.pipeline.process import process
from libs.pipeline.upload import Upload, upload_all
from libs.platform import open_stack
from libs.spatial_utils.formats import find_format

FORMATS = {
    "CSV": "CSV", "ESRI Shapefile": "ESRI Shapefile", "GML": "GML", "GPKG": "GPKG", "GPX": "GPX", "GeoJSON": "GeoJSON",
    "GeoJSONSeq": "GeoJSONSeq", "OpenFileGDB": "FileGDB", "LIBKML": "KML", "MapInfo File": "MapInfo TAB",
    "FlatGeobuf": "FlatGeobuf",   "GeoParquet": "GeoParquet", "Parquet": "GeoParquet",
}  # fmt: skip
"""How the corpus' lists name a driver, and how a manifest does."""


@dataclass(frozen=True)
class Item:
    """A line of the corpus' lists."""

    path: Path
    name: str
    driver: str
    features: int | None
    crs: str

    @property
    def batch_id(self) -> str:
        return "".join(char if char.isalnum() else "-" for char in self.name)[-110:].strip("-")


def corpus() -> list[Item]:
    root = Path(os.environ["SPATIAL_ETL_CORPUS"])
    lists = Path(os.environ.get("SPATIAL_ETL_CORPUS_LISTS", Path(__file__).parents[3] / "shared" / "corpus"))
    items = []
    for folder in ("real", "peers"):
        with (lists / f"{folder}.tsv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row["status"] != "sidecar":
                    features = int(row["features_read"]) if row["features_read"].isdigit() else None
                    items.append(
                        Item(root / folder / row["path"], f"{folder}/{row['path']}", row["driver"], features, row["crs"])
                    )
    return items


_GEOTOOLS = "peers/geotools/modules/plugin/shapefile/src/test/resources/org/geotools/data/shapefile/test-data"
COUNTED_OTHERWISE = {
    "real/xlsx/us_zipcodes.xlsx": -1,
    "real/osm/liechtenstein-latest.osm.pbf": 95,
    "peers/pyogrio/pyogrio/tests/fixtures/sample.osm.pbf": 51,
}
"""Features more or less than GDAL's: it takes the row of column names for one, leaves out nodes with some tags only, and knows no
line whose nodes come later."""
NOT_TAKEN = {
    "peers/fiona/tests/data/collection-pp.txt": "format_mismatch",
    "peers/fiona/tests/data/sequence.txt": "format_mismatch",
    "peers/fiona/tests/data/trio.seq": "format_mismatch",
    "peers/mapshaper/test/data/dbf/cpg/utf16.dbf": "unknown_encoding",
    **{
        f"peers/mapshaper/test/data/dbf/{name}.dbf": "wrong_encoding"
        for name in ("big5", "eucjp", "gb2312", "gbk", "latin1", "periphereies", "shiftjis")
    },
    "peers/mapshaper/test/data/shapefile/shplib/3dpoints.shp": "count_mismatch",
    **{
        f"{_GEOTOOLS}/mzvalues/{name}.shp": "coordinates_impossible"  # metres, or nothing at all, with a .prj of WGS 84
        for name in (
            "mlines",
            "mmultipoints",
            "mpoints",
            "mpolygons",
            "mzlines",
            "mzpolygons",
            "zlines",
            "zmmultipoints",
            "zmpoints",
            "zmultipoints",
            "zpolygons",
        )
    },
    "peers/mapshaper/test/data/dbf/ldid/chinese.shp": "coordinates_impossible",
    "peers/mapshaper/test/data/shapefile/geo_lines.shp": "coordinates_impossible",  # a longitude beyond 180 degrees
    "peers/shapefile-js/test/data/noshp.zip": "archive_without_data",
}
"""What GDAL reads and is rejected all the same, by file or by driver, and the code of the reason."""

ITEMS = corpus() if "SPATIAL_ETL_CORPUS" in os.environ else []
pytestmark = [
    pytest.mark.skipif(not ITEMS, reason="SPATIAL_ETL_CORPUS is not set"),
    pytest.mark.filterwarnings("ignore:Measured .M. geometry types:UserWarning"),  # of pyogrio, as the second reader
]


def spec(item: Item, uri: str) -> dict[str, object]:
    """What the file's owner would write."""
    driver = item.driver.partition(" ")[0] if item.driver.startswith(("GeoParquet", "Parquet")) else item.driver
    suffix = item.path.suffix.lower()
    declared: dict[str, object] = {"path": uri, "type": "vector", "format": FORMATS.get(driver, driver)}
    if driver == "OSM":
        declared["format"] = "OSM PBF" if suffix == ".pbf" else "OSM XML"
    if driver == "-":
        declared["format"] = {".geojson": "GeoJSON", ".gpkg": "GPKG"}.get(suffix, "ESRI Shapefile")
    if suffix == ".dbf":
        declared |= {"format": "dBASE", "type": "tabular"}
        declared.pop("crs", None)
    if item.driver.startswith("Parquet"):
        declared["type"] = "tabular"
        declared.pop("crs", None)
    if driver in {"GTiff", "AAIGrid"}:
        declared["type"] = "raster"
    if "none" in item.crs or "Undefined" in item.crs:
        declared["crs"] = "EPSG:4326" if "," in item.crs else "none"  # one that some of its layers have, or local coordinates
    if driver == "CSV":
        header = item.path.read_text(encoding="utf-8", errors="replace").splitlines()[0].lower()
        wkt = next((name for name in ("wkt", "geometry", "geom") if name in header.replace('"', "").split(",")), None)
        if wkt is None:
            declared.pop("crs", None)
            declared["type"] = "tabular"
        else:
            names = item.path.read_text(encoding="utf-8", errors="replace").splitlines()[0].replace('"', "").split(",")
            declared["options"] = {"wkt": next(name for name in names if name.lower() == wkt)}
    return declared


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory):
    """The whole corpus in one landing zone, processed once; the reports by batch."""
    with open_stack(Settings(spatial_etl_home=tmp_path_factory.mktemp("corpus"), _env_file=None)) as stack:
        for item in ITEMS:
            declared_format = str(spec(item, "")["format"])
            if item.path.is_file():
                upload = Upload(item.path, find_format(declared_format, ""), item.batch_id, "files[0]")
                upload_all(stack.landing, [upload], b"", item.batch_id)
                uri = stack.landing.store.uri(upload.key)
                manifest = {
                    "batch_id": item.batch_id,
                    "uploader": "corpus",
                    "intent": "ingest_vector",
                    "files": [spec(item, uri)],
                    "on_change": "allow",  # many files have the same name
                }
                stack.landing.submit(json.dumps(manifest).encode(), item.batch_id)
        reports = {report.batch_id: report for report in process(stack)}
        yield stack, reports
        _print_table(reports)


def _print_table(reports: dict[str, Report]) -> None:
    print(f"\n{'file':90} {'GDAL':>7} {'lake':>7}  outcome")
    tally: Counter[str] = Counter()
    for item in ITEMS:
        if report := reports.get(item.batch_id):
            rows = sum(dataset.features or 0 for dataset in report.datasets)
            why = "; ".join(f"{problem.code}: {problem.message}" for problem in report.problems)
            expected = "-" if item.features is None else item.features
            print(f"{item.name[-90:]:90} {expected:>7} {rows:>7}  {report.status} {why[:300]}")
            tally[report.status] += 1
    print(dict(tally))


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_is_in_the_lake_as_gdal_reads_it_or_rejected_with_a_reason(ingested, item: Item) -> None:
    _, reports = ingested
    if not item.path.exists():
        pytest.fail(f"{item.path} is listed but not there")
    report = reports[item.batch_id]
    if report.status is Status.REJECTED:
        codes = {problem.code for problem in report.problems}
        assert item.features is None or codes == {NOT_TAKEN.get(item.name) or NOT_TAKEN.get(item.driver)}
        assert all(problem.where and problem.message and problem.remedy for problem in report.problems)
        return
    assert report.status is Status.SUCCESS, report.problems
    if spec(item, "")["type"] == "raster":
        assert [dataset.kind for dataset in report.datasets] == ["raster"]
        return
    features = sum(dataset.features or 0 for dataset in report.datasets)
    wanted = None if item.features is None else item.features + COUNTED_OTHERWISE.get(item.name, 0)
    assert features == wanted if wanted is not None else features > 0
    crs = None if spec(item, "").get("crs") == "none" else "EPSG:4326"
    assert {dataset.crs for dataset in report.datasets if dataset.geometry_types} <= {crs}


KEPT_BEYOND_GDAL = {
    "real/shp/farms_33S.shp": "whole numbers that GDAL makes floating-point ones",
    "peers/fiona/tests/data/grenada.geojson": "the feature's id",
    "peers/mapshaper/test/data/dbf/duplicate_fields.dbf": "column names that GDAL changes in another way",
    "peers/mapshaper/test/data/geopackage/Oregon_customCRS.gpkg": "a primary key of the data's own",
    "peers/mapshaper/test/data/geopackage/world_land_robin.gpkg": "a primary key of the data's own",
    "peers/mapshaper/test/data/dbf/comma_separated.dbf": "what stands behind a decimal comma",
}
EXACT = [
    item
    for item in ITEMS
    if item.driver in {"ESRI Shapefile", "GPKG", "FlatGeobuf", "MapInfo File", "GeoJSON"}
    and item.path.suffix.lower() != ".zip"
    and item.features
    and item.name not in KEPT_BEYOND_GDAL
]


@pytest.mark.parametrize("item", EXACT, ids=lambda item: item.name)
def test_every_attribute_of_every_feature_is_kept(ingested, item: Item) -> None:
    stack, reports = ingested
    report = reports[item.batch_id]
    if report.status is Status.REJECTED:
        return  # judged by the other test
    layers = [name for name, _ in pyogrio.list_layers(item.path)]
    for layer, dataset in zip(layers, report.datasets, strict=True):
        meta, source = pyogrio.read_arrow(item.path, layer=layer)
        geometry = meta["geometry_name"] or "wkb_geometry"
        source = source.drop_columns([name for name in (geometry,) if name in source.column_names])
        lake = pq.read_table(stack.lake.store.root / dataset.files[0].uri.removeprefix(stack.lake.uri("")))
        lake = lake.drop_columns([name for name in ("geom", "bbox") if name in lake.column_names])
        renamed = dataset.changes.renamed
        assert lake.column_names == [renamed.get(name, name) for name in source.column_names]
        assert [_type(field) for field in lake.schema] == [_type(field) for field in source.schema]
        if not _is_text(source):
            continue  # GDAL hands out bytes in an encoding that the file does not name; the lake has them decoded
        assert Counter(map(repr, lake.to_pylist())) == Counter(map(repr, source.rename_columns(lake.column_names).to_pylist()))


def _type(field: pa.Field) -> str:
    """Its type as text; Parquet calls the items of a list its elements."""
    return str(field.type).replace("list<element:", "list<item:")


def _is_text(table: pa.Table) -> bool:
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
