"""Rasters in the confined process: GDAL's C API for them, what a raster is, and its pixels, strip by strip."""
