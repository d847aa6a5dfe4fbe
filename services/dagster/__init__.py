"""Orchestration: what Dagster runs. Not to be confused with the library ``dagster``, which the modules here import."""
