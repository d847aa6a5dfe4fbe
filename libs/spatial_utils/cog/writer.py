"""The pass over the strips: tiles are compressed side by side, and every overview grows with them."""

from collections.abc import Iterable
from pathlib import Path

from libs.spatial_utils.cog.profile import CogProfile, CogResult, Strip


def write_cog(target_path: Path, profile: CogProfile, strips: Iterable[Strip], threads: int) -> CogResult:
    """Write a Cloud Optimized GeoTIFF; the same bytes for any number of threads.

    Args:
        target_path: the file; what is there is replaced. Scratch files lie in its folder, without a name.
        profile: the raster.
        strips: from top to bottom, `profile.tile` rows each; the last one has the rest. Two are held at a time.
        threads: how many compress; the strips are read in the caller's.

    Returns:
        The file's hash, size, overviews and statistics.

    Raises:
        ValueError: the strips are not those of the profile: a size that differs, too few, too many, a mask more or less.
        OSError: the disk is full, or cannot be written to.
    """
    raise NotImplementedError
