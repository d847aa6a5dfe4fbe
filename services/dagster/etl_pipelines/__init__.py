"""The code location: everything that a Dagster process loads of this project. ``definitions`` brings it together."""
