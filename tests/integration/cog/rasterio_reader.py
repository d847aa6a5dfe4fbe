"""Reads rasters by rasterio, whose GDAL must not be loaded beside pyogrio's: lines of JSON in, pickled answers out."""

import json
import pickle
import sys
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rio_cogeo import cog_validate


def seen(path: str) -> dict[str, Any]:
    """Everything that rasterio and rio-cogeo say of a COG."""
    with rasterio.open(path) as raster:
        levels = len(raster.overviews(1))
        about = {
            "samples": raster.read(),
            "mask": raster.dataset_mask(),
            "flags": [[flag.name for flag in flags] for flags in raster.mask_flag_enums],
            "nodata": raster.nodata,
            "dtype": raster.dtypes[0],
            "transform": tuple(raster.transform)[:6],
            "crs": raster.crs and raster.crs.to_epsg(),
            "colours": [colour.name for colour in raster.colorinterp],
            "colormap": raster.colormap(1) if raster.colorinterp[0].name == "palette" else None,
            "tags": raster.tags(),
            "structure": raster.tags(ns="IMAGE_STRUCTURE"),
            "blocks": raster.block_shapes[0],
        }
    about["overviews"], about["masks"] = [], []
    for level in range(levels):
        with rasterio.open(path, overview_level=level) as raster:
            about["overviews"].append(raster.read())
            about["masks"].append(raster.dataset_mask())
    about["valid"], about["errors"], about["warnings"] = cog_validate(path, strict=True)
    return about


def halved(path: str, source: str, nodata: float | None, resampling: str) -> Any:
    """The overview that GDAL makes of an array in a file."""
    samples = np.load(source)
    bands, height, width = samples.shape
    shape = {"width": width, "height": height, "count": bands, "dtype": samples.dtype.name}
    with rasterio.open(path, "w", driver="GTiff", nodata=nodata, **shape) as raster:
        raster.write(samples)
    with rasterio.open(path, "r+") as raster:
        raster.build_overviews([2], Resampling[resampling])
    with rasterio.open(path, overview_level=0) as raster:
        return raster.read()


if __name__ == "__main__":
    for line in sys.stdin:
        request = json.loads(line)
        answer = globals()[request.pop("what")](**request)
        pickle.dump(answer, sys.stdout.buffer)
        sys.stdout.buffer.flush()
