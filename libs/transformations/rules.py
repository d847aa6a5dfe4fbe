"""Quality rules of single features: judged in the recipe's own query, behind its last step, so that rows are read once."""

from collections.abc import Iterator, Sequence
from typing import Literal

from libs.models import BBox, Problem, Rejected
from libs.models.quality import (
    GeometrySimple,
    GeometryType,
    GeometryValid,
    HasGeometry,
    InRange,
    InSet,
    Matches,
    NotNull,
    QualityRule,
    Within,
)
from libs.transformations.area import Area
from libs.transformations.conditions import Comparison
from libs.transformations.crs import DEFAULT_CRS, same_crs
from libs.transformations.patterns import Pattern
from libs.transformations.plan import Check
from libs.transformations.query import Query
from libs.transformations.relation import Column
from libs.transformations.types import Family, family

CODE = "rule_failed"
_FATAL: dict[str, Literal["any", "never", "told"]] = {"reject": "any", "warn": "never", "set_aside": "told"}


def apply_rules(query: Query, rules: Sequence[QualityRule], number: int) -> None:
    """Judge the rows of a recipe's result. Each rule judges all rows that the steps leave, whatever the others say of them.

    Args:
        query: Behind the last step.
        rules: All of the dataset; those of the dataset as a whole are passed over.
        number: Of the steps, and one.

    Raises:
        Rejected: with each rule that does not fit the columns, or the recipe.
    """
    judged = [(place, rule) for place, rule in enumerate(rules) if rule.of_rows]
    if not judged:
        return
    query.begin(number, "rules", 1)
    if problems := [problem for _, rule in judged for problem in _problems(rule, query)]:
        raise Rejected(problems)
    columns = {column.name: column for column in query.relation.columns}
    if query.relation.geometry:
        query.check_coordinates(strict=False)
        if any(not rule.columns_named for _, rule in judged):
            query.geometry()  # settles it, and the columns below settle what they need, before any is written down
    for _, rule in judged:
        for name in rule.columns_named:
            query.column(name)
    there = query.not_dropped
    checks: list[Check] = []
    for place, rule in judged:
        failing, message = _failing(rule, columns, query)
        mark = query.mark(f"rule_{place}", f"({there} AND {failing})")
        aside = "" if rule.severity == "set_aside" or not query.may_set_aside else " Or give the rule the severity 'set_aside'."
        checks.append(
            Check(
                mark, CODE, f"rule {rule.label}", message, f"Correct it in its source, or the rule.{aside}",
                _FATAL[rule.severity], rule=place,
            )
        )  # fmt: skip
    query.settle()
    query.judge(checks)


def _problems(rule: QualityRule, query: Query) -> Iterator[Problem]:
    """Everything in a rule that does not fit what it is to judge."""
    query.where = f"rule {rule.label}"
    columns = {column.name: column for column in query.relation.columns}
    known = f"The columns here: {', '.join(f'{each.name} ({each.type})' for each in columns.values()) or 'none'}."
    if rule.severity == "set_aside" and not query.may_set_aside:
        yield query.problem(
            "bad_rule",
            "It cannot set features aside: the recipe unites features, or takes them apart, so that none is as it came.",
            'Write "severity": "reject" or "warn" for it.',
        )
    match rule:
        case NotNull() if rule.column not in columns:
            yield query.problem("bad_rule", f"There is no column {rule.column!r}.", known)
        case InRange() | InSet():
            for text in dict.fromkeys(text for each in _comparisons(rule) for text in each.problems(columns)):
                yield query.problem("bad_rule", _sentence(text), known)
        case Matches():
            for text in Comparison(column=rule.column, op="contains", value="").problems(columns):
                yield query.problem("bad_rule", _sentence(text.replace("'contains'", "'matches'")), known)
            try:
                Pattern(rule.pattern)
            except ValueError as error:
                yield query.problem(
                    "bad_rule", f"Its pattern cannot be used: {error}.", "Correct it: \\ before a sign takes it as it is."
                )
    if not rule.columns_named and not query.relation.geometry:
        message = "It is about the geometry, and this is a table without one."
        yield query.problem("bad_rule", message, "Give it to the files that have a geometry.")
    elif isinstance(rule, Within):
        yield from _area_problems(rule, query)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _area_problems(rule: Within, query: Query) -> Iterator[Problem]:
    here = _is_here(rule, query)
    try:
        if not here:
            _area(rule)
    except ValueError as error:
        yield query.problem("bad_rule", f"Its area cannot be used: {error}.", "Give a 'bbox', or an 'area' as WKT.")
    if not here and not query.valid:
        yield query.problem(
            "bad_rule",
            "It needs valid geometry, and the recipe does not make sure of that.",
            "Give a 'bbox' in the CRS of the result, or use an intent that repairs, such as 'keep_crs'.",
        )


def _area(rule: Within) -> Area:
    return Area.parse(rule.area or "") if rule.bbox is None else Area.of_bbox(rule.bbox)


