"""Recipes for rasters: what comes out is what numpy, rasterio or GDAL's documentation says."""

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from libs.models import RasterSummary
from libs.pipeline.replay import replay
from tests.integration.pipeline.conftest import Platform
from tests.plain_tiff import NODATA, TIE_POINT, plain_tiff

pytestmark = pytest.mark.integration

WIDTH, HEIGHT, SIDE = 700, 600, 2.0
WEST, NORTH = 650_000, 5_300_000
PLACE = {TIE_POINT: (0.0, 0.0, 0.0, WEST, NORTH, 0.0)}
"""Away from the middle of its zone, so that it is turned in other CRSs."""
_READ = """
import json, sys, numpy, rasterio
from rasterio.warp import reproject
with rasterio.open(sys.argv[1]) as made:
    numpy.save(sys.argv[2], made.read())
    said = {"crs": str(made.crs), "transform": [*made.transform][:6], "nodata": str(made.nodata), "bounds": [*made.bounds],
            "colours": [each.name for each in made.colorinterp]}
    if len(sys.argv) > 3:
        with rasterio.open(sys.argv[3]) as source:
            target = numpy.full((source.count, *made.shape), made.nodata, source.dtypes[0])
            reproject(rasterio.band(source, [*source.indexes]), target, dst_transform=made.transform, dst_crs=made.crs,
                      dst_nodata=made.nodata, resampling=rasterio.enums.Resampling[sys.argv[4]])
        numpy.save(sys.argv[2] + ".warped.npy", target)
print(json.dumps(said))
"""


def heights() -> np.ndarray:
    """Hills, with a part without data."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    made = (300 + 60 * np.sin(x / 47) * np.cos(y / 59)).astype("<f4")
    made[50:90, 400:500] = -9999
    return made


@pytest.fixture
def make(platform: Platform, tmp_path: Path) -> Callable[..., Any]:
    """Delivers a TIFF with a recipe: pixels as they come out, what is said of them, the report."""

    numbers = count()

    def make(content: bytes, intent: str, parameters: dict[str, Any], *, against: str | None = None, **more: Any) -> Any:
        platform.stack.landing.store.put("in/a.tif", content)
        entry = {"path": "s3://landing-zone/in/a.tif", "type": "raster", "format": "GeoTIFF"} | more
        report = platform.ingest(f"steps-{next(numbers)}", entry, intent=intent, parameters=parameters)
        if report.status != "success":
            return None, None, report
        (tmp_path / "a.tif").write_bytes(content)
        path, pixels = platform.stack.lake.store.root / platform.asset("a").files[0].key, tmp_path / "pixels.npy"
        command = [sys.executable, "-W", "ignore", "-c", _READ, path, pixels]
        if against:
            command += [tmp_path / "a.tif", against]
        said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        if against:
            said["warped"] = np.load(f"{pixels}.warped.npy")
        return np.load(pixels), said, report

    return make


def dem() -> bytes:
    return plain_tiff(heights().tobytes(), WIDTH, HEIGHT, bits=32, kind=3, tags={NODATA: b"-9999\0", **PLACE})


def picture(pixels: np.ndarray) -> bytes:
    return plain_tiff(pixels.tobytes(), WIDTH, HEIGHT, pixels.size // (WIDTH * HEIGHT), tags=PLACE)


def colours() -> np.ndarray:
    return np.random.default_rng(5).integers(1, 255, (HEIGHT, WIDTH, 3), "uint8")


def problems(report: Any) -> list[str]:
    return [problem.code for problem in report.problems]


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
def test_warp(make: Callable[..., Any], platform: Platform, resampling: str) -> None:
    parameters = {"crs": "EPSG:3857", "resolution": 4, "align": True, "resampling": resampling}
    pixels, said, report = make(dem(), "warp", parameters, against=resampling)
    assert said["crs"] == "EPSG:3857"
    assert said["transform"][0] == -said["transform"][4] == 4
    assert [place % 4 for place in said["bounds"]] == [0, 0, 0, 0]
    assert said["nodata"] == "-9999.0"
    differs = ~np.isclose(pixels, said["warped"], atol=0.01)
    assert differs.mean() < 0.002, "at the edges, releases of GDAL may differ"
    assert (pixels == -9999).any()
    assert pixels[pixels != -9999].min() >= 239
    assert report.datasets[0].crs == "EPSG:3857"
    asset, lineage = platform.asset("a"), platform.stack.ledger.lineage("a", 1)
    assert lineage is not None
    assert lineage.recipe["arguments"] == parameters
    assert replay(platform.stack, asset, lineage).identical
    assert isinstance(asset.summary, RasterSummary)
    assert asset.summary.bands[0].valid == int((pixels != -9999).sum())


def test_a_warp_leaves_no_black_edges(make: Callable[..., Any]) -> None:
    photo = colours()
    pixels, said, _ = make(picture(photo), "warp", {"crs": "EPSG:3857"})
    assert said["colours"] == ["red", "green", "blue", "alpha"]
    assert {*np.unique(pixels[3])} == {0, 255}
    assert pixels[:3, pixels[3] == 255].min() >= 1
    bare = heights()
    bare[bare == -9999] = 1
    pixels, said, _ = make(plain_tiff(bare.tobytes(), WIDTH, HEIGHT, bits=32, kind=3, tags=PLACE), "warp", {"crs": "EPSG:4326"})
    assert said["nodata"] == "nan"
    assert np.isnan(pixels).any()
    assert np.nanmin(pixels) == 1
    grey = picture(photo[..., 0])
    assert problems(make(grey, "warp", {"crs": "EPSG:3857"})[2]) == ["raster_needs_nodata"]
    pixels, said, _ = make(grey, "warp", {"crs": "EPSG:3857", "nodata": 0})
    assert said["nodata"] == "0.0"


def test_categories_are_never_mixed(make: Callable[..., Any]) -> None:
    classes = picture(colours()[..., 0] % 5)
    parameters = {"crs": "EPSG:3857", "nodata": 255, "resampling": "bilinear"}
    assert problems(make(classes, "warp", parameters, categorical=True)[2]) == ["raster_categories_mixed"]
    pixels, _, _ = make(classes, "warp", parameters | {"resampling": "mode"}, categorical=True)
    assert {*np.unique(pixels)} == {0, 1, 2, 3, 4, 255}


def test_clip(make: Callable[..., Any]) -> None:
    bbox = [WEST + 100, NORTH - 500, WEST + 400, NORTH - 100]
    pixels, said, _ = make(dem(), "clip_raster", {"bbox": bbox})
    np.testing.assert_array_equal(pixels[0], heights()[50:250, 50:200])
    assert said["bounds"] == bbox
    outside = make(dem(), "clip_raster", {"bbox": [0, 0, 1, 1]})[2]
    assert problems(outside) == ["raster_step_failed"]
    assert "bbox" in outside.problems[0].message.lower() or "extent" in outside.problems[0].message.lower()


def test_bands_are_selected_in_order(make: Callable[..., Any]) -> None:
    photo = colours()
    pixels, _, _ = make(picture(photo), "select_bands", {"bands": [3, 1]})
    np.testing.assert_array_equal(pixels, np.moveaxis(photo, -1, 0)[[2, 0]])
    assert problems(make(picture(photo), "select_bands", {"bands": [4]})[2]) == ["raster_step_failed"]


def test_a_cast_loses_no_value(make: Callable[..., Any]) -> None:
    pixels, said, _ = make(dem(), "cast_pixels", {"type": "int16"})
    assert (pixels.dtype.name, said["nodata"]) == ("int16", "-9999.0")
    whole = np.where(heights() == -9999, -9999, np.floor(heights() + 0.5))
    np.testing.assert_array_equal(pixels[0], whole)
    report = make(dem(), "cast_pixels", {"type": "uint8"})[2]
    assert problems(report) == ["raster_value_does_not_fit"]
    assert problems(make(dem(), "cast_pixels", {"type": "complex"})[2]) == ["bad_parameter"]


def test_nodata_is_set_and_no_pixel_is_changed(make: Callable[..., Any]) -> None:
    photo = colours()
    pixels, said, _ = make(picture(photo), "set_nodata", {"nodata": 7})
    assert said["nodata"] == "7.0"
    np.testing.assert_array_equal(pixels, np.moveaxis(photo, -1, 0))
    _, said, _ = make(dem(), "set_nodata", {"nodata": "none"})
    assert said["nodata"] == "None"


def gradients(surface: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By Horn's formula, inside of the edge."""
    z = surface.astype(float)
    east = z[:-2, 2:] + 2 * z[1:-1, 2:] + z[2:, 2:] - z[:-2, :-2] - 2 * z[1:-1, :-2] - z[2:, :-2]
    south = z[2:, :-2] + 2 * z[2:, 1:-1] + z[2:, 2:] - z[:-2, :-2] - 2 * z[:-2, 1:-1] - z[:-2, 2:]
    return east / (8 * SIDE), south / (8 * SIDE)


