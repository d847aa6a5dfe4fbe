"""The result of DuckDB: see :class:`libs.compute.output.Output`."""

from collections.abc import Sequence

import pyarrow as pa

from libs.column_names import BBOX, GEOMETRY, RESERVED_PREFIX
from libs.compute.layout import Layout
from libs.compute.output import Output
from libs.compute.result_collector import ResultCollector
from libs.spatial_utils.arrays import Integers, numbers
from libs.spatial_utils.geoparquet import BBOX_TYPE
from libs.transformations import DuckDb
from libs.transformations.plan import AT_ONCE

_SIDES = tuple(item.name for item in BBOX_TYPE)
_HAS_EXTENT = "isfinite(_etl_xmax - _etl_xmin) AND isfinite(_etl_ymax - _etl_ymin)"
"""The sides of a collection of empty parts bound nothing, nor do those of a geometry with a coordinate that is not finite."""


class DuckDBOutput(Output):
    """Reads the last stage's SELECT as it is executed: ``processed`` is no table.

    Unless there is a lot to audit: DuckDB sets vectors aside for every value of a row's audit, and those of some thousand columns
    take more memory than there is. Then the marks are fetched, to be audited as ``processed``.

    Args:
        layout: Of the result.
        collector: Where rows go.

    Attributes:
        query: Gives the rows.
        audit: Of their marks, where rows do not bring their audits along.
    """

    def __init__(self, layout: Layout, collector: ResultCollector) -> None:
        super().__init__(layout, collector, DuckDb())
        last = layout.plan.stages[-1]
        few = len(last.counters) + len(last.checks) <= AT_ONCE
        self.audit = None if few else last.audit
        marks = self.marks if few else [f"COLUMNS('^{RESERVED_PREFIX}')"]
        self.query = f"SELECT {', '.join([*self.values, *marks])} FROM ({layout.with_extent(last, _extent_columns)})"

    def marks_of(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Those columns that :attr:`audit` reads."""
        return rows.select(rows.schema.names[len(self.values) :])

    def _geometry(self) -> Sequence[str]:
        box = ", ".join(f"{name!r}: CASE WHEN {_HAS_EXTENT} THEN _etl_{name} END" for name in _SIDES)
        return f"ST_AsWKB({GEOMETRY}) AS {GEOMETRY}", f"CASE WHEN {GEOMETRY} IS NOT NULL THEN {{{box}}} END AS {BBOX}"

    def _boxes(self, rows: pa.RecordBatch) -> pa.StructArray:
        return rows[len(self._layout.fetched) + 1]

    def _row_audits(self, column: pa.Array) -> Integers:
        return numbers(column.flatten()).reshape(len(column), -1)


def _extent_columns() -> str:
    # By way of a box, the geometry is walked through once; as a struct, because a BOX_2D does not give its sides.
    sides = {side: f"{side[1:]}_{side[0]}" for side in _SIDES}
    box = f"CAST(ST_Extent({GEOMETRY}) AS STRUCT({', '.join(f'{name} DOUBLE' for name in sides.values())}))"
    return ", ".join(f"{box}.{name} AS _etl_{side}" for side, name in sides.items())
