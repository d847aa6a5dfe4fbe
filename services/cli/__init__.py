"""The ``spatial-etl`` command."""
