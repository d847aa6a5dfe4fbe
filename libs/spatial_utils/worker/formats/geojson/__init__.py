"""GeoJSON, its text sequences, and what else is JSON."""
