"""GeoJSON features parsed by Arrow: several times as fast as by GDAL, and only where each of them is what GDAL says of a sample.

``framing`` finds the features in the file, ``geometry`` makes WKB of their coordinates, ``layer`` holds every row against the
sample. Whatever is not as expected ends in ``Misjudged``: then GDAL reads the file.
"""
