"""Joining the rows of a named input by key."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from libs.models import Problem, Rejected
from libs.models.inputs import InputName
from libs.models.policies import NumberOrShare
from libs.transformations.casting import TARGETS
from libs.transformations.naming import Names, NamesOrNone
from libs.transformations.plan import ROW, Tolerance
from libs.transformations.query import Query
from libs.transformations.relation import Column
from libs.transformations.steps.base import Step
from libs.transformations.steps.columns import find_columns, find_input_columns, require_free
from libs.transformations.types import Family, family, has_equality


class Join(Step):
    """Give each feature the columns of the row of a named input that has the same key.

    Keys are compared as they are: no type is converted, no blank or zero stripped. Where that would find more, it is told. A
    missing value is no key. If no feature finds a row, the batch is rejected.

    Attributes:
        input: Name of the input.
        on: The key: a column that both have, or a list of such; or an object with the column of the input for each column.
        columns: Columns of the input to add, all but the key when not given; or an object with the new name of each.
        how: ``left`` keeps every feature; ``inner`` those that find a row; ``anti`` those that find none, without new columns.
        cardinality: ``one``: it rejects the batch if a feature finds several rows; ``many``: the feature becomes one for each.
        max_unmatched: How many features may find no row: a number, or a share such as 0.05. Any when not given.
        max_doubled: How many features may find several rows, where they may. Any when not given.
    """

    op: Literal["join"] = "join"
    input: InputName
    on: Names
    columns: NamesOrNone = None
    how: Literal["left", "inner", "anti"] = "left"
    cardinality: Literal["one", "many"] = "one"
    max_unmatched: NumberOrShare = None
    max_doubled: NumberOrShare = None

    @property
    def keys(self) -> Mapping[str, str]:
        """The column of the input for each column of the key."""
        return self.on if isinstance(self.on, dict) else dict(zip(self.on, self.on, strict=True))

    @property
    def named(self) -> frozenset[str]:  # noqa: D102 - see the base
        return frozenset(self.keys)

    @property
    def made(self) -> frozenset[str]:  # noqa: D102 - see the base
        return new_names(self.columns)

    @property
    def reads(self) -> Mapping[str, Collection[str] | None]:  # noqa: D102 - see the base
        if self.how == "anti":
            return {self.input: [*self.keys.values()]}
        return {self.input: None if self.columns is None else [*self.keys.values(), *self.columns]}

    def apply(self, query: Query) -> None:
        """Counts the features that find a row, those that find none, and the features added.

        Raises:
            Rejected: naming the columns that are not there or cannot be added, and keys whose types differ.
        """
        mine, theirs = find_columns(self.keys, query), find_input_columns(self.input, self.keys.values(), query)
        _require_same_types(mine, theirs, self.input, query)
        added = {} if self.how == "anti" else added_columns(self.input, self.columns, self.keys.values(), query)
        rows = query.begin_input(self.input, [*self.keys.values(), *added], geometry=False)
        first, same = rows.number_within([*self.keys.values()])
        rows.settle()
        table = query.use_input(self.input, rows, [*self.keys.values()])
        several = self.cardinality == "many" and self.how != "anti"
        names = [column.name for column in mine]
        for name in names:
            query.column(name)
        quoted, own = query.dialect.identifier, query.own
        taken = {name: own(f"taken_{number}") for number, name in enumerate(added)}
        selected = {ROW: own("row"), first: own("first"), same: own("same")}
        selected |= {quoted(key.name): own(f"key_{number}") for number, key in enumerate(theirs)}
        found = ", ".join(f"{name} AS {mine}" for name, mine in selected.items())
        found += "".join(f", {quoted(name)} AS {mine}" for name, mine in taken.items())
        only = "" if several else f" WHERE {ROW} = {first}"
        live = query.not_dropped
        alike = " AND ".join(f"{own(f'key_{number}')} = {quoted(name)}" for number, name in enumerate(names))
        query.attach(lambda _: f"LEFT JOIN (SELECT {found} FROM {table}{only}) AS found ON {alike} AND {live}")
        matched = query.mark("matched", f"{own('row')} IS NOT NULL")
        more = query.mark("more", f"coalesce({own('same')} > 1, false)")
        part = query.mark("part", f"coalesce({own('row')} - {own('first')}, 0)") if several else None
        add_columns(query, added, taken)
        query.settle()
        nearly = self._nearly(query, mine, theirs, matched)
        tell_matches(query, self.input, matched, nearly, self.max_unmatched, anti=self.how == "anti")
        if part is not None:
            if self.max_doubled is not None:
                query.limit(
                    more, "too_many_doubled",
                    f"finds several rows of the input {self.input!r}, as more do than 'max_doubled' says",
                    "Check the key, or allow more.", Tolerance(rows_looked_at(query), self.max_doubled),
                )  # fmt: skip
            query.spread(part)
            query.count(f"counts.{self.input}_doubled", f"{part} > 0")
        elif self.how != "anti":
            query.refuse(
                more, "join_finds_several", f"finds several rows of the input {self.input!r}, of which it may find one",
                "Make the key unique in the input, name more columns in 'on', or write \"cardinality\": \"many\".",
            )  # fmt: skip
        if self.how != "left":
            query.drop(f"NOT {matched}" if self.how == "inner" else matched)

    def _nearly(self, query: Query, mine: Sequence[Column], theirs: Sequence[Column], matched: str) -> str | None:
        """Mark: a feature finds no row, but would without blanks and leading zeros; None where no key is a text."""
        texts = [family(column) is Family.TEXT for column in mine]
        if not any(texts):
            return None
        dialect, own, live = query.dialect, query.own, query.not_dropped

        def stripped(name: str, *, text: bool) -> str:
            return dialect.without_leading_zeros(dialect.trimmed(name)) if text else name

        keys = dict.fromkeys(column.name for column in theirs)
        rows = query.begin_input(self.input, keys, geometry=False)
        of_text = {column.name: text for column, text in zip(theirs, texts, strict=True)}
        rows.set_columns(
            [(column, stripped(rows.column(column.name), text=of_text[column.name]), None) for column in rows.relation.columns]
        )
        rows.settle()
        rows.group([*keys], [], None)
        rows.settle()
        table = query.use_input(self.input, rows, [*keys])
        quoted = dialect.identifier
        selected = ", ".join(f"{quoted(key.name)} AS {own(f'near_{number}')}" for number, key in enumerate(theirs))
        values = [stripped(query.column(column.name), text=text) for column, text in zip(mine, texts, strict=True)]
        alike = " AND ".join(f"{own(f'near_{number}')} = {value}" for number, value in enumerate(values))
        query.attach(lambda _: f"LEFT JOIN (SELECT {selected} FROM {table}) AS near ON {alike} AND NOT {matched} AND {live}")
        nearly = query.mark("nearly", f"{own('near_0')} IS NOT NULL")
        query.settle()
        return nearly


def rows_looked_at(query: Query) -> str:
    """Slot of the rows that a step looks at, for a ``Tolerance``."""
    return query.own("rows")


def tell_matches(query: Query, name: str, matched: str, nearly: str | None, most: float | None, *, anti: bool = False) -> None:
    """Count what finds something in a named input, and what does not; reject the batch where that is too much.

    Args:
        query: Where the marks are settled.
        name: Of the input.
        matched: Mark: a feature finds something.
        nearly: Mark: it does not, but would if its key were cleaned.
        most: How many features may find nothing.
        anti: Whether it is good to find nothing.
    """
    live = query.not_dropped
    unmatched = f"(NOT {matched} AND {live})"
    query.count(rows_looked_at(query), live)
    query.count(f"counts.{name}_matched", f"{matched} AND {live}")
    query.count(f"counts.{name}_unmatched", unmatched)
    if nearly is not None:
        query.warn(
            nearly, "key_nearly_matched",
            f"finds no row of the input {name!r}, but would if blanks at the ends of the key and zeros before it did not count",
            "Write the keys alike in both, or leave it if they are different things.", explains=True,
        )  # fmt: skip
    if not anti:
        query.limit(
            unmatched, "nothing_matched", f"finds nothing in the input {name!r}, nor does any other",
            f"Check that the input {name!r} is the right one, and that both mean the same things.",
            Tolerance(rows_looked_at(query), None),
        )  # fmt: skip
    if most is not None:
        query.limit(
            unmatched, "too_many_unmatched", f"finds nothing in the input {name!r}, as more do than 'max_unmatched' says",
            "Complete the input, correct the features, or allow more.", Tolerance(rows_looked_at(query), most),
        )  # fmt: skip


def new_names(columns: Collection[str] | Mapping[str, str] | None) -> frozenset[str]:
    """The names of columns that are added, as far as a step says."""
    return frozenset(columns.values() if isinstance(columns, Mapping) else columns or ())


def added_columns(
    name: str, columns: Collection[str] | Mapping[str, str] | None, keys: Collection[str], query: Query
) -> dict[str, Column]:
    """The columns of a named input that are added, as they will be, by their names there.

    Args:
        name: Of the input.
        columns: What the step says; None: all but the key.
        keys: Columns of the key there.
        query: Before they are added.

    Raises:
        Rejected: naming those that are not there, that no engine can hold, or whose name is taken.
    """
    wanted = [each for each in query.input(name).names if each not in keys] if columns is None else [*columns]
    found = find_input_columns(name, wanted, query)
    problems = [
        query.problem(
            "cannot_join_column", f"The column {column.name!r} ({column.type}) of the input {name!r} cannot be added.",
            "Name the others in 'columns'.",
        )
        for column in found
        if not has_equality(column)
    ]  # fmt: skip
    if problems:
        raise Rejected(problems)
    renamed = columns if isinstance(columns, Mapping) else {}
    added = {column.name: column.model_copy(update={"name": renamed.get(column.name, column.name)}) for column in found}
    require_free([*query.relation.columns, *added.values()], query)
    return added


def add_columns(query: Query, added: Mapping[str, Column], values: Mapping[str, str]) -> None:
    """Add columns after those that are there. The values are by the same names as the columns."""
    there = [(column, query.expression(column.name), column.name) for column in query.relation.columns]
    query.set_columns([*there, *((column, values[name], None) for name, column in added.items())])


def cast_target(column: Column) -> str:
    """What a step ``cast`` calls the type of a column; ``string`` where it has no word for it."""
    return next((target for target, type_ in TARGETS.items() if type_ == column.type), "string")


def _require_same_types(mine: Sequence[Column], theirs: Sequence[Column], name: str, query: Query) -> None:
    problems: list[Problem] = []
    for one, other in zip(mine, theirs, strict=True):
        both = f"{one.name!r} ({one.type}) and {other.name!r} ({other.type}) of the input {name!r}"
        if Family.OPAQUE in {family(one), family(other)}:
            problems.append(query.problem("cannot_join", f"{both} cannot be compared.", "Name other columns as the key."))
        elif family(one) is not family(other):
            problems.append(
                query.problem(
                    "key_types_differ", f"{both} are of different types, which are not converted: '007' is not 7.",
                    f"Cast {one.name!r} before: in your own recipe by a step 'cast', with the recipe 'join' by "
                    f"--param 'cast={{\"{one.name}\": \"{cast_target(other)}\"}}'.",
                )
            )  # fmt: skip
    if problems:
        raise Rejected(problems)
