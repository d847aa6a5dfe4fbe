"""Steps for rasters as GDAL's arguments."""

from typing import Any

import pytest
from pydantic import ValidationError

from libs.models import Rejected
from libs.transformations import Recipe, Registry
from libs.transformations.raster import RASTER_STEPS, gdal_command


@pytest.mark.parametrize(
    ("step", "gdal"),
    [
        ({"op": "warp", "crs": "EPSG:3857"}, "reproject --resampling=nearest --dst-crs=EPSG:3857"),
        (
            {"op": "warp", "resolution": [0.5, 1], "align": True, "resampling": "cubic", "nodata": "nan"},
            "reproject --resampling=cubic --resolution=0.5,1 --target-aligned-pixels --dst-nodata=nan",
        ),
        ({"op": "clip_raster", "bbox": [0, 1.5, 2, 3], "crs": "EPSG:4326"}, "clip --bbox=0,1.5,2,3 --bbox-crs=EPSG:4326"),
        ({"op": "select_bands", "bands": [3, 1]}, "select --band=3,1"),
        ({"op": "cast_pixels", "type": "uint8"}, "set-type --output-data-type=Byte"),
        ({"op": "set_nodata", "nodata": -9999}, "edit --nodata=-9999"),
        ({"op": "hillshade"}, "hillshade --azimuth=315 --altitude=45 --zfactor=1"),
        ({"op": "slope", "unit": "percent"}, "slope --unit=percent"),
    ],
)
def test_a_step_is_one_of_gdals_pipeline(step: dict[str, Any], gdal: str) -> None:
    assert " ".join(RASTER_STEPS[step["op"]].model_validate(step).gdal) == gdal


@pytest.mark.parametrize(
    "step",
    [
        {"op": "warp", "align": True}, {"op": "warp", "resolution": 0}, {"op": "warp", "resampling": "best"},
        {"op": "clip_raster", "bbox": [2, 0, 1, 1]}, {"op": "select_bands", "bands": []}, {"op": "select_bands", "bands": [0]},
        {"op": "cast_pixels", "type": "complex64"}, {"op": "hillshade", "altitude": 91},
    ],
)  # fmt: skip
def test_what_is_no_step_is_refused(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RASTER_STEPS[step["op"]].model_validate(step)


def test_the_command_can_be_typed() -> None:
    bound = Registry().recipes["warp"].bind({"crs": "+proj=utm +zone=32", "nodata": 0})
    assert gdal_command(bound.raster_steps, "in put.tif") == (
        "gdal raster pipeline read 'in put.tif' ! reproject --resampling=nearest '--dst-crs=+proj=utm +zone=32' --dst-nodata=0 "
        "! write OUTPUT"
    )


def test_a_recipe_is_for_rasters_or_for_features() -> None:
    assert not Registry().recipes["clip"].for_rasters
    assert Registry().recipes["slope"].for_rasters
    with pytest.raises(Rejected, match="some for features"):
        Recipe.from_yaml("name: both\ndescription: Both.\nsteps: [{op: repair}, {op: slope}]", "both.yaml")
