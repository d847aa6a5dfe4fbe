"""PMTiles with vector tiles."""
