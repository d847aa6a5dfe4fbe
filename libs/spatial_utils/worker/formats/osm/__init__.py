"""OpenStreetMap: PBF and XML."""
