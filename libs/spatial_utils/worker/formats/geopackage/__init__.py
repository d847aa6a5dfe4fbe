"""GeoPackage."""
