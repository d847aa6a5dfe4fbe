"""Files that mean harm, and processes that meet their limits: one file is refused, and nothing else happens."""

import json
import os
import signal
import socket
import sqlite3
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
import shapely

from libs.models import FileSpec, Problem, Rejected
from libs.spatial_utils.reading import ReadLimits, open_source, sandbox_features
from libs.spatial_utils.reading.launcher import LAUNCHER

pytestmark = pytest.mark.integration

Reader = Callable[..., Any]
Refuser = Callable[..., Problem]
VRT = '<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>CSV:/etc/passwd</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'


@pytest.fixture
def package(write: Callable[..., Path]) -> Path:
    frame = gpd.GeoDataFrame({"n": [1, 2]}, geometry=[shapely.Point(1, 1)] * 2, crs="EPSG:4326")
    return write(frame, "a.gpkg", "GPKG", SPATIAL_INDEX="NO")


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bool]]]:
    """A web server that notes whether anybody came."""
    came: list[bool] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stopped = threading.Event()

        def listen() -> None:
            while not stopped.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                came.append(True)
                connection.close()

        thread = threading.Thread(target=listen)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/x", came
        stopped.set()
        thread.join()


# --- other files


@pytest.mark.parametrize(
    ("name", "kind"), [("a.geojson", "GeoJSON"), ("a.gml", "GML"), ("a.kml", "KML"), ("a.gpx", "GPX"), ("a.csv", "CSV")]
)
def test_a_virtual_dataset_under_another_name(refused: Refuser, tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    path.write_text(VRT)
    assert refused(path, kind, options={"x": "a", "y": "b"}).code == "format_mismatch"


def test_a_virtual_dataset_in_disguise(refused: Refuser, tmp_path: Path) -> None:
    """It begins like GML, so only the driver's absence keeps it out."""
    path = tmp_path / "a.gml"
    path.write_text("<gml:FeatureCollection/>" + VRT)
    refused(path, "GML")


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "CSV:/etc/passwd", "/vsizip//etc/x.zip", "/vsicurl/http://127.0.0.1:1/a", "/proc/self/environ"]
)
@pytest.mark.parametrize(
    "function", ["virtual", "ogr_datasource_load_layers", "gdal_get_pixel_value", "readfile", "load_extension"]
)
def test_a_geopackage_that_reaches_for_other_files(refused: Refuser, package: Path, target: str, function: str) -> None:
    with sqlite3.connect(package) as database:
        if function == "virtual":
            database.execute("PRAGMA writable_schema = 1")
            statement = f"CREATE VIRTUAL TABLE v USING VirtualOGR('{target}')"
            database.execute("INSERT INTO sqlite_master VALUES ('table', 'v', 'v', 0, ?)", (statement,))
        else:
            arguments = f"'{target}', 1, 'georef', 1, 1" if function == "gdal_get_pixel_value" else f"'{target}'"
            database.execute(f"CREATE VIEW v AS SELECT 1 AS id, {function}({arguments}) AS stolen")
        database.execute("INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('v', 'attributes', 'v')")
    assert "root:" not in refused(package, "GPKG").message


def test_xml_entities(refused: Refuser, tmp_path: Path) -> None:
    entities = '<!ENTITY a0 "aaaaaaaaaaaaaaaa">' + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 9))
    for text, body in (("&x;", '<!ENTITY x SYSTEM "file:///etc/passwd">'), ("&a8;", entities)):
        place = f"<Placemark><name>{text}</name><Point><coordinates>1,2</coordinates></Point></Placemark>"
        path = tmp_path / "a.kml"
        path.write_text(f'<?xml version="1.0"?><!DOCTYPE kml [{body}]><kml><Document>{place}</Document></kml>')
        assert "root:" not in str(refused(path, "KML"))


def test_the_reading_process_sees_nothing_but_its_folder(package: Path, tmp_path: Path) -> None:
    """Asked by a request of our own to read a file beside its folder, which GDAL alone would do."""
    if not sandbox_features()["landlock"]:
        pytest.skip("this kernel has no Landlock")
    apart = tmp_path / "apart"
    apart.mkdir()
    request = {
        "sources": [(str(package), "")], "folder": str(apart), "reader": "geopackage", "may_infer": False, "driver": "GPKG",
        "register": "RegisterOGRGeoPackage", "options": [], "layer": None, "encoding": None, "tabular": False, "csv": {},
        "memory_mb": 512, "cpu_seconds": 10, "full_scan": True, "written_bytes": 0,
    }  # fmt: skip
    child = LAUNCHER.child(request, 10)
    try:
        answer = child.pipe.read()
    finally:
        child.close()
    assert b"problems" in answer
    assert b"layers" not in answer


# --- the network


