"""FileGDB: geodatabases in files."""
