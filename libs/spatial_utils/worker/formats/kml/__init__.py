"""KML and KMZ."""
