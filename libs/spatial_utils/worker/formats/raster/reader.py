"""Rasters without a folder of their own: GDAL by itself reads them."""

from libs.spatial_utils.worker.raster.reader import RasterReader as Reader

__all__ = ["Reader"]
