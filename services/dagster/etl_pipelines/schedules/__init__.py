"""Schedules: when which job of upkeep runs. Not here: what it does."""
