"""Shapefiles: what GDAL does not tell of them, and their ordinary records by columns, several times as fast as by GDAL.

``parts`` checks the files, ``layout`` the header of the table. ``records`` puts rows together: of ``table`` the attributes, of
``shapes`` the geometries, and of GDAL those shapes that need judgement. From the first records that end in
``FastPathUnsupported``, GDAL reads on, and ``cells`` refuses what it would change. What is read here is what GDAL reads.
"""
