"""Shared logic of spatial-etl. Knows nothing of Dagster, of the CLI or of the webapp."""
