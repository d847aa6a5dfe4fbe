"""Exports: what is read back from a file of each format is what lies in the lake, or the loss was told and counted."""

import csv
import datetime as dt
import json
import re
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pyproj
import pytest
import shapely

from libs.compute.exporting import EXPORTS
from libs.models import Rejected
from libs.pipeline.export import Exported, Selection, export
from libs.transformations.where import parse

pytestmark = pytest.mark.integration

NOON = dt.datetime(2024, 2, 29, 12, 0, 0, 123456)  # noqa: DTZ001 - a time without zone is meant
COLUMNS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "n": (pa.int64(), [1, -(2**62), None]),
    "small": (pa.int32(), [7, None, -7]),
    "text": (pa.string(), ["=1+1 'Ä\" ,\n", "", None]),
    "number": (pa.float64(), [1 / 7, 1e300, None]),
    "yes": (pa.bool_(), [True, False, None]),
    "day": (pa.date32(), [dt.date(2024, 2, 29), dt.date(1900, 1, 1), None]),
    "local": (pa.timestamp("us"), [NOON, NOON.replace(microsecond=5000), None]),
    "moment": (pa.timestamp("us", "UTC"), [NOON.replace(tzinfo=dt.UTC), NOON.replace(tzinfo=dt.UTC, microsecond=0), None]),
    "price": (pa.decimal128(10, 2), [Decimal("1.10"), Decimal("-2.50"), None]),
    "long": (pa.decimal128(30, 2), [Decimal("1234567890123456789012.10"), None, Decimal("0.01")]),
    "raw": (pa.binary(), [b"\0\xff", b"", None]),
    "list": (pa.list_(pa.int64()), [[1, 2], [], None]),
    "odd": (pa.string(), ["a\0b", " x\x01", None]),
    "a rather long name": (pa.string(), ["a", "b", "c"]),
    "a rather long one": (pa.string(), ["a", "b", "c"]),
}
POINTS = [shapely.Point(10.123456789012345, 50.1), shapely.Point(11, 51), None]


@pytest.fixture
def exported(platform: Any, tmp_path: Path) -> Callable[..., tuple[Exported, Path]]:
    """Exports the dataset ``d`` to a file of a name."""

    def exported(name: str, where: str | None = None, *, overwrite: bool = False, **selection: Any) -> tuple[Exported, Path]:
        target, asset = tmp_path / name, platform.asset("d")
        lineage = platform.stack.ledger.lineage("d", asset.version)
        chosen = Selection(where=where, **selection)
        condition = parse(where) if where else None
        return export(platform.stack, asset, lineage, target, chosen, condition, overwrite=overwrite), target

    return exported


def _deliver(
    platform: Any, tmp_path: Path, table: pa.Table, geometry: list[Any] | None, crs: str = "EPSG:4326", **more: Any
) -> None:
    path = tmp_path / "d.parquet"
    if geometry is None:
        pq.write_table(table, path)
    else:
        geo = {
            "version": "1.1.0", "primary_column": "geometry",
            "columns": {"geometry": {"encoding": "WKB", "geometry_types": [], "crs": pyproj.CRS(crs).to_json_dict()}},
        }  # fmt: skip
        wkb = pa.array([None if each is None else each.wkb for each in geometry], pa.binary())
        table = table.append_column("geometry", wkb)
        pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    uri = platform.put("in/d.parquet", path.read_bytes())
    kind = "vector" if geometry is not None else "tabular"
    report = platform.ingest("b", platform.entry(uri, type=kind, dataset_id="d"), **more)
    assert report.status == "success", report.problems


@pytest.fixture
def everything(platform: Any, tmp_path: Path) -> pa.Table:
    """A version with a column of each kind, in the lake; its rows."""
    table = pa.table({name: pa.array(values, type_) for name, (type_, values) in COLUMNS.items()})
    _deliver(platform, tmp_path, table, POINTS)
    return platform.read("d")


def _told(done: Exported, code: str) -> dict[str, str]:
    """By each column or format that a warning is about, what it says."""
    found = [each for each in done.warnings if each.code == code]
    return {name: each.message for each in found for name in re.findall("'(.*?)'", each.where) or [each.where]}


