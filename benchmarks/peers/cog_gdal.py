"""GDAL's COG driver, in rasterio's wheel."""

import os
import sys

import rasterio
from rasterio.shutil import copy

source, target = sys.argv[1:]
threads = len(os.sched_getaffinity(0))
with rasterio.Env(GDAL_CACHEMAX=256):
    copy(
        source, target, driver="COG", compress="DEFLATE", level=6, predictor="YES", blocksize=512, overview_resampling="AVERAGE",
        num_threads=threads, bigtiff="IF_SAFER",
    )  # fmt: skip
