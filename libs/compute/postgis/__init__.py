"""PostGIS as a compute engine."""

from libs.compute.postgis.engine import PostGISEngine, require_postgresql

__all__ = ["PostGISEngine", "require_postgresql"]