def test_nothing_is_fetched(refused: Refuser, read: Reader, tmp_path: Path, listener: tuple[str, list[bool]]) -> None:
    url, came = listener
    crs = {"type": "link", "properties": {"href": url, "type": "proj4"}}
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [1, 2]}}
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]}))
    assert refused(path, "GeoJSON").code in {"remote_reference", "unknown_crs", "damaged"}
    gml = tmp_path / "a.gml"
    gml.write_text(
        '<?xml version="1.0"?><w:FeatureCollection xmlns:w="http://www.opengis.net/wfs" xmlns:gml="http://www.opengis.net/gml" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://x {url}">'
        '<gml:featureMember><f><a>1</a><gml:Point srsName="EPSG:4326"><gml:coordinates>1,2</gml:coordinates></gml:Point></f>'
        "</gml:featureMember></w:FeatureCollection>"
    )
    assert read(gml, "GML").table.num_rows == 1
    kml = tmp_path / "a.kml"
    kml.write_text(
        f"<kml><Document><NetworkLink><Link><href>{url}</href></Link></NetworkLink>"
        "<Placemark><Point><coordinates>1,2</coordinates></Point></Placemark></Document></kml>"
    )
    assert read(kml, "KML").table.num_rows == 1
    assert not came


# --- archives


def test_a_bomb_of_one_file(refused: Refuser, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("a.geojson", "w", force_zip64=True) as file,
    ):
        for _ in range(200):
            file.write(b"\0" * 1024 * 1024)
    assert refused(path, "GeoJSON").code == "archive_too_large"
    assert refused(path, "GeoJSON", limits=ReadLimits(unpacked_mb=10)).code == "archive_too_large"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zip"]


# --- limits


def test_a_view_without_end_meets_the_time_limit(package: Path) -> None:
    with sqlite3.connect(package) as database:
        database.execute(
            "CREATE VIEW v AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
            "SELECT count(*) AS id FROM c WHERE x < 0"
        )
        database.execute("INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES ('v', 'attributes', 'v')")
    began = time.monotonic()
    with pytest.raises(Rejected) as caught:
        read_to_the_end(package, ReadLimits(seconds=2))
    assert caught.value.problems[0].code == "read_timeout"
    assert time.monotonic() - began < 8


def test_a_memory_hog_is_refused(refused: Refuser, tmp_path: Path) -> None:
    """KML is held in memory as a whole."""
    path = tmp_path / "a.kml"
    placemark = "<Placemark><name>n</name><Point><coordinates>1,2</coordinates></Point></Placemark>"
    path.write_text(f"<kml><Document>{placemark * 400_000}</Document></kml>")
    assert refused(path, "KML", limits=ReadLimits(memory_mb=128, seconds=60)).code in {"read_out_of_memory", "damaged"}


def test_a_killed_reader_refuses_its_file_and_spares_others(
    package: Path, read: Reader, places: gpd.GeoDataFrame, write: Callable[..., Path]
) -> None:
    big = gpd.GeoDataFrame({"n": range(300_000)}, geometry=shapely.points([(i, i) for i in range(300_000)]), crs="EPSG:2056")
    path = write(big, "big.fgb", "FlatGeobuf", SPATIAL_INDEX="NO")
    with pytest.raises(Rejected) as caught:
        read_while_killing(path)
    assert caught.value.problems[0].code == "read_out_of_memory"
    assert read(package, "GPKG").table.num_rows == 2


def test_a_killed_server_is_replaced(package: Path, read: Reader) -> None:
    assert read(package, "GPKG").table.num_rows == 2
    assert LAUNCHER._process is not None
    LAUNCHER._process.kill()
    LAUNCHER._process.wait()
    assert read(package, "GPKG").table.num_rows == 2


def test_leaving_early_ends_the_reader(write: Callable[..., Path]) -> None:
    big = gpd.GeoDataFrame({"n": range(300_000)}, geometry=shapely.points([(i, i) for i in range(300_000)]), crs="EPSG:2056")
    path = write(big, "big.fgb", "FlatGeobuf", SPATIAL_INDEX="NO")
    with source(path, "FlatGeobuf") as opened:
        next(iter(next(opened.streams())))
        assert reading_processes()
    deadline = time.monotonic() + 5
    while reading_processes():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def source(path: Path, kind: str, limits: ReadLimits | None = None) -> Any:
    return open_source(
        path,
        FileSpec(path=f"s3://landing-zone/{path.name}", type="vector", format=kind),
        "files[0]",
        limits or ReadLimits(seconds=60),
    )


def read_while_killing(path: Path) -> None:
    with source(path, "FlatGeobuf") as opened:
        for stream in opened.streams():
            for _ in stream:
                for pid in reading_processes():
                    os.kill(pid, signal.SIGKILL)


def read_to_the_end(path: Path, limits: ReadLimits) -> None:
    with source(path, "GPKG", limits) as opened:
        for stream in opened.streams():
            for _ in stream:
                pass


def reading_processes() -> list[int]:
    """The children of the fork server."""
    assert LAUNCHER._process is not None
    server = LAUNCHER._process.pid
    return [int(pid) for pid in Path(f"/proc/{server}/task/{server}/children").read_text().split()]
