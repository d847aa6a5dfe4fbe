"""GeoJSON features parsed by Arrow: several times as fast as by GDAL, and only where each of them is what GDAL says of a sample.

``framing`` finds features in a file, ``spelling`` and ``geometry`` make WKB of their coordinates, ``layer`` compares every row
with the sample. Whatever differs ends in ``SchemaInferenceFailed``: then GDAL reads the file. ``geojson/reader.py`` decides which
files are tried.
"""