def _is_here(rule: Within, query: Query) -> bool:
    """Whether it is a bounding box in the CRS of the rows: then extents are compared, and nothing is computed."""
    return rule.bbox is not None and (rule.crs is None or same_crs(query.crs(rule.crs).name, query.crs().name))


def _failing(rule: QualityRule, columns: dict[str, Column], query: Query) -> tuple[str, str]:
    """A predicate, never NULL, that is true for a row that breaks a rule; and what is wrong then."""
    return _of_value(rule, columns, query) if rule.columns_named else _of_geometry(rule, query)


def _of_value(rule: QualityRule, columns: dict[str, Column], query: Query) -> tuple[str, str]:
    dialect = query.dialect
    match rule:
        case NotNull():
            return f"{query.column(rule.column)} IS NULL", f"has no value of {rule.column!r}"
        case InRange() | InSet():
            name = query.column(rule.column)
            readable = {rule.column: (columns[rule.column], name)}
            holds = " AND ".join(each.sql(readable, dialect) for each in _comparisons(rule))
            if isinstance(rule, InRange) and rule.max is None and family(columns[rule.column]) is Family.FLOAT:
                holds += f" AND {name} <= {dialect.infinity}"  # else what is not a number would be the largest of all
            return f"{name} IS NOT NULL AND NOT ({holds})", f"has a value of {rule.column!r} that {_wanted(rule)}"
        case Matches():
            name = query.column(rule.column)
            fits = dialect.matches(name, Pattern(rule.pattern).sql)
            return f"NOT coalesce({fits}, true)", f"has a text in {rule.column!r} that does not fit {rule.pattern}"
    raise LookupError(f"no rule of a column: {rule.rule}")


def _of_geometry(rule: QualityRule, query: Query) -> tuple[str, str]:
    dialect, geometry = query.dialect, query.geometry()
    match rule:
        case HasGeometry():
            return f"coalesce({dialect.is_empty(geometry)}, true)", "has no geometry, or an empty one"
        case GeometryValid():
            return _invalid(geometry, query), "has a geometry that is not valid"
        case GeometrySimple():
            return f"NOT coalesce({dialect.is_simple(geometry)}, true)", "has a geometry that crosses or touches itself"
        case GeometryType():
            names = ", ".join(dialect.text(each.upper()) for each in rule.types)
            wanted = " or ".join(rule.types)
            return f"NOT coalesce({dialect.type_name(geometry)} IN ({names}), true)", f"has a geometry that is no {wanted}"
        case Within():
            return _outside(rule, geometry, query), "does not lie in the area"
    raise LookupError(f"no rule of a geometry: {rule.rule}")


def _comparisons(rule: InRange | InSet) -> list[Comparison]:
    if isinstance(rule, InSet):
        return [Comparison(column=rule.column, op="in", value=rule.values)]
    ends = (("ge", rule.min), ("le", rule.max))
    return [Comparison(column=rule.column, op=op, value=value) for op, value in ends if value is not None]


def _wanted(rule: InRange | InSet) -> str:
    if isinstance(rule, InSet):
        return "is not in the list"
    if rule.min is None or rule.max is None:
        return f"is less than {rule.min}" if rule.max is None else f"is more than {rule.max}"
    return f"is not between {rule.min} and {rule.max}"


def _outside(rule: Within, geometry: str, query: Query) -> str:
    dialect = query.dialect
    if rule.bbox is not None and _is_here(rule, query):
        return _beyond(rule.bbox, geometry, query)
    area = _area(rule)
    source, target = query.crs(rule.crs or DEFAULT_CRS).name, query.crs().name
    if same_crs(source, target):
        literal = dialect.from_wkt(area.wkt)
    else:
        literal = dialect.transform(dialect.from_wkt(area.densified().wkt), source, target)
    flat = dialect.without_heights(geometry)
    if query.surfaces:  # the shadow of a surface in space says where it lies
        flat = f"CASE WHEN {query.surfaces} THEN {dialect.make_valid(flat)} ELSE {flat} END"
    return f"NOT coalesce({dialect.covers(dialect.make_valid(literal), flat)} OR {dialect.is_empty(geometry)}, true)"


def _invalid(geometry: str, query: Query) -> str:
    failing = f"NOT coalesce({query.dialect.is_valid(geometry)}, true)"
    if not query.valid:
        return failing
    return f"CASE WHEN {query.surfaces} THEN {failing} ELSE false END" if query.surfaces else "false"


def _beyond(bbox: BBox, geometry: str, query: Query) -> str:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), (">=", ">=", "<=", "<="), bbox, strict=True)
    inside = " AND ".join(f"{query.dialect.bound(geometry, side)} {sign} {value!r}" for side, sign, value in sides)
    # Nearly all lie well inside, which is told at once.
    return f"CASE WHEN {query.dialect.within(geometry, bbox)} THEN false ELSE NOT coalesce({inside}, true) END"
