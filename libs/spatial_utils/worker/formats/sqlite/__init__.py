"""SQLite and SpatiaLite."""
