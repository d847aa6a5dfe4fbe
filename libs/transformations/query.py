"""The statement under construction: steps extend it, a plan comes out of it."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from libs.column_names import GEOMETRY, RESERVED_PREFIX
from libs.models import Policies, Problem, Rejected
from libs.remedies import way_in
from libs.transformations import coordinates
from libs.transformations.bad_rows import Bad, BadRows
from libs.transformations.crs import CrsFacts, CrsLookup
from libs.transformations.dialect import Dialect
from libs.transformations.plan import (
    ABSENT,
    DROP,
    ROW,
    SOURCE,
    TARGET,
    Check,
    Counter,
    Plan,
    Preparation,
    Stage,
    Tolerance,
)
from libs.transformations.relation import Column, Relation
from libs.transformations.statement import Statement


class Query:
    """Rows on their way through the steps of a recipe.

    It is a chain of SELECTs, each reading the one before, the last of them still open. A step sets what the open one shall
    give: the geometry, columns, *marks* (``_etl_`` columns that say what was done to a row). An expression that is to be read
    more than once is first *settled*: the open SELECT is closed with it, and everybody refers to its column by name. So
    nothing is computed twice, and rows are touched once. Only a step that must see all rows ends the statement and begins
    another, a *stage*.

    Rows that a step leaves out are marked, not removed, so that they can be counted by step; their geometry becomes NULL,
    which every function passes over.

    Attributes:
        relation: Of the rows as the steps so far leave them.
        dialect: Spelling.
        where: The current step, for people: ``recipe step 2 (filter)``.
        valid: Whether every geometry is known to be valid here, but for those that ``surfaces`` names.
        surfaces: Predicate on marks: the geometry is a surface in space, which is not valid on the map; None when there is none.

    Args:
        not_loaded: Columns that ``raw_data`` does not have, as nothing that the steps do reads them.
        policies: What becomes of rows that cannot be kept as they are.
        inputs: What is known of the named inputs, by name.
        source: Table that is read.
        target: Table that is made.
    """

    def __init__(
        self,
        relation: Relation,
        dialect: Dialect,
        look_up: CrsLookup,
        not_loaded: Collection[str] = (),
        policies: Policies | None = None,
        inputs: Mapping[str, Relation] = MappingProxyType({}),
        *,
        source: str = SOURCE,
        target: str = TARGET,
    ) -> None:
        self.relation, self.dialect, self._look_up, self._not_loaded = relation, dialect, look_up, not_loaded
        self._inputs, self._target = inputs, target
        self._preparations: list[Preparation] = []
        self._bad_rows = BadRows(policies)
        self.where, self.valid = "recipe", False
        self.surfaces: str | None = None
        self._step, self._label, self._slot = 0, "source", ""
        self._origins = {name: name for name in relation.names}
        self._passthrough = dict(self._origins)
        self._read: set[str] = set()
        self._constants: dict[str, int] = {}
        self._coordinates_checked = False
        self._stages: list[Stage] = []
        geometry = dialect.source_geometry(GEOMETRY) if relation.geometry else None
        self._open = Statement(source, self._named(relation.names), geometry, self._named([ROW]))

    def begin(self, number: int, op: str, occurrence: int) -> None:
        """Begin a step: its number in the recipe, its ``op``, and its occurrence among steps of this ``op``, from 1."""
        if self._is_pending(DROP):
            self.settle()
        self._step, self._label, self._slot = number, f"step_{number}_{op}", op if occurrence == 1 else f"{op}#{occurrence}"
        self.where = f"recipe step {number} ({op})"

    # What steps read

    def geometry(self) -> str:
        """The geometry, as a column to be named as often as one likes; NULL in rows that have been left out."""
        if self.geometry_once() != GEOMETRY:
            self.settle()
        return GEOMETRY

    def geometry_once(self) -> str:
        """The geometry, as an expression to be named once; NULL in rows that have been left out."""
        self.check_coordinates()
        if self._open.stale:
            if self._is_pending(DROP):
                self.settle()
            self._open.stale = False
            self._open.geometry = f"CASE WHEN {DROP} IS NULL THEN {self._open.geometry} END"
        if self._open.geometry_hidden_by:
            if any(map(self._is_pending, self._open.geometry_hidden_by)):
                self.settle()
            marks, self._open.geometry_hidden_by = " OR ".join(self._open.geometry_hidden_by), []
            self._open.geometry = f"CASE WHEN NOT ({marks}) THEN {self._open.geometry} END"
        if self._open.geometry is None:
            raise LookupError("the relation has no geometry")
        return self._open.geometry

    def column(self, name: str) -> str:
        """An attribute column, to be named as often as one likes."""
        self._note_read(name)
        if self._open.columns[name] != self.dialect.identifier(name):
            self.settle()
        return self._open.columns[name]

    def expression(self, name: str) -> str:
        """An attribute column, as an expression to be handed on by ``set_columns``."""
        return self._open.columns[name]

    def member(self, name: str) -> str:
        """An attribute column, as the aggregates of a ``group`` name it."""
        self._note_read(name)
        return self.dialect.identifier(name)

    def crs(self, text: str | None = None) -> CrsFacts:
        """What a text says about a CRS; without one, the CRS of the geometry here.

        Raises:
            Rejected: when it is no CRS, or the geometry has none.
        """
        text = text or self.relation.crs
        if text is None:
            raise self.rejection(
                "missing_crs",
                "The coordinates are local: they have no CRS, which the step needs.",
                "Give the file's CRS in the manifest instead of \"none\", or use an intent that needs none, such as 'keep_crs'.",
            )
        try:
            return self._look_up(text)
        except ValueError as error:
            raise self.rejection("unknown_crs", str(error), "Give an authority code such as EPSG:4326, or WKT.") from error

    @property
    def order(self) -> str:
        """Columns that give the source order of rows, for an ORDER BY."""
        return ", ".join(self._open.order)

    @property
    def order_columns(self) -> tuple[str, ...]:
        """The same, one by one: they tell rows apart."""
        return self._open.order

    @property
    def not_dropped(self) -> str:
        """Predicate: the row has not been left out."""
        return f"{DROP} IS NULL" if DROP in self._open.marks else "TRUE"

    # What steps set

    def set_geometry(self, expression: str, *, valid: bool) -> None:
        """Replace the geometry by an expression of it, and say whether every result is valid."""
        self._open.geometry, self.valid = expression, valid

    def change_geometry(self, expression: str, *, valid: bool) -> tuple[str, str]:
        """Replace the geometry and keep the old one at hand for a comparison.

        Returns:
            The old and the new one as columns, to be read by what is set before the next geometry.
        """
        new = self.scratch("new", expression)
        self.settle()
        self.set_geometry(new, valid=valid)
        return GEOMETRY, new

    def unless_surface(self, expression: str) -> str:
        """An expression of the geometry, but the geometry as it is where it is a surface in space."""
        return f"CASE WHEN {self.surfaces} THEN {GEOMETRY} ELSE {expression} END" if self.surfaces else expression

    def set_crs(self, crs: str) -> None:
        """Say what CRS the geometry is in from here on."""
        self.relation = self.relation.model_copy(update={"crs": crs})

    def set_columns(self, columns: Sequence[tuple[Column, str, str | None]]) -> None:
        """Replace all columns.

        Args:
            columns: For each the column, its value, and the name it has had so far; None for a new one.
        """
        origins = {column.name: origin for column, _, origin in columns if origin is not None}
        gone = len(self._open.columns) - len(set(origins.values()))
        if gone:
            self._constants["columns_dropped"] = self._constants.get("columns_dropped", 0) + gone
        self._origins = {name: self._origins[origin] for name, origin in origins.items() if origin in self._origins}
        types = {column.name: column.type for column in self.relation.columns}
        self._passthrough = {
            column.name: self._passthrough[origin]
            for column, value, origin in columns
            if origin in self._passthrough and (value, column.type) == (self._open.columns[origin], types.get(origin))
        }
        self._open.columns = {column.name: value for column, value, _ in columns}
        self.relation = self.relation.model_copy(update={"columns": tuple(column for column, _, _ in columns)})

    def mark(self, name: str, expression: str) -> str:
        """Add a column for the plan's own use.

        Args:
            name: Unique within the step.
            expression: Its value.

        Returns:
            The column's name, as an expression that may be read once the mark is settled.
        """
        column = self.own(name)
        self._open.marks[column] = expression
        return column

    def scratch(self, name: str, expression: str) -> str:
        """Add a column that goes no further than to what is set right after the next ``settle``.

        Returns:
            The column's name, as an expression.
        """
        column = f"_etl_{name}"
        self._open.scratch[column] = expression
        return column

    def drop(self, predicate: str) -> None:
        """Leave out the rows for which a predicate is true, and count them under the step's ``op``."""
        before = f"WHEN {DROP} IS NOT NULL THEN {DROP} " if DROP in self._open.marks else ""
        self._open.marks[DROP] = f"CASE {before}WHEN {predicate} THEN {self._step} END"
        self._open.stale = self._open.geometry is not None
        self.count(f"dropped.{self._slot}", f"{DROP} = {self._step}")

    def explode(self) -> str:
        """Make a row of each part of a geometry. Returns a mark: the number of the part, from 0."""
        self._open.stale = self._open.stale or bool(self._bad_rows.reasons)  # what is set aside stays one row
        parts = self.scratch("parts", self.dialect.parts(self.geometry()))
        self.settle()
        part = self.mark("part", self.dialect.part_numbers(parts))
        self._open.geometry = self.dialect.each_part(parts)
        self.settle()
        self.spread(part)
        return part

    def spread(self, part: str) -> None:
        """Say that rows have become several: by a mark that is 0 for the first of them, and gives their order."""
        self._open.order += (part,)

    def group(self, by: Sequence[str], columns: Sequence[tuple[Column, str]], geometry: str | None) -> str:
        """End the stage; in the next one, make a row of each group. The caller settles it in the end.

        Args:
            by: Columns to group by; none: everything is one group. They stay.
            columns: Further columns of the result and their aggregates.
            geometry: Aggregate for the geometry, its results valid; None: the result has none.

        Returns:
            Mark: how many rows went into the group.
        """
        if self._open.geometry_hidden_by:
            self.geometry_once()
        not_dropped, table = self.not_dropped, self._end_stage()
        self._open = Statement(table, self._open.columns, geometry, {ROW: f"min({ROW})"})
        self._passthrough = {}
        keys = [column for name in by if (column := self.relation.column(name)) is not None]
        self.set_columns(
            [(key, self.member(key.name), key.name) for key in keys]
            + [(column, aggregate, None) for column, aggregate in columns]
        )
        if geometry is None:
            self._forget_geometry()
        self.valid, self.surfaces = True, None
        grouping = f"GROUP BY {', '.join(map(self.dialect.identifier, by))}" if by else "HAVING count(*) > 0"
        self._open.tail = f"\nWHERE {not_dropped}\n{grouping}"
        return self.mark("members", "count(*)")

    def number_within(self, keys: Sequence[str]) -> tuple[str, str]:
        """End the stage; in the next one, each row knows the first row of its key, and how many have it.

        Rows without a key are gone. It spills, as window functions do not.

        Returns:
            Marks: number of the key's first row, and how many rows have the key.
        """
        names = [self.member(name) for name in keys]
        table = self._end_stage()
        self._open = Statement(table, self._named(self._open.columns), None, self._named([ROW]))
        self._forget_geometry()
        self._passthrough = {}
        own = [self.own(f"key_{number}") for number in range(len(names))]
        selected = ", ".join(f"{name} AS {mine}" for name, mine in zip(names, own, strict=True))
        numbers = f"min({ROW}) AS {self.own('least')}, count(*) AS {self.own('number')}"
        alike = " AND ".join(f"{name} = {mine}" for name, mine in zip(names, own, strict=True))
        groups = f"SELECT {selected}, {numbers} FROM {table} GROUP BY {', '.join(names)}"
        self._open.tail = f"\nINNER JOIN ({groups}) AS groups ON {alike}"
        return self.mark("first", self.own("least")), self.mark("same", self.own("number"))

    def first_of_each(self, keys: Sequence[str]) -> str:
        """End the stage; in the next one, each row knows whether it is the first of its key, where missing values are equal.

        Returns:
            Mark: whether it is. The caller settles it.
        """
        if self._open.geometry_hidden_by:
            self.geometry_once()
        for name in self._open.columns:
            self._note_read(name)
        names, last, not_dropped = [*map(self.member, keys)], self._open, self.not_dropped
        table = self._end_stage()
        geometry = GEOMETRY if last.geometry is not None else None
        self._open = Statement(table, self._named(last.columns), geometry, self._named(last.marks))
        self._passthrough = {}
        first = f"SELECT min({ROW}) AS {self.own('least')} FROM {table} WHERE {not_dropped} GROUP BY {', '.join(names)}"
        self._open.tail = f"\nLEFT JOIN ({first}) AS firsts ON {ROW} = {self.own('least')}\nWHERE {not_dropped}"
        return self.mark("first", f"{self.own('least')} IS NOT NULL")

    # Named inputs

    def input(self, name: str) -> Relation:
        """What is known of a named input.

        Raises:
            Rejected: when the batch has none of this name.
        """
        if name not in self._inputs:
            raise self.rejection(
                "missing_input", f"The batch has no input named {name!r}.",
                f'Write "name": "{name}" for one of its \'files\' or \'inputs\', or use ingest --input {name}=FILE.',
            )  # fmt: skip
        return self._inputs[name]

    def begin_input(self, name: str, columns: Iterable[str], *, geometry: bool) -> "Query":
        """The rows of a named input on their way into a table of their own, made once before the first row is read.

        Args:
            name: Of the input.
            columns: Those that it is to have.
            geometry: Whether it is to have its geometry.
        """
        known = self.input(name)
        kept = [column for each in dict.fromkeys(columns) if (column := known.column(each)) is not None]
        without = {} if geometry else {"geometry": False, "crs": None}
        relation = known.model_copy(update={"columns": tuple(kept), **without})
        table = input_table(name)
        query = Query(relation, self.dialect, self._look_up, source=table, target=f"{table}_{len(self._preparations) + 1}")
        query.begin(self._step, self._slot.partition("#")[0], 1)
        query.where = f"{self.where}, input {name!r}"
        return query

    def use_input(self, name: str, query: "Query", indexed: Sequence[str]) -> str:
        """The table of a named input that was begun last, as the steps so far leave it.

        Args:
            name: Of the input.
            query: What ``begin_input`` gave.
            indexed: Columns by which its rows are looked for.
        """
        table = query._target  # noqa: SLF001 - another of this class
        self._preparations.append(Preparation(name, query.plan(), table, tuple(indexed)))
        return table

    def attach(self, join: Callable[[str], str]) -> None:
        """Settle, and let a join follow the FROM of the open SELECT, whose columns can be named until it is settled.

        Args:
            join: Makes it, given the name by which the rows are known in it.
        """
        self.settle()
        self._open.tail = f"\n{join(self._open.chain[-1][0])}"

    def own(self, name: str) -> str:
        """The name of a column of the current step's own."""
        return f"{RESERVED_PREFIX}{self._step}_{name}"

    def _end_stage(self) -> str:
        """Close the stage. Returns the name of its table."""
        table = f"{'' if self._target == TARGET else f'{self._target}_'}stage_{len(self._stages) + 1}"
        self._close(table)
        return table

    def _forget_geometry(self) -> None:
        self._open.geometry = None
        self.relation = self.relation.model_copy(update={"geometry": False, "crs": None, "crs_assumed": False})

    def settle(self) -> None:
        """Close the open SELECT; from here on its columns are known by name."""
        last = self._open
        taken = sum(name.startswith(self._label) for name, _ in last.chain)
        name = f"{self._label}_{taken + 1}" if taken else self._label
        last.chain.append((name, self._select(self.dialect.fence)))
        last.columns, last.marks, last.scratch, last.tail = self._named(last.columns), self._named(last.marks), {}, ""
        last.geometry = GEOMETRY if last.geometry is not None else None

    # What is reported about the rows

    def count(self, slot: str, predicate: str, *, amount: str = "1", prefilter: str | None = None) -> None:
        """Count the rows for which a predicate on marks holds, or add up an amount of them.

        Counted are rows as they are here, even when a later step takes them apart.
        """
        self._open.counts.append((slot, predicate, amount, prefilter, len(self._open.order)))

    def warn(self, mark: str, code: str, message: str, remedy: str, *, explains: bool = False) -> None:
        """Report the rows for which a mark holds as a warning. The batch is not rejected.

        Args:
            mark: It.
            code: Code of the warning.
            message: Following the words "the feature".
            remedy: What to do about it.
            explains: Whether it is also told where the batch is rejected: as what may be behind it.
        """
        check = Check(mark, code, self.where, message, remedy, fatal="never", explains=explains)
        self._open.checks.append((check, len(self._open.order)))

    def limit(self, mark: str, code: str, message: str, remedy: str, tolerance: Tolerance) -> None:
        """Reject the batch when a mark holds for more rows than is tolerated. They are not bad by themselves."""
        self._open.checks.append((Check(mark, code, self.where, message, remedy, tolerance=tolerance), len(self._open.order)))

    def policy(self, bad: Bad | None) -> Literal["reject", "set_aside", "null"]:
        """What becomes of rows that are bad in some way; None: no policy is for them."""
        return self._bad_rows.policy(bad) if bad is not None and self._policies_hold else "reject"

    def refuse(
        self, failing: str, code: str, message: str, remedy: str, *, bad: Bad | None = None, hide_geometry: bool = False
    ) -> None:
        """Reject the batch when a mark (never NULL) holds for any row. A row is reported by the first step that refuses it.

        Where a policy says so, such rows are set aside instead, or have no geometry from here on.

        Args:
            failing: The mark.
            code: Code of the problem.
            message: Following the words "the feature".
            remedy: What to do about it.
            bad: What of the row is bad; None where no policy is for it.
            hide_geometry: Whether the steps that follow would fail on the row's geometry, or make nonsense of it. They get NULL.
        """
        match self.policy(bad):
            case "set_aside":
                self._set_aside([Check(failing, code, self.where, message, remedy)], hide_geometry=hide_geometry)
            case "null" if bad == "geometry":
                self._without_geometry(Check(failing, code, self.where, message, remedy))
            case _:
                if hide_geometry:
                    self._open.geometry_hidden_by.append(failing)
                self._refuse({failing: message}, failing, code, remedy, bad)

    def refuse_any(self, mark: str, code: str, messages: Sequence[str], remedy: str, *, bad: Bad | None = None) -> None:
        """The same for a mark that says which of several messages a row deserves, counted from 1; 0: none.

        There may be thousands, so that none names those before it.
        """
        which = {f"{mark} = {number}": message for number, message in enumerate(messages, start=1)}
        if self.policy(bad) == "set_aside":
            self._set_aside([Check(each, code, self.where, message, remedy) for each, message in which.items()])
            return
        self._refuse(which, f"({mark} > 0)", code, remedy, bad)

    def _refuse(self, which: Mapping[str, str], failing: str, code: str, remedy: str, bad: Bad | None) -> None:
        remedy = remedy + way_in(bad) if bad is not None and self._policies_hold else remedy
        before = "".join(f" AND NOT {mark}" for mark in self._open.refused)
        checks = (Check(each + before, code, self.where, message, remedy) for each, message in which.items())
        self._open.checks += [(check, len(self._open.order)) for check in checks]
        self._open.refused.append(failing)

    @property
    def _policies_hold(self) -> bool:
        return not self._stages and len(self._open.order) == 1

    def _set_aside(self, checks: Sequence[Check], *, hide_geometry: bool = False) -> None:
        # Their geometry stays, unless it does harm: to hide it takes a look at all rows, and nobody counts what is done to it.
        if any(map(self._is_pending, self._open.marks)):
            self.settle()
        self._open.marks[DROP] = self._bad_rows.drop(checks, may_be_dropped=DROP in self._open.marks)
        if hide_geometry:
            self._open.geometry_hidden_by += [check.failing for check in checks]

    def _without_geometry(self, check: Check) -> None:
        """Let the rows that fail a check go on without a geometry; count them, and say so."""
        self._open.geometry_hidden_by.append(check.failing)
        self._open.nulled = True
        self.count("counts.bad_geometry_to_null", check.failing, prefilter=check.prefilter)
        told = replace(check, message=f"{check.message}; it has no geometry now, as 'on_bad_geometry' says", fatal="never")
        self._open.checks.append((told, len(self._open.order)))

    def judge(self, checks: Sequence[Check]) -> None:
        """Count the rows that fail checks of quality rules, each for itself. For those that are only told, they are set aside."""
        self._open.checks += [(check, len(self._open.order)) for check in checks]
        if aside := [check for check in checks if check.fatal == "told"]:
            self._set_aside(aside)

    @property
    def may_set_aside(self) -> bool:
        """Whether a row is still a feature of the source here, which can be given back as it came."""
        return self._policies_hold

    def rejection(self, code: str, message: str, remedy: str) -> Rejected:
        """A rejection of the current step for a single reason."""
        return Rejected([self.problem(code, message, remedy)])

    def problem(self, code: str, message: str, remedy: str) -> Problem:
        """A problem of the current step."""
        return Problem(code=code, where=self.where, message=message, remedy=remedy)

    def plan(self) -> Plan:
        """Everything so far, as a plan."""
        self.check_coordinates(strict=False)
        if self._open.stale or self._open.nulled:
            self.geometry_once()
        self._close(self._target)
        row_filter = self.not_dropped if DROP in self._open.marks else None
        renamed = {origin: name for name, origin in self._origins.items() if origin != name}
        read = frozenset(self._read)
        return Plan(
            tuple(self._stages), self.relation, row_filter, self._open.order, read, self._passthrough, self._origins, renamed,
            self._constants, tuple(self._bad_rows.reasons), tuple(self._preparations),
        )  # fmt: skip

    def check_coordinates(self, *, strict: bool = True, wraps: bool = False) -> None:
        """Check once whether coordinates can lie in their CRS: before the first step that reads the geometry, else at the end.

        Args:
            strict: Whether steps compute with the geometry. Where none does, it is kept as it is, and only warnings are reported.
            wraps: Whether the step that reads it takes longitudes beyond ±180 degrees for what they mean, as a reprojection does.
        """
        if self._coordinates_checked or self._open.geometry is None or self.relation.crs is None:
            return
        self._coordinates_checked = True
        crs = self.crs()
        if crs.unit is None:
            return
        coordinate_check = coordinates.CoordinateCheck(
            crs, assumed=self.relation.crs_assumed, wraps=wraps, dialect=self.dialect, geometry=self.geometry()
        )
        mark = f"{RESERVED_PREFIX}position"
        self._open.marks[mark] = coordinate_check.mark
        self.settle()
        suspicious, policy = f"{mark} <> {coordinates.FINE}", self.policy("geometry")
        absent, impossible = [coordinates.ABSENT], list[Check]()
        for finding in coordinate_check.findings:
            failing, fatal = f"{mark} = {finding.mark}", finding.fatal if strict else "never"
            check = Check(failing, finding.code, "", finding.message, finding.remedy, fatal, finding.only_if_all_fail, suspicious)
            if fatal == "any" and policy != "reject":
                absent.append(finding.mark)  # all the others are judged as if it had not been there
                impossible.append(check)
                continue
            if fatal == "any":
                self._open.geometry_hidden_by.append(failing)
                check = replace(check, remedy=check.remedy + way_in("geometry") if self._policies_hold else check.remedy)
            self._open.checks.append((check, len(self._open.order)))
        are = f"IN ({', '.join(map(str, absent))})" if impossible else f"= {coordinates.ABSENT}"
        self.count(ABSENT, f"{mark} {are}", prefilter=suspicious)
        if policy == "set_aside" and impossible:
            self._set_aside(impossible, hide_geometry=True)
        elif policy == "null":
            for check in impossible:
                self._without_geometry(check)

    def _close(self, target: str) -> None:
        last, select = self._open, self._select(self.dialect.fence)
        if last.chain and not self.dialect.nests:
            # Not indented: a name or a text may hold a line break.
            chain = ",\n".join(f"{name} AS (\n{text}\n)" for name, text in last.chain)
            select = f"WITH {chain}\n{select}"

        def first(order: int) -> str:  # of a row's later parts, count the first
            return "".join(f" AND {part} = 0" for part in last.order[order:])

        # What steps did to rows that are not in the result is not told. Of all rows together, they are.
        there = f" AND coalesce({DROP}, 0) >= 0" if self._bad_rows.reasons and not self._stages else ""
        counters = tuple(
            Counter(slot, f"{_both(which, '' if slot == ABSENT else there)}{first(order)}", amount, prefilter)
            for slot, which, amount, prefilter, order in last.counts
        )
        checks = tuple(
            replace(check, failing=f"{_both(check.failing, there if _is_of_rows(check) else '')}{first(order)}")
            for check, order in last.checks
        )
        self._stages.append(Stage(select, last.source, target, counters, checks))

    def _note_read(self, name: str) -> None:
        if name in self._origins:
            self._read.add(self._origins[name])

    def _is_pending(self, mark: str) -> bool:
        return self._open.marks.get(mark, self.dialect.identifier(mark)) != self.dialect.identifier(mark)

    def _named(self, names: Iterable[str]) -> dict[str, str]:
        return {name: self.dialect.identifier(name) for name in names}

    def _select(self, *further: str) -> str:
        last, quoted = self._open, self.dialect.identifier
        there = {name: value for name, value in last.columns.items() if self._passthrough.get(name) not in self._not_loaded}
        items = [*last.marks.items(), *there.items()]
        if last.geometry is not None:
            items.append((GEOMETRY, last.geometry))
        items += last.scratch.items()
        columns = [
            quoted(name) if expression in {name, quoted(name)} else f"{expression} AS {quoted(name)}"
            for name, expression in items
        ]
        source = last.source
        if last.chain:
            name, text = last.chain[-1]
            source = f"(\n{text}\n) AS {name}" if self.dialect.nests else name
        return f"SELECT {', '.join(filter(None, (*columns, *further)))}\nFROM {source}{last.tail}"


def _is_of_rows(check: Check) -> bool:
    return check.fatal == "never" and not check.only_if_all_fail and check.rule is None


def _both(predicate: str, further: str) -> str:
    return f"({predicate}){further}" if further else predicate


def input_table(name: str) -> str:
    """The table with the rows of a named input, as they were read."""
    return f"input_{name}"
