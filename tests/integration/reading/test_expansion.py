"""What a file may come to is bounded, however it is packed: by its size, and by a setting."""

import gzip
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from libs.spatial_utils.reading import ReadLimits

pytestmark = pytest.mark.integration

MIB = 1024 * 1024


@pytest.fixture
def package(write: Callable[..., Path]) -> Path:
    frame = gpd.GeoDataFrame({"n": range(3000)}, geometry=[shapely.Point(1, 1)] * 3000, crs="EPSG:4326")
    return write(frame, "a.gpkg", "GPKG", SPATIAL_INDEX="NO")


def test_a_view_that_joins_each_row_with_all_others(package: Path, read: Any, refused: Any) -> None:
    """Nine million rows, some 600 MB, of a file of half a megabyte."""
    with sqlite3.connect(package) as database:
        database.execute("CREATE VIEW v AS SELECT a.fid * 10000 + b.fid AS id, a.n, b.n AS m, 'some text' AS t FROM a, a AS b")
        database.execute("INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('v', 'attributes', 'v')")
    problem = refused(package, "GPKG", type="tabular", layer="v")
    assert problem.code == "expands_too_much"
    assert "SPATIAL_ETL_MAX_EXPANSION" in problem.remedy
    assert read(package, "GPKG", layer="a").table.num_rows == 3000


def test_a_view_that_sorts_needs_no_file(package: Path, read: Any) -> None:
    """SQLite would sort in a file outside of the sandbox."""
    with sqlite3.connect(package) as database:
        database.execute(
            "CREATE VIEW v AS SELECT a.fid * 100 + b.fid AS id, hex(zeroblob(100)) AS t FROM a, a AS b WHERE b.fid < 30 "
            "ORDER BY t, id DESC"
        )
        database.execute("INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('v', 'attributes', 'v')")
    assert read(package, "GPKG", type="tabular", layer="v").table.num_rows == 87_000


def repeated(tmp_path: Path) -> Path:
    """A text of 10 kB, stored once, in 1,000 rows."""
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"t": pa.array(["x" * 10_000] * 1000).dictionary_encode()}), path)
    return path


def shared_strings(tmp_path: Path) -> Path:
    """A spreadsheet that names one text of 30 kB in 300 cells."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>{int(n > 1)}</v></c></row>' for n in range(1, 301))
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" Type="{office}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="a" sheetId="1" r:id="s"/></sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="s" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="t" Type="{office}/sharedStrings" '
        'Target="sharedStrings.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{main}"><si><t>t</t></si><si><t>{"x" * 30_000}</t></si></sst>',
    }
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return path


def reused_arcs(tmp_path: Path) -> Path:
    """A TopoJSON whose one arc of 5,000 places is the border of 50 areas."""
    arc = [[0, 0], *([[1, 0], [0, 1]] * 2500), [-2500, 0], [0, -2500]]
    areas = [{"type": "Polygon", "arcs": [[0]], "properties": {"n": n}} for n in range(50)]
    topology = {"type": "Topology", "arcs": [arc], "objects": {"a": {"type": "GeometryCollection", "geometries": areas}}}
    path = tmp_path / "a.topojson"
    path.write_text(json.dumps(topology | {"transform": {"scale": [1e-3, 1e-3], "translate": [0, 0]}}))
    return path


@pytest.mark.parametrize(
    ("make", "name", "kind"),
    [(repeated, "Parquet", "tabular"), (shared_strings, "XLSX", "tabular"), (reused_arcs, "TopoJSON", "vector")],
)
def test_values_that_are_stored_once(
    make: Callable[[Path], Path], name: str, kind: str, tmp_path: Path, read: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path)
    monkeypatch.setattr("libs.spatial_utils.reading.messages.EXPANSION_FROM_BYTES", MIB)
    assert path.stat().st_size < MIB // 4
    problem = refused(path, name, type=kind, limits=ReadLimits(seconds=60, expansion=2))
    assert problem.code == "expands_too_much", problem
    assert read(path, name, type=kind, limits=ReadLimits(seconds=60, expansion=100_000)).table.num_rows


def test_a_kmz_or_a_gzip_that_unpacks_to_much(tmp_path: Path, refused: Any) -> None:
    placemark = "<Placemark><Point><coordinates>1,2</coordinates></Point></Placemark>"
    text = f"<kml><Document><!--{' ' * 66 * MIB}-->{placemark}</Document></kml>"
    kmz = tmp_path / "a.kmz"
    with zipfile.ZipFile(kmz, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("doc.kml", text)
    packed = tmp_path / "b.kml.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    for path in (kmz, packed):
        for limits, setting in (
            (ReadLimits(), "SPATIAL_ETL_MAX_EXPANSION"),
            (ReadLimits(unpacked_mb=10), "SPATIAL_ETL_MAX_UNPACKED_MB"),
        ):
            problem = refused(path, "KML", limits=limits)
            assert (problem.code, setting in problem.remedy) == ("archive_too_large", True)


def test_the_limit_of_all_files_holds_for_rows_but_a_large_file_has_room() -> None:
    limits = ReadLimits(unpacked_mb=100, expansion=250)
    assert limits.rows(1000) == (64 * MIB, "SPATIAL_ETL_MAX_EXPANSION")
    assert limits.rows(MIB) == (100 * MIB, "SPATIAL_ETL_MAX_UNPACKED_MB")
    assert limits.rows(1000 * MIB) == (10_000 * MIB, "SPATIAL_ETL_MAX_UNPACKED_MB")
