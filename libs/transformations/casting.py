"""Converting values without changing them: the result is NULL where there is no exact counterpart.

Written so that both engines give the same results: whatever they do on their own with doubtful text (DuckDB reads '1.5' as the
integer 2 and '2023-02-28x' as a date, PostgreSQL fails) is kept from them by patterns and ranges.
"""

from typing import Literal

from libs.transformations.dialect import NANOSECONDS_A_DAY, Dialect
from libs.transformations.types import Family

CastTarget = Literal["int32", "int64", "double", "string", "bool", "date", "timestamp", "timestamp_utc"]

TARGETS: dict[CastTarget, str] = {
    "int32": "int32", "int64": "int64", "double": "double", "string": "string", "bool": "bool",
    "date": "date32[day]", "timestamp": "timestamp[us]", "timestamp_utc": "timestamp[us, tz=UTC]",
}  # fmt: skip
"""Arrow type of each target."""

_LARGEST_EXACT = 2**53
"""Up to here every whole number is a double."""

_BITS = {"int32": 31, "int64": 63}
_DATE = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
_ZONE = r"(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)"
_MOMENTS = {"date": _DATE, "timestamp": f"{_DATE}[T ]{_TIME}", "timestamp_utc": f"{_DATE}[T ]{_TIME}{_ZONE}"}
_NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"


def exactly(value: str, source: Family, target: CastTarget, dialect: Dialect) -> str | None:
    """A value as another type.

    Args:
        value: A column.
        source: Of its type.
        target: Wanted.
        dialect: Spelling.

    Returns:
        Expression, NULL where the value has no exact counterpart (a number as text: no nearest one); None when the types have
        nothing to do with each other.
    """
    match source:
        case Family.TEXT:
            result = _from_text(value, target, dialect)
        case Family.INTEGER:
            result = _from_whole(value, target, dialect)
        case Family.FLOAT:
            result = _from_float(value, target, dialect)
        case Family.BOOLEAN:
            result = _from_boolean(value, target, dialect)
        case Family.DECIMAL:
            result = dialect.cast(value, target) if target == "string" else None
        case Family.DATE | Family.TIME | Family.TIMESTAMP | Family.TIMESTAMP_UTC:
            result = _from_time(value, source, target, dialect)
        case Family.FINE_TIME | Family.FINE_TIMESTAMP:
            result = _from_nanoseconds(value, source, target, dialect)
        case Family.OPAQUE:
            result = None
    return result


def _from_text(value: str, target: CastTarget, dialect: Dialect) -> str | None:
    text = dialect.trimmed(value)
    result = dialect.cast(text, target)
    match target:
        case "string":
            return value
        case "int32" | "int64":
            return _when(result, dialect.matches(text, "[+-]?[0-9]{1,19}"), _in_range(dialect.cast(text, "decimal"), target))
        case "double":
            return dialect.text_to_double(text, _NUMBER)
        case "bool":
            yes, no = "'true', 't', 'yes', 'y', '1'", "'false', 'f', 'no', 'n', '0'"
            word = dialect.lower_case(text)
            return f"CASE WHEN {word} IN ({yes}) THEN TRUE WHEN {word} IN ({no}) THEN FALSE END"
        case "timestamp_utc":
            result = dialect.cast(dialect.with_seconds(text), target)
            return _when(result, dialect.matches(text, _MOMENTS[target]), _day_exists(text, dialect))
        case "date" | "timestamp":
            return _when(result, dialect.matches(text, _MOMENTS[target]), _day_exists(text, dialect))


def _from_whole(value: str, target: CastTarget, dialect: Dialect) -> str | None:
    result = dialect.cast(value, target)
    match target:
        case "string":
            return result
        case "int32" | "int64":
            return _when(result, _in_range(value, target))
        case "double":
            return _when(result, f"{value} BETWEEN -{_LARGEST_EXACT} AND {_LARGEST_EXACT}")
        case "bool":
            return f"CASE {value} WHEN 1 THEN TRUE WHEN 0 THEN FALSE END"
        case _:
            return None


