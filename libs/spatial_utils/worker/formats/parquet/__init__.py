"""GeoParquet and plain Parquet."""