def _same_geometry(found: Any, lake: pa.Table, tolerance: float = 0) -> None:
    expected = shapely.from_wkb(lake["geom"].to_pylist())
    assert [each is None for each in found] == [each is None for each in expected]
    assert all(a is None or a.equals_exact(b, tolerance) for a, b in zip(found, expected, strict=True))


def test_geopackage_holds_all_but_what_is_told(everything: pa.Table, exported: Any) -> None:
    done, path = exported("out.gpkg")
    meta, found = pyogrio.read_arrow(path)
    assert meta["crs"] == "EPSG:4326"
    assert done.features == found.num_rows == 3
    for name in ("n", "small", "text", "number", "yes", "raw", "a rather long name"):
        assert found[name].to_pylist() == everything[name].to_pylist(), name
    assert found["day"].to_pylist() == ["2024-02-29", "1900-01-01", None]
    assert found["price"].to_pylist() == [1.1, -2.5, None]
    assert found["long"].to_pylist() == ["1234567890123456789012.10", None, "0.01"]
    assert [each and json.loads(each) for each in found["list"].to_pylist()] == [[1, 2], [], None]
    cut = NOON.replace(microsecond=123000)
    assert found["moment"].to_pylist()[0] == cut.replace(tzinfo=dt.UTC)
    assert found["local"].to_pylist()[0] == cut.replace(tzinfo=dt.UTC)
    assert found["odd"].to_pylist() == ["a", " x\x01", None]
    assert done.changes == {"values of local": 1, "values of moment": 1, "values of odd": 1}
    assert _told(done, "export_type").keys() == {"day", "local", "price", "long", "list"}
    _same_geometry(shapely.from_wkb(found[meta["geometry_name"]].to_pylist()), everything)


def test_flatgeobuf_keeps_features_without_geometry_and_says_that_it_has_no_index(everything: pa.Table, exported: Any) -> None:
    done, path = exported("out.fgb")
    meta, found = pyogrio.read_arrow(path)
    assert meta["crs"] == "EPSG:4326"
    for name in ("n", "small", "text", "number", "yes", "raw"):
        assert found[name].to_pylist() == everything[name].to_pylist(), name
    assert _told(done, "export_geometry") == {
        "FlatGeobuf": "1 features have no geometry or an empty one. The file holds them, and therefore has no spatial index."
    }
    assert "day" in _told(done, "export_type")
    _same_geometry(list(pyogrio.read_dataframe(path).geometry), everything)  # by Arrow, pyogrio stumbles over the missing one


def test_geojson_has_the_shortest_numbers_that_read_back_as_the_same(everything: pa.Table, exported: Any) -> None:
    done, path = exported("out.geojson")
    document = json.loads(path.read_text(), parse_float=float)
    properties = [each["properties"] for each in document["features"]]
    for name in ("n", "small", "text", "number", "yes", "list", "odd", "a rather long name"):
        assert [each[name] for each in properties] == everything[name].to_pylist(), name
    assert [each["local"] for each in properties] == ["2024-02-29T12:00:00.123456", "2024-02-29T12:00:00.005000", None]
    assert [each["moment"] for each in properties] == ["2024-02-29T12:00:00.123456Z", "2024-02-29T12:00:00.000000Z", None]
    assert '"long":1234567890123456789012.10' in path.read_text()
    assert done.changes == {}
    found = [each["geometry"] and shapely.geometry.shape(each["geometry"]) for each in document["features"]]
    _same_geometry(found, everything)
    assert len(pyogrio.read_dataframe(path)) == 3


def test_csv_has_wkt_and_tells_a_missing_text_from_an_empty_one(everything: pa.Table, exported: Any) -> None:
    done, path = exported("out.csv")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [each["text"] for each in rows] == ["=1+1 'Ä\" ,\n", "", ""]
    assert '"","1900' not in path.read_text()
    assert [each["n"] for each in rows] == ["1", str(-(2**62)), ""]
    assert [each["long"] for each in rows] == ["1234567890123456789012.10", "", "0.01"]
    assert float(rows[0]["number"]) == 1 / 7
    assert "EPSG:4326" in _told(done, "export_crs")["CSV"]
    _same_geometry([shapely.from_wkt(each["geom"]) if each["geom"] else None for each in rows], everything)


