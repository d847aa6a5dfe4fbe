"""Formats of rasters that have no test of their own: pixel by pixel what rasterio reads; and what GDAL loses of them."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from libs.models import RasterSummary
from tests.integration.pipeline.conftest import Platform

pytestmark = pytest.mark.integration

Deliver = Callable[..., dict[str, Any]]
Compare = Callable[[Mapping[str, str]], dict[str, list[str]]]

FILES = {
    "scene.bil": None, "N50E008.hgt": None, "points.xyz": "EPSG:25832", "quad.dem": None, "photo.gpkg": None,
    "photo.mbtiles": None,
}  # fmt: skip


def matters(difference: str) -> bool:
    """Not what the manifest says, what a GeoTIFF says of a band that is nothing else, or what two releases of GDAL round."""
    if difference.startswith("transform: "):
        one, other = (json.loads(numbers) for numbers in difference.removeprefix("transform: ").split(" / "))
        return not np.allclose(one, other, rtol=1e-12)
    return difference != "crs: None / EPSG:25832" and not difference.startswith("colours: ['undefined'")


def identifier(name: str) -> str:
    return name.replace(".", "-").lower()


def lake_file(platform: Platform, dataset_id: str) -> str:
    return str(platform.stack.lake.store.root / platform.asset(dataset_id).files[0].key)


def test_every_pixel_is_what_rasterio_reads(platform: Platform, deliver: Deliver, rasters: Path, compare: Compare) -> None:
    entries = [
        deliver(
            name, dataset_id=identifier(name), **({"crs": crs} if crs else {}), **({"layer": "photo"} if "gpkg" in name else {})
        )
        for name, crs in FILES.items()
    ]
    report = platform.ingest("formats", *entries)
    assert report.problems == ()
    found = compare({str(rasters / name): lake_file(platform, identifier(name)) for name in FILES})
    assert [difference for differences in found.values() for difference in differences if matters(difference)] == []


@pytest.mark.parametrize("name", ["scene.bil", "N50E008.hgt", "points.xyz", "quad.dem"])
def test_in_a_folder_of_an_archive_with_what_belongs_to_it(
    platform: Platform, rasters: Path, tmp_path: Path, deliver: Deliver, name: str
) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for each in rasters.glob(f"{Path(name).stem}.*"):
            archive.write(each, f"delivery/heights/{each.name}")
    entry = deliver(name) | {"crs": "EPSG:25832"} if name == "points.xyz" else deliver(name)
    platform.stack.landing.store.put("in/all.zip", (tmp_path / "all.zip").read_bytes())
    report = platform.ingest("archive", entry | {"path": "s3://landing-zone/in/all.zip", "dataset_id": "one"})
    assert (report.status, report.problems) == ("success", ())
    assert isinstance(platform.asset("one").summary, RasterSummary)


@pytest.mark.parametrize("name", ["scene.bil", "N50E008.hgt", "points.xyz", "quad.dem"])
def test_a_file_that_was_cut_off_is_refused(platform: Platform, rasters: Path, deliver: Deliver, name: str) -> None:
    entry = deliver(name, crs="EPSG:25832") if name == "points.xyz" else deliver(name)
    content = (rasters / name).read_bytes()
    platform.stack.landing.store.put(f"in/{name}", content[: len(content) * 2 // 3])
    report = platform.ingest("cut", entry)
    assert report.status == "rejected", "a part of a raster is no raster"


def test_digits_that_gdal_would_lose_are_refused(platform: Platform) -> None:
    def deliver(value: str) -> Any:
        lines = [f"{x} {y} {value}\n" for y in (20, 10) for x in (10, 20)]
        platform.stack.landing.store.put("in/a.xyz", "".join(lines).encode())
        entry = {"path": "s3://landing-zone/in/a.xyz", "type": "raster", "format": "XYZ", "crs": "EPSG:25832"}
        return platform.ingest(f"xyz-{value}", entry)

    assert deliver("1234.25").datasets[0].raster.bands[0].maximum == 1234.25
    assert deliver("301.250000000").status == "success"
    assert [problem.code for problem in deliver("123456.123").problems] == ["value_lost"]


def test_each_table_of_tiles_is_a_raster(platform: Platform, rasters: Path, tmp_path: Path) -> None:
    several = tmp_path / "several.gpkg"
    shutil.copyfile(rasters / "photo.gpkg", several)
    script = (
        "import rasterio, sys\n"
        "with rasterio.open(sys.argv[1]) as source: profile, pixels = source.profile, source.read()\n"
        "profile |= {'driver': 'GPKG', 'raster_table': 'second', 'append_subdataset': 'YES', 'tile_format': 'PNG'}\n"
        "for key in ('blockxsize', 'blockysize', 'tiled', 'interleave'): profile.pop(key, None)\n"
        "with rasterio.open(sys.argv[1], 'w', **profile) as made: made.write(pixels)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script, several], check=True)
    path = platform.put("in/several.gpkg", several)
    report = platform.ingest("several", {"path": path, "type": "raster", "format": "GPKG"})
    assert (report.status, report.problems) == ("success", ())
    assert sorted(made.dataset_id for made in report.datasets) == ["several.photo", "several.second"]
    none = platform.ingest("none", {"path": path, "type": "raster", "format": "GPKG", "layer": "third"})
    assert [problem.code for problem in none.problems] == ["unknown_layer"]


_CANARY = """
import ctypes, sys
from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.raster.api import Api
gdal = Gdal()
api = Api(gdal)
gdal.register(f"GDALRegister_{sys.argv[1]}")
dataset = api.open(sys.argv[2], sys.argv[1])
width, height = api.GDALGetRasterXSize(dataset), api.GDALGetRasterYSize(dataset)
values = (ctypes.c_double * (width * height))()
band = api.GDALGetRasterBand(dataset, 1)
failed = api.GDALRasterIO(band, 0, 0, 0, width, height, ctypes.addressof(values), width, height, 7, 0, 0)
print(failed, gdal.complaints.take(), values[0], values[width * height - 1])
"""


def by_gdal(driver: str, path: Path) -> str:
    command = [sys.executable, "-c", _CANARY, driver, path]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_canaries_gdal_still_loses_what_is_looked_for(tmp_path: Path) -> None:
    """When one fails, GDAL loses nothing any more: remove the check in the format's reader, and its test."""
    (tmp_path / "a.bil").write_bytes(b"\7\7\7")
    (tmp_path / "a.hdr").write_text("ENVI\nsamples = 2\nlines = 3\nbands = 1\ndata type = 1\ninterleave = bil\nbyte order = 0\n")
    assert by_gdal("ENVI", tmp_path / "a.bil") == "0 [] 7.0 0.0"
    (tmp_path / "a.xyz").write_text("".join(f"{x} {y} 123456.123\n" for y in (20, 10) for x in (10, 20)))
    assert by_gdal("XYZ", tmp_path / "a.xyz") == "0 [] 123456.125 123456.125"
