"""Grids of ASCII text of Esri (AAIGrid)."""
