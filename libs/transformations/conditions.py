"""Conditions on attributes, as data: comparisons joined by ``all``, ``any`` and ``not``.

Every condition is true or false, never unknown. A missing value (null) equals nothing, is in no list, and is neither before nor
after anything; ``ne``, ``not_in`` and ``not`` are true exactly when ``eq``, ``in`` and what they negate are false, so they are
true for a missing value.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from libs.models import Model
from libs.transformations.decimals import DecimalColumn
from libs.transformations.dialect import Dialect
from libs.transformations.literals import Scalar, check_literal, literal
from libs.transformations.relation import Column
from libs.transformations.types import Family, family

_SIGNS = {"eq": "=", "ne": "=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_TEXT_ONLY = {"starts_with", "ends_with", "contains", "like"}
_MAX_VALUES = 10_000


class Comparison(Model):
    """A column compared with a value.

    Attributes:
        column: Name of the column.
        op: ``eq ne lt le gt ge``; ``in`` and ``not_in`` a list; ``between`` two values, both included; ``is_null`` and
            ``not_null`` without a value; ``starts_with ends_with contains`` for text, case counting; ``like`` for text, with
            ``%`` for any characters, ``_`` for one, a backslash before either for itself.
        value: What to compare with: a list of values where ``op`` takes several. Dates and times as ISO 8601 text.
    """

    column: str
    op: Literal[
        "eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "between", "is_null", "not_null",
        "starts_with", "ends_with", "contains", "like",
    ]  # fmt: skip
    value: Any = None

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        values = self.value if isinstance(self.value, list | tuple) else [self.value]
        is_list = values is self.value
        match self.op:
            case "is_null" | "not_null":
                fits, expected = self.value is None, "no value"
            case "in" | "not_in":
                fits, expected = is_list and 0 < len(values) <= _MAX_VALUES, f"a list of 1 to {_MAX_VALUES:,} values"
            case "between":
                fits, expected = is_list and len(values) == 2, "a list of two values, the lower one first"  # noqa: PLR2004
            case _:
                fits, expected = not is_list and self.value is not None, "one value"
        if self.op not in {"is_null", "not_null"}:
            fits = fits and all(isinstance(value, Scalar) for value in values)
        if not fits:
            raise ValueError(f"{self.op!r} takes {expected}, each a text, a number, true or false")
        return self

    def problems(self, columns: dict[str, Column]) -> Iterator[str]:
        """What does not fit the columns."""
        column = columns.get(self.column)
        if column is None:
            yield f"there is no column {self.column!r}"
            return
        if self.op in {"is_null", "not_null"}:
            return
        type_family = family(column)
        if type_family is Family.OPAQUE:
            yield f"the values of {self.column!r} ({column.type}) cannot be compared, only 'is_null' and 'not_null' can be asked"
        elif self.op in _TEXT_ONLY and type_family is not Family.TEXT:
            yield f"{self.op!r} is for text, and {self.column!r} has {type_family}"
        elif type_family is Family.BOOLEAN and self.op not in {"eq", "ne", "in", "not_in"}:
            yield f"{self.column!r} is true or false: there is no {self.op!r}"
        else:
            for value in self.value if isinstance(self.value, list | tuple) else [self.value]:
                try:
                    check_literal(value, column)
                    if self.op == "like":
                        _check_pattern(value)
                except ValueError as error:
                    yield f"{value!r} cannot be compared with {self.column!r}, which has {type_family}: {error}"

    def sql(self, columns: dict[str, tuple[Column, str]], dialect: Dialect) -> str:
        """The condition as a predicate that is never NULL, on columns that it fits."""
        column, name = columns[self.column]
        if self.op in {"is_null", "not_null"}:
            return f"{name} IS {'NOT ' if self.op == 'not_null' else ''}NULL"
        if family(column) is Family.DECIMAL:
            predicate = self._of_decimals(DecimalColumn(column, name, dialect))
        else:
            predicate = self._predicate(column, name, dialect)
        return f"{'NOT ' if self.op in {'ne', 'not_in'} else ''}coalesce({predicate}, false)"

    def _of_decimals(self, column: DecimalColumn) -> str:
        match self.op:
            case "in" | "not_in":
                return column.is_in(self.value)
            case "between":
                return f"{column.compares('>=', self.value[0])} AND {column.compares('<=', self.value[1])}"
            case _:
                return column.compares(_SIGNS[self.op], self.value)

    def _predicate(self, column: Column, name: str, dialect: Dialect) -> str:
        if family(column) is Family.TEXT:
            name = dialect.by_code_point(name)
        elif family(column) in {Family.FINE_TIME, Family.FINE_TIMESTAMP}:
            name = dialect.nanoseconds(name)
        given = self.value if isinstance(self.value, list | tuple) else [self.value]
        values = [literal(value, column, dialect) for value in given]
        match self.op:
            case "in" | "not_in":
                return f"{name} IN ({', '.join(values)})"
            case "between":
                return f"{name} BETWEEN {values[0]} AND {values[1]}"
            case "like":
                return rf"{name} LIKE {values[0]} ESCAPE '\'"
            case "starts_with" | "ends_with" | "contains":
                before, after = "%" * (self.op != "starts_with"), "%" * (self.op != "ends_with")
                return rf"{name} LIKE {dialect.text(before + _escaped(str(self.value)) + after)} ESCAPE '\'"
            case _:
                return f"{name} {_SIGNS[self.op]} {values[0]}"


class AllOf(Model):
    """True when every condition is."""

    conditions: Annotated[tuple["Condition", ...], Field(alias="all", min_length=1)]


class AnyOf(Model):
    """True when at least one condition is."""

    conditions: Annotated[tuple["Condition", ...], Field(alias="any", min_length=1)]


class Not(Model):
    """True when the condition is not."""

    condition: Annotated["Condition", Field(alias="not")]


FORMS = ("all", "any", "not", "comparison")
"""Names of the forms of a condition, as they stand in the places of Pydantic's errors."""


