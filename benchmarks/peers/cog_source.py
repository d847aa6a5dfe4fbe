"""Makes a raster as a survey delivers it: RGB, or float32 with nodata; uncompressed."""

import sys

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

kind, side, target = sys.argv[1], int(sys.argv[2]), sys.argv[3]
random = np.random.default_rng(1)
profile = {
    "driver": "GTiff", "width": side, "height": side, "crs": "EPSG:25833", "transform": from_origin(350_000, 5_800_000, 0.2, 0.2),
    "tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "pixel",
}  # fmt: skip
profile |= (
    {"count": 3, "dtype": "uint8", "photometric": "RGB"} if kind == "rgb" else {"count": 1, "dtype": "float32", "nodata": -9999}
)
x = np.arange(side, dtype="float32")
with rasterio.open(target, "w", **profile) as raster:
    for row in range(0, side, 512):
        rows = min(512, side - row)
        y = np.arange(row, row + rows, dtype="float32")[:, None]
        relief = np.sin(x / 173) * np.cos(y / 211) + np.sin((x + y) / 37) / 4 + np.sin(x / 1900) * np.sin(y / 2300)
        if kind == "rgb":
            noise = random.standard_normal((3, rows, side), "float32") * 4
            colours = np.clip(120 + 40 * relief + noise + np.array([[[0]], [[12]], [[-15]]], "float32"), 0, 255).astype("uint8")
        else:
            elevations = 300 + 60 * relief + random.standard_normal((rows, side), "float32") * np.float32(0.05)
            elevations = np.round(elevations * 100) / 100  # centimetres
            elevations[(x - side / 2) ** 2 + (y - side / 2) ** 2 > (side * 0.52) ** 2] = -9999
            colours = elevations[None]
        raster.write(colours, window=Window(0, row, side, rows))
