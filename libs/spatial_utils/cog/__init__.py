"""A Cloud Optimized GeoTIFF in one pass: each strip of the raster is read once, and every overview is made of it on the way."""

from libs.spatial_utils.cog.profile import BandStatistics, CogProfile, CogResult, RawTag, Strip
from libs.spatial_utils.cog.writer import write_cog
from libs.spatial_utils.pixels import tile_for

__all__ = ["BandStatistics", "CogProfile", "CogResult", "RawTag", "Strip", "tile_for", "write_cog"]
