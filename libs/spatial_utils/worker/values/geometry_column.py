"""A geometry column on its way out, as the policies say: what is damaged is refused, set aside, made null or corrected."""

from collections import Counter
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.quarantine import FIX, Quarantine, way_in_by_fix
from libs.spatial_utils.worker.values import wkb


def normalised(
    geometry: pa.Array,
    gdal: Gdal,
    counts: Counter[str],
    quarantine: Quarantine,
    problem: Callable[[int], Unreadable],
    *,
    vouched: bool,
) -> pa.Array:
    """A geometry column of a batch, as ``wkb.normalise`` makes it.

    Args:
        geometry: Any WKB.
        gdal: See ``wkb.normalise``.
        counts: See ``wkb.normalise``; ``rings_closed`` is added to, too.
        quarantine: Takes the rows with a damaged geometry.
        problem: What to say of such a row of the batch.
        vouched: See ``wkb.normalise``.

    Raises:
        Unreadable: where the policy is to reject.
    """
    while True:
        changes = Counter[str]()
        try:
            normal = wkb.normalise(geometry, gdal, changes, vouched=vouched)
            if quarantine.policy("geometry") == FIX:
                normal = wkb.with_closed_rings(normal, gdal, changes)
            else:
                normal = _without_unclosed(normal, gdal, quarantine, problem)
        except wkb.DamagedGeometry as error:
            quarantine.meet("geometry", error.row, problem(error.row))
            gdal.complaints.take()  # about this one, which is dealt with
            geometry = pc.if_else(pc.equal(pa.arange(0, len(geometry)), error.row), None, geometry)
        else:
            counts.update(changes)
            return normal


def _without_unclosed(geometry: pa.Array, gdal: Gdal, quarantine: Quarantine, problem: Callable[[int], Unreadable]) -> pa.Array:
    """The column, with null for polygons with a ring that does not end where it begins; engines refuse such, or break down."""
    rows = wkb.unclosed(geometry, gdal, thorough=gdal.complaints.of_open_rings)
    if not rows:
        return geometry
    for row in rows:
        said = Unreadable(
            "unclosed_ring",
            "The polygon has a ring that does not end where it begins.",
            "Write the first position of the ring again as its last." + way_in_by_fix("Or have such rings closed"),
            problem(row).place,
        )
        quarantine.meet("geometry", row, said)
    return pc.if_else(pc.is_in(pa.arange(0, len(geometry)), pa.array(rows)), None, geometry)
