"""Steps for rasters: each is a step of GDAL's ``gdal raster pipeline``, as data. Pure: nothing is run here."""

from libs.transformations.raster.steps import (
    CastPixels,
    ClipRaster,
    Hillshade,
    RasterStep,
    SelectBands,
    SetNodata,
    Slope,
    Warp,
    gdal_command,
)

RASTER_STEPS: dict[str, type[RasterStep]] = {
    step.model_fields["op"].default: step for step in (Warp, ClipRaster, SelectBands, CastPixels, SetNodata, Hillshade, Slope)
}
"""Every step by its ``op``."""

__all__ = ["RASTER_STEPS", "RasterStep", "gdal_command"]