def test_a_shapefile_renames_cuts_and_rounds_and_says_so(everything: pa.Table, exported: Any) -> None:
    done, path = exported("out.shp.zip")
    assert {Path(name).suffix for name in zipfile.ZipFile(path).namelist()} == {".shp", ".shx", ".dbf", ".prj", ".cpg"}
    meta, found = pyogrio.read_arrow(f"/vsizip/{path}/out.shp")
    assert pyproj.CRS(meta["crs"]).equals("EPSG:4326", ignore_axis_order=True)
    assert done.renamed == {"a rather long name": "a rather l", "a rather long one": "a rather_1"}
    assert found["n"].to_pylist() == [1, None, None]
    assert found["small"].to_pylist() == everything["small"].to_pylist()
    assert found["yes"].to_pylist() == [1, 0, None]
    assert found["day"].to_pylist() == ["2024-02-29", "1900-01-01", None]
    assert found["moment"].to_pylist() == ["2024-02-29T12:00:00.123456Z", "2024-02-29T12:00:00.000000Z", None]
    assert done.changes == {"values of n": 1, "values of number": 2, "values of text": 1, "values of odd": 2}
    _same_geometry(shapely.from_wkb(found["wkb_geometry"].to_pylist()), everything)


def test_kml_is_all_text_at_longitude_and_latitude(everything: pa.Table, exported: Any) -> None:
    done, path = exported("out.kml", columns=("n", "text", "number", "day", "odd"))
    found = geopandas.read_file(path)
    assert [None if pd.isna(each) else float(each) for each in found["number"]] == everything["number"].to_pylist()
    assert next(iter(found["text"])) == "=1+1 'Ä\" ,\n"
    assert done.changes == {"values of text": 1, "values of odd": 2}
    assert "number" in _told(done, "export_type")
    _same_geometry(list(found.geometry), everything, 1e-12)


def test_geoparquet_is_the_file_of_the_lake_byte_for_byte(platform: Any, everything: pa.Table, exported: Any) -> None:
    done, path = exported("out.parquet")
    assert done.sha256 == platform.asset("d").files[0].sha256
    assert pq.read_table(path).equals(everything)
    assert not done.warnings


def test_a_part_as_geoparquet_keeps_all_types(everything: pa.Table, exported: Any) -> None:
    done, path = exported("out.parquet", "n > 0 AND text LIKE '=%'", columns=("list", "long", "moment"))
    found = pq.read_table(path)
    assert found.schema.names == ["list", "long", "moment", "geom", "bbox"]
    assert (done.features, done.left_out) == (1, 2)
    assert found["long"].to_pylist() == [Decimal("1234567890123456789012.10")]
    assert found.schema.field("moment").type == everything.schema.field("moment").type


def test_a_box_a_condition_and_a_crs_select(everything: pa.Table, exported: Any) -> None:
    done, path = exported("out.gpkg", "n IS NOT NULL", bbox=(9.0, 50.0, 10.5, 50.5), crs="EPSG:25832", columns=("text",))
    found = pyogrio.read_dataframe(path)
    assert list(found.columns) == ["text", "geometry"]
    assert (done.features, done.left_out, done.crs) == (1, 2, "EPSG:25832")
    x, y = pyproj.Transformer.from_crs(4326, 25832, always_xy=True).transform(POINTS[0].x, POINTS[0].y)
    assert found.geometry[0].equals_exact(shapely.Point(x, y), 1e-6)
    assert pyproj.CRS(found.crs).to_epsg() == 25832


def test_beside_the_file_lies_where_it_comes_from(platform: Any, everything: pa.Table, exported: Any) -> None:
    done, path = exported("out.csv", "n = 1")
    origin = json.loads(path.with_name("out.csv.lineage.json").read_text())
    assert origin["exported"]["sha256"] == done.sha256
    assert origin["selection"]["where"] == "n = 1"
    assert origin["version"]["files"][0]["sha256"] == platform.asset("d").files[0].sha256
    assert origin["lineage"]["inputs"][0]["path"] == "s3://landing-zone/in/d.parquet"


