"""Grids of text with a point a line (XYZ)."""
