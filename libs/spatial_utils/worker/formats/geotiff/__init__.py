"""GeoTIFF, BigTIFF, COG."""
