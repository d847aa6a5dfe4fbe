"""GeoJSON features parsed by Arrow: several times as fast as by GDAL, and only where each of them is what GDAL says of a sample.

``opening`` decides who reads a file. ``framing`` finds the features in it, ``spelling`` and ``geometry`` make WKB of their
coordinates, ``layer`` holds every row against the sample. Whatever is not as expected ends in ``Misjudged``: then GDAL reads it.
"""