def test_a_file_that_is_there_is_replaced_only_when_that_is_said(everything: pa.Table, exported: Any, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(Rejected, match="export_exists"):
        exported("out.csv")
    assert (tmp_path / "out.csv").read_text() == "mine"
    exported("out.csv", overwrite=True)
    assert (tmp_path / "out.csv").read_text() != "mine"


def test_a_damaged_file_of_the_lake_is_not_exported_and_nothing_is_left(
    platform: Any, everything: pa.Table, exported: Any, tmp_path: Path
) -> None:
    path = platform.stack.lake.store.root / platform.asset("d").files[0].key
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(Rejected, match="lake_file_damaged"):
        exported("out.gpkg")
    assert sorted(tmp_path.iterdir()) == before
    assert platform.transient() == []


@pytest.mark.parametrize("form", EXPORTS, ids=lambda form: form.name)
def test_a_selection_without_features_makes_an_empty_file(everything: pa.Table, exported: Any, form: Any) -> None:
    done, path = exported(f"out{form.suffix}", "n = 5")
    assert (done.features, done.left_out) == (0, 3)
    assert path.exists()


def test_a_condition_that_does_not_fit_names_the_column_and_the_place(everything: pa.Table, exported: Any) -> None:
    with pytest.raises(Rejected) as rejected:
        exported("out.csv", "n = 1 AND (nn = 2 OR text > 5)")
    assert [each.where for each in rejected.value.problems] == ["the condition, character 12", "the condition, character 22"]
    assert "'nn'" in rejected.value.problems[0].message


@pytest.mark.parametrize(
    ("name", "geometry"),
    [
        ("out.shp.zip", [shapely.Point(1, 2), shapely.LineString([(1, 2), (3, 4)])]),
        ("out.shp.zip", [shapely.Point(1, 2, 3), shapely.Point(1, 2)]),
        ("out.shp.zip", [shapely.GeometryCollection([shapely.Point(1, 2)])] * 2),
        ("out.fgb", [shapely.Point(1, 2, 3)] * 2),
    ],
)
def test_what_a_format_would_change_is_refused(
    platform: Any, tmp_path: Path, exported: Any, name: str, geometry: list[Any]
) -> None:
    _deliver(platform, tmp_path, pa.table({"n": [1, 2]}), geometry)
    with pytest.raises(Rejected, match="export_geometry"):
        exported(name)
    done, path = exported("out.gpkg")
    _same_geometry(list(pyogrio.read_dataframe(path).geometry), platform.read("d"))
    assert done.features == 2


@pytest.mark.parametrize("name", ["out.geojson", "out.kml"])
def test_what_holds_longitude_and_latitude_only_is_reprojected_and_says_so(
    platform: Any, tmp_path: Path, exported: Any, name: str
) -> None:
    _deliver(platform, tmp_path, pa.table({"n": [1]}), [shapely.Point(500000, 5500000)], "EPSG:25832", intent="keep_crs")
    done, path = exported(name)
    assert "EPSG:25832" in next(iter(_told(done, "export_crs").values()))
    x, y = pyproj.Transformer.from_crs(25832, 4326, always_xy=True).transform(500000, 5500000)
    assert geopandas.read_file(path).geometry[0].equals_exact(shapely.Point(x, y), 1e-9)


def test_a_table_goes_where_tables_can_go(platform: Any, tmp_path: Path, exported: Any) -> None:
    _deliver(platform, tmp_path, pa.table({"n": [1, 2], "fid": [7, 7]}), None)
    for name in ("out.csv", "out.gpkg", "out.parquet"):
        done, path = exported(name)
        assert done.features == 2
        assert path.exists()
    assert pyogrio.read_dataframe(tmp_path / "out.gpkg", read_geometry=False)["fid"].to_list() == [7, 7]
    for name in ("out.fgb", "out.kml", "out.geojson", "out.shp.zip"):
        with pytest.raises(Rejected, match="export_geometry"):
            exported(name)
