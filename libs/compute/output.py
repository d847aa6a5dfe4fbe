"""The last stage's rows on their way out of an engine: what to ask it for, and rows of the result made of its answer."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import pyarrow as pa

from libs.compute.layout import Layout
from libs.compute.result_collector import ResultCollector
from libs.spatial_utils.arrays import Integers, numbers
from libs.transformations import Dialect
from libs.transformations.plan import DROP, ROW

ROW_AUDIT, IN_RESULT = "_etl_row_audit", "_etl_in_result"


class Output(ABC):
    """Rows of the result leave the engine at once. Nothing of them stays there: the collector has their order.

    Args:
        layout: Of the result.
        collector: Where rows go.
        dialect: Of the engine.

    Attributes:
        values: What to select from the last stage's rows: columns of the result, and whether the row is in it.
        marks: The same: what gives their order, their audits, and what is set aside.
    """

    def __init__(self, layout: Layout, collector: ResultCollector, dialect: Dialect) -> None:
        self._layout, self._collector = layout, collector
        plan = layout.plan
        self.values, self.marks = [dialect.identifier(name) for name in layout.fetched], list(plan.order)
        if layout.has_geometry:
            self.values += self._geometry()
        if plan.row_filter is not None:
            self.values.append(f"{plan.row_filter} AS {IN_RESULT}")
        if plan.reasons and len(plan.stages) == 1:
            self.marks.append(DROP)
        row_audit = plan.stages[-1].row_audit(dialect)
        if row_audit is not None:
            self.marks.append(f"{self._sent(row_audit)} AS {ROW_AUDIT}")

    def take_in(self, batches: Iterable[pa.RecordBatch], source: pa.RecordBatch | None = None, first: int = 0) -> None:
        """Hand rows on to the collector.

        Args:
            batches: Of :attr:`values` and :attr:`marks`.
            source: The rows that they were made of, where the result has passthrough columns.
            first: Number of the first of those in the dataset.
        """
        for batch in batches:
            rows = batch
            if ROW_AUDIT in rows.schema.names:
                self._add_row_audits(rows)
            if IN_RESULT in rows.schema.names:
                rows = rows.filter(rows[IN_RESULT])
            if rows.num_rows:
                self._put(rows, source, first)

    def _add_row_audits(self, rows: pa.RecordBatch) -> None:
        audited = rows.filter(rows[ROW_AUDIT].is_valid()) if rows[ROW_AUDIT].null_count else rows
        if audited.num_rows:
            self._collector.add_row_audits(numbers(audited[ROW]), self._row_audits(audited[ROW_AUDIT]))

    def _put(self, rows: pa.RecordBatch, source: pa.RecordBatch | None, first: int) -> None:
        here = {} if source is None else self._layout.passthrough_columns(source, numbers(rows[ROW]) - first)
        fetched = {name: rows[index] for index, name in enumerate(self._layout.fetched)}
        attributes = zip(self._layout.attributes, self._layout.schema.types, strict=False)
        columns = [here[name] if name in here else self._attribute(fetched[name], type_) for name, type_ in attributes]
        boxes = self._boxes(rows) if self._layout.has_geometry else None
        if boxes is not None:
            columns += [rows[len(fetched)], boxes]
        self._collector.add(
            pa.RecordBatch.from_arrays(columns, names=self._layout.schema.names),
            boxes,
            [rows[name] for name in self._layout.plan.order],
        )

    @abstractmethod
    def _geometry(self) -> Sequence[str]:
        """Two columns: the geometry as ISO WKB, little-endian, and its extent."""

    @abstractmethod
    def _boxes(self, rows: pa.RecordBatch) -> pa.StructArray:
        """The extents, of ``BBOX_TYPE``: null where there is no geometry, with null sides where it bounds nothing."""

    def _sent(self, row_audit: str) -> str:
        """The expression of a row's audit as it is fetched."""
        return row_audit

    @abstractmethod
    def _row_audits(self, column: pa.Array) -> Integers:
        """Audits as they were fetched, none of them null: a row of numbers for each."""

    def _attribute(self, column: pa.Array, type_: pa.DataType) -> pa.Array:  # noqa: ARG002 - for those who override it
        """A column of the result as it was fetched, in the type that it is to have."""
        return column