def _form(value: Any) -> str:
    if isinstance(value, AllOf | AnyOf | Not):
        return "all" if isinstance(value, AllOf) else "any" if isinstance(value, AnyOf) else "not"
    return next((form for form in FORMS if isinstance(value, dict) and form in value), "comparison")


Condition = Annotated[
    Annotated[Comparison, Tag("comparison")]
    | Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[Not, Tag("not")],
    Discriminator(_form),
]
"""A condition: ``{column, op, value}``, ``{all: [...]}``, ``{any: [...]}`` or ``{not: ...}``."""

for _model in (AllOf, AnyOf, Not):
    _model.model_rebuild()


def problems(condition: Comparison | AllOf | AnyOf | Not, columns: dict[str, Column]) -> Iterator[str]:
    """Everything in a condition that does not fit the columns."""
    for comparison in comparisons(condition):
        yield from comparison.problems(columns)


def comparisons(condition: Comparison | AllOf | AnyOf | Not) -> Iterator[Comparison]:
    """Every comparison in a condition."""
    match condition:
        case Comparison():
            yield condition
        case Not():
            yield from comparisons(condition.condition)
        case AllOf() | AnyOf():
            for part in condition.conditions:
                yield from comparisons(part)


def predicate(condition: Comparison | AllOf | AnyOf | Not, columns: dict[str, tuple[Column, str]], dialect: Dialect) -> str:
    """A condition as SQL: true or false, never NULL.

    Args:
        condition: It fits the columns.
        columns: By name, the column and an expression for it.
        dialect: Spelling.
    """
    match condition:
        case Comparison():
            return condition.sql(columns, dialect)
        case Not():
            return f"NOT ({predicate(condition.condition, columns, dialect)})"
        case AllOf() | AnyOf():
            joint = " AND " if isinstance(condition, AllOf) else " OR "
            return "(" + joint.join(predicate(part, columns, dialect) for part in condition.conditions) + ")"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _check_pattern(pattern: Any) -> None:
    if len(str(pattern)) - len(str(pattern).rstrip("\\")) & 1:
        raise ValueError("a pattern cannot end in a single backslash")
