"""A recipe as SQL for one relation and one engine: its statements, and how to count what they changed."""

import collections
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from libs.models import Changes, Problem, Rejected
from libs.transformations.dialect import Dialect
from libs.transformations.relation import Relation

SOURCE = "raw_data"
TARGET = "processed"
ROW = "_etl_row"
"""Column of ``raw_data`` and of every stage's table: the feature's place in the source, from 0."""

AT_ONCE = 100
"""Values of an audit that are evaluated in one pass: DuckDB takes four times as long to plan twice as many."""

ABSENT = "absent"
"""Slot of the counter of rows without a geometry that lies anywhere."""

DROP = "_etl_drop"
"""Column of a stage's table, where steps leave features out: NULL for those that stay, else the number of the step that did; or,
below zero, why the feature was set aside (see ``Plan.reasons``)."""


@dataclass(frozen=True)
class Counter:
    """Something that a stage changes, counted.

    Attributes:
        slot: Where it is reported, as a path into ``Changes``: ``repaired``, ``dropped.filter``, ``counts.simplified``.
            Counters of one slot add up. A slot of one word is not reported, but ``repaired``: ``absent`` are rows whose
            coordinates there is nothing to say of, others are what a ``Tolerance`` refers to.
        predicate: On the stage's target table, true for a row that counts.
        amount: How much it counts, an expression there.
        prefilter: Predicate that is true wherever this one is. Several counters and checks share it, so that most rows are tested
            once for all of them.
    """

    slot: str
    predicate: str
    amount: str = "1"
    prefilter: str | None = None


@dataclass(frozen=True)
class Tolerance:
    """How many rows may fail a check.

    Attributes:
        base: Slot of a counter of the same stage, which is not reported: the rows that are looked at.
        most: So many, or such a share of them; None: all but one.
    """

    base: str
    most: int | float | None

    def admits(self, count: int, rows: int) -> bool:
        """Whether so many of so many rows may fail."""
        if self.most is None:
            return count < rows
        return count <= (self.most if isinstance(self.most, int) else round(self.most * rows, 6))


@dataclass(frozen=True)
class Check:
    """Something that must not happen to any row, or is reported if it does.

    Attributes:
        failing: Predicate on the stage's target table, true for an offending row.
        code: Stable code of the problem.
        where: The step as problems name it; empty for what no step causes.
        message: What is wrong, following the words "the feature".
        remedy: What to do about it.
        fatal: Whether the batch is rejected: if it happens to any row, only if each row with a geometry has a check of this
            kind that fails, or never. Else it is a warning. One that is "told" makes neither: it is only counted.
        only_if_all_fail: Whether it is a warning only if it happens to all of those.
        prefilter: See :class:`Counter`.
        tolerance: How many rows may fail without a word; None: none.
        explains: Whether it is told, too, where another check rejects the batch, though it does not itself.
        rule: Number of the quality rule that it is of, from 0; None where it is of a step.
    """

    failing: str
    code: str
    where: str
    message: str
    remedy: str
    fatal: Literal["any", "all", "never", "told"] = "any"
    only_if_all_fail: bool = False
    prefilter: str | None = None
    tolerance: Tolerance | None = None
    explains: bool = False
    rule: int | None = None

    def problem(self, count: int, feature: str) -> Problem:
        """The problem to report for ``count`` offending rows, the first of them at ``feature``."""
        others = f" (and {count - 1:,} more)" if count > 1 else ""
        return Problem(
            code=self.code, where=feature, message=about_feature(self.where, f"{self.message}{others}"), remedy=self.remedy
        )


def about_feature(where: str, message: str) -> str:
    """A sentence of what follows the words "the feature", with the step that found it, if one did."""
    return f"{f'{where}: the' if where else 'The'} feature {message}."


@dataclass(frozen=True)
class Reason:
    """Why features are set aside.

    Attributes:
        code: Of the problem that would reject the batch.
        message: Its message.
    """

    code: str
    message: str


