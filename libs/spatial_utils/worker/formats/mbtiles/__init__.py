"""MBTiles with vector tiles."""
