"""Formats of rasters that GDAL reads by itself."""
