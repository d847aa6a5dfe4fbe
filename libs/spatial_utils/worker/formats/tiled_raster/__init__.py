"""Rasters in tiles in a database: GeoPackage, MBTiles."""
