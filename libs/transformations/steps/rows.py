"""Steps that change which rows there are."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from libs.column_names import GEOMETRY
from libs.models import Model, Problem, Rejected
from libs.transformations import conditions
from libs.transformations.conditions import Condition
from libs.transformations.query import Query
from libs.transformations.relation import Column
from libs.transformations.steps.base import Step, require_geometry
from libs.transformations.steps.columns import find_columns, require_free
from libs.transformations.steps.shape import require_sound
from libs.transformations.types import Family, family, has_equality

_LARGEST, _SCALE = 1.7976931348623157e308, 2.0**-60
"""The largest double, and a scale for sums of such."""


class Filter(Step):
    """Keep the features that meet a condition on their attributes.

    Attributes:
        condition: See :mod:`libs.transformations.conditions`.
    """

    op: Literal["filter"] = "filter"
    condition: Condition

    @property
    def named(self) -> frozenset[str]:  # noqa: D102 - see the base
        return frozenset(comparison.column for comparison in conditions.comparisons(self.condition))

    def apply(self, query: Query) -> None:
        """Counts the features left out.

        Raises:
            Rejected: with every comparison that does not fit its column.
        """
        columns = {column.name: column for column in query.relation.columns}
        problems = list(conditions.problems(self.condition, columns))
        if problems:
            known = ", ".join(f"{column.name} ({column.type})" for column in query.relation.columns)
            raise Rejected(
                query.problem("bad_condition", f"{problem[0].upper()}{problem[1:]}.", f"The columns: {known or 'none'}.")
                for problem in problems
            )
        used = {comparison.column for comparison in conditions.comparisons(self.condition)}
        for name in used:
            query.column(name)  # settles what is still an expression, before any is written down
        readable = {name: (columns[name], query.column(name)) for name in used}
        query.drop(f"NOT {conditions.predicate(self.condition, readable, query.dialect)}")


class Deduplicate(Step):
    """Keep the first feature, in source order, of those that agree in some columns. A missing value agrees with another.

    Attributes:
        by: Columns to agree in. Their geometries need not.
    """

    op: Literal["deduplicate"] = "deduplicate"
    by: Annotated[tuple[str, ...], Field(min_length=1)]

    @property
    def named(self) -> frozenset[str]:  # noqa: D102 - see the base
        return frozenset(self.by)

    def apply(self, query: Query) -> None:
        """Counts the features left out.

        Raises:
            Rejected: naming columns that are not there, or whose values do not compare; and after features were taken apart.
        """
        require_groupable(find_columns(self.by, query), query)
        if len(query.order_columns) > 1:
            raise query.rejection(
                "cannot_group", "Features were taken apart or doubled before, so that the first of them is several.",
                "Put this step before that one.",
            )  # fmt: skip
        first = query.first_of_each(self.by)
        query.settle()
        query.drop(f"NOT {first}")


class Explode(Step):
    """Make a feature of every part of a multi-geometry or collection, each with all the attributes, in the parts' order.

    Features with one part or none stay single rows; an empty or missing geometry stays as it is.
    """

    op: Literal["explode"] = "explode"

    def apply(self, query: Query) -> None:
        """Counts the features added.

        Raises:
            Rejected: for a table.
        """
        require_geometry(query)
        query.count("counts.exploded", f"{query.explode()} > 0")


class Aggregate(Model):
    """A column of a dissolved feature, made from the features that went into it.

    Attributes:
        op: ``count`` of the features, or of the values of ``column``; ``sum``, ``min``, ``max`` of its values; ``first`` of
            its values in source order, missing or not.
        column: Needed for all but ``count``.
    """

    op: Literal["count", "sum", "min", "max", "first"]
    column: str | None = None

    @model_validator(mode="after")
    def _has_column(self) -> Self:
        if self.column is None and self.op != "count":
            raise ValueError(f"{self.op!r} needs a 'column'")
        return self

    def result(self, name: str, source: Column | None) -> Column | None:
        """The column that it makes of ``source``; None when values of its type cannot be aggregated so."""
        type_family = None if source is None else family(source)
        match self.op:
            case "count":
                return Column(name=name, type="int64")
            case "sum" if type_family in {Family.INTEGER, Family.FLOAT}:
                return Column(name=name, type="int64" if type_family is Family.INTEGER else "double")
            case "min" | "max" if source and type_family not in {Family.BOOLEAN, Family.OPAQUE}:
                return Column(name=name, type=source.type)
            case "first" if source:
                return Column(name=name, type=source.type)
        return None

    def sql(self, result: Column, query: Query) -> str:
        """The aggregate."""
        dialect = query.dialect
        if self.column is None:
            return "count(*)"
        value = query.member(self.column)
        match self.op:
            case "sum" if result.type == "int64":
                return f"CASE WHEN NOT {self._is_too_large(result, query)} THEN {dialect.cast(f'sum({value})', 'int64')} END"
            case "sum":
                total = dialect.sum_of_doubles(dialect.cast(value, "double"), query.order)
                return f"CASE WHEN NOT {self._is_too_large(result, query)} THEN {total} END"
            case "first":
                return dialect.first(value, query.order, "TRUE")
            case "min" | "max" if family(result) is Family.TEXT:
                return f"{self.op}({dialect.by_code_point(value)})"
            case _:
                return f"{self.op}({value})"

    def refuse_overflow(self, number: int, result: Column, query: Query) -> None:
        """Reject the batch when the sum, column ``number`` of the result, is more than its type can hold."""
        whole = result.type == "int64"
        query.refuse(
            query.mark(f"overflow_{number}", self._is_too_large(result, query)),
            "sum_too_large",
            f"begins a group whose sum of {self.column!r} does not fit into 64 bits"
            if whole
            else f"begins a group whose values of {self.column!r} come to more than a double can hold",
            "Cast the column to double before the step." if whole else "Leave out such values by a step 'filter' before it.",
        )

    def _is_too_large(self, result: Column, query: Query) -> str:
        """Whether the sum is; never NULL. For doubles, whether that of their sizes is, so that it is not on the way either."""
        value = query.member(self.column or "")
        if result.type == "int64":
            return f"coalesce(sum({value}) NOT BETWEEN -{2**63} AND {2**63 - 1}, false)"
        # In a scale in which nothing is too large. What is less than 1 does not matter, and might be too small in it.
        size = query.dialect.absolute(query.dialect.cast(value, "double"))
        sizes = f"sum({size} * {_SCALE!r}) FILTER (WHERE {size} BETWEEN 1 AND {_LARGEST!r})"
        return f"coalesce({sizes} > {_LARGEST * _SCALE!r}, false)"


class Grouping(Step):
    """What makes a row of all features that agree in some columns.

    The result does not depend on the number of threads: values are added up in source order.

    Attributes:
        by: Columns to agree in, where a missing value agrees with another; none: all features become one.
        aggregate: Further columns of the result, by name. All others are left out.
    """

    by: tuple[str, ...] = ()
    aggregate: dict[str, Aggregate] = {}

    @model_validator(mode="after")
    def _no_name_twice(self) -> Self:
        if len(set(self.by)) < len(self.by):
            raise ValueError("a column is named twice in 'by'")
        return self

    @property
    def named(self) -> frozenset[str]:  # noqa: D102 - see the base
        return frozenset((*self.by, *(item.column for item in self.aggregate.values() if item.column is not None)))

    @property
    def made(self) -> frozenset[str]:  # noqa: D102 - see the base
        return frozenset(self.aggregate)

    def group(self, query: Query, geometry: str | None) -> tuple[str, list[Column]]:
        """Make the rows.

        Args:
            query: The features.
            geometry: Aggregate for the geometry; None: the result is a table.

        Returns:
            Mark: how many features went into a row; and the columns that are aggregates.

        Raises:
            Rejected: naming columns that are not there, and aggregates that their type does not allow.
        """
        keys = find_columns(self.by, query)
        find_columns([item.column for item in self.aggregate.values() if item.column is not None], query)
        sources = {name: query.relation.column(item.column or "") for name, item in self.aggregate.items()}
        results = {name: item.result(name, sources[name]) for name, item in self.aggregate.items()}
        problems = [
            query.problem("cannot_aggregate", f"There is no {self.aggregate[name].op} of {source.name!r} ({source.type}).",
                          "Use 'first' or 'count', or leave the column out.")
            for name, source in sources.items() if results[name] is None and source is not None
        ]  # fmt: skip
        problems += groupable_problems(keys, query)
        if problems:
            raise Rejected(problems)
        columns = [column for column in results.values() if column is not None]
        require_free([*keys, *columns], query)
        values = [item.sql(result, query) for item, result in zip(self.aggregate.values(), columns, strict=True)]
        return query.group(self.by, list(zip(columns, values, strict=True)), geometry), columns

    def refuse_overflows(self, columns: Sequence[Column], query: Query) -> None:
        """Reject the batch for a sum that its type cannot hold."""
        for number, (item, result) in enumerate(zip(self.aggregate.values(), columns, strict=True), start=1):
            if item.op == "sum":
                item.refuse_overflow(number, result, query)


class Dissolve(Grouping):
    """Unite the geometries of all features that agree in some columns.

    The result does not depend on the number of threads: geometries are united, and values added up, in source order.
    """

    op: Literal["dissolve"] = "dissolve"

    def apply(self, query: Query) -> None:
        """Counts the features that merge into others.

        Raises:
            Rejected: for a table; naming columns that are not there, and aggregates that their type does not allow.
        """
        require_geometry(query)
        require_sound(query)
        if query.surfaces:
            query.refuse(
                query.mark("surface", f"{query.surfaces} AND {query.geometry()} IS NOT NULL"),
                "surface_not_dissolved",
                "is a surface in space, such as a wall or a building, which cannot be united with others without being flattened",
                "Put a step 'force_2d' before this one, or use the intent 'default' or 'keep_crs' to keep the features apart.",
                hide_geometry=True,
            )
        dialect, order = query.dialect, query.order
        empty = dialect.is_empty(GEOMETRY)
        solid = f"NOT {empty}"
        members, columns = self.group(
            query,
            f"CASE WHEN count(*) FILTER (WHERE {solid}) > 0 THEN {dialect.union(GEOMETRY, order, solid)} "
            f"ELSE {dialect.first(GEOMETRY, order, empty)} END",
        )
        query.count("counts.dissolved", f"{members} > 1", amount=f"{members} - 1")
        has_z = dialect.has_z(GEOMETRY)
        mixed = f"{dialect.any_row(has_z)} FILTER (WHERE {solid}) AND NOT {dialect.every_row(has_z)} FILTER (WHERE {solid})"
        query.refuse(
            query.mark("mixed", f"coalesce({mixed}, false)"),
            "mixed_heights",
            "begins a group of features with and without heights, whose union would make heights up",
            "Put a step 'force_2d' before it.",
        )
        self.refuse_overflows(columns, query)
        query.settle()


class Summarize(Grouping):
    """Make a table of all features or rows that agree in some columns: a row for each group, without geometries.

    The result does not depend on the number of threads: values are added up in source order.
    """

    op: Literal["summarize"] = "summarize"

    def apply(self, query: Query) -> None:
        """Counts the features that went into a row with others.

        Raises:
            Rejected: naming columns that are not there, and aggregates that their type does not allow.
        """
        members, columns = self.group(query, None)
        query.count("counts.summarized", f"{members} > 1", amount=f"{members} - 1")
        self.refuse_overflows(columns, query)
        query.settle()


def groupable_problems(keys: Sequence[Column], query: Query) -> list[Problem]:
    """What is wrong with columns that features are to agree in."""
    return [
        query.problem("cannot_group", f"Features cannot be grouped by {key.name!r} ({key.type}): its values do not compare.",
                      "Leave it out of 'by'; the aggregate 'first' keeps a value of each group.")
        for key in keys if not has_equality(key)
    ]  # fmt: skip


def require_groupable(keys: Sequence[Column], query: Query) -> None:
    """Reject columns whose values do not compare.

    Raises:
        Rejected: naming each.
    """
    if problems := groupable_problems(keys, query):
        raise Rejected(problems)
