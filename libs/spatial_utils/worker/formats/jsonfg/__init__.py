"""JSON-FG: features with their geometries in any CRS, solids, curves and times (OGC 21-045r1)."""