def test_slope_and_hillshade(make: Callable[..., Any]) -> None:
    surface = heights()
    inside = np.s_[100:-1, 1:-1]  # below what has no data
    east, south = gradients(surface)
    steep, said, _ = make(dem(), "slope", {})
    np.testing.assert_allclose(steep[0][inside], np.degrees(np.arctan(np.hypot(east, south)))[99:], rtol=1e-3, atol=2e-3)
    assert (said["nodata"], steep[0, 70, 450]) == ("-9999.0", -9999)
    percent, _, _ = make(dem(), "slope", {"unit": "percent"})
    np.testing.assert_allclose(percent[0][inside], 100 * np.hypot(east, south)[99:], rtol=1e-3, atol=4e-3)
    shade, said, _ = make(dem(), "hillshade", {"azimuth": 0, "altitude": 30})
    light = (np.sin(np.radians(30)) + np.cos(np.radians(30)) * south) / np.sqrt(1 + east**2 + south**2)
    expected = np.where(light <= 0, 1, 1 + 254 * light)
    assert np.abs(shade[0][inside] - expected[99:]).max() <= 1
    assert (shade.dtype.name, said["nodata"]) == ("uint8", "0.0")


def test_a_crs_of_the_manifest_is_what_is_warped_from(make: Callable[..., Any]) -> None:
    bare = plain_tiff(
        heights().tobytes(), WIDTH, HEIGHT, bits=32, kind=3, tags={NODATA: b"-9999\0", 34735: (1, 1, 0, 0), **PLACE}
    )
    assert problems(make(bare, "warp", {"crs": "EPSG:3857"})[2]) == ["crs_missing"]
    given, _, _ = make(bare, "warp", {"crs": "EPSG:3857"}, crs="EPSG:25832")
    own, _, _ = make(dem(), "warp", {"crs": "EPSG:3857"})
    np.testing.assert_array_equal(given, own)
    _, said, _ = make(bare, "set_nodata", {"nodata": -9999}, crs="EPSG:25832")
    assert said["crs"] == "EPSG:25832"


def test_recipes_are_for_rasters_or_for_features(platform: Platform, geojson: Callable[..., str]) -> None:
    places = platform.entry(platform.put("in/places.geojson", geojson()))
    report = platform.ingest("places", places, intent="hillshade")
    assert problems(report) == ["recipe_not_for_features"]
