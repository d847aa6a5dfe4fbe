"""How GDAL is to read a FlatGeobuf: the fast way where that is right, and the slow one, which cuts times, elsewhere (3.12.4).

Upstream: OSGeo/gdal#7401 is about writing missing geometries. No upstream issue is known of reading them (GDAL 3.12.4).
"""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from libs.spatial_utils.worker.ogr.gdal import Gdal
from libs.spatial_utils.worker.protocol import BATCH_BYTES, BATCH_ROWS, Notes
from libs.spatial_utils.worker.values.pieces import pieces

_NO_LIMIT = 2**31 - 1
_SKEW = 2
"""How much larger than usual the features of a batch may be before it has more bytes than it should."""
_FINE_TIME = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}[0-9]*[1-9]")
_LONGEST_TIME = 64


def batch_rows(gdal: Gdal, path: Path, features: int) -> int:
    """Features of a batch, for the fast way. It ends with a batch that GDAL ends earlier, as it does with a large one."""
    gdal.configure({"OGR_ARROW_MEM_LIMIT": str(_NO_LIMIT)})
    usual = max(1, path.stat().st_size // features)
    return max(1, min(BATCH_ROWS, BATCH_BYTES // (_SKEW * usual)))


def read_slowly(gdal: Gdal) -> None:
    """Have GDAL read in the slow way from the next time on."""
    gdal.configure({"OGR_FLATGEOBUF_STREAM_BASE_IMPL": "YES"})


def is_garbled(geometry: pa.Array) -> bool:
    """Whether a geometry has no bytes without being null, or a negative number of them: so the fast way leaves a missing one."""
    try:
        geometry.validate(full=True)
    except pa.ArrowInvalid:
        return True
    shortest = pc.min(pc.binary_length(geometry)).as_py()
    return shortest is not None and shortest <= 0


def tell_of_cut_times(path: Path, notes: Notes, place: str) -> None:
    """Warn where the slow way would leave out a part of a time. They stand in the file as text."""
    found = next(filter(None, map(_FINE_TIME.search, pieces(path, overlap=_LONGEST_TIME))), None)
    if found is not None:
        notes.warn(
            "times_cut",
            f"Times such as {found[0].decode()!r} are cut to milliseconds.",
            "Write the file with the number of its features, and without missing geometries; or use GeoPackage.",
            place,
        )