@dataclass(frozen=True)
class Stage:
    """One statement of a plan.

    Attributes:
        select: SELECT that makes the target's rows. Columns: ``_etl_row`` and further columns named ``_etl_...``, the attributes,
            and ``geom`` as the engine's geometry type if the relation has one.
        source: Table that it reads. The first stage's is ``raw_data``: ``_etl_row`` (64-bit), the attributes, ``geom``. Its rows
            are worked on one by one, so that they may come in pieces; every further stage must see all rows.
        target: Table to make of it. The last stage's is ``processed``.
        counters: What to count on the complete target.
        checks: What must not be found on the complete target.
    """

    select: str
    source: str
    target: str
    counters: tuple[Counter, ...] = ()
    checks: tuple[Check, ...] = ()

    @property
    def audit(self) -> str | None:
        """SELECT over the complete target that evaluates counters and checks in few passes, as one row for ``Plan.changes``.

        None when there is nothing to evaluate.
        """
        values = [f"sum({counter.amount}) FILTER (WHERE {counter.predicate})" for counter in self.counters]
        for check in self.checks:
            values += [f"count(*) FILTER (WHERE {check.failing})", f"min({ROW}) FILTER (WHERE {check.failing})"]
        if not values:
            return None
        if len(values) <= AT_ONCE:  # nearly no row is looked at for all of them; a filter of thousands would be slow to plan
            return f"SELECT {', '.join(values)} FROM {self.target} WHERE {self._any_finding}"
        parts = (", ".join(values[first : first + AT_ONCE]) for first in range(0, len(values), AT_ONCE))
        return f"SELECT * FROM {', '.join(f'(SELECT {part} FROM {self.target}) AS part_{n}' for n, part in enumerate(parts))}"

    def row_audit(self, dialect: Dialect) -> str | None:
        """The same row by row, for an engine that gives rows away as it makes them: an expression on the target.

        It is NULL for a row without findings, and else an array of 64-bit integers: what each counter adds, then
        1 for each check that fails and 0 for the others. None when there is nothing to evaluate.
        """
        values = [(counter.predicate, counter.amount) for counter in self.counters]
        values += [(check.failing, "1") for check in self.checks]
        numbers = ", ".join(f"CASE WHEN {predicate} THEN {amount} ELSE 0 END" for predicate, amount in values)
        return f"CASE WHEN {self._any_finding} THEN {dialect.integers(numbers)} END" if values else None

    @property
    def _any_finding(self) -> str:
        """Predicate that is true for every row that counts for a counter or fails a check."""
        prefilters = [counter.prefilter or counter.predicate for counter in self.counters]
        prefilters += [check.prefilter or check.failing for check in self.checks]
        return " OR ".join(f"({predicate})" for predicate in dict.fromkeys(prefilters))


