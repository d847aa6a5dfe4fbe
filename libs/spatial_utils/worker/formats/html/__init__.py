"""GeoJSON that web pages hold: maps that were exported as HTML."""
