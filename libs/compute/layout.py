"""A dataset in an engine: its plan, its Arrow schema, and which rows came from which source. The same for every engine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from libs.column_names import BBOX, GEOMETRY
from libs.compute.crs import look_up_crs
from libs.compute.engine import Source
from libs.compute.inputs import LoadedInput, Prepared, added, relation_of, relations
from libs.compute.places import Places
from libs.models import Changes, Policies, Problem
from libs.spatial_utils.arrays import Integers, indices
from libs.spatial_utils.geoparquet import BBOX_TYPE
from libs.transformations import Dialect, Plan, Recipe, Relation, Stage

_NAMED_TYPES = {
    str(type_): type_
    for type_ in (
        pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(), pa.binary(),
        pa.date32(), pa.time64("us"), pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.timestamp("ms"),
        pa.timestamp("ms", "UTC"),
    )
}  # fmt: skip
"""What a recipe may turn a column into. Every other type of a result stood in its source."""


Planner = Callable[[Relation, Policies | None], tuple[Plan, frozenset[str]]]
"""See :func:`plan_of`, for a recipe and a dialect."""


def plan_of(
    recipe: Recipe, dialect: Dialect, inputs: Mapping[str, LoadedInput], relation: Relation, policies: Policies | None
) -> tuple[Plan, frozenset[str]]:
    """The plan of a recipe, and the columns that its steps read. The others stay out of the engine.

    Args:
        recipe: With its parameters bound.
        dialect: Of the engine.
        inputs: Named inputs, by name.
        relation: All that is in the source.
        policies: What becomes of rows that cannot be kept as they are; None: they reject the batch.

    Raises:
        Rejected: when the recipe does not fit the relation.
    """
    known = relations(inputs)
    read = recipe.plan(relation, dialect, look_up_crs, policies=policies, inputs=known).read
    not_loaded = set(relation.names) - read
    return recipe.plan(relation, dialect, look_up_crs, not_loaded, policies, known), read


@dataclass(frozen=True)
class Report:
    """What a recipe changed, counted, and what is doubtful about its result.

    Attributes:
        broken_rules: How many rows break a quality rule, and the place of the first, by the rule's number in the recipe.
    """

    changes: Changes
    warnings: tuple[Problem, ...]
    broken_rules: Mapping[int, tuple[int, str]]


@dataclass
class Layout:
    """A dataset in an engine.

    Attributes:
        source_schema: What every source must agree with.
        crs: CRS that every source must have.
        plan: Of the recipe on these sources.
        schema: Of the result.
        attributes: Names of the result's attribute columns.
        loaded: Attribute columns of the source that are loaded into the engine.
        prepared: What came of the preparations of the plan.
    """

    source_schema: pa.Schema
    crs: str | None
    plan: Plan
    schema: pa.Schema
    attributes: tuple[str, ...]
    loaded: tuple[str, ...]
    prepared: Prepared = Prepared()  # noqa: RUF009 - frozen
    _places: Places = field(default_factory=Places)

    @classmethod
    def plan_for(
        cls,
        source: Source,
        plan: Planner,
        policies: Policies | None = None,
        inputs: Mapping[str, LoadedInput] = MappingProxyType({}),
    ) -> "Layout":
        """Plan a recipe on the first of a dataset's sources.

        Args:
            source: Its batches are not looked at.
            plan: Plans the recipe.
            policies: What becomes of rows that cannot be kept as they are; None: they reject the batch.
            inputs: Named inputs, by name.

        Raises:
            Rejected: when the recipe does not fit the source.
        """
        relation = relation_of(source.schema, source.crs, crs_assumed=source.crs_assumed)
        planned, read = plan(relation, policies)
        types = dict(_NAMED_TYPES)
        for there in (*(each.schema for each in inputs.values()), source.schema):
            types |= {str(item.type): item.type for item in there}
        schema = pa.schema([(column.name, types[column.type]) for column in planned.relation.columns])
        if planned.relation.geometry:
            schema = schema.append(pa.field(GEOMETRY, pa.binary())).append(pa.field(BBOX, BBOX_TYPE))
        loaded = tuple(name for name in relation.names if name in read)
        return cls(source.schema, source.crs, planned, schema, planned.relation.names, loaded)

    @property
    def has_geometry(self) -> bool:
        """Whether the result has a geometry column."""
        return self.plan.relation.geometry

    @property
    def row_filter(self) -> str:
        """Predicate on ``processed`` for the rows of the result."""
        return self.plan.row_filter or "TRUE"

    @property
    def fetched(self) -> tuple[str, ...]:
        """The result's attribute columns that come from the engine; the others are those of the source."""
        return tuple(name for name in self.attributes if name not in self.plan.passthrough)

    def passthrough_columns(self, chunk: pa.RecordBatch, places: Integers) -> dict[str, pa.Array]:
        """The columns of the result that hand on a column of the source unchanged, by name.

        Args:
            chunk: Rows of the source.
            places: For each row of the result, which of them it was made of.
        """
        passthrough = self.plan.passthrough
        if not passthrough or not len(places):
            return {name: chunk[origin].slice(0, 0) for name, origin in passthrough.items()}
        rows = chunk.select(sorted(set(passthrough.values())))
        in_one_piece = (np.diff(places) == 1).all()
        rows = rows.slice(places[0], len(places)) if in_one_piece else rows.take(indices(places))
        return {name: rows[origin] for name, origin in passthrough.items()}

    def with_extent(self, stage: Stage, extent_columns: Callable[[], str]) -> str:
        """A stage's SELECT; the last one's gives each row's extent, too, as ``_etl_xmin`` and so on."""
        if stage is not self.plan.stages[-1] or not self.has_geometry:
            return stage.select
        return f"SELECT *, {extent_columns()} FROM (\n{stage.select}\n) AS result"

    def add(self, source: Source, first_row: int) -> None:
        """Note a further source and where its rows begin.

        Raises:
            Rejected: when it does not agree with the first in columns, types and CRS, naming the difference.
        """
        self._places.add(source, first_row, self.source_schema, self.crs)

    def report(self, audits: Sequence[Sequence[int | None] | None], rows: int) -> Report:
        """What the recipe changed and what is doubtful, from the stages' audits, when ``rows`` were loaded.

        Raises:
            Rejected: when a check of the plan failed, naming file, layer and feature.
        """
        return Report(
            added(self.plan.changes(audits, self.locate, rows), self.prepared.changes),
            (*self.prepared.warnings, *self.plan.warnings(audits, self.locate, rows)),
            self.plan.broken_rules(audits, self.locate),
        )

    def locate(self, row: int) -> str:
        """The place of a row as problems name it."""
        return self._places.locate(row)
