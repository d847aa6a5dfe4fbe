"""The result of PostGIS: the query that fetches it, and its batches as rows of the result."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from libs.column_names import GEOMETRY
from libs.compute.layout import Layout
from libs.compute.postgis.chunk_session import Chunk
from libs.compute.postgis.columns import Columns
from libs.compute.result_collector import ResultCollector
from libs.spatial_utils.arrays import array, numbers
from libs.spatial_utils.geoparquet import BBOX_TYPE
from libs.transformations import PostGis
from libs.transformations.plan import DROP, ROW, TARGET

_BOX, _ROW_AUDIT, _IN_RESULT = "_etl_box", "_etl_row_audit", "_etl_in_result"
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


class Output:
    """Asks ``processed`` for what the source rows here do not have.

    Args:
        layout: Of the result.
        columns: Restores those that come from the server.
        collector: Where rows go.
    """

    def __init__(self, layout: Layout, columns: Columns, collector: ResultCollector) -> None:
        self._layout, self._columns, self._collector = layout, columns, collector
        plan = layout.plan
        wanted = [PostGis().identifier(name) for name in layout.fetched]
        if layout.has_geometry:
            wanted += [f"{_WKB} AS {GEOMETRY}", f"box({GEOMETRY}) AS {_BOX}"]
        last = plan.stages[-1]
        self._row_audit_sent = np.dtype([("", _ARRAY_HEAD), ("numbers", _NUMBER_SENT, len(last.counters) + len(last.checks))])
        row_audit = last.row_audit(PostGis())
        if row_audit is not None:
            wanted.append(f"array_send({row_audit}) AS {_ROW_AUDIT}")
        if plan.row_filter is not None:
            wanted.append(f"{plan.row_filter} AS {_IN_RESULT}")
        if plan.reasons and len(plan.stages) == 1:
            wanted.append(DROP)
        self.query = f"SELECT {', '.join([*wanted, *plan.order])} FROM {TARGET}"

    def take_in(self, batches: Iterable[pa.RecordBatch], chunk: Chunk | None = None) -> None:
        """Rows of the result.

        Args:
            batches: Of :attr:`query`.
            chunk: What they were made of, where the result has passthrough columns.
        """
        for batch in batches:
            rows = batch
            if _ROW_AUDIT in rows.schema.names:
                self._add_row_audits(rows)
            if _IN_RESULT in rows.schema.names:
                rows = rows.filter(rows[_IN_RESULT])
            if rows.num_rows:
                self._put(rows, chunk)

    def _add_row_audits(self, rows: pa.RecordBatch) -> None:
        audited = rows.filter(rows[_ROW_AUDIT].is_valid())
        if audited.num_rows:
            sent = _received(audited[_ROW_AUDIT], self._row_audit_sent)
            self._collector.add_row_audits(numbers(audited[ROW]), sent["numbers"]["value"].astype(np.int64))

    def _put(self, rows: pa.RecordBatch, chunk: Chunk | None) -> None:
        here = {} if chunk is None else self._layout.passthrough_columns(chunk.rows, numbers(rows[ROW]) - chunk.first)
        fetched = {name: rows[index] for index, name in enumerate(self._layout.fetched)}
        columns = [
            here[name] if name in here else self._columns.from_postgresql(fetched[name], type_)
            for name, type_ in zip(self._layout.attributes, self._layout.schema.types, strict=False)
        ]
        boxes = None
        if self._layout.has_geometry:
            geometry = rows[GEOMETRY]
            boxes = pa.StructArray.from_arrays(_bounding(rows[_BOX].storage), fields=list(BBOX_TYPE), mask=geometry.is_null())
            columns += [geometry, boxes]
        whole = pa.RecordBatch.from_arrays(columns, schema=self._layout.schema)
        self._collector.add(whole, boxes, [rows[name] for name in self._layout.plan.order])


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
