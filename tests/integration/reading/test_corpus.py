"""Real files that nobody here wrote: each is read with the count that GDAL reads, or refused with a reason to act on.

The lists say of each file what GDAL reads of it; ``collection-pp.txt`` and the like are claimed but unreadable.
"""

import csv
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.models import FileSpec, Problem, Rejected
from libs.spatial_utils.reading import ReadLimits, open_source

CORPUS = os.environ.get("SPATIAL_ETL_CORPUS", "")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not CORPUS, reason="SPATIAL_ETL_CORPUS is not set: real files are not tried"),
]

FORMAT_OF_DRIVER = {"OpenFileGDB": "FileGDB", "LIBKML": "KML", "MapInfo File": "MapInfo TAB"}
FORMAT_OF_EXTENSION = {".shp": "ESRI Shapefile", ".zip": "ESRI Shapefile", ".dbf": "dBASE"}
COUNTED_OTHERWISE = {
    "real/xlsx/us_zipcodes.xlsx": -1,
    "real/osm/liechtenstein-latest.osm.pbf": 95,
    "peers/pyogrio/pyogrio/tests/fixtures/sample.osm.pbf": 51,
}
"""Features more or less than GDAL's: it takes the row of column names for one, leaves out nodes with some tags only, and knows no
line whose nodes come later."""
REFUSED = {
    # what GDAL reads, with damage that it does not tell of
    "peers/fiona/tests/data/collection-pp.txt": "format_mismatch",  # no sequence
    "peers/fiona/tests/data/sequence.txt": "format_mismatch",  # one feature a line: GDAL reads the first only
    "peers/fiona/tests/data/trio.seq": "format_mismatch",
    "peers/mapshaper/test/data/dbf/cpg/utf16.dbf": "unknown_encoding",
    "peers/mapshaper/test/data/shapefile/shplib/3dpoints.shp": "count_mismatch",  # 22 shapes, of which the index says 8
    "peers/shapefile-js/test/data/noshp.zip": "archive_without_data",
    **{
        f"peers/mapshaper/test/data/dbf/{name}.dbf": "wrong_encoding"
        for name in ("big5", "eucjp", "gb2312", "gbk", "latin1", "shiftjis")
    },
    "peers/mapshaper/test/data/dbf/periphereies.dbf": "wrong_encoding",
}


@dataclass(frozen=True)
class Entry:
    path: Path
    name: str
    driver: str
    features: str
    crs: str

    @property
    def spec(self) -> FileSpec:
        extension = self.path.suffix.lower()
        kind = FORMAT_OF_DRIVER.get(self.driver, self.driver)
        if kind == "OSM":
            kind = "OSM PBF" if extension == ".pbf" else "OSM XML"
        if "Parquet" in kind:
            kind = "GeoParquet"
        if extension == ".dbf" or kind == "-":
            kind = FORMAT_OF_EXTENSION.get(extension, "GeoJSON")
        tabular = kind in {"dBASE", "CSV", "XLSX"} or self.driver.startswith("Parquet")
        unknown = "none" in self.crs or "Undefined" in self.crs or self.crs == "-"
        return FileSpec(
            path=f"s3://landing-zone/{self.path.name}",
            type="tabular" if tabular else "vector",
            format=kind,
            crs="EPSG:4326" if unknown and not tabular else None,
        )


def entries() -> Iterator[Entry]:
    lists = Path(os.environ.get("SPATIAL_ETL_CORPUS_LISTS", Path(__file__).parents[4] / "shared" / "corpus"))
    for part in ("real", "peers"):
        with (lists / f"{part}.tsv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                if row["status"] not in {"sidecar", "raster"}:
                    name = f"{part}/{row['path']}"
                    yield Entry(Path(CORPUS) / name, name, row["driver"], row["features_read"], row["crs"])


def outcome(entry: Entry, scratch: Path) -> tuple[int, list[Problem]]:
    rows, path = 0, entry.path
    if path.suffix == ".zip":  # unpacked beside itself
        path = Path(shutil.copy(path, scratch))
    try:
        with open_source(path, entry.spec, "files[0]", ReadLimits(seconds=120)) as source:
            for stream in source.streams():
                rows += sum(batch.num_rows for batch in stream)
    except Rejected as rejected:
        return 0, list(rejected.problems)
    return rows, []


def test_every_file_is_read_whole_or_refused_with_a_reason(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wrong, table = [], []
    for entry in entries():
        rows, problems = outcome(entry, tmp_path)
        code = problems[0].code if problems else ""
        expected = REFUSED.get(entry.name, "")
        if entry.features == "-":  # GDAL reads nothing: neither must we, but for a name that only its command line stumbles over
            right = bool(problems) or entry.path.name.startswith("!")
        else:
            right = code == expected and (bool(code) or str(rows - COUNTED_OTHERWISE.get(entry.name, 0)) == entry.features)
        table.append(f"{'ok' if right else 'WRONG':5} {entry.features:>6} {rows:6} {code:20} {entry.name}")
        if not right:
            wrong.append((entry.name, entry.features, rows, [str(problem) for problem in problems]))
        assert all(problem.message and problem.remedy and problem.where.startswith("files[0]") for problem in problems)
    with capsys.disabled():
        print("\n" + "\n".join(table))
    assert not wrong
