"""Schedules: when which job of maintenance runs. Not here: what it does."""
