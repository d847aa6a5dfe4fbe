"""A geometry column on its way out, as the policies say: what is damaged is refused, set aside, made null or corrected."""

from collections import Counter
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import Unreadable
from libs.spatial_utils.worker.quarantine import FIX, Quarantine
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
        except wkb.DamagedGeometry as error:
            quarantine.meet("geometry", error.row, problem(error.row))
            gdal.complaints.take()  # about this one, which is dealt with
            geometry = pc.if_else(pc.equal(pa.arange(0, len(geometry)), error.row), None, geometry)
        else:
            counts.update(changes)
            return normal
