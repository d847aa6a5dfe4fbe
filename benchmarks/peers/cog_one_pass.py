"""Our writer, on strips that rasterio reads."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import rasterio
from rasterio.windows import Window

from libs.spatial_utils.cog import CogProfile, RawTag, Strip, write_cog

source, target = sys.argv[1:]
threads = len(os.sched_getaffinity(0))


def strips(raster: rasterio.DatasetReader) -> Iterator[Strip]:
    for row in range(0, raster.height, 512):
        yield Strip(raster.read(window=Window(0, row, raster.width, min(512, raster.height - row))))


with rasterio.Env(GDAL_CACHEMAX=64), rasterio.open(source) as raster:
    nodata = None if raster.nodata is None else f"{raster.nodata:g}"
    rgb = raster.count == 3
    geo = [RawTag(33550, 12, 3, bytes(24)), RawTag(33922, 12, 6, bytes(48))]  # as many as there are; what they say costs nothing
    profile = CogProfile(
        raster.width, raster.height, raster.dtypes[0], raster.count, geo, nodata=nodata, photometric=2 if rgb else 1
    )
    write_cog(Path(target), profile, strips(raster), threads)