def _from_float(value: str, target: CastTarget, dialect: Dialect) -> str | None:
    result = dialect.cast(value, target)
    match target:
        case "string":
            return _number_as_text(value, dialect)
        case "int32" | "int64":
            limit = repr(2.0 ** _BITS[target])
            return _when(result, f"{value} >= -{limit} AND {value} < {limit}", f"{value} = {dialect.truncated(value)}")
        case "double":
            return result
        case _:
            return None


def _from_boolean(value: str, target: CastTarget, dialect: Dialect) -> str | None:
    match target:
        case "string":
            return dialect.cast(value, target)
        case "int32" | "int64":
            return f"CASE WHEN {value} THEN {dialect.cast('1', target)} WHEN NOT {value} THEN {dialect.cast('0', target)} END"
        case _:
            return None


def _from_time(value: str, source: Family, target: CastTarget, dialect: Dialect) -> str | None:
    result = dialect.cast(value, target)
    match source, target:
        case Family.TIMESTAMP_UTC, "string":
            return f"{dialect.cast(dialect.in_utc(value), target)} || 'Z'"
        case _, "string":
            return result
        case Family.TIMESTAMP, "date":
            return _when(result, f"{value} = {dialect.cast(result, 'timestamp')}")
        case (Family.DATE | Family.TIMESTAMP, "timestamp") | (Family.TIMESTAMP_UTC, "timestamp_utc"):
            return result
        case _:
            return None


def _from_nanoseconds(value: str, source: Family, target: CastTarget, dialect: Dialect) -> str | None:
    count = dialect.nanoseconds(value)
    match source, target:
        case Family.FINE_TIMESTAMP, "date" | "timestamp":
            unit = 1000 if target == "timestamp" else NANOSECONDS_A_DAY
            return _when(dialect.cast(dialect.to_microseconds(value), target), f"{count} % {unit} = 0")
        case _, "string":
            return dialect.nanoseconds_as_text(value, of_day=source is Family.FINE_TIME)
        case _:
            return None


def _when(result: str, *conditions: str) -> str:
    """The result where all conditions hold, each judged only where those before it do."""
    for condition in reversed(conditions):
        result = f"CASE WHEN {condition} THEN {result} END"
    return result


def _number_as_text(value: str, dialect: Dialect) -> str:
    """The shortest digits that give the same number, without '.0'; engines differ in that, and in the names of infinity."""
    whole = f"{value} = {dialect.truncated(value)} AND {dialect.absolute(value)} < {2.0 ** _BITS['int64']!r}"
    digits = dialect.cast(dialect.cast(value, "int64"), "string")
    names = "".join(
        f" WHEN {value} = {dialect.cast(literal, 'double')} THEN {literal}" for literal in ("'NaN'", "'Infinity'", "'-Infinity'")
    )
    return f"CASE WHEN {whole} THEN {digits}{names} ELSE {dialect.cast(value, 'string')} END"


def _in_range(number: str, target: CastTarget) -> str:
    limit = 2 ** _BITS[target]
    return f"{number} BETWEEN -{limit} AND {limit - 1}"


def _day_exists(text: str, dialect: Dialect) -> str:
    """Whether the month of a text that begins with YYYY-MM-DD has that day, and its year is a year."""
    parts = (dialect.part_of_text(text, start, length) for start, length in ((1, 4), (6, 2), (9, 2)))
    year, month, day = (dialect.cast(part, "int32") for part in parts)
    leap = f"({year} % 4 = 0 AND {year} % 100 <> 0 OR {year} % 400 = 0)"
    days = f"CASE WHEN {month} IN (4, 6, 9, 11) THEN 30 WHEN {month} <> 2 THEN 31 WHEN {leap} THEN 29 ELSE 28 END"
    return f"{year} > 0 AND {day} <= {days}"
