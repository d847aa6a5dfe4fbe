"""PostGIS, or another PostGIS: the policies of those who use it, and how it is prepared."""
