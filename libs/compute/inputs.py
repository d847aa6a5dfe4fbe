"""Named inputs in an engine: rows that the steps of a recipe look things up in. The same for every engine."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from libs.column_names import GEOMETRY
from libs.compute.places import Places
from libs.compute.type_mapping import engine_schema
from libs.models import Changes, Problem
from libs.transformations import Column, Preparation, Relation
from libs.transformations.types import has_equality

Audits = Sequence[Sequence[int | None] | None]


@dataclass
class LoadedInput:
    """A named input.

    Attributes:
        name: Of the input.
        schema: Of its source.
        relation: What steps know of it.
        table: Where its rows are: ``_etl_row``, the columns of :attr:`loaded`, ``geom``.
        columns: Those that steps read; None: all.
        rows: How many.
    """

    name: str
    schema: pa.Schema
    relation: Relation
    table: str
    columns: Collection[str] | None = None
    rows: int = 0
    places: Places = field(default_factory=Places)

    @property
    def loaded(self) -> pa.Schema:
        """Of what is in the engine: no list and no record, which no step reads, in the engine's types."""
        return engine_schema(pa.schema([item for item in self.schema if item.name == GEOMETRY or self._is_read(item)]), self.name)

    def _is_read(self, item: pa.Field) -> bool:
        return (self.columns is None or item.name in self.columns) and has_equality(_column(item))


def relation_of(schema: pa.Schema, crs: str | None, *, crs_assumed: bool) -> Relation:
    """What steps know of rows of a schema."""
    return Relation(
        columns=tuple(_column(item) for item in schema if item.name != GEOMETRY),
        geometry=GEOMETRY in schema.names,
        crs=crs,
        crs_assumed=crs_assumed,
    )


def relations(inputs: Mapping[str, LoadedInput]) -> dict[str, Relation]:
    """What steps know of each."""
    return {name: each.relation for name, each in inputs.items()}


@dataclass(frozen=True)
class Prepared:
    """What came of the preparations of a plan.

    Attributes:
        changes: What they changed in the inputs, counted under their names.
        warnings: What is doubtful about them.
    """

    changes: Changes = Changes()  # noqa: RUF009 - frozen
    warnings: tuple[Problem, ...] = ()


def prepared(
    preparations: Iterable[Preparation], inputs: Mapping[str, LoadedInput], make: Callable[[Preparation], Audits]
) -> Prepared:
    """Make the preparations of a plan, in order.

    Args:
        preparations: They.
        inputs: Their inputs, by name.
        make: Makes one. Returns the audits of its stages.

    Raises:
        Rejected: when an input does not allow it, naming its feature.
    """
    counts: dict[str, int] = {}
    warnings: dict[Problem, None] = {}
    for each in preparations:
        loaded, audits = inputs[each.input], make(each)
        changes = each.plan.changes(audits, loaded.places.locate, loaded.rows)
        for name, number in {"repaired": changes.repaired, **changes.counts}.items():
            if number and name != "columns_dropped":
                counts[f"{each.input}_{name}"] = number  # a table is made of an input by each step that reads it: counted once
        warnings |= dict.fromkeys(each.plan.warnings(audits, loaded.places.locate, loaded.rows))
    return Prepared(Changes(counts=counts), tuple(warnings))


def added(changes: Changes, more: Changes) -> Changes:
    """Changes with the counts of others."""
    return changes.model_copy(update={"counts": {**changes.counts, **more.counts}})


def _column(item: pa.Field) -> Column:
    return Column(name=item.name, type=str(item.type))
