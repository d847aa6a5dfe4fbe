"""The geometry types that have coordinates of their own, and how deep these are nested (RFC 7946, section 3.1)."""

COORDINATE_DEPTHS = {"Point": 1, "LineString": 2, "MultiPoint": 2, "Polygon": 3, "MultiLineString": 3, "MultiPolygon": 4}
"""By type: the number of lists around a number."""

LOWER_CASE_DEPTHS = {name.lower(): depth for name, depth in COORDINATE_DEPTHS.items()}
"""The same for formats that compare types without case, and for GeoParquet's native encodings."""
