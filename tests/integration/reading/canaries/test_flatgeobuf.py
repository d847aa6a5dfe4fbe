"""FlatGeobuf."""

from datetime import datetime
from pathlib import Path

import geopandas as gpd
import pyarrow as pa
import pyogrio
import pytest
import shapely

from tests.integration.reading.canaries.plain import still_lost, table

pytestmark = pytest.mark.integration

GUARD = "formats/flatgeobuf/arrow.py"


def read_fast(path: Path, missing: int | None) -> list[float | None]:
    """The x of a thousand points that were written, as Arrow has them; nothing where it has no WKB."""
    points = shapely.points([(row, -row) for row in range(1_000)])
    if missing is not None:
        points[missing] = None
    frame = gpd.GeoDataFrame({"n": range(1_000)}, geometry=points, crs="EPSG:2056")
    frame.to_file(path, driver="FlatGeobuf", engine="pyogrio", SPATIAL_INDEX="NO")
    with pyogrio.open_arrow(path) as (meta, reader):
        read = pa.RecordBatchReader.from_stream(reader).read_all()
        column = read.column(meta["geometry_name"] or "wkb_geometry").combine_chunks()
    try:
        column.validate(full=True)
        return [None if wkb is None else shapely.from_wkb(wkb).x for wkb in column.to_pylist()]
    except (pa.ArrowInvalid, shapely.errors.ShapelyError):
        return []


def test_the_fast_way_overwrites_geometries_where_one_is_missing(tmp_path: Path) -> None:
    """OSGeo/gdal#7401 was about writing them. No upstream issue is known for reading (GDAL 3.12.4)."""
    assert read_fast(tmp_path / "a.fgb", None) == list(range(1_000))
    got = read_fast(tmp_path / "b.fgb", 500)
    still_lost(got != [None if row == 500 else row for row in range(1_000)], GUARD, got[495:505])


def test_the_slow_way_cuts_times(tmp_path: Path) -> None:
    path, fine = tmp_path / "a.fgb", datetime(2024, 5, 1, 10, 0, 0, 123456)  # noqa: DTZ001 - as GDAL has it
    points = pa.array([shapely.to_wkb(shapely.Point(1, 2))])
    written = pa.table({"t": pa.array([fine], pa.timestamp("us")), "geometry": points})
    pyogrio.write_arrow(written, path, driver="FlatGeobuf", geometry_name="geometry", geometry_type="Point", crs="EPSG:2056")
    pyogrio.set_gdal_config_options({"OGR_FLATGEOBUF_STREAM_BASE_IMPL": "YES"})
    try:
        got = table(path).column("t").to_pylist()
    finally:
        pyogrio.set_gdal_config_options({"OGR_FLATGEOBUF_STREAM_BASE_IMPL": None})
    still_lost(got == [fine.replace(microsecond=123000)], GUARD, got)
