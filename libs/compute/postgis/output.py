"""The result of PostGIS: see :class:`libs.compute.output.Output`."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from libs.column_names import GEOMETRY
from libs.compute.layout import Layout
from libs.compute.output import Output
from libs.compute.postgis.columns import Columns
from libs.compute.result_collector import ResultCollector
from libs.spatial_utils.arrays import Integers, array
from libs.spatial_utils.geoparquet import BBOX_TYPE
from libs.transformations import PostGis
from libs.transformations.plan import TARGET

_BOX = "_etl_box"
# A box takes half the time that its sides took as columns of their own; a list, null in nearly every row, a twentieth of it all.
_BOX_SENT = np.dtype([("xmax", ">f8"), ("ymax", ">f8"), ("xmin", ">f8"), ("ymin", ">f8")])
"""A value of PostgreSQL's type ``box``."""
_ARRAY_HEAD, _NUMBER_SENT = np.dtype(("V", 20)), np.dtype([("length", ">i4"), ("value", ">i8")])
"""What ``array_send`` makes of an array of 64-bit integers: dimensions and the like, then each of them."""

# ISO WKB leaves out the empty parts of what is empty; extended WKB does not, and is the same for two dimensions.
_WKB = (
    f"CASE WHEN ST_IsEmpty({GEOMETRY}) AND ST_Zmflag({GEOMETRY}) = 0 "
    f"THEN ST_AsEWKB({GEOMETRY}, 'NDR') ELSE ST_AsBinary({GEOMETRY}, 'NDR') END"
)


class PostGISOutput(Output):
    """Asks ``processed`` for what the source rows here do not have.

    Args:
        layout: Of the result.
        columns: Restores those that come from the server.
        collector: Where rows go.
    """

    def __init__(self, layout: Layout, columns: Columns, collector: ResultCollector) -> None:
        super().__init__(layout, collector, PostGis())
        self._columns = columns
        last = layout.plan.stages[-1]
        self._row_audit_sent = np.dtype([("", _ARRAY_HEAD), ("numbers", _NUMBER_SENT, len(last.counters) + len(last.checks))])
        self.query = f"SELECT {', '.join([*self.values, *self.marks])} FROM {TARGET}"

    def _geometry(self) -> Sequence[str]:
        return f"{_WKB} AS {GEOMETRY}", f"box({GEOMETRY}) AS {_BOX}"

    def _boxes(self, rows: pa.RecordBatch) -> pa.StructArray:
        sides = _bounding(rows[_BOX].storage)
        return pa.StructArray.from_arrays(sides, fields=list(BBOX_TYPE), mask=rows[GEOMETRY].is_null())

    def _sent(self, row_audit: str) -> str:
        return f"array_send({row_audit})"

    def _row_audits(self, column: pa.Array) -> Integers:
        sent: Integers = _received(column, self._row_audit_sent)["numbers"]["value"].astype(np.int64)
        return sent

    def _attribute(self, column: pa.Array, type_: pa.DataType) -> pa.Array:
        return self._columns.from_postgresql(column, type_)


def _bounding(boxes: pa.BinaryArray) -> list[pa.Array]:
    """The sides of those boxes that bound something, as a geometry with a coordinate that is not finite has none; else nulls."""
    sent = _received(boxes, _BOX_SENT)
    sides = {item.name: array(sent[item.name].astype(np.float64)) for item in BBOX_TYPE}
    spans = (pc.subtract(sides[f"{axis}max"], sides[f"{axis}min"]) for axis in "xy")
    bounding = pc.and_(boxes.is_valid(), pc.and_(*(pc.is_finite(span) for span in spans)))
    return [pc.if_else(bounding, sides[item.name], pa.nulls(len(boxes), item.type)) for item in BBOX_TYPE]


def _received(column: pa.BinaryArray, sent: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Binary values as the server sends them; what stands for a null is undefined."""
    there = column.cast(pa.binary(sent.itemsize))
    return np.frombuffer(there.buffers()[1], sent, len(there), there.offset * sent.itemsize)
