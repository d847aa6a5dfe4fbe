"""Values that a recipe compares columns with: checked against the column's type, and written in SQL."""

import re
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from math import isfinite
from typing import TypeVar

from libs.transformations.dialect import Dialect
from libs.transformations.relation import Column
from libs.transformations.types import Family, family

Scalar = str | bool | int | float
Parsed = Scalar | date | time | datetime
Moment = TypeVar("Moment", time, datetime)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as the columns, it has no time zone


def check_literal(value: Scalar, column: Column) -> None:
    """Check that a value can be compared with a column.

    Raises:
        ValueError: saying what to give instead.
    """
    _parsed(value, family(column))


def literal(value: Scalar, column: Column, dialect: Dialect) -> str:
    """A value in SQL, to be compared with a column that it fits; with its number of nanoseconds if it has that resolution.

    Decimal columns are compared by :mod:`libs.transformations.decimals`.
    """
    type_family = family(column)
    parsed = _parsed(value, type_family)
    match parsed:
        case bool():
            return "TRUE" if parsed else "FALSE"
        case str():
            return dialect.text(parsed)
        case datetime():
            zone = " WITH TIME ZONE" if parsed.tzinfo is not None else ""
            return f"TIMESTAMP{zone} '{parsed.isoformat(sep=' ')}'"
        case date() | time():
            return f"{type(parsed).__name__.upper()} '{parsed.isoformat()}'"
    if type_family is Family.FLOAT:
        # 0.1 in 32 bits equals 0.1 only if that has 32 bits, too.
        short = column.type == "float" and _has_32_bits(parsed)
        return dialect.cast(dialect.text(repr(float(parsed))), "float" if short else "double")
    return str(parsed)


def _has_32_bits(value: float) -> bool:
    """Whether there is a number of 32 bits next to a value, other than infinity, and than zero unless it is zero."""
    try:
        (nearest,) = struct.unpack("<f", struct.pack("<f", value))
    except OverflowError:
        return False
    return bool(nearest) or not value


def _parsed(value: Scalar, type_family: Family) -> Parsed:
    types, parse, example = _LITERALS[type_family]
    if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
        raise ValueError(f"give {example}")
    try:
        return parse(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{error}; give {example}") from error


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("it has a NUL character")
    return value


def _integer(value: float) -> int:
    if not isfinite(value) or value != int(value) or not -(2**63) <= value < 2**64:
        raise ValueError("it is no whole number of 64 bits")
    return int(value)


def _number(value: float) -> float:
    if not isfinite(value):
        raise ValueError("it is not finite")
    return value


def _time(value: str) -> time:
    _further(value, 0)
    return _without_zone(time.fromisoformat(value))


def _timestamp(value: str) -> datetime:
    _further(value, 0)
    return _without_zone(datetime.fromisoformat(value))


def _fine_time(value: str) -> int:
    moment = datetime.combine(_EPOCH, _without_zone(time.fromisoformat(value)))
    return _nanoseconds(moment, value)


def _fine_timestamp(value: str) -> int:
    return _nanoseconds(_without_zone(datetime.fromisoformat(value)), value)


def _nanoseconds(moment: datetime, text: str) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000 + _further(text, 3)


def _further(text: str, most: int) -> int:
    """The digits of the second after its microseconds, which Python leaves out in silence."""
    found = re.search("[.,][0-9]{6}([0-9]*)", text)
    digits = found[1].rstrip("0") if found else ""
    if len(digits) > most:
        raise ValueError(f"the column has no more than {6 + most} digits of a second")
    return int(digits.ljust(most, "0") or 0)


def _timestamp_utc(value: str) -> datetime:
    _further(value, 0)
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("it says no time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("in UTC it lies before the year 1 or after 9999") from error


def _without_zone(moment: Moment) -> Moment:
    if moment.tzinfo is not None:
        raise ValueError("it has a time zone, and the column has none")
    return moment


_LITERALS: dict[Family, tuple[type | tuple[type, ...], Callable[..., Parsed], str]] = {
    Family.TEXT: (str, _text, "a text"),
    Family.BOOLEAN: (bool, bool, "true or false"),
    Family.INTEGER: ((int, float), _integer, "a whole number"),
    Family.FLOAT: ((int, float), _number, "a number"),
    Family.DECIMAL: ((int, float), _number, "a number"),
    Family.DATE: (str, date.fromisoformat, "a date such as '2024-01-31'"),
    Family.TIME: (str, _time, "a time such as '12:30:00'"),
    Family.TIMESTAMP: (str, _timestamp, "a timestamp such as '2024-01-31T12:30:00'"),
    Family.FINE_TIME: (str, _fine_time, "a time such as '12:30:00.000000001'"),
    Family.FINE_TIMESTAMP: (str, _fine_timestamp, "a timestamp such as '2024-01-31T12:30:00.000000001'"),
    Family.TIMESTAMP_UTC: (str, _timestamp_utc, "a timestamp such as '2024-01-31T12:30:00Z'"),
}
"""For each family what a value may be in JSON, how it is read, and an example."""
