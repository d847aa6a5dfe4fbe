"""Esri JSON: the feature sets that ArcGIS servers answer with."""
