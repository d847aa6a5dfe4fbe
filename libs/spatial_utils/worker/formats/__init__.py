"""Formats: a folder for each that GDAL does not read as it should, or that has its own parser; and what several of them share."""
