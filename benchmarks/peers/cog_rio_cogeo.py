"""What `rio cogeo create` does, with the same tiles, compression, predictor and overviews."""

import os
import sys

import rasterio
from rio_cogeo import cog_profiles, cog_translate

source, target = sys.argv[1:]
threads = len(os.sched_getaffinity(0))
with rasterio.open(source) as raster:
    predictor = 3 if raster.dtypes[0].startswith("float") else 2
profile = cog_profiles.get("deflate") | {"zlevel": 6, "predictor": predictor, "bigtiff": "IF_SAFER"}
config = {"GDAL_NUM_THREADS": threads, "GDAL_TIFF_OVR_BLOCKSIZE": 512, "GDAL_CACHEMAX": 256}
cog_translate(source, target, profile, in_memory=False, overview_resampling="average", config=config, quiet=True)