@dataclass(frozen=True)
class Preparation:
    """The table of a named input that the stages of a plan read: made of all its rows, before the first stage.

    Attributes:
        input: Its name.
        plan: Makes it of the table ``input_<name>``, which has the columns of ``raw_data``.
        table: What the plan's last stage makes.
        indexed: Columns by which its rows are looked for.
    """

    input: str
    plan: "Plan"
    table: str
    indexed: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """The statements of a recipe for one relation and engine, in order.

    Attributes:
        stages: At least one.
        relation: Columns and CRS of the result.
        row_filter: Predicate on ``processed`` for the rows of the result; None when all rows are.
        read: Columns of the source whose values some step reads.
        passthrough: Columns of the result that hand on one of the source, and which: each row has the value of the one that it
            was made of.
        origins: Columns of the result, renamed and cast ones, too, that hand on one of the source, and which.
        order: Columns of ``processed`` that give the source order, to break ties with.
        renamed: Source name to result name of columns that the recipe renames.
        constants: Counts that are known without a look at the rows, by name.
        reasons: Why the first stage may set features aside: where its ``_etl_drop`` is -1, it is the first of them. Without
            reasons, it has no ``_etl_drop`` below zero.
        preparations: What is to be made of named inputs before.
    """

    stages: tuple[Stage, ...]
    relation: Relation
    row_filter: str | None
    order: tuple[str, ...]
    read: frozenset[str] = frozenset()
    passthrough: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, int] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    preparations: tuple[Preparation, ...] = ()

    @property
    def statements(self) -> Iterator[Stage]:
        """All that is made, in order: tables of named inputs first."""
        for each in self.preparations:
            yield from each.plan.stages
        yield from self.stages

    def changes(self, audits: Sequence[Sequence[int | None] | None], locate: Callable[[int], str], rows: int) -> Changes:
        """What was changed, from the rows that the stages' audits gave (None for a stage without one), in order.

        Args:
            audits: A row for each stage.
            locate: Names the place of a row of ``raw_data`` for people: ``files[0]: layer roads, feature 18``.
            rows: How many ``raw_data`` had.

        Raises:
            Rejected: when a check failed, with a problem for each.
        """
        failed = [*self._failed_checks(audits, locate, rows)]
        if any(fatal for _, _, fatal in failed):
            raise Rejected(problem for check, problem, fatal in failed if fatal or check.explains)
        repaired = 0
        dropped: dict[str, int] = {}
        counts = dict(self.constants)
        for stage, audit in zip(self.stages, audits, strict=True):
            values = iter(audit or ())
            for counter in stage.counters:
                number = next(values) or 0
                match counter.slot.split(".", maxsplit=1):
                    case ["repaired"]:
                        repaired += number
                    case ["dropped", key] if number:
                        dropped[key] = dropped.get(key, 0) + number
                    case [_, key] if number:
                        counts[key] = counts.get(key, 0) + number
        return Changes(repaired=repaired, dropped=dropped, renamed=dict(self.renamed), counts=counts)

    def warnings(
        self, audits: Sequence[Sequence[int | None] | None], locate: Callable[[int], str], rows: int
    ) -> tuple[Problem, ...]:
        """What is doubtful about rows, though it rejects nothing. For the arguments see :meth:`changes`."""
        return tuple(problem for _, problem, fatal in self._failed_checks(audits, locate, rows) if not fatal)

    def broken_rules(
        self, audits: Sequence[Sequence[int | None] | None], locate: Callable[[int], str]
    ) -> Mapping[int, tuple[int, str]]:
        """How many rows break each quality rule, and the place of the first; those that none breaks are left out.

        For the arguments see :meth:`changes`.
        """
        return {
            check.rule: (count, locate(row))
            for stage, audit in zip(self.stages, audits, strict=True)
            for check, count, row in _failures(stage, audit or ())
            if check.rule is not None
        }

    def _failed_checks(
        self, audits: Sequence[Sequence[int | None] | None], locate: Callable[[int], str], rows: int
    ) -> Iterator[tuple[Check, Problem, bool]]:
        """The checks that failed: each with its problem, and whether it rejects the batch."""
        for stage, audit in zip(self.stages, audits, strict=True):
            found = audit or ()
            counted = collections.Counter[str]()
            for counter, number in zip(stage.counters, found, strict=False):
                counted[counter.slot] += number or 0
            absent = counted[ABSENT]
            failed = [each for each in _failures(stage, found) if each[0].fatal != "told"]
            all_bad = sum(count for check, count, _ in failed if check.fatal == "all") == rows - absent
            for check, count, row in failed:
                if check.tolerance and check.tolerance.admits(count, counted[check.tolerance.base]):
                    continue
                if not check.only_if_all_fail or count == rows - absent:
                    fatal = check.fatal == "any" or (check.fatal == "all" and all_bad)
                    yield check, check.problem(count, locate(row)), fatal


def _failures(stage: Stage, audit: Sequence[int | None]) -> Iterator[tuple[Check, int, int]]:
    """Each check of a stage that failed, how often, and its first row."""
    pairs = audit[len(stage.counters) :]
    for check, count, row in zip(stage.checks, pairs[::2], pairs[1::2], strict=bool(audit)):
        if count and row is not None:
            yield check, count, row
