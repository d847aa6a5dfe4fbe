"""Steps that change the columns."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from libs.models import Problem, Rejected
from libs.transformations.casting import TARGETS, CastTarget, exactly
from libs.transformations.query import Query
from libs.transformations.relation import Column, Relation, check_name
from libs.transformations.steps.base import Step
from libs.transformations.types import family

Names = Annotated[tuple[str, ...], Field(min_length=1)]


class Select(Step):
    """Keep some columns.

    Attributes:
        columns: The columns to keep, in this order; or
        without: the columns to leave out.
    """

    op: Literal["select"] = "select"
    columns: Names | None = None
    without: Names | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.columns is None) == (self.without is None):
            raise ValueError("give either 'columns' or 'without'")
        names = self.columns or self.without or ()
        if len(set(names)) < len(names):
            raise ValueError("a column is named twice")
        return self

    @property
    def named(self) -> frozenset[str]:  # noqa: D102 - see the base
        return frozenset(self.columns or self.without or ())

    def apply(self, query: Query) -> None:
        """Keeps the order given by ``columns``.

        Raises:
            Rejected: naming the columns that are not there.
        """
        if self.columns is not None:
            kept = find_columns(self.columns, query)
        else:
            left_out = find_columns(self.without or (), query)
            kept = [column for column in query.relation.columns if column not in left_out]
        query.set_columns([(column, query.expression(column.name), column.name) for column in kept])


class Rename(Step):
    """Give columns other names.

    Attributes:
        columns: Old name to new name. Names may be swapped.
    """

    op: Literal["rename"] = "rename"
    columns: Annotated[dict[str, str], Field(min_length=1)]

    @property
    def named(self) -> frozenset[str]:  # noqa: D102 - see the base
        return frozenset(self.columns)

    @property
    def made(self) -> frozenset[str]:  # noqa: D102 - see the base
        return frozenset(self.columns.values())

    def apply(self, query: Query) -> None:
        """Changes names only.

        Raises:
            Rejected: naming the columns that are not there, and the new names that are taken.
        """
        find_columns(self.columns, query)
        new = [
            column.model_copy(update={"name": self.columns.get(column.name, column.name)}) for column in query.relation.columns
        ]
        require_free(new, query)
        query.set_columns(
            [(column, query.expression(old.name), old.name) for column, old in zip(new, query.relation.columns, strict=True)]
        )


class Cast(Step):
    """Give columns other types. A value is never changed by that: 1.5 is no whole number, '2024-02-30' no date.

    Attributes:
        columns: Column to type.
        on_error: What becomes of a value that has no exact counterpart: the batch is rejected, or the value becomes null
            and is counted.
    """

    op: Literal["cast"] = "cast"
    columns: Annotated[dict[str, CastTarget], Field(min_length=1)]
    on_error: Literal["reject", "null"] = "reject"

    @property
    def named(self) -> frozenset[str]:  # noqa: D102 - see the base
        return frozenset(self.columns)

    def apply(self, query: Query) -> None:
        """Counts the values that become null.

        Raises:
            Rejected: naming the columns that are not there, and the types that cannot be converted into one another.
        """
        find_columns(self.columns, query)
        problems: list[Problem] = []
        changed: list[tuple[Column, str, str | None]] = []
        casts: list[tuple[str, CastTarget, str]] = []
        for column in query.relation.columns:
            name, target = column.name, self.columns.get(column.name)
            if target is None or TARGETS[target] == column.type:
                changed.append((column, query.expression(name), name))
                continue
            value = query.column(name)
            result = exactly(value, family(column), target, query.dialect)
            if result is None:
                problems.append(
                    query.problem("cannot_cast", f"The column {name!r} ({column.type}) cannot become {target}.",
                                  "Cast it to string, or leave it as it is.")
                )  # fmt: skip
                continue
            changed.append((Column(name=name, type=TARGETS[target]), result, name))
            casts.append((name, target, query.scratch(f"given_{len(casts) + 1}", f"{value} IS NOT NULL AND {query.not_dropped}")))
        if problems:
            raise Rejected(problems)
        query.set_columns(changed)
        query.settle()
        failed = [f"{given} AND {query.column(name)} IS NULL" for name, _, given in casts]
        if self.on_error == "null" or query.policy("value") == "null":
            failures = query.mark("failed", _sum_expression([f"CASE WHEN {each} THEN 1 ELSE 0 END" for each in failed]))
            query.count("counts.cast_to_null", f"{failures} > 0", amount=failures)
            return
        which = "".join(f" WHEN {each} THEN {number}" for number, each in enumerate(failed, start=1))
        query.refuse_any(
            query.mark("failed", f"CASE{which} ELSE 0 END" if failed else "0"),
            "cannot_cast_value",
            [f"has a value in the column {name!r} that is not exactly a {target}" for name, target, _ in casts],
            "Correct the value, choose another type, or write 'on_error: \"null\"' in the step.",
            bad="value",
        )


def _sum_expression(numbers: Sequence[str]) -> str:
    """Their sum, nested no deeper than need be: engines limit that."""
    if len(numbers) <= 1:
        return numbers[0] if numbers else "0"
    middle = len(numbers) // 2
    return f"({_sum_expression(numbers[:middle])} + {_sum_expression(numbers[middle:])})"


def find_columns(names: Iterable[str], query: Query) -> list[Column]:
    """The columns of these names.

    Raises:
        Rejected: naming each that is not there, with what it may have been meant to be.
    """
    return _found(names, query.relation, "", query)


def find_input_columns(name: str, names: Iterable[str], query: Query) -> list[Column]:
    """The same of a named input.

    Raises:
        Rejected: likewise, and when the batch has no such input.
    """
    return _found(names, query.input(name), f" in the input {name!r}", query)


def _found(names: Iterable[str], relation: Relation, place: str, query: Query) -> list[Column]:
    known, problems, found = {column.name: column for column in relation.columns}, [], []
    for name in names:
        if name in known:
            found.append(known[name])
            continue
        close = difflib.get_close_matches(name.casefold(), [other.casefold() for other in known], n=1, cutoff=0.6)
        meant = [other for other in known if [other.casefold()] == close]
        hint = f"Did you mean {meant[0]!r}? " if meant else ""
        problems.append(
            query.problem(
                "unknown_column", f"There is no column {name!r}{place}.", f"{hint}The columns: {', '.join(known) or 'none'}."
            )
        )
    if problems:
        raise Rejected(problems)
    return found


def require_free(columns: list[Column], query: Query) -> None:
    """Reject names that columns cannot have side by side.

    Raises:
        Rejected: naming each.
    """
    spellings: dict[str, list[str]] = {}
    problems = []
    for column in columns:
        spellings.setdefault(column.name.casefold(), []).append(column.name)
        try:
            check_name(column.name)
        except ValueError as error:
            problems.append(_taken(column.name, str(error), query))
    problems += [
        _taken(names[-1], f"there would be {' and '.join(map(repr, names))}, which SQL cannot tell apart", query)
        for names in spellings.values()
        if len(names) > 1
    ]
    if problems:
        raise Rejected(problems)


def _taken(name: str, reason: str, query: Query) -> Problem:
    return query.problem("column_name_taken", f"A column cannot be named {name!r}: {reason}.", "Choose another name.")
