"""What a CRS text means, for the recipes, which have no CRS database of their own."""

from libs.spatial_utils.crs import Crs
from libs.transformations.crs import CrsFacts, CrsUnit


def look_up_crs(text: str) -> CrsFacts:
    """See :data:`libs.transformations.crs.CrsLookup`."""
    crs = Crs.parse(text)
    return CrsFacts(crs.name, CrsUnit(*crs.unit), crs.eighth, crs.area, crs.reaches_180, crs.ends_at_180)
